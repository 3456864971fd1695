"""7: ingest is down while ten times what it usually holds piles up; then it has to catch up."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from simulator.publish import Publisher
from simulator.truth import TruthWriter
from store.pool import Connection
from tests.faults.reconciled import held, reconcile, settled
from tests.faults.table import Experiment, crowding
from tests.faults.traffic import Traffic
from tests.ingest.broker import OwnBroker
from tests.ingest.process import Process

LIVE_PER_S: Final = 400
"""Messages a second that the vehicles send all the time."""
DOWN_S: Final = 30
"""An hour accelerated: what vehicles send in it waits when ingest comes back."""
CATCH_UP: Final = 3.0
PORTION: Final = 15


@asynccontextmanager
async def live(traffic: Traffic, publisher: Publisher, truth: TruthWriter) -> AsyncIterator[None]:
    """Vehicles send on at the live rate meanwhile."""

    async def send() -> None:
        began, first = time.monotonic(), traffic.sent_n
        while True:
            await traffic.send(publisher, truth, PORTION)
            ahead_s = (traffic.sent_n - first) / LIVE_PER_S - (time.monotonic() - began)
            await asyncio.sleep(max(0.0, ahead_s))

    task = asyncio.create_task(send())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await publisher.drain()


@pytest.mark.experiment(7, "ingest down, backlog tenfold", quick=False)
async def test_a_backlog_is_caught_up_three_times_as_fast_as_vehicles_send(
    experiment: Experiment, conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    traffic = Traffic(experiment.draw, vehicles_n=200)
    async with AsyncExitStack() as stack:
        first = Process(tmp_path, database_url, own_broker)
        stack.callback(first.kill)
        await first.subscribed()
        truth = stack.enter_context(TruthWriter(tmp_path / "truth", with_bodies=True))
        publisher = await stack.enter_async_context(Publisher(own_broker.url))
        await traffic.send(publisher, truth, DOWN_S * LIVE_PER_S // 10)
        await settled(conn, stored=traffic.sent_n - traffic.broken_n, refused=traffic.broken_n)
        assert await first.end(signal.SIGTERM) == 0
        await traffic.send(publisher, truth, DOWN_S * LIVE_PER_S)
        waiting = traffic.sent_n - sum(await held(conn))
        second = Process(tmp_path, database_url, own_broker)
        stack.callback(second.kill)
        async with live(traffic, publisher, truth):
            await second.subscribed()
            began, before = time.monotonic(), sum(await held(conn))
            while traffic.sent_n - sum(await held(conn)) > LIVE_PER_S // 2:
                assert time.monotonic() < began + 120, "it does not catch up"
                await asyncio.sleep(0.02)
            took_s, caught = time.monotonic() - began, sum(await held(conn)) - before
        truth.end()
        await settled(conn, stored=traffic.sent_n - traffic.broken_n, refused=traffic.broken_n)
        metrics = await asyncio.to_thread(second.metrics)
    await reconcile(experiment, conn, tmp_path / "truth", [metrics], database_url=database_url)
    rate_per_s = caught / took_s
    experiment.note(f"{waiting} messages waited; {rate_per_s:.0f}/s beside {LIVE_PER_S}/s live")
    experiment.note(f"{rate_per_s / LIVE_PER_S:.1f} x the live rate, >= {CATCH_UP:g} x, nothing dropped")
    assert rate_per_s >= CATCH_UP * LIVE_PER_S / crowding()
