"""Loads a file of history: looked through, then stored a portion at a time, each row once."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from decoders.codebook import Codebooks
from ingest.lexicon import Lexicon
from odocare import load_file, load_portion
from odocare.load_file import LoadFile, Problem
from odocare.load_portion import Fleet, Portion
from store import days, latest, loads, odometers, segments, signals, touched, vehicles
from store.pool import Connection
from vehicle.day import us_of
from vehicle.dtc_table import DtcTable
from vehicle.errors import ConflictError
from vehicle.signal import Catalogue

PORTION_ROWS: Final = 500_000
"""Of one transaction: some 50 MB while it is under way."""


@dataclass(slots=True)
class Loaded:
    """What became of a file."""

    rows: int
    """In the file."""
    load: int | None = None
    """Number of the load, which segments have in the place of `boot`; None: nothing was stored."""
    was_there: int = 0
    """Rows that an earlier run of this load has stored."""
    values: int = 0
    """Stored by this run."""
    segments: int = 0
    vehicles: int = 0
    no_measurement: int = 0
    out_of_range: int = 0
    positions: int = 0
    """Left out, for the location of their vehicle is off."""
    problems: list[Problem] = field(default_factory=list)


async def load(
    conn: Connection,
    file: LoadFile,
    catalogue: Catalogue,
    *,
    now: datetime,
    dry_run: bool = False,
    advance: Callable[[int], None] = lambda _: None,
    portion_rows: int = PORTION_ROWS,
) -> Loaded:
    """Store a file's values, all or, where one row is wrong, none; what was stored before is passed over.

    Each portion is a transaction of its own: a load that was killed goes on where it was. Raises
    `ConflictError` where another load runs.
    """
    lexicon = Lexicon.of(catalogue, Codebooks({}), DtcTable({}))
    fleet = await vehicles.known(conn, load_file.vins(file))
    fleet = {vin: one for vin, one in fleet.items() if one.registered}
    done = Loaded(file.rows_n, problems=load_file.problems(file, fleet, catalogue, now))
    done.vehicles = len(fleet)
    if done.problems or dry_run:
        return done
    if not await loads.lock(conn):
        raise ConflictError("another load runs: try again when it is done")
    try:
        await signals.sync(conn, catalogue)
        done.load, done.was_there = await loads.begin(conn, file.content, file.rows_n)
        advance(done.was_there)
        places = Fleet.of(list(fleet.values()), lexicon)
        tables = _tables(file, places, lexicon, done.was_there, portion_rows)
        await _store(conn, _portions(tables, places, lexicon, done), done, us_of(now), advance)
    finally:
        await loads.unlock(conn)
    return done


def _tables(
    file: LoadFile, fleet: Fleet, lexicon: Lexicon, since: int, portion_rows: int
) -> Iterator[pl.DataFrame]:
    """The rows behind those that are stored, in portions, in the order of the file."""
    if since >= file.rows_n:
        return iter(())
    rows = load_portion.numbered(file, fleet, lexicon, load_file.conversions(file, lexicon.catalogue))
    return iter(rows.slice(since).collect_batches(chunk_size=portion_rows, maintain_order=True))


def _portions(
    tables: Iterator[pl.DataFrame], fleet: Fleet, lexicon: Lexicon, done: Loaded
) -> Iterator[Portion]:
    seq = done.was_there  # a portion has no more segments than rows
    for table in tables:
        if table.height:
            assert done.load is not None
            yield load_portion.portion(table, fleet, lexicon, done.load, seq)
            seq += table.height


async def _store(
    conn: Connection,
    portions: Iterator[Portion],
    done: Loaded,
    known_us: int,
    advance: Callable[[int], None],
) -> None:
    """Store portion after portion; the next one is made while one is stored."""
    stored_n = done.was_there
    coming = asyncio.create_task(asyncio.to_thread(next, portions, None))
    try:
        while (one := await coming) is not None:
            coming = asyncio.create_task(asyncio.to_thread(next, portions, None))
            stored_n += one.taken
            async with conn.transaction():
                await _store_one(conn, one, known_us)
                assert done.load is not None
                await loads.advance(conn, done.load, stored_n)
            done.values += len(one.rows)
            done.segments += len(one.keys)
            done.no_measurement += one.no_measurement
            done.out_of_range += one.out_of_range
            done.positions += one.positions
            advance(one.taken)
    finally:
        await asyncio.gather(coming, return_exceptions=True)  # a thread cannot be cancelled


async def _store_one(conn: Connection, one: Portion, known_us: int) -> None:
    """In the order in which ingest writes, so that neither waits for the other crosswise."""
    if not len(one.rows):
        return
    known_at = datetime.fromtimestamp(known_us / 1e6).astimezone()
    await segments.append(conn, one.keys, _no_codebooks(len(one.keys)), one.rows)
    await latest.merge(conn, one.seen(known_us), one.readings)
    await days.merge(conn, one.days, known_at=known_at)
    await odometers.merge(conn, one.odometer, known_at=known_at)
    await touched.mark(conn, one.vehicle_id, one.from_day)


def _no_codebooks(n: int) -> list[int | None]:
    return [None] * n
