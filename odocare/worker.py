"""The worker's life: evaluates what is touched as soon as it is, and everything once a day."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from odocare import retaining
from odocare.evaluate import Clock, Stop, Tally, evaluate_all, evaluate_touched, remember_rules, utc_now
from odocare.judgement import Judge
from store import evaluations, feed, retention, touched
from store.pool import Connection, Pool, connect, is_unwritable
from store.retention import Amount

log = structlog.get_logger()

_POLL_S: Final = 5.0
"""Without a notification the list is looked at this often: held-back vehicles become free without one."""
_REST: Final = timedelta(seconds=10)
"""Between two evaluations of a vehicle that sends all the time; what is urgent waits for none. Invented."""
_NIGHT_POLL_S: Final = 60.0
"""The clock is looked at this often, so that a step of it costs a minute, not a day."""
_LEAP_POLL_S: Final = 3600.0
"""While the clock is not trusted, it is said this often."""
_OUTAGE_LEAST_S: Final = 1.0
_OUTAGE_MOST_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Nightly:
    """When the pass over all vehicles is due."""

    hour: int
    """Local, 0 to 23."""
    zone: ZoneInfo

    def last_due(self, now: datetime) -> datetime:
        """The latest moment at or before `now` at which a pass was due: the day's `as_of`."""
        local = now.astimezone(self.zone)
        due = local.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        if due.astimezone(UTC) > now:
            due -= timedelta(days=1)
        return due.astimezone(UTC)


async def run(
    pool: Pool,
    database_url: str,
    by: Judge,
    *,
    nightly: Nightly | None,
    ready: Callable[[], None],
    stop: asyncio.Event,
    clock: Clock = utc_now,
) -> None:
    """Work until `stop` is set; a chunk that has begun is finished. `ready` is called once it listens."""
    await remember_rules(pool, by)
    wake = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        listener = tasks.create_task(_listen(database_url, wake, ready))
        loops = [tasks.create_task(_lasting(lambda: _touched(pool, by, wake, stop, clock), stop))]
        if nightly is not None:
            loops.append(tasks.create_task(_lasting(lambda: _nights(pool, by, nightly, stop, clock), stop)))
            retain = partial(_retaining, database_url, nightly, stop, clock)
            loops.append(tasks.create_task(_lasting(retain, stop)))
        await asyncio.wait(loops)
        listener.cancel()


async def _lasting(loop: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Run a loop again after the database was away, with growing pauses while it stays away."""
    pause_s = _OUTAGE_LEAST_S
    while not stop.is_set():
        began_s = time.monotonic()
        try:
            await loop()
        except (psycopg.Error, PoolTimeout) as error:
            if not isinstance(error, psycopg.OperationalError | PoolTimeout) and not is_unwritable(error):
                raise
            if time.monotonic() - began_s > _OUTAGE_MOST_S:
                pause_s = _OUTAGE_LEAST_S
            log.warning("database away", error=type(error).__name__, pause_s=pause_s)
            await _until(stop, pause_s)
            pause_s = min(pause_s * 2, _OUTAGE_MOST_S)


async def _listen(database_url: str, wake: asyncio.Event, ready: Callable[[], None]) -> None:
    """Wake the loop when vehicles are touched; connects again for ever."""
    is_first = True
    while True:
        try:
            async with connect(database_url) as conn:
                await conn.execute(f"listen {touched.CHANNEL}")
                if is_first:
                    ready()
                    is_first = False
                wake.set()  # whatever was touched while nobody listened
                async for _ in conn.notifies():
                    wake.set()
        except psycopg.OperationalError as error:
            log.warning("not listening", error=type(error).__name__)
            await asyncio.sleep(_OUTAGE_LEAST_S)


async def _touched(pool: Pool, by: Judge, wake: asyncio.Event, stop: asyncio.Event, clock: Clock) -> None:
    while not stop.is_set():
        wake.clear()
        tally = await evaluate_touched(pool, by, rest=_REST, stop=stop.is_set, now=clock)
        if tally.vehicles_n or tally.failed_n:
            log.info("evaluated", vehicles=tally.vehicles_n, failed=tally.failed_n, opened=tally.opened_n)
        async with pool.connection() as conn:
            await feed.sequence(conn)  # also what others wrote and could not number
        await _until(wake, _POLL_S, or_event=stop)


async def _nights(pool: Pool, by: Judge, nightly: Nightly, stop: asyncio.Event, clock: Clock) -> None:
    while not stop.is_set():
        await night(pool, by, nightly, clock(), stop=stop.is_set)
        await _until(stop, _NIGHT_POLL_S)


async def night(
    pool: Pool, by: Judge, nightly: Nightly, now: datetime, *, stop: Stop = lambda: False
) -> Tally | None:
    """Evaluate all vehicles, where the pass that was due last has not been made; None where it has."""
    as_of = nightly.last_due(now)
    async with pool.connection() as conn:
        if await evaluations.is_finished(conn, as_of=as_of):
            return None
    tally = await evaluate_all(pool, by, as_of, stop=stop)
    log.info("nightly pass", as_of=as_of.isoformat(), vehicles=tally.vehicles_n, failed=tally.failed_n)
    return tally


async def _retaining(database_url: str, nightly: Nightly, stop: asyncio.Event, clock: Clock) -> None:
    while not stop.is_set():
        pause_s = _NIGHT_POLL_S
        try:
            async with connect(database_url) as conn:
                await retain(conn, nightly, clock(), stop=stop.is_set)
        except retaining.LeapError as error:
            log.warning("nothing is dropped", why=str(error))
            pause_s = _LEAP_POLL_S
        await _until(stop, pause_s)


async def retain(
    conn: Connection, nightly: Nightly, now: datetime, *, stop: Stop = lambda: False
) -> list[Amount] | None:
    """Let go of what is old, where the pass that was due last has not been made; None where it has.

    One process makes it; the others find it made, or at work. Raises `retaining.LeapError`.
    """
    as_of = nightly.last_due(now)
    last = await retention.last(conn)
    if last is not None and last.as_of >= as_of:
        return None
    await retaining.require_no_leap(conn, as_of)
    return await retaining.run(conn, as_of, stop=stop)


async def _until(event: asyncio.Event, seconds: float, *, or_event: asyncio.Event | None = None) -> None:
    """Wait for an event (or another one), at most so long."""
    waits = [asyncio.create_task(one.wait()) for one in (event, or_event) if one is not None]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
