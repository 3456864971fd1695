"""The end of an experiment: what was sent is held against what is stored, and the table told."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from odocare import reconcile_run
from odocare.evaluate import evaluate_touched
from odocare.reconciling import worst
from simulator import truth as truth_files
from store.pool import Connection
from tests.faults.evaluating import evaluating
from tests.faults.table import INVARIANTS, Experiment

DEADLINE_S: Final = 60.0


REGISTER: Final = """
    update vehicle set registered_at = now(), model = 'odo-petrol', use_class = 'private',
        built_on = '2025-01-01', delivered_on = '2025-01-01', dealer_id = (select id from dealer)
    where registered_at is null
"""
STOPPED: Final = """
    select (select count(*) from fault where ended_at is null and confirmed and severity = 'stop'),
        (select count(*) from trigger where closed_at is null and rule_id = 'fault-stop')
"""


async def judged(conn: Connection, database_url: str) -> int:
    """Register who sent, and evaluate them all; returns how many triggers are open for faults: one each."""
    async with evaluating(conn, database_url) as (garage, pool, by):
        await conn.execute(REGISTER)
        tally = await evaluate_touched(pool, by)
        assert tally.failed_n == 0
        ((faults, triggers),) = await garage.rows(STOPPED)
        assert faults == triggers, f"{faults} faults, {triggers} triggers"
        return int(triggers)


async def reconcile(
    experiment: Experiment,
    conn: Connection,
    truth: Path,
    metrics: Sequence[Mapping[str, float]] = (),
    *,
    database_url: str | None = None,
) -> None:
    """Check all invariants of a truth file, write them into the table, and fail where one is broken.

    With `database_url`, a whole experiment registers and evaluates the vehicles first, so that I4 has
    something to read.
    """
    if database_url is not None and experiment.is_whole:
        await judged(conn, database_url)
    findings = await reconcile_run.findings(conn, truth_files.read(truth), metrics)
    experiment.found({name: worst([one for one in findings if one.name == name]) for name in INVARIANTS})
    wrong = [one for one in findings if one.verdict == "broken"]
    assert not wrong, "\n".join(f"{one.name}: {one.sentence} {', '.join(one.examples)}" for one in wrong)


async def settled(conn: Connection, *, stored: int, refused: int = 0) -> None:
    """Wait until so many messages are stored and so many are kept as refused."""
    until_s, found = time.monotonic() + DEADLINE_S, await held(conn)
    while found[0] < stored or found[1] < refused:
        assert time.monotonic() < until_s, f"stored and refused: {found}, expected {(stored, refused)}"
        await asyncio.sleep(0.02)
        found = await held(conn)


async def held(conn: Connection) -> tuple[int, int]:
    """Messages in the ledger and messages refused."""
    cur = await conn.execute(
        "select (select count(*) from message), (select count(*) from reject where whole)"
    )
    row = await cur.fetchone()
    assert row is not None
    return row[0], row[1]
