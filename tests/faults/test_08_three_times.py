"""8: every message comes three times, shuffled over a day; the vehicles' days are those of a clean run."""

import asyncio
import signal
from pathlib import Path
from typing import Final

import pytest

from decoders.envelope import Message
from ingest import pipeline
from ingest.pipeline import Line
from odocare import wiring
from simulator.outgoing import outgoing
from simulator.truth import TruthWriter
from store import signals as catalogue
from store.pool import Connection, connect
from tests.faults.reconciled import reconcile, settled
from tests.faults.table import Experiment
from tests.faults.traffic import Traffic, resent
from tests.ingest.broker import OwnBroker, publish
from tests.ingest.process import ingesting
from tests.ingest.senders import SECOND_US, T0_US, contents, deliver

DERIVED: Final = ("vehicle_day", "odometer_day", "latest", "fault", "fault_event", "transport_carry")
BATCH: Final = 100
KNOWN_US: Final = T0_US + 30 * 86_400 * SECOND_US


@pytest.mark.experiment(8, "every message three times, shuffled", quick=True)
async def test_the_days_are_those_of_a_clean_run(
    experiment: Experiment,
    conn: Connection,
    database_url: str,
    other_database_url: str,
    own_broker: OwnBroker,
    line: Line,
    tmp_path: Path,
) -> None:
    traffic = Traffic(experiment.draw, vehicles_n=6, every_us=1200 * SECOND_US)
    messages = [traffic.message() for _ in range(2000 if experiment.is_whole else 200)]
    async with connect(other_database_url) as clean:
        await catalogue.sync(clean, wiring.catalogue())
        await stored(clean, messages, line)
        expected = await contents(clean, *DERIVED)
    thrice = [*messages, *messages, *(resent(one) for one in messages)]
    experiment.draw.shuffle(thrice)
    if experiment.is_whole:
        await through_the_door(conn, database_url, own_broker, tmp_path, thrice)
    else:
        await catalogue.sync(conn, wiring.catalogue())
        await stored(conn, thrice, line)
    found = await contents(conn, *DERIVED)
    for table, rows in expected.items():
        assert found[table] == rows, table
    with TruthWriter(tmp_path / "truth", with_bodies=True) as truth:
        for message in messages:
            truth.sent(message, outgoing(message))
        truth.end()
    await reconcile(experiment, conn, tmp_path / "truth", database_url=database_url)
    experiment.note(f"{len(thrice)} arrivals of {len(messages)} messages")
    experiment.note(f"{len(expected['vehicle_day'])} vehicle days equal the clean run's")


async def stored(conn: Connection, messages: list[Message], line: Line) -> None:
    for start in range(0, len(messages), BATCH):
        await pipeline.store(
            conn, [deliver(one, known_us=KNOWN_US) for one in messages[start : start + BATCH]], line
        )


async def through_the_door(
    conn: Connection, database_url: str, broker: OwnBroker, folder: Path, messages: list[Message]
) -> None:
    pairs = [(one.topic, one.body) for one in map(outgoing, messages)]
    async with ingesting(folder, database_url, broker) as running:
        await asyncio.to_thread(publish, broker.port, "sender", pairs)
        await settled(conn, stored=len(messages) // 3)
        assert await running.end(signal.SIGTERM) == 0
