"""The only MQTT door of ingest: MQTT 5 through gmqtt, acknowledged when the rows are committed.

Why this client and how it is held: docs/decisions/0004-mqtt-client.md. One gmqtt client lives as long as
one connection: a client that reconnects by itself would send the acknowledgement of a message of the
old connection on the new one, where its packet identifier may belong to another message.
"""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import gmqtt
import structlog
from gmqtt.mqtt.handler import MQTTConnectError

from ingest.batcher import Batcher
from ingest.delivery import Delivery
from ingest.topic import BROKER_LOG, UP
from vehicle.errors import SettingsError

log: Final = structlog.get_logger(__name__)

SESSION_EXPIRY_S: Final = 7 * 24 * 3600
"""How long the broker keeps our session, and what arrives for it, while we are away."""
_ANSWER_S: Final = 10
"""Longest wait for CONNACK and SUBACK."""
_SHORTEST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 15.0
_NEVER: Final = -2
"""gmqtt's own reconnecting switched off: -1 means without end, and 0 still tries once."""
_GRANTED: Final = 0x80
"""SUBACK codes below it."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    trust: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    """Whom to trust over TLS and what to show; None: the system's authorities, and nothing."""

    @classmethod
    def parse(cls, url: str, trust: ssl.SSLContext | None = None) -> "Broker":
        """Read `mqtt[s]://[user[:password]@]host[:port]`. Raises `SettingsError`."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise SettingsError("a broker is mqtt://user:password@host:port or mqtts://…")
        tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if tls else 1883),
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            tls=tls,
            trust=trust,
        )


@dataclass(slots=True)
class DoorState:
    """What a watchdog wants to know; moments are of the loop's clock."""

    connected: bool = False
    since: float = 0.0
    """Since when it is connected, or is not."""
    last_message_at: float = 0.0
    sessions_lost: int = 0
    """Reconnects at which the broker had forgotten our session, and with it what waited."""


class Door:
    """Receives every vehicle's messages into a batcher and acknowledges them as its batches settle."""

    def __init__(
        self,
        broker: Broker,
        batcher: Batcher,
        *,
        client_id: str,
        receive_maximum: int,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker = broker
        self._batcher = batcher
        self._client_id = client_id
        self._receive_maximum = receive_maximum
        self._on_ready = on_ready
        self._client: gmqtt.Client | None = None
        self.state = DoorState()

    async def run(self) -> None:
        """Stay connected until cancelled; then disconnect: the broker keeps what is unacknowledged."""
        pause_s = _SHORTEST_PAUSE_S
        first = True
        while True:
            try:
                async with self._session(is_first=first) as lost:
                    first, pause_s = False, _SHORTEST_PAUSE_S
                    await lost.wait()
                log.warning("broker connection lost")
            except (OSError, TimeoutError, MQTTConnectError, _RefusedError) as error:
                log.warning(
                    "broker not reached", error=f"{type(error).__name__}: {error}", again_in_s=pause_s
                )
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  # spreads reconnects, no secret
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def relieve(self) -> None:
        """Read on, where reading was paused for the weight of what waits."""
        transport = None if self._client is None else _transport(self._client)
        if transport is not None and not self._batcher.is_pressed:
            transport.resume_reading()

    async def flush(self) -> None:
        """Let acknowledgements of settled batches leave: gmqtt writes them two rounds of the loop later."""
        for _ in range(3):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def _session(self, *, is_first: bool) -> AsyncIterator[asyncio.Event]:
        """One connection, subscribed; gives the event of its loss."""
        lost = asyncio.Event()
        client = self._made(lost)
        self._client = client
        try:
            async with asyncio.timeout(_ANSWER_S):
                session_present = await self._connect(client, lost)
                await self._subscribe(client)
            self._note(connected=True)
            if not session_present and not is_first:
                self.state.sessions_lost += 1
                log.error("the broker has forgotten our session; what waited in it is lost to us")
            log.info("subscribed", client=self._client_id, session_present=session_present)
            self._on_ready()
            yield lost
        finally:
            self._note(connected=False)
            self._client = None
            await _close(client)
            dropped = self._batcher.forget()  # only now: no acknowledgement can leave any more
            if dropped:
                log.info("messages left to the broker", messages=dropped)

    def _made(self, lost: asyncio.Event) -> gmqtt.Client:
        client = gmqtt.Client(
            self._client_id,
            clean_session=False,
            optimistic_acknowledgement=False,
            logger=_silent(),
            session_expiry_interval=SESSION_EXPIRY_S,
            receive_maximum=self._receive_maximum,
        )
        client.set_config({"reconnect_retries": _NEVER})
        if self._broker.username is not None:
            client.set_auth_credentials(self._broker.username, self._broker.password)
        client.on_message = self._receive
        client.on_disconnect = lambda *_: lost.set()
        return client

    async def _connect(self, client: gmqtt.Client, lost: asyncio.Event) -> bool:
        """Whether the broker still knew our session. Raises `_RefusedError` where it hangs up."""
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        client.on_connect = lambda _client, session_present, *_: answered.set_result(session_present)
        trust = (self._broker.trust or ssl.create_default_context()) if self._broker.tls else False
        connecting = asyncio.ensure_future(client.connect(self._broker.host, self._broker.port, ssl=trust))
        losing = asyncio.ensure_future(lost.wait())
        try:
            await asyncio.wait({connecting, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():  # over TLS, that is how it turns a certificate away
                why = ": is our certificate in force?" if self._broker.tls else ""
                raise _RefusedError(f"the broker hung up before it let us in{why}")
            await connecting
        finally:
            connecting.cancel()
            losing.cancel()
        return bool(await answered)

    async def _subscribe(self, client: gmqtt.Client) -> None:
        granted: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        client.on_subscribe = lambda _client, _mid, codes, _properties: granted.set_result(codes)
        client.subscribe([gmqtt.Subscription(UP, qos=1), gmqtt.Subscription(BROKER_LOG, qos=1)])
        vehicles, broker_log = await granted
        if vehicles >= _GRANTED:
            raise _RefusedError(f"the broker refuses {UP} with code {vehicles:#x}")
        if broker_log >= _GRANTED:
            log.warning("the broker keeps its log to itself: what it refuses is not counted")

    async def _receive(
        self, client: gmqtt.Client, topic: str, body: bytes, _qos: int, properties: dict[str, Any]
    ) -> int:
        """Return, which is when gmqtt acknowledges, as soon as the message's batch has settled."""
        if client is self._client:
            delivery = Delivery(topic, bytes(body), time.time_ns() // 1000, bool(properties["dup"]))
            settled = self._batcher.put(delivery)
            self.state.last_message_at = asyncio.get_running_loop().time()
            transport = _transport(client)
            if transport is not None and self._batcher.is_pressed:
                transport.pause_reading()
            await settled
        return 0

    def _note(self, *, connected: bool) -> None:
        if connected != self.state.connected or not self.state.since:
            self.state.since = asyncio.get_running_loop().time()
        self.state.connected = connected


class _RefusedError(Exception):
    """The broker does not let us in, or not subscribe."""


def _transport(client: gmqtt.Client) -> asyncio.Transport | None:
    """The socket under a client, None until it has one; gmqtt can pause only by number, not by bytes."""
    connection = client._connection  # noqa: SLF001  # see the docstring
    transport: asyncio.Transport | None = None if connection is None else connection._transport  # noqa: SLF001
    return transport


async def _close(client: gmqtt.Client) -> None:
    try:
        async with asyncio.timeout(_ANSWER_S):
            await client.disconnect()
    except (OSError, TimeoutError):
        log.warning("broker connection not closed cleanly")


def _silent() -> logging.Logger:
    """A logger that says nothing: gmqtt logs every event, topics with VINs included."""
    quiet = logging.getLogger("gmqtt")
    quiet.propagate = False
    if not quiet.handlers:
        quiet.addHandler(logging.NullHandler())
    return quiet
