"""6: PostgreSQL is slow: a lock on the ledger, then 200 ms on top of every statement that writes it."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from ingest.batcher import Limits
from simulator.outgoing import outgoing
from simulator.publish import Publisher
from simulator.truth import TruthWriter
from store.pool import Connection, connect
from tests.faults.reconciled import held, reconcile, settled
from tests.faults.table import Experiment
from tests.faults.telling import TellingBroker
from tests.faults.traffic import Traffic
from tests.ingest.broker import until
from tests.ingest.process import Process, ingesting
from tests.ingest.senders import ODOMETER, SECOND_US, T0_US, signals, vin

LOCKED_S: Final = 20.0
"""A minute accelerated; the batch that waits is given up after sixty seconds only."""
SLOW: Final = """
    create function slowly() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.2); return null; end $$;
    create trigger slowly before insert on message for each statement execute function slowly();
"""
HEAVY_SAMPLES: Final = 2_500
HEAVY_N: Final = 1_500
"""Bodies of some 30 kB: more than may wait in ingest's memory."""
WAITING: Final = "odocare_ingest_waiting_bytes"
MORE_MB: Final = 200.0
"""What a full queue, its batch and what is decoded of it may add to the process."""


def resident_mb(running: Process) -> float:
    """Memory of the process at its highest, as the kernel counts it."""
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


async def heavy(publisher: Publisher, truth: TruthWriter, traffic: Traffic) -> int:
    """Large messages of a vehicle of its own; returns their bytes."""
    total = 0
    for seq in range(HEAVY_N):
        values = [1000.0 + seq + n / 1000 for n in range(HEAVY_SAMPLES)]
        at_us = T0_US + seq * 3 * SECOND_US
        message = signals(vin(900), seq, {ODOMETER: values}, t0_us=at_us, step_us=1000)
        ready = outgoing(message)
        truth.sent(message, ready)
        await publisher.send(ready)
        total += len(ready.body)
    await publisher.drain()
    traffic.sent_n += HEAVY_N
    return total


@pytest.mark.experiment(6, "PostgreSQL is slow, the ledger locked", quick=False)
async def test_what_cannot_be_stored_waits_in_the_broker_and_not_in_memory(
    experiment: Experiment,
    conn: Connection,
    database_url: str,
    telling_broker: TellingBroker,
    tmp_path: Path,
) -> None:
    traffic, limits = Traffic(experiment.draw), Limits()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(ingesting(tmp_path, database_url, telling_broker))
        truth = stack.enter_context(TruthWriter(tmp_path / "truth", with_bodies=True))
        publisher = await stack.enter_async_context(Publisher(telling_broker.url))
        await traffic.send(publisher, truth, 500)
        await settled(conn, stored=traffic.sent_n - traffic.broken_n, refused=traffic.broken_n)
        before_mb = resident_mb(running)
        async with connect(database_url) as other, other.transaction():
            await other.execute("lock table message in access exclusive mode")
            acknowledged, began = telling_broker.acknowledged_by("odocare-ingest"), time.monotonic()
            sent_bytes = await heavy(publisher, truth, traffic)
            await until(lambda: running.metrics()[WAITING] > limits.waiting_bytes, "the queue to be full")
            while time.monotonic() < began + LOCKED_S:  # noqa: ASYNC110  # the lock itself
                await asyncio.sleep(0.1)
            waiting = running.metrics()[WAITING]
            assert telling_broker.acknowledged_by("odocare-ingest") == acknowledged
        assert waiting < limits.waiting_bytes + limits.bytes < sent_bytes, "the rest stays with the broker"
        await settled(conn, stored=traffic.sent_n - traffic.broken_n, refused=traffic.broken_n)
        await conn.execute(SLOW)
        await traffic.send(publisher, truth, 1000)
        truth.end()
        await settled(conn, stored=traffic.sent_n - traffic.broken_n, refused=traffic.broken_n)
        more_mb = resident_mb(running) - before_mb
        metrics = await asyncio.to_thread(running.metrics)
    await reconcile(experiment, conn, tmp_path / "truth", [metrics], database_url=database_url)
    assert sum(await held(conn)) == traffic.sent_n
    experiment.note(f"ledger locked for {LOCKED_S:.0f} s, {sent_bytes / 1e6:.0f} MB sent")
    experiment.note(
        f"{waiting / 1e6:.0f} MB waited in ingest, {more_mb:.0f} MB more resident, < {MORE_MB:.0f}"
    )
    assert more_mb < MORE_MB
