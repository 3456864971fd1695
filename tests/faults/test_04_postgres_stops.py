"""4: PostgreSQL is stopped at once (`pg_ctl stop -m immediate`) under load, and comes back."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from simulator.publish import Publisher
from simulator.truth import TruthWriter
from store.pool import connect
from tests.faults.reconciled import held, reconcile, settled
from tests.faults.servers import OwnDatabase
from tests.faults.table import Experiment
from tests.faults.telling import TellingBroker
from tests.faults.traffic import Traffic
from tests.ingest.broker import until
from tests.ingest.process import ingesting

OUTAGE_S: Final = 2.0
FAILURES: Final = "odocare_ingest_database_failures_total"


@pytest.mark.experiment(4, "PostgreSQL stops at once", quick=False)
async def test_nothing_is_acknowledged_while_it_is_away_and_ingest_recovers_unaided(
    experiment: Experiment, own_server: OwnDatabase, telling_broker: TellingBroker, tmp_path: Path
) -> None:
    traffic = Traffic(experiment.draw)
    outages: list[float] = []
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(ingesting(tmp_path, own_server.url, telling_broker))
        truth = stack.enter_context(TruthWriter(tmp_path / "truth", with_bodies=True))
        publisher = await stack.enter_async_context(Publisher(telling_broker.url))
        for _ in range(3):
            async with connect(own_server.url) as conn:
                before = sum(await held(conn))
                await traffic.send(publisher, truth, 300)
                await settled(conn, stored=before // 2)  # it is at work
            await asyncio.to_thread(own_server.stop_at_once)
            noticed = running.metrics().get(FAILURES, 0)
            await until(lambda noticed=noticed: running.metrics().get(FAILURES, 0) > noticed, "it to notice")
            acknowledged, began = telling_broker.acknowledged_by("odocare-ingest"), time.monotonic()
            await traffic.send(publisher, truth, 300)
            while time.monotonic() < began + OUTAGE_S:  # noqa: ASYNC110  # the outage itself
                await asyncio.sleep(0.05)
            assert telling_broker.acknowledged_by("odocare-ingest") == acknowledged
            await asyncio.to_thread(own_server.start)
            back = time.monotonic()
            async with connect(own_server.url) as conn:
                await settled(conn, stored=traffic.sent_n - traffic.broken_n, refused=traffic.broken_n)
            outages.append(time.monotonic() - back)
        truth.end()
        assert running.process.poll() is None
        metrics = await asyncio.to_thread(running.metrics)
    async with connect(own_server.url) as conn:
        await reconcile(experiment, conn, tmp_path / "truth", [metrics], database_url=own_server.url)
    experiment.note(f"{len(outages)} outages, no acknowledgement in any")
    experiment.note(f"all stored {max(outages):.1f} s after PostgreSQL was back")
