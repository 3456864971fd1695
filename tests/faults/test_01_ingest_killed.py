"""1: `odocare ingest` is killed at random points, before and after COPY, commit and acknowledgement."""

import asyncio
import random
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from ingest.fault_points import POINTS
from simulator.publish import Publisher
from simulator.truth import TruthWriter
from store.pool import Connection
from tests.faults.reconciled import held, reconcile, settled
from tests.faults.table import Experiment, waited_for_a_core_s
from tests.faults.traffic import Traffic
from tests.ingest.broker import OwnBroker
from tests.ingest.process import Process

ANYWHERE: Final = "anywhere"
FIRST_COMMIT_S: Final = 5.0
KILL_BY_S: Final = 60.0
LARGEST_N: Final = 3
PORTION: Final = 20
"""Messages between two looks at the process."""


class Killed:
    """One run of ingest after another, each ended by SIGKILL while vehicles send."""

    def __init__(self, folder: Path, database_url: str, broker: OwnBroker, conn: Connection) -> None:
        self._arguments = (folder, database_url, broker)
        self._conn = conn
        self.first_commits_s: list[float] = []
        """From each restart to the first row, without the time in which others had the processor."""
        self.waited_s = 0.0
        """Such time at most."""

    def start(self, environment: Mapping[str, str]) -> Process:
        return Process(*self._arguments, environment=environment)

    async def run(self, point: str, draw: random.Random, traffic: Traffic, send: "Sending") -> None:
        """Start it, let vehicles send, and see it die at a point."""
        before, began = sum(await held(self._conn)), time.monotonic()
        fault = {} if point == ANYWHERE else {"ODOCARE_FAULT": f"{point}:{draw.randrange(1, LARGEST_N + 1)}"}
        running = self.start(fault)
        has_committed = False
        try:
            if not traffic.sent_n:
                await running.subscribed()  # the session at the broker exists from here on
            die_at = began + KILL_BY_S
            while running.process.poll() is None:
                assert time.monotonic() < began + KILL_BY_S, f"{point} was not reached"
                await send.some(traffic)
                if not has_committed and sum(await held(self._conn)) > before:
                    has_committed = True
                    waited_s = waited_for_a_core_s(running.process.pid)
                    self.first_commits_s.append(time.monotonic() - began - waited_s)
                    self.waited_s = max(self.waited_s, waited_s)
                if point == ANYWHERE and running.ready.exists():
                    die_at = min(die_at, time.monotonic() + draw.uniform(0.0, 0.5))
                    if time.monotonic() >= die_at:
                        running.process.kill()
                        running.process.wait()
            assert running.process.returncode == -signal.SIGKILL, running.log.read_text()[-2000:]
        finally:
            running.kill()


class Sending:
    """What vehicles send while ingest lives and dies."""

    def __init__(self, publisher: Publisher, truth: TruthWriter) -> None:
        self._publisher = publisher
        self._truth = truth

    async def some(self, traffic: Traffic) -> None:
        await traffic.send(self._publisher, self._truth, PORTION)
        await asyncio.sleep(0.02)  # the pace of the fleet


@pytest.mark.experiment(1, "ingest is killed at random points", quick=True)
async def test_whatever_the_point_nothing_is_lost_or_doubled(
    experiment: Experiment, conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    draw = experiment.draw
    points = (
        [draw.choice((*POINTS, ANYWHERE)) for _ in range(50)]
        if experiment.is_whole
        else ["after_copy", "before_ack"]
    )
    killed = Killed(tmp_path, database_url, own_broker, conn)
    traffic = Traffic(draw)
    async with AsyncExitStack() as stack:
        truth = stack.enter_context(TruthWriter(tmp_path / "truth", with_bodies=True))
        publisher = await stack.enter_async_context(Publisher(own_broker.url))
        sending = Sending(publisher, truth)
        for point in points:
            await killed.run(point, draw, traffic, sending)
        truth.end()
    last = killed.start({})
    try:
        await settled(conn, stored=traffic.sent_n - traffic.broken_n, refused=traffic.broken_n)
        await last.subscribed()
        metrics = await asyncio.to_thread(last.metrics)
        assert await last.end(signal.SIGTERM) == 0
    finally:
        last.kill()
    await reconcile(experiment, conn, tmp_path / "truth", [metrics], database_url=database_url)
    slowest_s = max(killed.first_commits_s)
    experiment.note(
        f"{len(points)} kills; restart to first commit {slowest_s:.1f} s at most, < {FIRST_COMMIT_S:.0f} s"
    )
    if killed.waited_s > 0.5:
        experiment.note(f"others had the processor for up to {killed.waited_s:.1f} s more")
    assert slowest_s < FIRST_COMMIT_S
