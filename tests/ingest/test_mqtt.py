"""The door against a real broker: what is not settled is not acknowledged, and comes again."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from ingest.batcher import Batch, Batcher, Limits
from ingest.mqtt import Broker, Door, _transport
from tests.ingest.broker import OwnBroker, Sender, publish, until
from vehicle.errors import SettingsError

FEW = Limits(messages=10, age_s=0.01)


@asynccontextmanager
async def open_door(url: str, batcher: Batcher, *, receive_maximum: int = 20) -> AsyncIterator[Door]:
    """A door that is subscribed."""
    ready = asyncio.Event()
    door = Door(
        Broker.parse(url),
        batcher,
        client_id="test-door",
        receive_maximum=receive_maximum,
        on_ready=ready.set,
    )
    running = asyncio.create_task(door.run())
    try:
        await asyncio.wait_for(ready.wait(), 30)
        yield door
    finally:
        running.cancel()
        await asyncio.wait([running])


def numbered(n: int, *, size: int = 4) -> list[tuple[str, bytes]]:
    return [
        ("tbox/v1/LRW3E7FA7NC000001/up/signals", b"%04d" % number + bytes(size - 4)) for number in range(n)
    ]


def bodies(*batches: Batch) -> list[int]:
    return [int(delivery.body[:4]) for batch in batches for delivery in batch.deliveries]


def waiting(batcher: Batcher) -> int:
    return sum(len(batch.deliveries) for batch in batcher._waiting)


def cut(door: Door) -> None:
    """Lose the connection, as a cable does."""
    assert door._client is not None
    transport = _transport(door._client)
    assert transport is not None
    transport.abort()


async def send(broker: OwnBroker, messages: list[tuple[str, bytes]]) -> None:
    await asyncio.to_thread(publish, broker.port, "test-sender", messages)


async def test_the_broker_holds_back_what_exceeds_the_receive_maximum(own_broker: OwnBroker) -> None:
    batcher = Batcher(FEW)
    async with open_door(own_broker.url, batcher):
        await send(own_broker, numbered(50))
        await until(lambda: waiting(batcher) >= 20, "20 messages")
        await send(own_broker, [("test/other", b"a round trip: the broker has handled what came before")])
        assert waiting(batcher) == 20
        first = await batcher.take()
        batcher.done(first)
        await until(lambda: waiting(batcher) >= 20, "10 more for 10 acknowledged")
        await send(own_broker, [("test/other", b"again")])
        assert waiting(batcher) == 20


async def test_messages_come_in_order_and_once_settled_no_more(own_broker: OwnBroker) -> None:
    seen: list[int] = []
    batcher = Batcher(FEW)
    async with open_door(own_broker.url, batcher) as door:
        await send(own_broker, numbered(95))
        while len(seen) < 95:
            batch = await batcher.take()
            seen += bodies(batch)
            batcher.done(batch)
        await door.flush()
    assert seen == list(range(95))
    again = Batcher(FEW)
    async with open_door(own_broker.url, again):
        await send(own_broker, [("tbox/v1/LRW3E7FA7NC000001/up/signals", b"0095")])
        batch = await again.take()
        assert bodies(batch) == [95]


async def test_after_a_lost_connection_the_unsettled_come_again_first(own_broker: OwnBroker) -> None:
    batcher = Batcher(FEW)
    async with open_door(own_broker.url, batcher) as door:
        await send(own_broker, numbered(20))
        settled = await batcher.take()
        batcher.done(settled)
        await door.flush()
        held = await batcher.take()
        assert bodies(held) == list(range(10, 20))
        cut(door)
        again = await asyncio.wait_for(batcher.take(), 30)
        assert bodies(again) == list(range(10, 20))
        assert all(delivery.is_duplicate for delivery in again.deliveries)
        assert door.state.sessions_lost == 0


async def test_settling_after_a_reconnect_acknowledges_nothing_on_the_new_connection(
    own_broker: OwnBroker,
) -> None:
    batcher = Batcher(FEW)
    async with open_door(own_broker.url, batcher, receive_maximum=10) as door:
        await send(own_broker, numbered(15))
        old = await batcher.take()
        cut(door)
        again = await asyncio.wait_for(batcher.take(), 30)
        assert bodies(again) == bodies(old)
        old.settle()
        await door.flush()
        await send(own_broker, [("test/other", b"a round trip")])
        assert waiting(batcher) == 0, "an acknowledgement of the old connection opened the new one's window"
        batcher.done(again)
        assert bodies(await asyncio.wait_for(batcher.take(), 30)) == list(range(10, 15))


async def test_a_door_that_is_pressed_stops_reading_and_goes_on_when_relieved(own_broker: OwnBroker) -> None:
    limits = Limits(messages=4, age_s=0.01, waiting_bytes=400_000)
    batcher = Batcher(limits)
    async with open_door(own_broker.url, batcher, receive_maximum=1000) as door:
        sending = asyncio.create_task(send(own_broker, numbered(100, size=100_000)))
        await until(lambda: batcher.is_pressed, "pressure")
        await sending
        assert batcher.waiting_bytes < 1_000_000, "a few messages were in the socket's buffer already"
        seen: list[int] = []
        while len(seen) < 100:
            batch = await asyncio.wait_for(batcher.take(), 30)
            seen += bodies(batch)
            batcher.done(batch)
            door.relieve()
            assert batcher.waiting_bytes < 1_000_000
        assert seen == list(range(100))


async def test_a_broker_that_restarts_is_found_again_and_a_forgotten_session_is_told(
    own_broker: OwnBroker,
) -> None:
    batcher = Batcher(FEW)
    async with open_door(own_broker.url, batcher) as door:
        own_broker.kill()
        await until(lambda: not door.state.connected, "the loss")
        own_broker.start()
        await until(lambda: door.state.connected, "the reconnect")
        assert door.state.sessions_lost == 1
        await send(own_broker, numbered(3))
        assert bodies(await asyncio.wait_for(batcher.take(), 30)) == [0, 1, 2]


async def test_a_broker_that_comes_late_is_waited_for(mosquitto: Path, tmp_path: Path) -> None:
    broker = OwnBroker(mosquitto, tmp_path)
    batcher = Batcher(FEW)
    door = Door(Broker.parse(broker.url), batcher, client_id="test-door", receive_maximum=20)
    running = asyncio.create_task(door.run())
    await asyncio.sleep(0.05)
    broker.start()
    try:
        await until(lambda: door.state.connected, "the connection")
    finally:
        running.cancel()
        await asyncio.wait([running])
        broker.stop()


async def test_relieving_a_door_whose_broker_does_not_accept_does_nothing() -> None:
    with ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # its queue is full: who connects now waits
            filling = held.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        broker = Broker("127.0.0.1", listener.getsockname()[1])
        door = Door(broker, Batcher(FEW), client_id="test-door", receive_maximum=20)
        running = asyncio.create_task(door.run())
        await until(lambda: door._client is not None, "the first attempt")
        door.relieve()
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
    assert not door.state.connected


async def test_the_broker_says_what_it_refused(telling_broker: OwnBroker) -> None:
    batcher = Batcher(FEW)
    async with open_door(telling_broker.url, batcher):
        sender = await asyncio.to_thread(Sender, telling_broker.port, "LRW3E7FA7NC000001")
        await asyncio.to_thread(sender.publish_refused, "tbox/v1/LRW3E7FA7NC000001/up/can", bytes(300_000))
        lines: list[bytes] = []
        while not any(line.endswith(b"due to oversize packet.") for line in lines):
            batch = await asyncio.wait_for(batcher.take(), 30)
            lines += [one.body for one in batch.deliveries if one.topic.startswith("$SYS/broker/log/")]
            batcher.done(batch)


@pytest.mark.parametrize("url", ["http://localhost", "mqtt://", "localhost:1883"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="mqtt://user:password@host:port"):
        Broker.parse(url)


def test_an_address_is_read_with_its_secrets() -> None:
    broker = Broker.parse("mqtts://in%40gest:s%2Fcret@broker.example")
    assert (broker.host, broker.port, broker.username, broker.password, broker.tls) == (
        "broker.example",
        8883,
        "in@gest",
        "s/cret",
        True,
    )
    assert "s/cret" not in repr(broker)
