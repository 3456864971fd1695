"""One MQTT 5 connection of a subscriber, from CONNECT to its end; a lost one is never used again.

So an acknowledgement can only leave on the connection that its message came on: packet identifiers of one
connection mean nothing on the next.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Self, TypeVar

from ingest import mqtt_packets
from ingest.mqtt_packets import (
    Connack,
    Disconnect,
    Greeting,
    Packet,
    PacketError,
    Pingresp,
    Property,
    Publish,
    Suback,
)
from ingest.mqtt_splitter import Splitter

_LOOKS: Final = 4
"""So often in a keep-alive time the broker is asked for a sign of life, and looked after."""
_UNWRITTEN_BYTES: Final = 1 << 20
"""Where more waits to be written, nothing is published."""
_CLOSE_S: Final = 10.0
"""Longest wait for the broker to read what was said."""
_SUBSCRIBE_ID: Final = 1


class Connection(asyncio.Protocol):
    """Gives messages to `hear` as they come; says what it is told to.

    Every method may be called at any time: after the end it does nothing.
    """

    def __init__(self, greeting: Greeting, hear: Callable[["Connection", list[Publish]], None]) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._greeting = greeting
        self._hear = hear
        self._transport: asyncio.Transport | None = None
        self._splitter = Splitter()
        self._unwritten: list[bytes] = []
        self._is_paused = False
        self._all_left = asyncio.Event()
        self._all_left.set()
        self._connack: asyncio.Future[Connack | None] = loop.create_future()
        self._suback: asyncio.Future[Suback | None] = loop.create_future()
        self._keep_alive_s = float(greeting.keep_alive_s)
        self._heard_at = loop.time()
        self._look: asyncio.TimerHandle | None = None
        self._longest_bytes = mqtt_packets.LONGEST_BYTES
        self.lost = asyncio.Event()
        """Set at the end."""
        self.why = ""
        """What ended it, where more is known than that the broker hung up."""
        self.was_taken_over = False
        """It ended because somebody else came under our client identifier."""

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        greeting: Greeting,
        hear: Callable[["Connection", list[Publish]], None],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Reach the broker; `greet` comes next. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(greeting, hear), host, port, ssl=tls)
        return connection

    async def greet(self) -> Connack | None:
        """Say CONNECT; the answer, None where the broker hangs up."""
        self._write(self._greeting.packet())
        connack = await self._connack
        if connack is not None and connack.reason < mqtt_packets.REFUSED:
            theirs = connack.properties
            keep_alive_s = float(theirs.get(Property.SERVER_KEEP_ALIVE, 0)) or self._keep_alive_s
            self._keep_alive_s = min(keep_alive_s, self._keep_alive_s)
            self._longest_bytes = theirs.get(Property.MAXIMUM_PACKET_SIZE, self._longest_bytes)
            self._look_again()
        return connack

    async def subscribe(self, filters: Sequence[str]) -> tuple[int, ...] | None:
        """Subscribe at QoS 1, once; the code for each filter, None where the broker hangs up."""
        self._write(mqtt_packets.subscribe(_SUBSCRIBE_ID, filters))
        suback = await self._suback
        return None if suback is None else suback.reasons

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Acknowledge messages of this connection, in this order, in one write."""
        if packet_ids and self._transport is not None:
            self._write(mqtt_packets.pubacks(packet_ids))

    def publish(self, topic: str, body: bytes) -> None:
        """Publish at QoS 0; dropped where the broker takes no packet of this size, or does not read.

        What is published in one round of the loop leaves in one write.
        """
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() > _UNWRITTEN_BYTES:
            return
        packet = mqtt_packets.publish(topic, body)
        if len(packet) <= self._longest_bytes:
            if not self._unwritten:
                self._loop.call_soon(self._write)
            self._unwritten.append(packet)

    def pause(self) -> None:
        """Read no more; the broker keeps the rest."""
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and self._is_paused:
            self._is_paused = False
            self._heard_at = self._loop.time()  # it was not silent, it was not heard
            self._transport.resume_reading()

    async def flush(self) -> None:
        """Wait until what was said has left, or the connection has ended."""
        self._write()
        await self._all_left.wait()

    async def close(self) -> bool:
        """Say goodbye behind everything else that was said; false where the broker does not hear it in time.

        The broker closes it when it has read that far. To close it here would lose acknowledgements:
        Mosquitto reads a packet a round, and no more at all once it cannot write, or once we come again.
        """
        transport = self._transport
        if transport is None:
            return True
        self.resume()  # or its end would not be read
        self._write(mqtt_packets.DISCONNECT)
        self._transport = None
        if transport.can_write_eof():
            transport.write_eof()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self.lost.wait()
        except TimeoutError:
            transport.abort()
            return False
        return True

    def abort(self, why: str) -> None:
        """End it at once."""
        self.why = self.why or why
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio: it is there."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(0)  # `pause_writing` comes as soon as anything waits
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Of asyncio: bytes came."""
        if self._transport is None:
            return
        self._heard_at = self._loop.time()
        try:
            messages = self._read(data)
        except PacketError as error:
            self.abort(f"{type(error).__name__}: {error}")
        else:
            if messages and self._transport is not None:
                self._hear(self, messages)

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio: it has ended."""
        self._transport = None
        if exc is not None and self._connack.done():
            self.why = self.why or type(exc).__name__
        if self._look is not None:
            self._look.cancel()
        _settle(self._connack, None)
        _settle(self._suback, None)
        self._all_left.set()
        self.lost.set()

    def pause_writing(self) -> None:
        """Of asyncio: something waits to be written."""
        self._all_left.clear()

    def resume_writing(self) -> None:
        """Of asyncio: all has left."""
        self._all_left.set()

    def _read(self, data: bytes) -> list[Publish]:
        """The messages that are whole by now; anything else is dealt with. Raises `PacketError`."""
        messages: list[Publish] = []
        for packet in self._splitter.feed(data):
            if type(packet) is Publish:
                messages.append(packet)
            else:
                self._take(packet)
        if messages and not self._connack.done():
            raise PacketError("a connection begins with CONNACK, got PUBLISH")
        return messages

    def _take(self, packet: Packet) -> None:
        """Anything but a message. Raises `PacketError` where it does not belong here."""
        if isinstance(packet, Connack) and not self._connack.done():
            _settle(self._connack, packet)
        elif not self._connack.done():
            raise PacketError(f"a connection begins with CONNACK, got {type(packet).__name__.upper()}")
        elif isinstance(packet, Suback) and packet.packet_id == _SUBSCRIBE_ID and not self._suback.done():
            _settle(self._suback, packet)
        elif isinstance(packet, Disconnect):
            self.was_taken_over = packet.reason == mqtt_packets.TAKEN_OVER
            self.abort(f"the broker ended it: {mqtt_packets.reason(packet.reason)}")
        elif not isinstance(packet, Pingresp):
            raise PacketError(f"{type(packet).__name__.upper()} answers nothing that was asked")

    def _write(self, data: bytes = b"") -> None:
        """Write it behind what was published."""
        if self._unwritten:
            data = b"".join((*self._unwritten, data))
            self._unwritten.clear()
        if self._transport is not None and data:
            self._transport.write(data)

    def _look_again(self) -> None:
        self._look = self._loop.call_later(self._keep_alive_s / _LOOKS, self._look_after)

    def _look_after(self) -> None:
        """Ask the broker for a sign of life; end a connection that gave none for the keep-alive time."""
        silent_s = self._loop.time() - self._heard_at
        if not self._is_paused and silent_s >= self._keep_alive_s:
            self.abort(f"the broker was silent for {silent_s:.1f} s")
            return
        self._write(mqtt_packets.PINGREQ)
        self._look_again()


Answer = TypeVar("Answer")


def _settle(future: "asyncio.Future[Answer]", answer: Answer) -> None:
    if not future.done():  # who waited may be gone
        future.set_result(answer)
