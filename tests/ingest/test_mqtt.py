"""The door against a real broker: what is not settled is not acknowledged, and comes again."""

import asyncio

from structlog.testing import capture_logs

from ingest.batcher import Batcher, Limits
from ingest.mqtt import Door
from tests.ingest.broker import OwnBroker, Sender, until
from tests.ingest.doors import FEW, bodies, numbered, open_door, send, waiting


def cut(door: Door) -> None:
    """Lose the connection, as a cable does."""
    assert door._connection is not None
    door._connection.abort("cut by the test")


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
    async with open_door(own_broker.url, batcher):
        await send(own_broker, numbered(95))
        while len(seen) < 95:
            batch = await batcher.take()
            seen += bodies(batch)
            batcher.done(batch)
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


async def test_acknowledgements_of_what_settled_last_leave_before_the_door_closes(
    own_broker: OwnBroker,
) -> None:
    batcher = Batcher(FEW)
    async with open_door(own_broker.url, batcher):
        await send(own_broker, numbered(10))
        await until(lambda: waiting(batcher) == 10, "all of them")
        while waiting(batcher):
            batcher.done(await batcher.take())
    again = Batcher(FEW)
    async with open_door(own_broker.url, again):
        await send(own_broker, [("tbox/v1/LRW3E7FA7NC000001/up/signals", b"0010")])
        assert bodies(await again.take()) == [10]


async def test_what_the_door_publishes_arrives_and_leaves_before_the_door_closes(
    own_broker: OwnBroker,
) -> None:
    hearing, sending = Batcher(FEW), Batcher(FEW)
    topic = "tbox/v1/LRW3E7FA7NC000001/up/signals"
    async with open_door(own_broker.url, hearing):
        async with open_door(own_broker.url, sending, client_id="another") as door:
            for number in range(25):
                door.publish(topic, b"%04d" % number)
        door.publish(topic, b"9999")
        seen: list[int] = []
        while len(seen) < 25:
            batch = await asyncio.wait_for(hearing.take(), 30)
            seen += bodies(batch)
            hearing.done(batch)
    assert seen == list(range(25))


async def test_messages_at_qos_0_are_taken_and_not_acknowledged(own_broker: OwnBroker) -> None:
    batcher = Batcher(FEW)
    topic = "tbox/v1/LRW3E7FA7NC000001/up/signals"
    async with open_door(own_broker.url, batcher) as door:
        door.publish(topic, b"0000")
        batcher.done(await asyncio.wait_for(batcher.take(), 30))
        await send(own_broker, [(topic, b"0001")])
        again = await asyncio.wait_for(batcher.take(), 30)
        assert bodies(again) == [1]
        assert door.state.connected


async def test_a_second_door_under_the_same_name_takes_the_session_and_the_first_one_steps_back(
    own_broker: OwnBroker,
) -> None:
    first, second = Batcher(FEW), Batcher(FEW)
    with capture_logs() as told:
        async with open_door(own_broker.url, first) as earlier, open_door(own_broker.url, second):
            await until(lambda: not earlier.state.connected, "the first to be told")
            await send(own_broker, numbered(3))
            assert bodies(await asyncio.wait_for(second.take(), 30)) == [0, 1, 2]
    whys = [line["why"] for line in told if line["event"] == "broker connection lost"]
    assert whys == ["the broker ended it: session taken over"]


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
