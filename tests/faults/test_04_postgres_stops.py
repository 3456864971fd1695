"""4: PostgreSQL is stopped at once (`pg_ctl stop -m immediate`) under load, and comes back."""

import asyncio
from pathlib import Path

import pytest

from store.pool import connect
from tests.faults.servers import OwnDatabase
from tests.faults.table import Experiment
from tests.ingest.broker import OwnBroker, publish
from tests.ingest.process import ingesting
from tests.ingest.senders import ODOMETER, deliver, signals, vin
from tests.ingest.test_process import pairs, reached


@pytest.mark.experiment(4, "PostgreSQL stops at once", quick=False)
async def test_nothing_is_acknowledged_while_it_is_away_and_ingest_recovers_unaided(
    experiment: Experiment, own_server: OwnDatabase, own_broker: OwnBroker, tmp_path: Path
) -> None:
    stream = [deliver(signals(vin(1), seq, {ODOMETER: 1.0})) for seq in range(3000)]
    async with ingesting(tmp_path, own_server.url, own_broker) as running:
        sending = asyncio.create_task(asyncio.to_thread(publish, own_broker.port, "sender", pairs(stream)))
        async with connect(own_server.url) as conn:
            await reached(conn, 1)
        await asyncio.to_thread(own_server.stop_at_once)
        await sending
        await asyncio.to_thread(own_server.start)
        async with connect(own_server.url) as conn:
            await reached(conn, 3000)
        assert running.process.poll() is None
    experiment.note("recovers unaided")
