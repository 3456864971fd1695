"""The nightly pass that lets go of what is old: folds the ledger, drops chunks, deletes rows, compresses."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from store import compression, ledger_ranges, retention
from store.pool import Connection
from store.retention import Amount, Policy
from vehicle.errors import OdocareError

log = structlog.get_logger()

LONGEST_PAUSE: Final = timedelta(days=30)
"""Between passes that nobody has asked for: what is dropped cannot be had back. Invented."""
_LEDGERS: Final = (retention.LEDGER, retention.PACKETS)


class LeapError(OdocareError):
    """The clock says that no pass has been made for very long; it may be the clock that is wrong."""


async def require_no_leap(conn: Connection, as_of: datetime) -> None:
    """Refuse to drop what a clock that has leapt ahead makes look old. Raises `LeapError`."""
    last = await retention.last(conn)
    if last is not None and as_of - last.as_of > LONGEST_PAUSE:
        days = (as_of - last.as_of).days
        raise LeapError(
            f"the last pass was {days} days before {as_of:%Y-%m-%d}: if the clock is right,"
            " run `odocare retention --now`"
        )


def before(policy: Policy, as_of: datetime) -> datetime | None:
    """What is older goes; None: nothing does."""
    return None if policy.keep_d is None else as_of - timedelta(days=policy.keep_d)


async def due(conn: Connection, policies: Sequence[Policy], as_of: datetime) -> list[Amount]:
    """What a pass would let go now."""
    found = []
    for policy in policies:
        limit = before(policy, as_of)
        if limit is None:
            found.append(Amount(policy.kind))
        elif policy.kind == retention.LEDGER:
            found.append(Amount(policy.kind, rows=await ledger_ranges.count(conn, limit)))
        else:
            found.append(await retention.due(conn, policy.kind, limit))
    return found


async def run(
    conn: Connection,
    as_of: datetime,
    *,
    stop: Callable[[], bool] = lambda: False,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Amount] | None:
    """Make a pass in short transactions; what it let go, None where another one is at work or it was stopped.

    What it did stays done, and the next pass goes on from there. `advance` hears of rows and chunks.
    """
    if not await retention.try_lock(conn):
        return None
    try:
        number = await retention.begin(conn, as_of)
        policies = await retention.policies(conn, as_of.date())
        report = await _ledger(conn, {one.kind: before(one, as_of) for one in policies}, stop, advance)
        for policy in policies:
            limit = before(policy, as_of)
            if limit is not None and policy.kind not in _LEDGERS:
                report.append(await _one(conn, policy.kind, limit, stop))
                advance(report[-1].rows + report[-1].chunks)
        for table, chunks in (await compression.compress(conn, as_of)).items():
            report.append(Amount(table, chunks=chunks, note="compressed"))
        if stop():
            return None
        await retention.finish(conn, number, report)
    finally:
        await retention.unlock(conn)
    dropped = {one.kind: one.rows or one.chunks for one in report if one.rows or one.chunks}
    log.info("retention", as_of=as_of.isoformat(), **dropped)
    return report


async def _ledger(
    conn: Connection,
    limits: dict[str, datetime | None],
    stop: Callable[[], bool],
    advance: Callable[[int], None],
) -> list[Amount]:
    """Fold and forget, slice after slice of the ledger."""
    folded = forgotten = 0
    fold_before, forget_before = (limits.get(kind) for kind in _LEDGERS)
    for pages in await ledger_ranges.slices(conn):
        if stop():
            break
        gone = 0
        if fold_before is not None:
            gone = await ledger_ranges.fold(conn, pages, fold_before)
            folded += gone
        if forget_before is not None:
            packets = await retention.forget_packets(conn, pages, forget_before)
            forgotten, gone = forgotten + packets, gone + packets
        advance(gone)
    if folded or forgotten:
        await retention.tidy_ledger(conn)
    return [Amount(retention.LEDGER, rows=folded, note="folded"), Amount(retention.PACKETS, rows=forgotten)]


async def _one(conn: Connection, kind: str, limit: datetime, stop: Callable[[], bool]) -> Amount:
    if kind in retention.HYPERTABLES:
        return await retention.drop_chunks(conn, kind, limit)
    rows = 0
    while not stop() and (deleted := await retention.delete_some(conn, kind, limit)):
        rows += deleted
    return Amount(kind, rows=rows)
