"""2: Mosquitto is killed under load and forgets what it had acknowledged; the vehicles' buffers hold it."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from simulator.buffered import ACK_TOPIC, BufferedSender
from simulator.publish import Publisher
from simulator.truth import TruthWriter
from store.pool import Connection
from tests.faults.reconciled import reconcile
from tests.faults.table import Experiment
from tests.faults.traffic import Traffic
from tests.ingest.broker import OwnBroker
from tests.ingest.process import ingesting

RESEND_AFTER_S: Final = 1.5
DRAIN_S: Final = 60.0


@pytest.mark.experiment(2, "Mosquitto is killed under load", quick=False)
async def test_what_the_broker_forgets_the_vehicles_send_again(
    experiment: Experiment, conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    traffic = Traffic(experiment.draw)
    forgotten = 0
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(ingesting(tmp_path, database_url, own_broker))
        truth = stack.enter_context(TruthWriter(tmp_path / "truth", with_bodies=True))
        publisher = await stack.enter_async_context(Publisher(own_broker.url, listen=ACK_TOPIC))
        vehicles = BufferedSender(publisher, truth=truth, resend_after_s=RESEND_AFTER_S)
        for _ in range(3):
            for _ in range(300):
                await vehicles.send(traffic.message())
            assert await vehicles.drain(within_s=DRAIN_S), f"{len(vehicles.held())} messages still held"
            running.process.send_signal(signal.SIGSTOP)  # what comes now waits in the broker alone
            for _ in range(200):
                await vehicles.send(traffic.message())
            await publisher.drain()  # the broker has acknowledged it
            forgotten += 200
            await asyncio.to_thread(own_broker.kill)
            running.process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(own_broker.start)
        assert await vehicles.drain(within_s=DRAIN_S), f"{len(vehicles.held())} messages still held"
        truth.end(buffered=vehicles.held(), dropped=vehicles.dropped())
        metrics = await asyncio.to_thread(running.metrics)
    await reconcile(experiment, conn, tmp_path / "truth", [metrics], database_url=database_url)
    assert vehicles.resent_n >= forgotten, "the broker had forgotten them"
    experiment.note(f"{traffic.sent_n} sent, {forgotten} of them acknowledged and forgotten by the broker")
    experiment.note(f"{vehicles.resent_n} sent again, buffers empty, {vehicles.acknowledgements_n} down/ack")
