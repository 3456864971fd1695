"""One connection of a terminal: its stream into packets, packets into the batch, answers after the commit.

Two tasks: one reads and puts packets, one answers them in order as their batches settle. Between them is
a queue whose length is the number of unanswered packets; when it is full, nothing more is read, and TCP
holds the terminal back.
"""

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

from decoders.gbt32960 import messages
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.splitter import Splitter
from decoders.gbt32960.words import Command
from ingest import gbt_answers, topic
from ingest.delivery import Delivery, Fate
from ingest.gbt_limits import ListenerOptions
from ingest.packets import PASSING
from vehicle.errors import DecodeError, NotAdmittedError, NotLoggedInError, UnsupportedCommandError
from vehicle.vin import Vin

_READ_BYTES: Final = 16 * 1024
_WRITE_BUFFER_BYTES: Final = 4096
_SEND_BUFFER_BYTES: Final = 32 * 1024
"""The kernel's; left alone it grows to megabytes for whoever reads no answers."""
_LEFT: Final = "left"
_REFUSED: Final = "refused"
_BROKEN: Final = "broken"
_NOT_STORED: Final = "not stored"
_DEAF: Final = "reads no answers"
_ABRUPT: Final = frozenset({_BROKEN, _NOT_STORED, _DEAF})
"""Ends at which nothing more is sent."""
_PLATFORM: Final = frozenset({Command.PLATFORM_LOGIN, Command.PLATFORM_LOGOUT})


class Host(Protocol):
    """What a connection needs of its listener."""

    options: ListenerOptions

    @property
    def is_pressed(self) -> bool:
        """Whether more must not be put for now."""

    async def admit(self, session: "Session", packet: Packet) -> Vin:
        """The vehicle that logs in, online from now on. Raises `DecodeError`."""

    def leave(self, session: "Session") -> None:
        """Its vehicle is offline, if it was online here."""

    async def room(self) -> None:
        """Wait until more may be put."""

    def put(self, delivery: Delivery) -> asyncio.Future[None]:
        """Into the batch; done when it is settled."""

    def keeps_stranger(self) -> bool:
        """Whether another packet of somebody who is not admitted is to be kept."""

    def count_refused(self, reason: str) -> None:
        """A packet refused at the door."""

    def count_answer(self, reason: str | None) -> None:
        """An answer sent."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A packet that waits for its answer."""

    packet: Packet | None
    """None: it has no answer."""
    fate: Fate
    settled: asyncio.Future[None] | None
    """None: there is nothing to wait for."""
    is_last: bool
    """The connection ends after its answer."""


class Session:
    """One connection from its beginning to its end."""

    def __init__(self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._options = host.options
        self._reader = reader
        self._writer = writer
        self._queue: asyncio.Queue[_Entry | None] = asyncio.Queue(self._options.unanswered)
        self._splitter = Splitter(self._options.body_bytes)
        loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[None] = loop.create_future()
        now = loop.time()
        self._login_by = now + self._options.login_s
        self.heard_at = now
        """When the last whole packet came, of the loop's clock."""
        self.vin: Vin | None = None
        """The vehicle, once it is logged in."""

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no packet."""
        return self._splitter.dropped_bytes

    async def run(self) -> str:
        """Serve it to the end; returns why it ended."""
        self._writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        answering = asyncio.create_task(self._answer())
        reading = asyncio.create_task(self._read_until_end())
        try:
            await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
            why = reading.result() if reading.done() else _LEFT
            said = await answering  # what was put is still answered
            if said not in _ABRUPT:
                await self._close()
            return why if said == _LEFT else said
        finally:
            self._host.leave(self)
            for task in (reading, answering):
                task.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)
            self._writer.transport.abort()

    async def _close(self) -> None:
        """Let the last answers leave."""
        self._writer.close()
        try:
            async with asyncio.timeout(self._options.answer_s):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            return

    def stop(self) -> None:
        """Read no more; what was read is still answered."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    async def _read_until_end(self) -> str:
        why = await self._read()
        await self._queue.put(None)
        return why

    async def _read(self) -> str:
        loop = asyncio.get_running_loop()
        while True:
            if self._host.is_pressed:
                await self._host.room()
                self.heard_at = loop.time()  # it was not silent, it was not read
            chunk = await self._chunk()
            if isinstance(chunk, str):
                return chunk
            for data in self._splitter.feed(chunk) if chunk else self._splitter.finish():
                if not await self._take(data):
                    return _REFUSED
                self.heard_at = loop.time()
            if not chunk:
                return _LEFT
            if self._is_noise():
                return "garbage"
            await asyncio.sleep(0)  # a read that finds bytes waiting lets nobody else in

    async def _chunk(self) -> bytes | str:
        """The next bytes, none at the end; or why no more are read."""
        loop = asyncio.get_running_loop()
        until = self._login_by if self.vin is None else self.heard_at + self._options.idle_s
        reading = loop.create_task(self._reader.read(_READ_BYTES))
        awaited: set[asyncio.Future[Any]] = {reading, self._stopped}
        try:
            await asyncio.wait(awaited, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
        except OSError:
            return _BROKEN
        finally:
            reading.cancel()
        if self._stopped.done():
            return "stopped"
        return "no login" if self.vin is None else "idle"

    def _is_noise(self) -> bool:
        """Whether so much came that belongs to no packet that the connection ends."""
        if self.vin is None:
            strange_bytes = self._splitter.dropped_bytes + self._splitter.pending_bytes
            return strange_bytes > self._options.stranger_bytes
        return self._splitter.dropped_bytes > self._options.garbage_bytes

    async def _take(self, data: bytes) -> bool:
        """Pass one packet on; false where the connection ends with it."""
        packet, error = gbt_answers.parse(data)
        if packet is not None and error is None and _passes(packet):
            await self._expect(packet, Fate(is_committed=True), None)
            return True
        if error is None and packet is not None and packet.is_command:
            error = await self._refusal(packet)
        elif self.vin is None and error is None:
            error = NotLoggedInError("a connection begins with a login, got an answer")
        if self.vin is None or isinstance(error, NotAdmittedError):
            assert error is not None
            await self._turn_away(packet, data, error)
            return False
        fate = Fate()
        delivery = Delivery(topic.of_packets(self.vin), data, _now_us(), fate=fate)
        is_login = packet is not None and packet.command == Command.LOGIN
        await self._expect(packet, fate, self._host.put(delivery), is_login=is_login)
        if packet is not None and packet.command == Command.LOGOUT and error is None:
            self._host.leave(self)  # but terminals send a last report behind their logout: it is still theirs
        return True

    async def _refusal(self, packet: Packet) -> DecodeError | None:
        """Why the door itself does not take a command; what is wrong inside, the batch will tell."""
        try:
            if packet.command == Command.LOGIN and self.vin is None:
                self.vin = await self._host.admit(self, packet)
            elif self.vin is None and packet.command in _PLATFORM:
                raise UnsupportedCommandError("platforms do not log in here, vehicles do")
            elif self.vin is None:
                raise NotLoggedInError(f"a connection begins with a login, got command {packet.command:02X}")
            elif packet.command == Command.LOGIN and packet.vin == self.vin:
                await self._host.admit(self, packet)
        except DecodeError as error:
            return error
        return None

    async def _turn_away(self, packet: Packet | None, data: bytes, error: DecodeError) -> None:
        """Say no to somebody who is not admitted, and keep what was said, as nobody's word."""
        self._host.count_refused(error.reason)
        fate, settled = Fate(is_committed=True, reason=error.reason), None
        if self._host.keeps_stranger():
            fate = Fate()
            delivery = Delivery(topic.STRANGERS, data, _now_us(), fate=fate, refused=error)
            settled = self._host.put(delivery)
        await self._expect(packet, fate, settled, is_last=True)

    async def _expect(
        self,
        packet: Packet | None,
        fate: Fate,
        settled: asyncio.Future[None] | None,
        *,
        is_login: bool = False,
        is_last: bool = False,
    ) -> None:
        answered = packet is not None and packet.is_command
        kept = gbt_answers.remembered(packet) if answered and packet is not None else None
        await self._queue.put(_Entry(kept, fate, settled, is_last=is_last or is_login))

    async def _answer(self) -> str:
        """Answer in order until the end; returns why it ended."""
        while (entry := await self._queue.get()) is not None:
            if entry.settled is not None:
                await asyncio.wait(
                    {entry.settled}
                )  # which others wait for as well, and must not be cancelled
                if not entry.fate.is_committed:
                    return _NOT_STORED
            if entry.packet is not None:
                try:
                    async with asyncio.timeout(self._options.answer_s):
                        self._writer.write(gbt_answers.answer(entry.packet, entry.fate.reason, _now_us()))
                        await self._writer.drain()
                except TimeoutError:
                    return _DEAF
                except OSError:
                    return _BROKEN
                self._host.count_answer(entry.fate.reason)
            if entry.is_last and entry.fate.reason is not None:
                return _REFUSED
        return _LEFT


def _passes(packet: Packet) -> bool:
    """Whether it is a sound heartbeat or time check, which anybody may send: nothing of it is kept."""
    if not packet.is_command or packet.command not in PASSING:
        return False
    try:
        messages.decode(packet)
    except DecodeError:
        return False
    return True


def _now_us() -> int:
    return time.time_ns() // 1000
