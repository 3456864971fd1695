"""19: another certificate connects with a vehicle's client id, to take its session over."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.client import NOT_TAKEN, TAKEN_OVER, V5, V311, connected
from tests.faults.door import VehicleDoor, vehicle_door
from tests.faults.table import Experiment
from tests.ingest.broker import OwnBroker
from tests.ingest.senders import vin

VICTIM, THIEF = vin(190), vin(191)


@pytest.fixture(scope="module")
def door() -> Iterator[VehicleDoor]:
    with vehicle_door() as opened:
        yield opened


@pytest.mark.parametrize("version", [V5, V311])
@pytest.mark.experiment(19, "a client id is taken over", quick=False)
async def test_a_plain_broker_drops_the_first_and_the_shipped_one_does_not(
    experiment: Experiment, own_broker: OwnBroker, door: VehicleDoor, version: int
) -> None:
    def plain() -> int | None:
        with (
            connected(own_broker.port, VICTIM, version=version) as first,
            connected(own_broker.port, VICTIM, version=version) as second,
        ):
            assert second.is_alive()
            assert not first.is_alive(), "a plain broker keeps both"
            return first.ended_by

    def shipped() -> None:
        mine, other = door.certificate(VICTIM), door.certificate(THIEF)
        down = f"tbox/v1/{VICTIM}/down/#"
        with (
            connected(door.port, VICTIM, version=version, tls=mine) as first,
            connected(door.port, VICTIM, version=version, tls=other) as second,
        ):
            for client in (first, second):
                client.subscribe(down)
                assert client.is_alive()
            assert first.is_alive(), "the thief has taken the session over"
            assert first.publish(f"tbox/v1/{VICTIM}/up/can", b"x") < NOT_TAKEN
            with connected(door.port, "whatever", version=version, tls=mine) as again:
                assert again.is_alive()
                assert not first.is_alive(), "a vehicle that connects again has one session, not two"
                assert second.is_alive()

    ended_by = await asyncio.to_thread(plain)
    assert ended_by == (TAKEN_OVER if version == V5 else None)
    await asyncio.to_thread(shipped)
    name = "MQTT 5" if version == V5 else "MQTT 3.1.1"
    experiment.note(f"{name}: reproduced on a plain broker, prevented by the shipped configuration")
