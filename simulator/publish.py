"""The simulator's door to MQTT: publishes at QoS 1 and knows of every message whether the broker took it.

gmqtt does the protocol. Three things it leaves to its user are done here, because nothing may be lost
or stay unknown: the number of unacknowledged messages is bounded (it would write on without end), the
reason codes of PUBACK are read (it takes a refusal for an acknowledgement), and after a lost connection
a new client sends again what was not acknowledged (its own reconnect forgets it where the broker has
kept no session).
"""

import asyncio
import contextlib
import itertools
import logging
import os
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import gmqtt
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage

from simulator.outgoing import Outgoing
from vehicle.errors import OdocareError

WINDOW: Final = 512
"""Messages accepted but not acknowledged; the broker's Receive Maximum bounds those on their way."""
WINDOW_BYTES: Final = 8 * 1024 * 1024
CONNECT_TIMEOUT_S: Final = 10.0
STALL_S: Final = 30.0
"""Without any acknowledgement for so long, the connection counts as lost."""
HANG_UPS: Final = 3
"""So often a broker may hang up before it lets the simulator in; once may be chance."""
PACKET_OVERHEAD_BYTES: Final = 10
"""Fixed header, topic length, packet identifier and an empty property list, at most."""

_NO_SUBSCRIBER: Final = 0x10
_REFUSED: Final = 0x80
_REASONS: Final = {
    0x80: "unspecified error",
    0x83: "implementation specific error",
    0x87: "not authorized",
    0x90: "topic name invalid",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x99: "payload format invalid",
}


class PublishError(OdocareError):
    """The broker cannot be reached, or does not let the simulator in."""


@dataclass(slots=True)
class Delivery:
    """What became of the messages so far."""

    accepted: int = 0
    """Acknowledged by the broker without an error."""
    unheard: int = 0
    """Of these: nobody had subscribed to the topic."""
    bytes: int = 0
    """Bodies of accepted messages."""
    refused: dict[str, int] = field(default_factory=dict)
    """Not taken, by reason."""
    reconnects: int = 0

    @property
    def refused_n(self) -> int:
        """All that was not taken."""
        return sum(self.refused.values())


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker's address, out of `mqtt://user:password@host:port`; `mqtts` for TLS."""

    host: str
    port: int
    is_tls: bool
    user: str | None
    password: str | None
    trust: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    """Whom to trust over TLS and what to show; None: the system's authorities, and nothing."""

    @classmethod
    def parse(cls, url: str, trust: ssl.SSLContext | None = None) -> "Broker":
        """Read a URL. Raises `PublishError`; its text never repeats the password."""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise PublishError(f"a broker is mqtt://[user:password@]host[:port], got scheme {parts.scheme!r}")
        is_tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if is_tls else 1883),
            is_tls=is_tls,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            trust=trust,
        )


def _silent() -> logging.Logger:
    """What gmqtt would complain about is either retried here or raised."""
    logger = logging.getLogger("odocare.simulator.mqtt")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


class _PacketIds(PersistentStorage):  # type: ignore[misc]  # gmqtt ships no types
    """gmqtt's store of unacknowledged packets, used to learn the identifier it gave to each."""

    newest = 0

    def push_message(self, mid: int, raw_package: bytes) -> None:
        super().push_message(mid, raw_package)
        self.newest = mid


class _HungUpError(OSError):
    """The broker ended a connection before it let the simulator in."""


class _Link:
    """One connection of its own client; a lost one is thrown away."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        on_ack: Callable[[int, int], None],
        listening: tuple[str, Callable[[str, bytes], None]] | None,
    ) -> None:
        self.lost = asyncio.Event()
        self.receive_maximum = 65_535
        self.maximum_packet_bytes = 268_435_455
        self._broker = broker
        self._on_ack = on_ack
        self._listening = listening
        self._ids = _PacketIds()
        self._client = gmqtt.Client(
            client_id, clean_session=True, persistent_storage=self._ids, logger=_silent()
        )
        self._client.set_config({"reconnect_retries": -2})  # fewer than none: this class is the retry
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._heard
        handler = self._client._package_handler  # noqa: SLF001  # no public hook tells the reason code
        self._take_puback = handler._handle_puback_packet  # noqa: SLF001
        handler._handle_puback_packet = self._puback  # noqa: SLF001

    async def open(self) -> None:
        """Connect. Raises `OSError`, `TimeoutError` or gmqtt's `MQTTConnectError`."""
        if self._broker.user is not None:
            self._client.set_auth_credentials(self._broker.user, self._broker.password)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            trust = (self._broker.trust or ssl.create_default_context()) if self._broker.is_tls else False
            connecting = asyncio.ensure_future(
                self._client.connect(self._broker.host, self._broker.port, ssl=trust, keepalive=30)
            )
            losing = asyncio.ensure_future(self.lost.wait())
            try:
                await asyncio.wait({connecting, losing}, return_when=asyncio.FIRST_COMPLETED)
                if not connecting.done():  # over TLS, that is how it turns a certificate away
                    why = ": is the certificate in force?" if self._broker.is_tls else ""
                    raise _HungUpError(f"it hung up{why}")
                await connecting
            finally:
                connecting.cancel()
                losing.cancel()
            if (
                self._listening is not None
            ):  # its identifier counts among those of messages until it is granted
                granted = asyncio.Event()
                self._client.on_subscribe = lambda *_: granted.set()
                self._client.subscribe(self._listening[0], qos=0)
                await granted.wait()

    def publish(self, message: Outgoing) -> int:
        """Write one message; the packet identifier it got."""
        self._client.publish(message.topic, message.body, qos=1)
        return self._ids.newest

    async def close(self) -> None:
        """Say goodbye where there is somebody to say it to."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._client.disconnect()

    def _connected(self, _client: object, _flags: int, _code: int, properties: dict[str, list[int]]) -> None:
        self.receive_maximum = properties.get("receive_maximum", [self.receive_maximum])[0]
        self.maximum_packet_bytes = properties.get("maximum_packet_size", [self.maximum_packet_bytes])[0]

    def _heard(self, _client: object, topic: str, payload: bytes, *_: object) -> int:
        if self._listening is not None:
            self._listening[1](topic, bytes(payload))
        return 0

    def _disconnected(self, *_: object) -> None:
        self.lost.set()

    def _puback(self, command: int, packet: bytes) -> None:
        self._take_puback(command, packet)
        reason = packet[2] if len(packet) > 2 else 0  # absent means success (MQTT 5, 3.4.2.1)
        self._on_ack(int.from_bytes(packet[:2], "big"), reason)


class Publisher:
    """Sends messages in order, at least once, with a bounded number of them unacknowledged.

    `async with Publisher(url) as out: await out.send(message); await out.drain()`. Both raise
    `PublishError` once the broker has been away for `patience_s`.
    """

    def __init__(
        self,
        url: str,
        *,
        trust: ssl.SSLContext | None = None,
        client_id: str | None = None,
        patience_s: float = 60.0,
        listen: str | None = None,
    ) -> None:
        """`listen`: topics that are heard, too, and handed to `on_down`."""
        self.delivery = Delivery()
        self.on_down: Callable[[str, bytes], None] = lambda _topic, _payload: None
        self._listen = listen
        self._broker = Broker.parse(url, trust)
        self._client_id = client_id or f"odocare-simulator-{os.getpid()}-{os.urandom(3).hex()}"
        self._patience_s = patience_s
        self._link: _Link | None = None
        self._numbers = itertools.count()
        self._unacknowledged: dict[int, Outgoing] = {}
        self._unacknowledged_bytes = 0
        self._waiting: deque[int] = deque()
        self._on_the_way: dict[int, int] = {}
        self._progress = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._link = await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link is not None:
            await self._link.close()

    async def send(self, message: Outgoing) -> None:
        """Take over one message; waits while too many are unacknowledged."""
        link = await self._until(self._has_room)
        size = len(message.topic.encode()) + len(message.body) + PACKET_OVERHEAD_BYTES
        if size > link.maximum_packet_bytes:
            self._refuse(0x95)
            return
        number = next(self._numbers)
        self._unacknowledged[number] = message
        self._unacknowledged_bytes += len(message.body)
        self._waiting.append(number)
        self._pump(link)

    async def drain(self) -> None:
        """Wait until every message is acknowledged or refused."""
        await self._until(lambda: not self._unacknowledged)

    def _has_room(self) -> bool:
        return len(self._unacknowledged) < WINDOW and self._unacknowledged_bytes < WINDOW_BYTES

    async def _until(self, is_true: Callable[[], bool]) -> _Link:
        """Wait for something that acknowledgements bring about, through lost connections."""
        while True:
            link = self._link
            assert link is not None, "entered"
            if link.lost.is_set():
                await self._reconnect(link)
            elif is_true():
                return link
            else:
                await self._wait_for_progress(link)

    async def _wait_for_progress(self, link: _Link) -> None:
        self._progress.clear()
        waits = [asyncio.create_task(event.wait()) for event in (self._progress, link.lost)]
        try:
            done, _ = await asyncio.wait(waits, timeout=STALL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        if not done:
            link.lost.set()

    async def _connect(self) -> _Link:
        """A new connection, tried again with growing pauses until patience ends."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._patience_s
        pause_s = 0.1
        hung_up_n = 0
        while True:
            link = _Link(self._broker, self._client_id, self._acknowledged, self._listening())
            try:
                await link.open()
            except MQTTConnectError as error:
                raise PublishError(f"{self._where()} does not let the simulator in: {error}") from error
            except ssl.SSLCertVerificationError as error:
                raise PublishError(f"{self._where()} is not to be trusted: {error.verify_message}") from error
            except (OSError, TimeoutError) as error:
                await link.close()
                hung_up_n += isinstance(error, _HungUpError)
                if hung_up_n == HANG_UPS:
                    raise PublishError(f"{self._where()} does not let the simulator in: {error}") from error
                if loop.time() + pause_s > deadline_s:
                    raise PublishError(f"{self._where()} cannot be reached: {error}") from error
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2.0, 5.0)
            else:
                return link

    async def _reconnect(self, lost: _Link) -> None:
        await lost.close()
        self._on_the_way.clear()
        self._waiting = deque(self._unacknowledged)
        self._link = await self._connect()
        self.delivery.reconnects += 1
        self._pump(self._link)

    def _pump(self, link: _Link) -> None:
        """Put waiting messages on their way as far as the broker's window allows."""
        while self._waiting and len(self._on_the_way) < link.receive_maximum - 1 and not link.lost.is_set():
            number = self._waiting.popleft()
            self._on_the_way[link.publish(self._unacknowledged[number])] = number

    def _acknowledged(self, packet_id: int, reason: int) -> None:
        number = self._on_the_way.pop(packet_id, None)
        if number is None:
            return
        message = self._unacknowledged.pop(number)
        self._unacknowledged_bytes -= len(message.body)
        if reason >= _REFUSED:
            self._refuse(reason)
        else:
            self.delivery.accepted += 1
            self.delivery.bytes += len(message.body)
            self.delivery.unheard += reason == _NO_SUBSCRIBER
        if self._link is not None:
            self._pump(self._link)
        self._progress.set()

    def _refuse(self, reason: int) -> None:
        word = _REASONS.get(reason, f"reason 0x{reason:02x}")
        self.delivery.refused[word] = self.delivery.refused.get(word, 0) + 1

    def _listening(self) -> tuple[str, Callable[[str, bytes], None]] | None:
        if self._listen is None:
            return None
        return self._listen, lambda topic, payload: self.on_down(topic, payload)

    def _where(self) -> str:
        return f"the broker at {self._broker.host}:{self._broker.port}"
