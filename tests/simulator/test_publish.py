import asyncio
import uuid

import pytest

from odocare.stack import process
from simulator import publish
from simulator.outgoing import Outgoing
from simulator.publish import Broker, Publisher, PublishError
from tests.simulator.conftest import OwnBroker
from tests.simulator.listener import listening


def messages(topic: str, count: int) -> list[Outgoing]:
    return [Outgoing(topic, f"message {number}".encode()) for number in range(count)]


async def test_every_message_arrives_once_and_in_order(broker_url: str) -> None:
    topic = f"tbox/v1/{uuid.uuid4().hex}/up/signals"
    sent = messages(topic, 3000)
    async with listening(broker_url, topic) as listener, Publisher(broker_url) as publisher:
        for message in sent:
            await publisher.send(message)
            assert len(publisher._unacknowledged) <= publish.WINDOW
        await publisher.drain()
        await listener.until(lambda: len(listener.bodies) >= len(sent))
    assert listener.bodies == [(message.topic, message.body) for message in sent]
    assert publisher.delivery.accepted == len(sent)
    assert publisher.delivery.bytes == sum(len(message.body) for message in sent)
    assert (publisher.delivery.refused, publisher.delivery.unheard) == ({}, 0)


async def test_what_nobody_subscribed_to_is_counted(own_broker: OwnBroker) -> None:
    async with Publisher(own_broker.simulator_url) as publisher:
        for message in messages(f"tbox/v1/{uuid.uuid4().hex}/up/signals", 20):
            await publisher.send(message)
        await publisher.drain()
    assert (publisher.delivery.accepted, publisher.delivery.unheard) == (20, 20)


async def test_a_message_beyond_the_brokers_limit_is_counted_and_its_neighbours_arrive(
    broker_url: str,
) -> None:
    topic = f"tbox/v1/{uuid.uuid4().hex}/up/signals"
    sent = [Outgoing(topic, b"a"), Outgoing(topic, b"x" * 262_144), Outgoing(topic, b"b")]
    async with listening(broker_url, topic) as listener, Publisher(broker_url) as publisher:
        for message in sent:
            await publisher.send(message)
        await publisher.drain()
        await listener.until(lambda: len(listener.bodies) >= 2)
    assert [body for _, body in listener.bodies] == [b"a", b"b"]
    assert publisher.delivery.refused == {"packet too large": 1}
    assert publisher.delivery.reconnects == 0


async def test_messages_as_large_as_the_broker_takes_arrive(broker_url: str) -> None:
    topic = f"tbox/v1/{uuid.uuid4().hex}/up/signals"
    room = 262_144 - publish.PACKET_OVERHEAD_BYTES - len(topic)
    async with listening(broker_url, topic) as listener, Publisher(broker_url) as publisher:
        for _ in range(60):
            await publisher.send(Outgoing(topic, b"x" * room))
            assert publisher._unacknowledged_bytes <= publish.WINDOW_BYTES + room
        await publisher.drain()
        await listener.until(lambda: len(listener.bodies) == 60)
    assert publisher.delivery.refused == {}


async def test_nothing_is_lost_when_the_broker_restarts(own_broker: OwnBroker) -> None:
    topic = "tbox/v1/RESTART/up/signals"
    sent = messages(topic, 4000)
    async with listening(own_broker.tester_url, topic, keeps_session=True) as listener:
        async with Publisher(own_broker.simulator_url) as publisher:
            for message in sent[:2000]:
                await publisher.send(message)
            await asyncio.to_thread(own_broker.stop)
            restarting = asyncio.create_task(asyncio.to_thread(own_broker.start))
            for message in sent[2000:]:
                await publisher.send(message)
            await publisher.drain()
            await restarting
        await listener.until(lambda: len({body for _, body in listener.bodies}) == len(sent))
    assert {body for _, body in listener.bodies} == {message.body for message in sent}
    assert publisher.delivery.accepted == len(sent)
    assert publisher.delivery.reconnects >= 1


async def test_a_topic_the_identity_may_not_write_is_reported(own_broker: OwnBroker) -> None:
    topic = "tbox/v1/ALLOWED/up/signals"
    async with listening(own_broker.tester_url, topic) as listener:
        async with Publisher(own_broker.simulator_url) as publisher:
            await publisher.send(Outgoing(topic, b"a"))
            await publisher.send(Outgoing("tbox/v1/ALLOWED/down/ack", b"no"))
            await publisher.send(Outgoing(topic, b"b"))
            await publisher.drain()
        await listener.until(lambda: len(listener.bodies) == 2)
    assert publisher.delivery.refused == {"not authorized": 1}
    assert publisher.delivery.accepted == 2


async def test_a_wrong_password_is_refused_at_once(own_broker: OwnBroker) -> None:
    broker = Broker.parse(own_broker.simulator_url)
    with pytest.raises(PublishError, match="does not let the simulator in"):
        async with Publisher(f"mqtt://simulator:wrong@{broker.host}:{broker.port}"):
            pass


async def test_a_broker_that_is_not_there_is_given_up_after_the_patience() -> None:
    port = process.free_port()
    with pytest.raises(PublishError, match=rf"127\.0\.0\.1:{port} cannot be reached"):
        async with Publisher(f"mqtt://127.0.0.1:{port}", patience_s=0.2):
            pass


@pytest.mark.parametrize("url", ["http://h", "mqtt://", "h:1883", ""])
def test_what_is_no_broker_url_is_refused(url: str) -> None:
    with pytest.raises(PublishError):
        Broker.parse(url)


def test_a_broker_url_has_defaults_and_escapes() -> None:
    assert Broker.parse("mqtts://a%40b:p%2Fw@host") == Broker("host", 8883, True, "a@b", "p/w")
    assert Broker.parse("mqtt://host") == Broker("host", 1883, False, None, None)
