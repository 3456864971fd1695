"""A broker of a test's own, which it may kill, and a publisher of its own, which lets the broker refuse."""

import asyncio
import socket
import stat
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from odocare.stack.process import free_port

DEADLINE_S: Final = 30.0
CONFIGURATION: Final = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_packet_size 262144
max_queued_messages 0
max_queued_bytes 0
set_tcp_nodelay true
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S
log_dest file {folder}/log
{tells}
"""
"""What deploy/mosquitto demands, without passwords and without keeping anything."""


class OwnBroker:
    """Mosquitto in a folder of the test."""

    def __init__(self, program: Path, folder: Path, *, tells: bool = False) -> None:
        folder.chmod(0o777)  # started by root, it becomes another user
        for parent in folder.parents[:2]:
            parent.chmod(stat.S_IMODE(parent.stat().st_mode) | 0o755)  # /tmp itself may be among them
        self.port = free_port()
        self._argv = [str(program), "-c", str(folder / "mosquitto.conf")]
        tells_how = "log_dest topic" if tells else ""
        text = CONFIGURATION.format(port=self.port, folder=folder, tells=tells_how)
        (folder / "mosquitto.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv, stderr=subprocess.DEVNULL)
        until = time.monotonic() + DEADLINE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                assert time.monotonic() < until, "Mosquitto did not start"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


class Sender:
    """A 3.1.1 client that writes what it is told, whatever the broker's limits."""

    def __init__(self, port: int, client_id: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        name = client_id.encode()
        self._socket.sendall(
            b"\x10" + length_field(12 + len(name)) + b"\x00\x04MQTT\x04\x02\x00\x3c" + text_field(name)
        )
        assert self._receive(4) == b"\x20\x02\x00\x00"

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish at QoS 1 and wait for every acknowledgement."""
        for start in range(0, len(messages), 100):
            part = messages[start : start + 100]
            packets = b"".join(
                _publish(topic, body, number) for number, (topic, body) in enumerate(part, start=1)
            )
            self._socket.sendall(packets)
            for _ in part:
                assert self._receive(4)[:2] == b"\x40\x02"

    def publish_refused(self, topic: str, body: bytes) -> None:
        """Publish what the broker refuses, and wait until it hangs up."""
        try:
            self._socket.sendall(_publish(topic, body, 1))
            while self._socket.recv(4096):
                pass
        except ConnectionError:
            pass
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _receive(self, n: int) -> bytes:
        got = b""
        while len(got) < n:
            more = self._socket.recv(n - len(got))
            assert more, "the broker hung up"
            got += more
        return got


def publish(port: int, client_id: str, messages: Sequence[tuple[str, bytes]]) -> None:
    """Publish at QoS 1 from a client of its own."""
    sender = Sender(port, client_id)
    sender.publish(messages)
    sender.close()


async def until(condition: object, what: str) -> None:
    """Wait for a condition to become true; fails after the deadline."""
    assert callable(condition)
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        await asyncio.sleep(0.01)


def _publish(topic: str, body: bytes, packet_id: int) -> bytes:
    rest = text_field(topic.encode()) + packet_id.to_bytes(2, "big") + body
    return b"\x32" + length_field(len(rest)) + rest


def text_field(value: bytes) -> bytes:
    """A string or binary of a packet, behind its length."""
    return len(value).to_bytes(2, "big") + value


def length_field(n: int) -> bytes:
    """A Variable Byte Integer."""
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)
