"""3: the broker can no longer write its queues to disk. It goes on acknowledging, and tells its log only."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from odocare.stack import local
from odocare.stack.broker import ACCEPTED, login
from odocare.stack.place import find_place
from simulator.outgoing import outgoing
from simulator.publish import Publisher
from store.pool import Connection
from tests.faults.client import V311, connected
from tests.faults.conftest import REPOSITORY
from tests.faults.disk import KeepingBroker
from tests.faults.door import Shipped, vehicle_door
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

    def wait_in_vain() -> None:
        with connected(keeping.port, "absent", version=V311, stays=True) as absent:
            absent.subscribe("tbox/#")

    # something must wait: a save of less than 4 kB fails in silence (docs/ingest.md)
    await asyncio.to_thread(wait_in_vain)
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
        saved_at = keeping.database.stat().st_mtime_ns
        break_it(broken=False)  # from here on it may save at any moment
        await asyncio.to_thread(publish, keeping.port, "after", stream(2 * MESSAGES))
        await until(lambda: keeping.database.stat().st_mtime_ns > saved_at, "a save, now that there is room")
        await reached(conn, 3 * MESSAGES)
        assert running.process.poll() is None
        assert vin(3) not in running.log.read_text()
    experiment.note(f"{how}: told after {after_s:.1f} s, < {ALERT_S:.0f} s; all {3 * MESSAGES} stored")


@pytest.mark.experiment(3, "the shipped broker's folder is read-only", quick=False)
async def test_the_shipped_configuration_tells_as_well(
    experiment: Experiment, conn: Connection, database_url: str, tmp_path: Path
) -> None:
    with vehicle_door() as door:
        simulator = door.stack.addresses.simulator_mqtt_url
        assert simulator is not None
        async with ingesting(tmp_path, database_url, Shipped(door.ingest_url)) as running:
            door.close_folder(closed=True)
            traffic = [signals(vin(3), seq, {ODOMETER: 1.0}) for seq in range(MESSAGES)]
            async with Publisher(simulator) as publisher:
                for message in traffic:
                    await publisher.send(outgoing(message))
                await publisher.drain()
            after_s = await alerted(running, 0)
            await reached(conn, MESSAGES)
        door.close_folder(closed=False)
    experiment.note(f"told after {after_s:.1f} s, < {ALERT_S:.0f} s")


@pytest.mark.experiment(3, "a full disk has cut the broker's queues short", quick=False)
def test_a_broker_whose_queues_were_cut_short_starts_all_the_same(experiment: Experiment) -> None:
    with vehicle_door() as door:
        place, said = find_place(door.stack.home), list[str]()
        local.down(door.stack.home, said.append)
        queues = place.servers / "mosquitto" / "mosquitto.db"
        place.account.must(["truncate", "--size=16", queues])
        wanted = local.Wanted(database=False, runtime=door.runtime)
        addresses = local.up(door.stack.home, wanted, said.append)
        aside = queues.with_name("mosquitto.db.unreadable")
        assert aside.stat().st_size == 16
        assert any(str(aside) in line for line in said)
        assert addresses.mqtt_url is not None
        parts = urlsplit(addresses.mqtt_url)
        assert login("127.0.0.1", parts.port or 0, parts.username, parts.password) == ACCEPTED
        local.down(door.stack.home, said.append)
        local.up(door.stack.home, wanted, said.append)
        assert sum("set aside" in line for line in said) == 1, "queues that can be read stay"
    experiment.note("they are set aside, and it says so; without that it would not start")
