"""The only MQTT door of ingest: a session of MQTT 5 at QoS 1, acknowledged when the rows are committed.

Why the protocol is spoken here and not by a library: docs/decisions/0021-own-mqtt-subscriber.md.
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog

from ingest import mqtt_packets
from ingest.batcher import Batch, Batcher
from ingest.delivery import Delivery
from ingest.mqtt_connection import Connection
from ingest.mqtt_packets import Greeting, Property, Publish
from ingest.topic import BROKER_LOG, UP
from vehicle.errors import SettingsError

log: Final = structlog.get_logger(__name__)

SESSION_EXPIRY_S: Final = 7 * 24 * 3600
"""How long the broker keeps our session, and what arrives for it, while we are away."""
KEEP_ALIVE_S: Final = 20
"""A broker that is silent for so long is gone, although the connection stands."""
_ANSWER_S: Final = 10.0
"""Longest wait for connection, CONNACK and SUBACK together."""
_SHORTEST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 15.0
_AT_LEAST_ONCE: Final = 1
"""The SUBACK code that grants QoS 1 (3.9.3)."""


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
        keep_alive_s: int = KEEP_ALIVE_S,
    ) -> None:
        self._broker = broker
        self._batcher = batcher
        self._greeting = Greeting(
            client_id,
            keep_alive_s=keep_alive_s,
            receive_maximum=min(receive_maximum, mqtt_packets.HIGHEST_RECEIVE_MAXIMUM),
            session_expiry_s=SESSION_EXPIRY_S,
            username=broker.username,
            password=broker.password,
        )
        self._on_ready = on_ready
        self._connection: Connection | None = None
        self._batch: Batch | None = None
        self._unsettled: list[int] = []
        """Packet identifiers of this connection's messages in `_batch`, in order."""
        self.state = DoorState()

    async def run(self) -> None:
        """Stay connected until cancelled; then disconnect: the broker keeps what is unacknowledged."""
        pause_s = _SHORTEST_PAUSE_S
        first = True
        self._note(connected=False)
        while True:
            try:
                async with self._session(is_first=first) as connection:
                    first, pause_s = False, _SHORTEST_PAUSE_S
                    await connection.lost.wait()
                log.warning("broker connection lost", why=connection.why or "it hung up")
                if connection.was_taken_over:  # two that take turns would get nothing done
                    pause_s = _LONGEST_PAUSE_S
            except (OSError, TimeoutError, _RefusedError) as error:
                log.warning(
                    "broker not reached", error=f"{type(error).__name__}: {error}", again_in_s=pause_s
                )
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  # spreads reconnects, no secret
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def relieve(self) -> None:
        """Read on, where reading was paused for the weight of what waits."""
        if self._connection is not None and not self._batcher.is_pressed:
            self._connection.resume()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0, best effort: nothing happens while there is no connection."""
        if self._connection is not None and self.state.connected:
            self._connection.publish(topic, payload)

    async def flush(self) -> None:
        """Wait until acknowledgements and what was published have left."""
        if self._connection is not None:
            await self._connection.flush()

    @asynccontextmanager
    async def _session(self, *, is_first: bool) -> AsyncIterator[Connection]:
        """One connection, subscribed."""
        connection = None
        try:
            async with asyncio.timeout(_ANSWER_S):
                connection = await self._opened()
                session_present = await self._greet(connection)
                await self._subscribe(connection)
            self._note(connected=True)
            if not session_present and not is_first:
                self.state.sessions_lost += 1
                log.error("the broker has forgotten our session; what waited in it is lost to us")
            log.info("subscribed", client=self._greeting.client_id, session_present=session_present)
            self._on_ready()
            yield connection
        finally:
            was_let_in = self.state.connected
            self._note(connected=False)
            self._connection = self._batch = None
            if connection is not None and not was_let_in:
                connection.abort("not let in")
            elif connection is not None and not await connection.close():
                log.warning("broker connection not closed cleanly")
            dropped = self._batcher.forget()  # only now: no acknowledgement can leave any more
            if dropped:
                log.info("messages left to the broker", messages=dropped)

    async def _opened(self) -> Connection:
        """A connection on which nothing was said. Raises `OSError`."""
        broker = self._broker
        tls = (broker.trust or ssl.create_default_context()) if broker.tls else None
        self._connection = await Connection.open(
            broker.host, broker.port, self._greeting, self._receive, tls=tls
        )
        return self._connection

    async def _greet(self, connection: Connection) -> bool:
        """Whether the broker still knew our session. Raises `_RefusedError`."""
        connack = await connection.greet()
        if connack is None:  # over TLS, that is how it turns a certificate away
            why = connection.why or ("is our certificate in force?" if self._broker.tls else "")
            raise _RefusedError("the broker hung up before it let us in" + (why and f": {why}"))
        if connack.reason >= mqtt_packets.REFUSED:
            raise _RefusedError(f"the broker does not let us in: {mqtt_packets.reason(connack.reason)}")
        expiry_s = connack.properties.get(Property.SESSION_EXPIRY_INTERVAL, SESSION_EXPIRY_S)
        if expiry_s < SESSION_EXPIRY_S:
            log.warning("the broker keeps our session for less than we ask", expiry_s=expiry_s)
        return connack.session_present

    async def _subscribe(self, connection: Connection) -> None:
        """Raises `_RefusedError` where vehicles' messages are not granted at QoS 1."""
        granted = await connection.subscribe((UP, BROKER_LOG))
        if granted is None:
            why = connection.why and f": {connection.why}"
            raise _RefusedError(f"the broker hung up before we had subscribed{why}")
        if len(granted) != 2:
            raise _RefusedError(f"the broker answers two subscriptions with {len(granted)} codes")
        vehicles, broker_log = granted
        if vehicles >= mqtt_packets.REFUSED:
            raise _RefusedError(f"the broker refuses {UP}: {mqtt_packets.reason(vehicles)}")
        if vehicles != _AT_LEAST_ONCE:
            raise _RefusedError(f"the broker grants {UP} at QoS {vehicles}, which promises nothing")
        if broker_log >= mqtt_packets.REFUSED:
            log.warning("the broker keeps its log to itself: what it refuses is not counted")

    def _receive(self, connection: Connection, messages: list[Publish]) -> None:
        """Put what came at once into batches; each acknowledges its messages when it settles."""
        known_us, put = time.time_ns() // 1000, self._batcher.put
        batch, unsettled = self._batch, self._unsettled
        for topic, body, packet_id, is_duplicate in messages:
            into = put(Delivery(topic, body, known_us, is_duplicate))
            if into is not batch:
                batch, unsettled = into, []
                batch.acknowledging.append(partial(self._acknowledge, connection, unsettled))
            if packet_id:
                unsettled.append(packet_id)
        self._batch, self._unsettled = batch, unsettled
        self.state.last_message_at = asyncio.get_running_loop().time()
        if self._batcher.is_pressed:
            connection.pause()

    def _acknowledge(self, connection: Connection, packet_ids: list[int]) -> None:
        if packet_ids is self._unsettled:
            self._batch = None  # it is done, and heavy
        connection.acknowledge(packet_ids)

    def _note(self, *, connected: bool) -> None:
        if connected != self.state.connected or not self.state.since:
            self.state.since = asyncio.get_running_loop().time()
        self.state.connected = connected


class _RefusedError(Exception):
    """The broker does not let us in, or not subscribe."""
