"""5: PostgreSQL's disk is full. Ingest pauses and acknowledges nothing, reading goes on, nothing is lost."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import psycopg
import pytest

from odocare import children
from odocare.stack import process
from odocare.stack.place import find_place
from simulator.outgoing import outgoing
from simulator.publish import Publisher
from simulator.truth import TruthWriter
from store import consumers
from store.consumers import Scope
from store.pool import Connection, connect, is_unwritable
from tests.faults.corridor import rows
from tests.faults.disk import children as forked
from tests.faults.disk import limit_files
from tests.faults.reconciled import held, reconcile, settled
from tests.faults.servers import OwnDatabase
from tests.faults.table import Experiment
from tests.faults.traffic import Traffic
from tests.ingest.broker import DEADLINE_S, OwnBroker, until
from tests.ingest.process import Process, ingesting
from tests.ingest.senders import can, vin
from tests.odocare.garage import Garage

LOG_SEGMENT_BYTES: Final = 16 << 20
"""So large are the files of PostgreSQL's own log: a lower limit would take the server down."""
FRAMES: Final = 12_000
"""Of 8 bytes that cannot be compressed: some 170 messages make a table's file reach the limit."""
MOST_MESSAGES: Final = 600
WATCHED_S: Final = 3.0
WAITS: Final = "batch waits for the database's disk"


@contextmanager
def full_disk(server: OwnDatabase) -> Iterator[None]:
    """No file of the cluster may grow beyond those of its log, which are made in full."""
    account = find_place(server.stack.home).account
    postmaster = process.find("postgres", server.data)
    assert postmaster is not None
    for pid in (postmaster, *forked(postmaster)):  # it first: what it starts is limited as it is
        limit_files(account, [pid], LOG_SEGMENT_BYTES)
    try:
        yield
    finally:
        for pid in (postmaster, *forked(postmaster)):
            limit_files(account, [pid], None)


class Filling:
    """A vehicle that fills the disk, and tells the truth file."""

    def __init__(self, publisher: Publisher, truth: TruthWriter, draw: random.Random) -> None:
        self._publisher = publisher
        self._truth = truth
        self._chance = np.random.default_rng(draw.randrange(1 << 32))
        self.sent_n = 0

    async def until_full(self, running: Process) -> None:
        while WAITS not in running.log.read_text():
            assert self.sent_n < MOST_MESSAGES, "the disk did not become full"
            payload = self._chance.bytes(8 * FRAMES)
            frames = [(1000 * n, 0x100 + n % 16, payload[8 * n : 8 * n + 8]) for n in range(FRAMES)]
            message = can(vin(900), self.sent_n, frames)
            ready = outgoing(message)
            self._truth.sent(message, ready)
            await self._publisher.send(ready)
            await self._publisher.drain()
            self.sent_n += 1


async def is_read(client: httpx.AsyncClient, key: str) -> None:
    """A consumer reads its feed and the whole is ready."""
    answer = await client.get("/v1/feeds/service/events", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    assert (await client.get("/readyz")).status_code == 200


async def key_of(conn: Connection) -> str:
    now = datetime.now(UTC)
    made = await consumers.create_key(
        conn, "reader", {Scope.FEED_SERVICE}, at=now, expires_at=now + timedelta(days=1)
    )
    return str(made)


@pytest.mark.experiment(5, "PostgreSQL's disk is full", quick=False)
async def test_ingest_pauses_reading_goes_on_and_all_is_stored_once_there_is_room(
    experiment: Experiment, own_server: OwnDatabase, own_broker: OwnBroker, tmp_path: Path
) -> None:
    ready = tmp_path / "serving"
    environment = {"ODOCARE_DATABASE_URL": own_server.url, "ODOCARE_HOME": str(tmp_path / "home")}
    async with AsyncExitStack() as stack:
        conn = await stack.enter_async_context(connect(own_server.url))
        key = await key_of(conn)
        serving = ("--port", "0", "--ready-file", str(ready))
        child = stack.enter_context(
            children.running("serve", serving, log=tmp_path / "serve.log", env=environment)
        )
        url = (await asyncio.to_thread(children.wait_ready, child, ready)).strip()
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
        running = await stack.enter_async_context(ingesting(tmp_path, own_server.url, own_broker))
        truth = stack.enter_context(TruthWriter(tmp_path / "truth", with_bodies=True))
        publisher = await stack.enter_async_context(Publisher(own_broker.url))
        traffic, filling = Traffic(experiment.draw), Filling(publisher, truth, experiment.draw)
        with full_disk(own_server):
            await filling.until_full(running)
            await traffic.send(publisher, truth, 200)
            before = await held(conn)
            until_s = time.monotonic() + WATCHED_S
            while time.monotonic() < until_s:
                await is_read(client, key)
            assert await held(conn) == before, "something was stored on a full disk"
            assert sum(before) < filling.sent_n + traffic.sent_n
            assert running.process.poll() is None, running.log.read_text()[-2000:]
        truth.end()
        await settled(
            conn,
            stored=filling.sent_n + traffic.sent_n - traffic.broken_n,
            refused=traffic.broken_n,
        )
        assert running.process.poll() is None
        await reconcile(experiment, conn, tmp_path / "truth", [await asyncio.to_thread(running.metrics)])
    waiting = filling.sent_n + traffic.sent_n - sum(before)
    experiment.note(f"{waiting} messages waited, the feed was read all the while; resumes by itself")


TOUCH: Final = """
    insert into touched (vehicle_id, from_day) values (%s, '2026-01-01')
    on conflict (vehicle_id) do update set touched_at = clock_timestamp()
"""
BALLAST: Final = """
    insert into evaluation (as_of, scope, finished_at)
    select '2020-01-01'::timestamptz + n * interval '1 s', 'touched', '2020-01-01'
    from generate_series(1, %s) n
"""


async def fill_evaluations(conn: Connection) -> None:
    """Until the file of their table cannot grow any more; `conn` is limited already."""

    async def insert(rows_n: int) -> None:
        while True:
            await conn.execute(BALLAST, (rows_n,))

    for rows_n in (20_000, 1):
        with pytest.raises(psycopg.Error) as full:
            await insert(rows_n)
        assert is_unwritable(full.value), full.value


@pytest.mark.experiment(5, "PostgreSQL's disk is full for the evaluation", quick=False)
async def test_no_vehicle_is_blamed_for_a_full_disk_and_it_is_evaluated_afterwards(
    experiment: Experiment, own_server: OwnDatabase, tmp_path: Path
) -> None:
    environment = {"ODOCARE_DATABASE_URL": own_server.url, "ODOCARE_HOME": str(tmp_path / "home")}
    log, ready = tmp_path / "worker.log", tmp_path / "working"
    async with AsyncExitStack() as stack:
        conn = await stack.enter_async_context(connect(own_server.url))
        garage = Garage(conn)
        await garage.plan()
        vehicle = await garage.vehicle(5)
        await garage.drive(vehicle, "2026-01-01", 60)
        arguments = ("--nightly-hour", "-1", "--ready-file", str(ready))
        child = stack.enter_context(children.running("worker", arguments, log=log, env=environment))
        await asyncio.to_thread(children.wait_ready, child, ready)
        await until(lambda: "evaluated" in log.read_text(), "the first evaluation")
        with full_disk(own_server):
            async with connect(own_server.url) as limited:
                await fill_evaluations(limited)
            await conn.execute(TOUCH, (vehicle,))
            await conn.execute("notify touched")
            await until(lambda: "database away" in log.read_text(), "the worker to notice")
            child.require_alive()
            assert await rows(conn, "select count(*) from held_back") == [(0,)]
        async with asyncio.timeout(DEADLINE_S):
            while await (await conn.execute("select from touched")).fetchone():  # noqa: ASYNC110  # a process
                await asyncio.sleep(0.05)
        child.require_alive()
    experiment.note("the worker waits, blames no vehicle, and evaluates once there is room")
