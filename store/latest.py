"""The latest state: each vehicle's newest value of the signals that are kept; late data never change it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from store import arrays
from store.pool import Connection
from vehicle.day import at_of

READ: Final = """
    select vehicle_id, array_send(signal), array_send(at), array_send(value)
    from latest where vehicle_id = any(%(vehicle_id)s)
    order by vehicle_id for update
"""
BEGIN: Final = """
    insert into latest (vehicle_id, seen_at, known_at, signal, at, value)
    select v.vehicle_id, v.seen_at, v.known_at, '{}', '{}', '{}'
    from unnest(%(vehicle_id)s, %(seen_at)s, %(known_at)s) as v (vehicle_id, seen_at, known_at)
    on conflict do nothing
"""
"""A row that is not there cannot be locked; this waits for whoever else is about to write the first one."""
WRITE: Final = """
    insert into latest as l (vehicle_id, seen_at, known_at, signal, at, value)
    select v.vehicle_id, v.seen_at, v.known_at,
           (%(signal)s)[v.since : v.until], (%(at)s)[v.since : v.until], (%(value)s)[v.since : v.until]
    from unnest(%(vehicle_id)s, %(seen_at)s, %(known_at)s, %(since)s, %(until)s)
        as v (vehicle_id, seen_at, known_at, since, until)
    on conflict (vehicle_id) do update set
        seen_at = greatest(l.seen_at, excluded.seen_at), known_at = greatest(l.known_at, excluded.known_at),
        signal = excluded.signal, at = excluded.at, value = excluded.value
"""
REPLACE: Final = """
    update latest
    set signal = %(signal)s, at = %(at)s, value = %(value)s, seen_at = greatest(seen_at, %(seen_at)s)
    where vehicle_id = %(vehicle_id)s
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """When vehicles were heard of, one row per vehicle, rising."""

    vehicle_id: NDArray[np.int64]
    seen_us: NDArray[np.int64]
    """Newest event time, microseconds since 1970 UTC."""
    known_us: NDArray[np.int64]
    """Newest arrival."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Values that may be the newest of their vehicle and signal, in long form, in any order."""

    vehicle_id: NDArray[np.int64]
    signal: NDArray[np.int16]
    t_us: NDArray[np.int64]
    value: NDArray[np.float64]


async def merge(conn: Connection, seen: Seen, readings: Readings) -> None:
    """Let newer values replace older ones; of two at the same moment the greater one stays.

    Every vehicle of `readings` must be in `seen`.
    """
    stored, rows_n = await _stored(conn, seen.vehicle_id)
    if rows_n < len(seen.vehicle_id):
        await _begin(conn, seen)
        stored, _ = await _stored(conn, seen.vehicle_id)
    chosen = newest(joined([stored, readings]))
    since = np.searchsorted(chosen.vehicle_id, seen.vehicle_id, side="left")
    until = np.searchsorted(chosen.vehicle_id, seen.vehicle_id, side="right")
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            WRITE,
            {
                "vehicle_id": arrays.int8s(seen.vehicle_id),
                "seen_at": arrays.timestamps(seen.seen_us),
                "known_at": arrays.timestamps(seen.known_us),
                "since": arrays.int4s(since + 1),  # PostgreSQL counts from 1, both ends included
                "until": arrays.int4s(until),
                "signal": arrays.int2s(chosen.signal),
                "at": arrays.timestamps(chosen.t_us),
                "value": arrays.float8s(chosen.value),
            },
        )


async def hold(conn: Connection, vehicle_id: int) -> Readings:
    """What is kept of a vehicle, and nobody else changes it before the transaction ends.

    Ingest waits here with all that it derives from new messages of the vehicle.
    """
    readings, _ = await _stored(conn, np.array([vehicle_id], dtype=np.int64))
    return readings


async def replace(conn: Connection, vehicle_id: int, readings: Sequence[Readings], *, seen_us: int) -> None:
    """Make the newest of these readings all that is kept of a vehicle, of which there is a row.

    `seen_us` is when it was last heard of, if that is later than what is stored.
    """
    chosen = newest(joined(readings))
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            REPLACE,
            {
                "vehicle_id": vehicle_id,
                "signal": arrays.int2s(chosen.signal),
                "at": arrays.timestamps(chosen.t_us),
                "value": arrays.float8s(chosen.value),
                "seen_at": at_of(seen_us),
            },
        )


async def _begin(conn: Connection, seen: Seen) -> None:
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            BEGIN,
            {
                "vehicle_id": arrays.int8s(seen.vehicle_id),
                "seen_at": arrays.timestamps(seen.seen_us),
                "known_at": arrays.timestamps(seen.known_us),
            },
        )


async def _stored(conn: Connection, vehicle_id: NDArray[np.int64]) -> tuple[Readings, int]:
    """What is kept of vehicles, and how many of them have a row; those are locked."""
    async with arrays.cursor(conn) as cur:
        await cur.execute(READ, {"vehicle_id": arrays.int8s(vehicle_id)}, binary=True)
        rows = await cur.fetchall()
    signal, sizes = arrays.read([row[1] for row in rows], ">i2")
    t_us, _ = arrays.read([row[2] for row in rows], ">i8")
    value, _ = arrays.read([row[3] for row in rows], ">f8")
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    return Readings(np.repeat(ids, sizes), signal, t_us + arrays.EPOCH_US, value), len(rows)


def joined(parts: Sequence[Readings]) -> Readings:
    """All of them, at least one, as one table."""
    return Readings(
        vehicle_id=np.concatenate([part.vehicle_id for part in parts]),
        signal=np.concatenate([part.signal for part in parts]),
        t_us=np.concatenate([part.t_us for part in parts]),
        value=np.concatenate([part.value for part in parts]),
    )


def newest(readings: Readings) -> Readings:
    """The newest of each vehicle and signal, sorted by both."""
    order = np.lexsort((readings.value, readings.t_us, readings.signal, readings.vehicle_id))
    vehicle_id, signal = readings.vehicle_id[order], readings.signal[order]
    last = np.ones(len(order), dtype=np.bool_)
    last[:-1] = (vehicle_id[1:] != vehicle_id[:-1]) | (signal[1:] != signal[:-1])
    chosen = order[last]
    return Readings(
        readings.vehicle_id[chosen], readings.signal[chosen], readings.t_us[chosen], readings.value[chosen]
    )
