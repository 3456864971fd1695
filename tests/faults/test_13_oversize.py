"""13: a message of 300 kB, where the broker takes 256 kB. The vehicle is told, splits it, and is counted."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from msgspec import structs

from decoders.envelope import MAX_WIRE_BYTES, encode
from decoders.message import CanMessage
from simulator.outgoing import Outgoing, up_topic
from simulator.truth import TruthWriter
from store.pool import Connection
from tests.faults.client import PACKET_TOO_LARGE, V5, V311, HungUpError, connected
from tests.faults.reconciled import reconcile, settled
from tests.faults.table import Experiment
from tests.ingest.broker import OwnBroker
from tests.ingest.process import ingesting
from tests.ingest.senders import can, vin

CAR: Final = vin(13)
HEADER_BYTES: Final = 100
"""Of an MQTT packet, which count, too."""
FRAMES: Final = 20_000
REFUSED: Final = 'odocare_ingest_details_total{what="broker_refused"}'


@pytest.fixture
def telling(mosquitto: Path, tmp_path: Path) -> Iterator[OwnBroker]:
    """Its log is a topic, too, as in the shipped configuration."""
    broker = OwnBroker(mosquitto, tmp_path, tells=True)
    broker.start()
    yield broker
    broker.stop()


def too_large(draw_seed: int, seq: int) -> CanMessage:
    """A trip that was buffered and is sent at once, above 300 kB."""
    payload = np.random.default_rng(draw_seed).bytes(8 * FRAMES)
    message = can(CAR, seq, [(500 * n, 0x200 + n % 64, payload[8 * n : 8 * n + 8]) for n in range(FRAMES)])
    assert len(encode(message)) > 300_000
    return message


def split(message: CanMessage) -> list[CanMessage]:
    """Halves, as long as one does not fit, numbered on: what a T-Box does that was told."""
    if len(encode(message)) + HEADER_BYTES <= MAX_WIRE_BYTES:
        return [message]
    middle = len(message) // 2
    bytes_before = int(message.length[:middle].sum())
    columns = ("dt_us", "can_id", "bus", "length")
    first = replace(
        message,
        **{name: getattr(message, name)[:middle] for name in columns},
        data=message.data[:bytes_before],
    )
    second = replace(
        message,
        **{name: getattr(message, name)[middle:] for name in columns},
        data=message.data[bytes_before:],
    )
    done = split(first)
    seq = done[-1].envelope.seq + 1
    return [*done, *split(replace(second, envelope=structs.replace(message.envelope, seq=seq)))]


@pytest.mark.parametrize("version", [V5, V311])
@pytest.mark.experiment(13, "a message of 300 kB", quick=False)
async def test_the_vehicle_is_told_and_counted_and_its_parts_are_stored(
    experiment: Experiment,
    conn: Connection,
    database_url: str,
    telling: OwnBroker,
    tmp_path: Path,
    version: int,
) -> None:
    whole = too_large(experiment.seed, 0)
    parts = split(whole)
    topic = up_topic(CAR, "can")

    def drive(truth: TruthWriter) -> int | None:
        with connected(telling.port, CAR, version=version) as client:
            with pytest.raises((HungUpError, ConnectionError)):
                client.publish(topic, encode(whole))
            told = client.ended_by
        with connected(telling.port, CAR, version=version) as client:
            for part in parts:
                body = encode(part)
                truth.sent(part, Outgoing(topic, body, len(part)))
                assert client.publish(topic, body) == 0
        truth.end()
        return told

    async with ingesting(tmp_path, database_url, telling) as running:
        with TruthWriter(tmp_path / "truth", with_bodies=True) as truth:
            told = await asyncio.to_thread(drive, truth)
        await settled(conn, stored=len(parts), refused=1)
        metrics = await asyncio.to_thread(running.metrics)
    assert metrics[REFUSED] == 1
    cur = await conn.execute(
        "select r.kind, r.reason, v.vin from reject r left join vehicle v on v.id = r.vehicle_id"
    )
    assert [row[:2] for row in await cur.fetchall()] == [("broker", "too-large")]
    assert told == (PACKET_TOO_LARGE if version == V5 else None)
    assert sum(len(part) for part in parts) == FRAMES
    await reconcile(experiment, conn, tmp_path / "truth")
    said = "0x95 Packet too large" if version == V5 else "the connection ends (3.1.1 has no words)"
    experiment.note(f"{said}; counted once; {len(parts)} parts stored")
