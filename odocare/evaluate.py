"""The evaluation loop: touched vehicles, or all of them, through models and rules to triggers in the feed.

One chunk of vehicles is one transaction: killed at any moment, it has happened or it has not. Any number of
processes may run; a vehicle belongs to one of them at a time. A vehicle that cannot be evaluated is found by
halving its chunk, held back for a while, and counted; its neighbours go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import psycopg
import structlog

from crm.triggers import Desk, decide
from odocare import evaluation_inputs, true_odometers
from odocare.judgement import Judge, Judged, Memory, judge
from odocare.true_odometers import TrueOdometers
from store import (
    anomalies,
    evaluations,
    feed,
    findings,
    inputs,
    odometers,
    predictions,
    rule_states,
    trigger_changes,
)
from store.evaluations import Claim
from store.pool import Connection, Pool, is_unwritable
from store.trigger_changes import Change
from vehicle.errors import ConflictError
from vehicle.trigger import EventKind

log = structlog.get_logger()

CHUNK_VEHICLES: Final = 200
"""Vehicles of one transaction: enough to spread the cost of a pass, few enough to hold locks shortly."""
_SHORT_CHUNK: Final = 50
"""Of a pass that urgent vehicles may have to wait for."""
_LOOK_AGAIN_S: Final = 0.2

Progress = Callable[[int], None]
"""Told after every chunk how many vehicles it was."""
Stop = Callable[[], bool]
"""Asked before every chunk."""
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The process's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Tally:
    """What evaluations came to, in numbers that can be added."""

    vehicles_n: int = 0
    failed_n: int = 0
    predictions_n: int = 0
    opened_n: int = 0
    revised_n: int = 0
    withdrawn_n: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Tally)))


async def remember_rules(pool: Pool, by: Judge) -> None:
    """Keep the texts of the rules, so that what a trigger says can be traced to them."""
    async with pool.connection() as conn:
        await rule_states.record_versions(conn, by.bodies)


async def evaluate_touched(
    pool: Pool,
    by: Judge,
    *,
    as_of: datetime | None = None,
    chunk: int = CHUNK_VEHICLES,
    rest: timedelta | None = None,
    progress: Progress = lambda _: None,
    stop: Stop = lambda: False,
    now: Clock = utc_now,
) -> Tally:
    """Evaluate registered vehicles whose data changed, until none is left that is not held elsewhere.

    `as_of` is now unless given. Raises `ConflictError` where it lies before an earlier evaluation's. With
    `rest`, a vehicle that was evaluated less than that ago waits, unless it is urgent. Urgent ones, others
    and those that nobody registered take turns of a chunk: no kind waits until another comes to its end.
    """
    total = Tally()
    chunk = chunk if rest is None else min(chunk, _SHORT_CHUNK)
    registered_ones = [(True, None)] if rest is None else [(True, True), (True, False)]
    is_idle = False
    while not is_idle and not stop():
        is_idle = True
        for registered, urgent in (*registered_ones, (False, None)):
            if stop():
                break
            moment = await _moment(pool, as_of, now)
            is_clock_behind = (
                as_of is None and moment > now()
            )  # set back: nobody waits until it has caught up
            claim = partial(
                evaluations.claim_touched,
                limit=chunk,
                registered=registered,
                rested=None if rest is None or is_clock_behind or not registered else moment - rest,
                urgent=urgent,
            )
            tally = await _Run(pool, by, moment, None, registered=registered).chunk(claim)
            if tally is not None:
                is_idle = False
                total += tally
                if registered:
                    progress(tally.vehicles_n + tally.failed_n)
    return total


async def evaluate_all(
    pool: Pool,
    by: Judge,
    as_of: datetime,
    *,
    chunk: int = CHUNK_VEHICLES,
    progress: Progress = lambda _: None,
    stop: Stop = lambda: False,
) -> Tally:
    """Evaluate every registered vehicle that was not yet as of that moment or later.

    Another process may help; what a killed one left is taken up by the next call with the same `as_of`.
    """
    async with pool.connection() as conn:
        evaluation_id = await evaluations.begin(conn, as_of=as_of, scope="all")
    run, total, after = _Run(pool, by, as_of, evaluation_id), Tally(), 0
    while not stop():
        tally = await run.chunk(
            lambda conn, after=after: evaluations.claim_not_yet(conn, as_of=as_of, after=after, limit=chunk)  # type: ignore[misc] # bound now, not later
        )
        if tally is not None:
            total, after = total + tally, run.last_id
            progress(tally.vehicles_n + tally.failed_n)
        elif after:
            after = 0  # once more from the start: some may have been held by another process
        elif await _is_done(pool, as_of):
            break
        else:
            await asyncio.sleep(_LOOK_AGAIN_S)
    if await _is_done(pool, as_of):
        async with pool.connection() as conn:
            await evaluations.finish(conn, evaluation_id, failed_n=total.failed_n)
    return total


async def _is_done(pool: Pool, as_of: datetime) -> bool:
    async with pool.connection() as conn:
        return await evaluations.count_not_yet(conn, as_of=as_of) == 0


async def _moment(pool: Pool, as_of: datetime | None, clock: Clock) -> datetime:
    """The moment asked for; else now, or the latest evaluation's moment where the clock was set back."""
    async with pool.connection() as conn:
        last = await evaluations.last_as_of(conn)
    if as_of is None:
        now = clock()
        return now if last is None or last < now else last
    if last is not None and as_of < last:
        raise ConflictError(
            f"as_of {as_of.isoformat()} lies before the latest evaluation's, {last.isoformat()}"
        )
    return as_of


class _ChunkError(Exception):
    """A chunk's transaction was rolled back; the cause is its `__cause__`."""

    def __init__(self, vehicle_ids: Sequence[int]) -> None:
        super().__init__(f"{len(vehicle_ids)} vehicles")
        self.vehicle_ids = vehicle_ids


class _Run:
    """One pass, chunk by chunk."""

    def __init__(
        self,
        pool: Pool,
        by: Judge,
        as_of: datetime,
        evaluation_id: int | None,
        *,
        registered: bool = True,
    ) -> None:
        self._pool = pool
        self._registered = registered
        self._by = by
        self._as_of = as_of
        self._evaluation_id = evaluation_id
        self.last_id = 0
        """Highest vehicle of the last chunk."""

    async def chunk(self, claim: Callable[[Connection], Awaitable[Claim]]) -> Tally | None:
        """Claim some vehicles and evaluate them; None where nothing was to be claimed."""
        try:
            tally = await self._attempt(claim)
        except _ChunkError as error:
            tally = await self._again(error)
        if tally is not None:
            async with self._pool.connection() as conn:
                await feed.sequence(conn)
        return tally

    async def _attempt(self, claim: Callable[[Connection], Awaitable[Claim]]) -> Tally | None:
        ids: Sequence[int] = ()
        try:
            async with self._pool.connection() as conn, conn.transaction():
                claimed = await claim(conn)
                ids = claimed.vehicle_ids
                if not ids:
                    return None
                self.last_id = max(ids)
                if not self._registered:
                    return await _clean(conn, claimed, self._as_of)
                return await _evaluate(conn, claimed, self._by, self._as_of, self._evaluation_id)
        except Exception as error:
            if not ids or _is_outage(error):
                raise
            raise _ChunkError(ids) from error

    async def _again(self, failed: _ChunkError) -> Tally:
        """Once more where a concurrent change was in the way; else in halves, down to the culprit."""
        ids = failed.vehicle_ids
        if isinstance(
            failed.__cause__, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected
        ):
            try:
                return await self._some(ids)
            except _ChunkError as error:
                failed = error
        if len(ids) == 1:
            return await self._hold_back(ids[0], failed.__cause__)
        middle = len(ids) // 2
        total = Tally()
        for half in (ids[:middle], ids[middle:]):
            try:
                total += await self._some(half)
            except _ChunkError as error:
                total += await self._again(error)
        return total

    async def _some(self, ids: Sequence[int]) -> Tally:
        registered = self._registered
        return (
            await self._attempt(lambda conn: evaluations.claim_some(conn, ids, registered=registered))
            or Tally()
        )

    async def _hold_back(self, vehicle_id: int, cause: BaseException | None) -> Tally:
        async with self._pool.connection() as conn:
            failures_n = await evaluations.hold_back(conn, vehicle_id, f"{type(cause).__name__}: {cause}")
        log.error("vehicle not evaluated", vehicle=vehicle_id, failures=failures_n, exc_info=cause)
        return Tally(failed_n=1)


def _is_outage(error: Exception) -> bool:
    """Whether the database is away or full: then no vehicle is to blame."""
    concurrent = psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected
    if is_unwritable(error):
        return True
    return isinstance(error, psycopg.OperationalError) and not isinstance(error, concurrent)


async def _evaluate(
    conn: Connection, claimed: Claim, by: Judge, as_of: datetime, evaluation_id: int | None
) -> Tally:
    """One chunk inside its transaction: read, judge, store."""
    ids = claimed.vehicle_ids
    known = await inputs.read(conn, ids, as_of=as_of)
    memory = Memory(
        states=await rule_states.of_vehicles(conn, ids),
        findings=await findings.of_vehicles(conn, ids),
        predictions=await predictions.newest(conn, ids),
    )
    judged = await asyncio.to_thread(judge, known, memory, by, as_of=as_of)
    existing = await trigger_changes.existing(conn, ids, [one.id for one in judged.drafts])
    desk = Desk(by.site, as_of, {row.id: row for row in known.vehicles})
    changes = decide(desk, existing, judged.drafts, judged.gone)
    await _store(conn, judged, memory, changes, as_of)
    await _store_odometers(conn, ids, judged.odometers)
    if evaluation_id is None:
        evaluation_id = await evaluations.begin(conn, as_of=as_of, scope="touched")
        await evaluations.finish(conn, evaluation_id, failed_n=0)
    await evaluations.mark(conn, evaluation_id, ids, as_of=as_of)
    await evaluations.untouch(conn, claimed)
    return _tally(judged, changes, vehicles_n=len(ids))


async def _clean(conn: Connection, claimed: Claim, as_of: datetime) -> Tally:
    """The odometers of vehicles that nobody registered: they are shown, and get no jobs."""
    known = await inputs.read(conn, claimed.vehicle_ids, as_of=as_of, registered=False)
    found = await asyncio.to_thread(
        lambda: true_odometers.of_fleet(evaluation_inputs.fleet(known, as_of), known)
    )
    await _store_odometers(conn, claimed.vehicle_ids, found)
    await evaluations.mark_cleaned(conn, claimed)
    return Tally()


async def _store_odometers(conn: Connection, vehicle_ids: Sequence[int], found: TrueOdometers) -> None:
    await odometers.put_days(conn, found.days)
    await odometers.put(conn, vehicle_ids, found.standings)
    await anomalies.replace_odometer(conn, vehicle_ids, found.anomalies)


async def _store(
    conn: Connection, judged: Judged, memory: Memory, changes: Sequence[Change], as_of: datetime
) -> None:
    await findings.put(conn, judged.findings, as_of=as_of)
    await findings.close(conn, judged.closed, as_of=as_of)
    await trigger_changes.apply(conn, changes, as_of=as_of)
    await predictions.append(conn, judged.predictions, judged.dropped)
    await rule_states.replace(conn, memory.states, judged.states)


def _tally(judged: Judged, changes: Sequence[Change], *, vehicles_n: int) -> Tally:
    kinds = [change.events[-1].kind for change in changes]
    return Tally(
        vehicles_n=vehicles_n,
        predictions_n=len(judged.predictions),
        opened_n=kinds.count(EventKind.OPENED),
        revised_n=kinds.count(EventKind.REVISED),
        withdrawn_n=kinds.count(EventKind.WITHDRAWN),
    )
