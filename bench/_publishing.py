"""The publisher's process, seen from the benchmark."""

import json
import os
import subprocess
import sys
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import _packets, _publisher


@dataclass(frozen=True, slots=True)
class Packets:
    """Prepared messages in a file."""

    file: Path
    n: int
    n_bytes: int

    def first(self, n: int) -> "Packets":
        """The first `n` of them."""
        return Packets(self.file, min(n, self.n), self.n_bytes * min(n, self.n) // self.n)


def prepare(file: Path, messages: Iterable[tuple[str, bytes]]) -> Packets:
    """Write the packets of (topic, body) pairs, so that a publisher only has to send them."""
    content, ends = _packets.publishes(messages)
    file.write_bytes(content)
    file.with_suffix(".ends").write_bytes(array("q", ends).tobytes())
    return Packets(file, len(ends), len(content))


@dataclass(slots=True)
class Publisher:
    """A connected publisher that waits to be allowed to send."""

    process: "subprocess.Popen[str]"
    packets: Packets
    _allowed: int = 0

    def allow(self, n: int) -> None:
        """Let it have sent so many messages in all."""
        n = min(n, self.packets.n)
        if n > self._allowed and self.process.stdin is not None:
            self.process.stdin.write(f"{n}\n")
            self.process.stdin.flush()
            self._allowed = n

    def finished(self) -> dict[str, float]:
        """When it began and ended, of the monotonic clock, and its processor time; waits until it ended."""
        assert self.process.stdout is not None
        found: dict[str, float] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def publishing(url: str, packets: Packets, *, rate: float = 0.0) -> Iterator[Publisher]:
    """A publisher, connected; `rate` in messages a second, 0 for as fast as it goes."""
    environment = os.environ | {
        _publisher.URL: url,
        _publisher.FILE: str(packets.file),
        _publisher.COUNT: str(packets.n),
        _publisher.RATE: str(rate),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bench._publisher"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield Publisher(process, packets)
    finally:
        process.kill()
        process.communicate()
