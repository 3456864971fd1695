"""A subscriber that receives and acknowledges in batches, by one of several MQTT clients.

`python -m bench._mqtt_clients`: the environment says by which client, under which identifier, and for what
(`bench/_mqtt_tasks.py`). MQTT 5, a session that stays, at most 1,000 messages unacknowledged.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from bench._mqtt_tasks import TASKS, Task
from odocare import logs

if TYPE_CHECKING:
    from paho.mqtt.properties import Properties

URL: Final = "BENCH_MQTT_URL"
CLIENT: Final = "BENCH_CLIENT"
CLIENT_ID: Final = "BENCH_CLIENT_ID"
TASK: Final = "BENCH_TASK"
MESSAGES: Final = "BENCH_MESSAGES"
"""How many there will be."""
FILTER: Final = "tbox/v1/+/up/#"
RECEIVE_MAXIMUM: Final = 1000
SESSION_EXPIRY_S: Final = 3600

OWN: Final = "odocare"
GMQTT: Final = "gmqtt"
PAHO: Final = "paho"
AIOMQTT: Final = "aiomqtt"


@dataclass(frozen=True, slots=True)
class Session:
    """Where to connect, and as whom."""

    client_id: str
    host: str
    port: int
    username: str | None
    password: str | None

    @classmethod
    def of(cls, client_id: str, url: str) -> "Session":
        """At the broker of this address."""
        parts = urlsplit(url)
        return cls(
            client_id,
            parts.hostname or "",
            parts.port or 1883,
            None if parts.username is None else unquote(parts.username),
            None if parts.password is None else unquote(parts.password),
        )


async def by_odocare(session: Session, task: Task) -> None:
    """The door of ingest, as ingest uses it."""
    from ingest.batcher import Batcher, Limits
    from ingest.mqtt import Broker, Door
    from ingest.topic import is_broker_log

    batcher = Batcher(Limits(messages=task.batch))
    door = Door(
        Broker(session.host, session.port, session.username, session.password),
        batcher,
        client_id=session.client_id,
        receive_maximum=RECEIVE_MAXIMUM,
        on_ready=task.ready,
    )
    running = asyncio.create_task(door.run())
    while not running.done():
        batch = await batcher.take()
        if task.take([one.body for one in batch.deliveries if not is_broker_log(one.topic)]):
            batcher.done(batch)
            task.acknowledged()


async def by_gmqtt(session: Session, task: Task) -> None:
    """A handler a message that ends when its batch is settled; then gmqtt acknowledges."""
    import gmqtt

    loop = asyncio.get_running_loop()
    bodies: list[bytes] = []
    settled = loop.create_future()

    async def receive(_client: object, _topic: str, body: bytes, *_: object) -> int:
        nonlocal bodies, settled
        mine = settled
        bodies.append(body)
        if len(bodies) == task.batch:
            batch, bodies, settled = bodies, [], loop.create_future()
            if task.take(batch):
                mine.set_result(None)
                loop.call_later(0, loop.call_soon, task.acknowledged)
        await mine
        return 0

    client = gmqtt.Client(
        session.client_id,
        clean_session=False,
        optimistic_acknowledgement=False,
        session_expiry_interval=SESSION_EXPIRY_S,
        receive_maximum=RECEIVE_MAXIMUM,
    )
    client.set_auth_credentials(session.username, session.password)
    client.on_message = receive
    client.on_connect = lambda *_: client.subscribe(FILTER, qos=1)
    client.on_subscribe = lambda *_: task.ready()
    await client.connect(session.host, session.port)
    await asyncio.Event().wait()


async def by_paho(session: Session, task: Task) -> None:
    """Acknowledged by hand, in its callback: the fastest way."""
    from paho.mqtt.client import Client, MQTTMessage, MQTTv5
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, session.client_id, protocol=MQTTv5, manual_ack=True)
    client.username_pw_set(session.username, session.password)
    waiting: list[MQTTMessage] = []

    def subscribe(*_: object) -> None:
        client.subscribe(FILTER, qos=1)

    def receive(_client: object, _data: object, message: MQTTMessage) -> None:
        waiting.append(message)
        if len(waiting) == task.batch:
            if task.take([bytes(one.payload) for one in waiting]):
                for one in waiting:
                    client.ack(one.mid, one.qos)
                task.acknowledged()
            waiting.clear()

    client.on_message = receive
    client.on_connect = subscribe
    client.on_subscribe = lambda *_: task.ready()
    client.connect(session.host, session.port, clean_start=False, properties=paho_properties())
    client.loop_forever()


async def by_aiomqtt(session: Session, task: Task) -> None:
    """As its manual has it: it acknowledges by itself, before the loop sees the message."""
    import aiomqtt

    async with aiomqtt.Client(
        session.host,
        session.port,
        identifier=session.client_id,
        username=session.username,
        password=session.password,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=paho_properties(),
    ) as client:
        await client.subscribe(FILTER, qos=1)
        task.ready()
        bodies: list[bytes] = []
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            bodies.append(message.payload)
            if len(bodies) == task.batch:
                if task.take(bodies):
                    task.acknowledged()
                bodies = []


def paho_properties() -> "Properties":
    """Of CONNECT, for paho and aiomqtt, which is built on it."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    return properties


CLIENTS: Final[dict[str, Callable[[Session, Task], Awaitable[None]]]] = {
    OWN: by_odocare,
    GMQTT: by_gmqtt,
    PAHO: by_paho,
    AIOMQTT: by_aiomqtt,
}


def left_out(client: str) -> str | None:
    """Why a client cannot be tried here."""
    if client == OWN or find_spec(client) is not None:
        return None
    return f"{client} is not installed"


async def main() -> None:
    """Subscribe until killed."""
    logs.configure()
    session = Session.of(os.environ[CLIENT_ID], os.environ[URL])
    task = TASKS[os.environ[TASK]](int(os.environ[MESSAGES]))
    await CLIENTS[os.environ[CLIENT]](session, task)


if __name__ == "__main__":
    asyncio.run(main())
