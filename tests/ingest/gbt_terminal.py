"""A terminal that speaks GB/T 32960.3 over TCP, well or badly, as a test wants it."""

import asyncio
import socket
import ssl
from types import TracebackType
from typing import Final

from decoders.gbt32960 import messages
from decoders.gbt32960 import packet as packets
from decoders.gbt32960.packet import CHECKSUM_BYTES, HEADER_BYTES, Packet
from decoders.gbt32960.words import AckFlag
from tests.ingest.gbt_packets import ICCID, login
from vehicle.vin import Vin

ANSWER_S: Final = 30.0


class Terminal:
    """One connection."""

    def __init__(
        self, port: int, *, tls: ssl.SSLContext | None = None, receive_bytes: int | None = None
    ) -> None:
        self._port = port
        self._tls = tls
        self._receive_bytes = receive_bytes
        """What the kernel holds of answers that nobody reads, about; None: as it likes."""

    async def __aenter__(self) -> "Terminal":
        connection = socket.socket()
        if self._receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
        name = None if self._tls is None else "localhost"
        self.reader, self.writer = await asyncio.open_connection(
            sock=connection, ssl=self._tls, server_hostname=name
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.transport.abort()

    async def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def answer(self) -> Packet:
        """The next one. Raises `asyncio.IncompleteReadError` where the platform hangs up instead."""
        async with asyncio.timeout(ANSWER_S):
            head = await self.reader.readexactly(HEADER_BYTES)
            length = int.from_bytes(head[-2:], "big")
            rest = await self.reader.readexactly(length + CHECKSUM_BYTES)
        return packets.parse(head + rest)

    async def ask(self, data: bytes) -> tuple[int, AckFlag]:
        """Send one packet; the command and the flag of its answer, whose time is the packet's."""
        await self.send(data)
        told = await self.answer()
        return told.command, AckFlag(told.flag)

    async def flags(self, n: int) -> list[AckFlag]:
        """The flags of so many answers."""
        return [AckFlag((await self.answer()).flag) for _ in range(n)]

    async def log_in(self, vin: Vin, at_us: int, iccid: str = ICCID) -> AckFlag:
        _, flag = await self.ask(login(vin, at_us, iccid))
        return flag

    async def is_hung_up(self) -> bool:
        """Wait until the platform closes; whatever it still says is read."""
        try:
            async with asyncio.timeout(ANSWER_S):
                while await self.reader.read(4096):
                    pass
        except ConnectionError:
            return True
        return True


def time_of(answer: Packet) -> int | None:
    """The moment an answer names."""
    told = messages.decode(answer)
    assert isinstance(told, messages.Notice)
    return told.at_us
