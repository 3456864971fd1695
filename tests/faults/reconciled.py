"""The end of an experiment: what was sent is held against what is stored, and the table told."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from odocare import reconcile_run
from odocare.reconciling import worst
from simulator import truth as truth_files
from store.pool import Connection
from tests.faults.table import INVARIANTS, Experiment

DEADLINE_S: Final = 60.0


async def reconcile(
    experiment: Experiment, conn: Connection, truth: Path, metrics: Sequence[Mapping[str, float]] = ()
) -> None:
    """Check all invariants of a truth file, write them into the table, and fail where one is broken."""
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
