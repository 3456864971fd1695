"""3: the broker can no longer write its queues to disk. It goes on acknowledging, and tells its log only."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from odocare.stack.place import find_place
from store.pool import Connection
from tests.faults.conftest import REPOSITORY
from tests.faults.disk import KeepingBroker
from tests.faults.table import Experiment
from tests.ingest.broker import publish, until
from tests.ingest.process import Process, ingesting
from tests.ingest.senders import ODOMETER, deliver, signals, vin
from tests.ingest.test_process import pairs, reached

ALERT_S: Final = 60.0
ERRORS: Final = 'odocare_broker_errors_total{kind="persistence"}'
MESSAGES: Final = 300


@pytest.fixture
def keeping(mosquitto: Path, tmp_path: Path) -> Iterator[KeepingBroker]:
    account = find_place(REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")).account
    broker = KeepingBroker(mosquitto, tmp_path, account)
    broker.start()
    yield broker
    broker.stop()


async def errors(running: Process) -> float:
    return (await asyncio.to_thread(running.metrics))[ERRORS]


async def alerted(running: Process, more_than: float) -> float:
    """Seconds until the metric has risen."""
    began = time.monotonic()
    async with asyncio.timeout(ALERT_S):
        while await errors(running) <= more_than:  # noqa: ASYNC110  # another process counts
            await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("how", ["full", "read-only"])
@pytest.mark.experiment(3, "the broker's disk is full, or read-only", quick=False)
async def test_the_broker_that_cannot_save_is_told_within_a_minute_and_ingest_goes_on(
    experiment: Experiment,
    conn: Connection,
    database_url: str,
    keeping: KeepingBroker,
    tmp_path: Path,
    how: str,
) -> None:
    def stream(start: int) -> list[Any]:
        return pairs(
            [deliver(signals(vin(3), seq, {ODOMETER: 1.0})) for seq in range(start, start + MESSAGES)]
        )

    def break_it(*, broken: bool) -> None:
        if how == "read-only":
            keeping.close_folder(closed=broken)
        elif broken:
            keeping.fill_disk()
        else:
            keeping.empty_disk()

    async with ingesting(tmp_path, database_url, keeping) as running:
        await asyncio.to_thread(publish, keeping.port, "before", stream(0))
        await reached(conn, MESSAGES)
        await until(lambda: keeping.database.exists(), "the first save")
        assert await errors(running) == 0
        break_it(broken=True)
        await asyncio.to_thread(publish, keeping.port, "while", stream(MESSAGES))
        after_s = await alerted(running, 0)
        await reached(conn, 2 * MESSAGES)
        await until(lambda: "the broker reports errors" in running.log.read_text(), "the line in the log")
        break_it(broken=False)
        saved_at = keeping.database.stat().st_mtime_ns
        await asyncio.to_thread(publish, keeping.port, "after", stream(2 * MESSAGES))
        await until(lambda: keeping.database.stat().st_mtime_ns > saved_at, "a save, now that there is room")
        await reached(conn, 3 * MESSAGES)
        assert running.process.poll() is None
        assert vin(3) not in running.log.read_text()
    experiment.note(f"{how}: told after {after_s:.1f} s, < {ALERT_S:.0f} s; all {3 * MESSAGES} stored")
