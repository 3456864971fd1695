"""The shipped access list and limits, with real clients on a broker of our own."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gmqtt
import pytest

from odocare.stack.local import Wanted
from odocare.stack.temporary import Temporary, temporary_stack
from tests.simulator.listener import DEADLINE_S, listening
from vehicle.errors import StackError

SETUP = Path(__file__).parents[2] / os.environ.get("ODOCARE_HOME", ".odocare")
UP, DOWN = "tbox/v1/1G4AH59H45G118341/up/can", "tbox/v1/1G4AH59H45G118341/down/ack"


@pytest.fixture(scope="module")
def broker() -> Iterator[Temporary]:
    try:
        with temporary_stack(SETUP, Wanted(database=False)) as stack:
            yield stack
    except StackError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@asynccontextmanager
async def client(url: str | None) -> AsyncIterator[gmqtt.Client]:
    """A connected MQTT 5 client; its `lost` is set when the broker hangs up."""
    parts = urlsplit(url or "")
    one = gmqtt.Client(f"test-{uuid.uuid4().hex[:12]}")
    one.set_config({"reconnect_retries": 0})
    one.set_auth_credentials(parts.username, parts.password)
    one.lost = asyncio.Event()
    one.on_disconnect = lambda *_: one.lost.set()
    async with asyncio.timeout(DEADLINE_S):
        await one.connect(parts.hostname, parts.port)
    try:
        yield one
    finally:
        await one.disconnect()


async def what_arrives(url: str | None, topics: str, messages: list[tuple[str | None, str]]) -> list[str]:
    """Topics that a subscriber of `topics` got after every sender published once, the last one allowed."""
    async with listening(url or "", topics) as listener:
        for sender, topic in messages:
            async with client(sender) as one:
                one.publish(topic, b"x", qos=1)
        last = messages[-1][1]
        await listener.until(lambda: any(topic == last for topic, _ in listener.bodies))
        return [topic for topic, _ in listener.bodies]


async def test_ingest_speaks_down_and_never_up(broker: Temporary) -> None:
    ingest = broker.addresses.mqtt_url
    assert await what_arrives(broker.tester_mqtt_url, "tbox/#", [(ingest, UP), (ingest, DOWN)]) == [DOWN]


async def test_the_simulator_speaks_up_and_never_down(broker: Temporary) -> None:
    simulator = broker.addresses.simulator_mqtt_url
    sent = [(simulator, DOWN), (simulator, UP)]
    assert await what_arrives(broker.tester_mqtt_url, "tbox/#", sent) == [UP]


async def test_ingest_hears_up_only(broker: Temporary) -> None:
    tester = broker.tester_mqtt_url
    assert await what_arrives(broker.addresses.mqtt_url, "tbox/#", [(tester, DOWN), (tester, UP)]) == [UP]


async def test_the_simulator_hears_down_only(broker: Temporary) -> None:
    tester = broker.tester_mqtt_url
    sent = [(tester, UP), (tester, DOWN)]
    assert await what_arrives(broker.addresses.simulator_mqtt_url, "tbox/#", sent) == [DOWN]


async def test_a_packet_beyond_the_limit_ends_the_connection_and_is_told_to_ingest(broker: Temporary) -> None:
    def is_told(bodies: list[tuple[str, bytes]]) -> bool:
        return any(b"oversize packet" in body for _, body in bodies)

    async with (
        listening(broker.addresses.mqtt_url or "", "$SYS/broker/log/#") as log,
        client(broker.addresses.simulator_mqtt_url) as sender,
    ):
        sender.publish(UP, bytes(300_000), qos=0)
        await log.until(lambda: is_told(log.bodies))
        lost: Any = sender.lost
        async with asyncio.timeout(DEADLINE_S):
            await lost.wait()
