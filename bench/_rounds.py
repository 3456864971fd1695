"""One round: a publisher sends, a subscriber works it off; from the first PUBLISH to the last commit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench._publishing import Packets, publishing
from vehicle.errors import StackError

POLL_S: Final = 0.1
"""To ask ingest takes it some milliseconds."""
_PATIENCE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Round:
    """How it went."""

    took_s: float
    messages: int
    publisher_cpu_s: float


def run(url: str, packets: Packets, done: Callable[[], int], *, ahead: int, poll_s: float = POLL_S) -> Round:
    """Publish all packets, at most `ahead` of what is `done`, until that has risen by their number.

    A publisher that ran away would fill the broker's queue, and measure that. Raises `StackError` where
    nothing gets done any more.
    """
    before = done()
    with publishing(url, packets) as publisher:
        risen, since_s = 0, time.monotonic()
        while True:
            publisher.allow(risen + ahead)
            time.sleep(poll_s)
            now = done() - before
            if now > risen:
                risen, since_s = now, time.monotonic()
            if risen >= packets.n:
                told = publisher.finished()
                return Round(since_s - told["began_s"], packets.n, told["cpu_s"])
            if time.monotonic() - since_s > _PATIENCE_S:
                raise StackError(f"{risen} of {packets.n} messages were stored, then none any more")
