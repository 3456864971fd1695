"""An MQTT client that does what it is told: either version, any client id, whatever the broker's limits."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.ingest.broker import DEADLINE_S, length_field, text_field

V311: Final = 4
V5: Final = 5
CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 13, 14
NOT_TAKEN: Final = 0x80
"""The broker has taken what it answers with less."""
NOT_AUTHORIZED: Final = 0x87
PACKET_TOO_LARGE: Final = 0x95
TAKEN_OVER: Final = 0x8E


class HungUpError(Exception):
    """The broker closed the connection."""


@dataclass
class Client:
    """One connection, opened by `connected`; not for use in an event loop's own thread."""

    stream: socket.socket
    version: int
    heard: list[str] = field(default_factory=list)
    """Topics of what was received."""
    ended_by: int | None = None
    """Reason of the broker's DISCONNECT; MQTT 3.1.1 has none."""
    _next_id: int = 1

    def publish(self, topic: str, body: bytes) -> int:
        """Publish at QoS 1 and wait for the answer; 0 is success, and all that MQTT 3.1.1 can say."""
        self._next_id += 1
        properties = b"\x00" if self.version == V5 else b""
        self._send(0x32, text_field(topic.encode()) + self._next_id.to_bytes(2, "big") + properties + body)
        answer = self._until(PUBACK)
        return answer[2] if len(answer) > 2 else 0

    def subscribe(self, topic: str) -> None:
        properties = b"\x00" if self.version == V5 else b""
        self._send(0x82, b"\x00\x01" + properties + text_field(topic.encode()) + b"\x01")
        self._until(SUBACK)

    def is_alive(self) -> bool:
        """Whether the broker answers a ping; what comes before it is heard."""
        try:
            self._send(0xC0, b"")
            self._until(PINGRESP)
        except (HungUpError, OSError):
            return False
        return True

    def _until(self, kind: int) -> bytes:
        while True:
            head = self._exactly(1)[0]
            body = self._exactly(self._size())
            if head >> 4 == kind:
                return body
            if head >> 4 == PUBLISH:
                size = int.from_bytes(body[:2], "big")
                self.heard.append(body[2 : 2 + size].decode())
            if head >> 4 == DISCONNECT:
                self.ended_by = body[0] if body else 0
                raise HungUpError

    def _size(self) -> int:
        size, shift = 0, 0
        while True:
            byte = self._exactly(1)[0]
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                return size
            shift += 7

    def _exactly(self, n: int) -> bytes:
        got = b""
        while len(got) < n:
            more = self.stream.recv(n - len(got))
            if not more:
                raise HungUpError
            got += more
        return got

    def _send(self, head: int, rest: bytes) -> None:
        self.stream.sendall(bytes([head]) + length_field(len(rest)) + rest)


@contextmanager
def connected(
    port: int, client_id: str, *, version: int = V5, tls: ssl.SSLContext | None = None, stays: bool = False
) -> Iterator[Client]:
    """A client that was let in; its session ends with it unless it `stays`, which is for 3.1.1 only.

    Raises `HungUpError` where it was not let in.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
        if tls is not None:
            stream = stack.enter_context(tls.wrap_socket(stream, server_hostname="127.0.0.1"))
        client = Client(stream, version)
        properties = b"\x00" if version == V5 else b""
        head = b"\x00\x04MQTT" + bytes([version, 0 if stays else 2]) + b"\x00\x3c" + properties
        client._send(0x10, head + text_field(client_id.encode()))
        answer = client._until(CONNACK)
        if answer[1]:
            raise HungUpError(f"refused with {answer[1]:#x}")
        yield client
