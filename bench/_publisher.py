"""A process that publishes prepared packets, and does little else: `python -m bench._publisher`.

It reads how many messages may be out in all from its input, a number per line, and says on its output when
it is connected and, at the end, when it began. What it needs to know stands in the environment.
"""

import json
import os
import select
import socket
import sys
import time
from array import array
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from bench import _packets

URL: Final = "BENCH_MQTT_URL"
FILE: Final = "BENCH_PACKETS"
"""The packets; beside it `.ends`, where each of them ends, as 64-bit numbers."""
COUNT: Final = "BENCH_COUNT"
"""How many of them."""
RATE: Final = "BENCH_RATE"
"""Messages a second at most; 0: as fast as it goes."""
WINDOW: Final = 20_000
"""Messages that the broker has not acknowledged, at most."""
_ONCE: Final = 200
"""Messages written at once, at most: what fits into a socket's buffer."""
_TICK_S: Final = 0.005


def main() -> None:
    """Publish the file, then say when."""
    url = urlsplit(os.environ[URL])
    packets, ends = _read(Path(os.environ[FILE]), int(os.environ[COUNT]))
    rate = float(os.environ.get(RATE, "0"))
    with socket.create_connection((url.hostname or "", url.port or 1883), timeout=10) as broker:
        name = None if url.username is None else unquote(url.username)
        secret = None if url.password is None else unquote(url.password)
        broker.sendall(_packets.connect(f"bench-{os.getpid()}", name, secret))
        window = min(WINDOW, _packets.receive_maximum(broker.recv(4096)))
        broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        broker.setblocking(False)
        _say({"connected": True})
        _say(_publish(broker, memoryview(packets), ends, window, rate))


def _publish(
    broker: socket.socket, packets: memoryview, ends: "array[int]", window: int, rate: float
) -> dict[str, float]:
    """Write packets as far as window, rate and number allowed let it, until all are acknowledged."""
    sent = acked = answered = allowed = done = 0
    began_s: float | None = None
    told = b""
    while acked < len(ends):
        most = min(len(ends), acked + window, allowed)
        if rate and began_s is not None:
            most = min(most, int((time.monotonic() - began_s) * rate) + 1)
        until = ends[min(most, sent + _ONCE) - 1] if most > sent else done
        waiting = [broker, *([sys.stdin] if allowed < len(ends) else [])]
        timeout_s = _TICK_S if rate else 1.0
        readable, writable, _ = select.select(waiting, [broker] if until > done else [], [], timeout_s)
        if broker in readable:
            answered += _acknowledged(broker)
            acked = answered // _packets.PUBACK_BYTES
        if sys.stdin in readable:
            *lines, told = (told + os.read(sys.stdin.fileno(), 4096)).split(b"\n")
            allowed = int(lines[-1]) if lines else allowed
        if writable:
            began_s = time.monotonic() if began_s is None else began_s
            done += broker.send(packets[done:until])
            while sent < len(ends) and ends[sent] <= done:
                sent += 1
    assert began_s is not None
    return {"began_s": began_s, "ended_s": time.monotonic(), "cpu_s": time.process_time()}


def _acknowledged(broker: socket.socket) -> int:
    """Bytes of acknowledgements; raises `ConnectionError` where the broker hangs up or refuses."""
    answers = broker.recv(1 << 16)
    if not answers:
        raise ConnectionError("the broker hung up")
    if len(answers) >= _packets.PUBACK_BYTES and b"\x40\x02" not in answers:
        raise ConnectionError(f"acknowledgements of success expected, got {answers[:8].hex()}")
    return len(answers)


def _read(file: Path, n: int) -> "tuple[bytes, array[int]]":
    ends: array[int] = array("q")
    ends.frombytes(file.with_suffix(".ends").read_bytes())
    return file.read_bytes(), ends[:n]


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
