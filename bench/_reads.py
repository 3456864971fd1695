"""How long readers wait: the state of a large fleet, two years of a vehicle's days, a day of one signal."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from bench import _fleet
from odocare import wiring
from store import fleet_state, segments, series, vehicle_page
from store.messages import MessageKeys
from store.pool import Connection, connect
from vehicle.frame import SignalRows
from vehicle.signal import Catalogue

FLEET: Final = 100_000
_DAYS_OF: Final = 300
_DAYS: Final = 730
_SENDING: Final = 50
_SENT_S: Final = 5_400
"""An hour and a half of driving, with a message a second."""
_AT_ONCE_S: Final = 60
_RUNS: Final = 15
_DAY: Final = date(2026, 9, 1)
_BEGIN: Final = datetime(2026, 9, 1, tzinfo=UTC)

VEHICLES: Final = """
    insert into vehicle (vin, model, registered_at)
    select 'B0DC' || lpad(n::text, 13, '0'), 'Bench', now() from generate_series(1, %(n)s::integer) n
    returning id
"""
STATES: Final = """
    insert into latest (vehicle_id, seen_at, known_at, signal, at, value)
    select v.id, %(at)s, %(at)s, %(signal)s::smallint[],
           array(select %(at)s - k * interval '1 second' from generate_series(1, %(n)s::integer) k),
           array(select v.id + k * 1.5 from generate_series(1, %(n)s::integer) k)
    from vehicle v where v.id = any(%(ids)s)
"""
DAYS: Final = """
    insert into vehicle_day (
        vehicle_id, day, odometer_first_km, odometer_last_km, starts_n, crank_min_v, ambient_min_degc,
        ambient_max_degc, samples_n, known_at
    )
    select v, %(day)s::date - d, 40.0 * (1000 - d), 40.0 * (1001 - d), 2 + d %% 3, 9.5, d %% 30,
        d %% 30 + 8, 5000, now()
    from unnest(%(ids)s::bigint[]) v, generate_series(0, %(days)s::integer - 1) d
"""


@dataclass(frozen=True, slots=True)
class Reads:
    """Medians."""

    fleet_s: float
    days_ms: float
    signal_ms: float


def run(database_url: str) -> Reads:
    """Fill the store, then read it again and again. Raises `AssertionError` where something is missing."""
    return asyncio.run(_run(database_url))


async def _run(database_url: str) -> Reads:
    catalogue = wiring.catalogue()
    async with connect(database_url) as conn:
        cur = await conn.execute(VEHICLES, {"n": FLEET})
        ids = [row[0] for row in await cur.fetchall()]
        await _fill(conn, ids, catalogue)
        speed = catalogue.of(_fleet.PATHS[0])
        one = ids[_SENDING // 2]

        async def state() -> int:
            return len((await fleet_state.read(conn)).vehicle_id)

        async def days() -> int:
            since = _DAY - timedelta(days=_DAYS - 1)
            return len(await vehicle_page.days(conn, one, since=since, until=_DAY))

        async def signal() -> int:
            until = _BEGIN + timedelta(days=1)
            found = await series.buckets(conn, one, speed, since=_BEGIN, until=until, points=288)
            return sum(bucket.n for bucket in found)

        return Reads(
            fleet_s=await _median_s(state, FLEET),
            days_ms=1e3 * await _median_s(days, _DAYS),
            signal_ms=1e3 * await _median_s(signal, _SENT_S),
        )


async def _median_s(read: Callable[[], Awaitable[int]], expected: int) -> float:
    took = []
    for _ in range(_RUNS):
        began_s = time.perf_counter()
        n = await read()
        took.append(time.perf_counter() - began_s)
        if n < expected:
            raise AssertionError(f"{expected} expected, {n} were read")
    return statistics.median(took[1:])


async def _fill(conn: Connection, ids: list[int], catalogue: Catalogue) -> None:
    numbers = sorted(catalogue.of(path).number for path in _fleet.PATHS)
    given = {"ids": ids, "at": _BEGIN, "signal": numbers, "n": len(numbers)}
    await conn.execute(STATES, given)
    await conn.execute(DAYS, {"ids": ids[:_DAYS_OF], "day": _DAY, "days": _DAYS})
    for second in range(0, _SENT_S, _AT_ONCE_S):
        await _send(conn, np.array(ids[:_SENDING]), numbers, second)
    for table in ("latest", "vehicle_day", "segment"):
        await conn.execute(f"vacuum analyze {table}".encode())  # of three names


async def _send(
    conn: Connection, ids: np.ndarray[tuple[int], np.dtype[np.int64]], numbers: list[int], first_s: int
) -> None:
    """A minute of messages of all vehicles that send, second by second, as ingest would store them."""
    seconds = first_s + np.repeat(np.arange(_AT_ONCE_S), len(ids))
    n, width = len(seconds), len(numbers)
    keys = MessageKeys(np.tile(ids, _AT_ONCE_S), np.ones(n, np.int64), np.zeros(n, np.int64), seconds)
    begin_us = int(_BEGIN.timestamp()) * 1_000_000
    rows = SignalRows(
        message=np.repeat(np.arange(n, dtype=np.int32), width),
        t_us=np.repeat(begin_us + seconds * 1_000_000, width),
        signal=np.tile(np.array(numbers, np.int16), n),
        value=np.random.default_rng(first_s).normal(60.0, 5.0, n * width).round(1),
    )
    async with conn.transaction():
        await segments.append(conn, keys, [None] * n, rows)
