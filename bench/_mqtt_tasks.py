"""What a subscriber of the MQTT benchmark does with messages; a commit takes no time in all of them.

Each tells what happens on standard output, a line of JSON at a time.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

BATCH: Final = 500
"""Messages per commit."""
END: Final = b"end"
"""The body behind the last message to collect."""
MEASURE: Final = "measure"
HOLD: Final = "hold"
COLLECT: Final = "collect"


class Task(Protocol):
    """Batch by batch."""

    batch: int
    """Messages in each; a client may bring fewer."""

    def ready(self) -> None:
        """The client has subscribed."""

    def take(self, bodies: Sequence[bytes]) -> bool:
        """Whether these messages are committed, so that they are to be acknowledged."""

    def acknowledged(self) -> None:
        """The client has acknowledged them."""


class Ready:
    """Tells that it is subscribed."""

    def ready(self) -> None:
        """Tell so."""
        say({"ready": True})


class Measure(Ready):
    """Commits everything; tells when the last message was acknowledged, and what it cost from `ready` on."""

    batch = BATCH

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._received = 0
        self._began_cpu_s = 0.0

    def ready(self) -> None:
        """Begin."""
        self._began_cpu_s = time.process_time()
        super().ready()

    def take(self, bodies: Sequence[bytes]) -> bool:
        """Yes."""
        self._received += len(bodies)
        return True

    def acknowledged(self) -> None:
        """End with the last."""
        if self._received == self._messages:
            say({"ended_s": time.monotonic(), "cpu_s": time.process_time() - self._began_cpu_s})


class Hold(Ready):
    """Commits half of the messages and tells so, then no more; tells when all are there."""

    batch = BATCH

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._received = 0

    def take(self, bodies: Sequence[bytes]) -> bool:
        """Those of the first half."""
        self._received += len(bodies)
        if self._received == self._messages:
            say({"received": self._received})
        return self._received <= self._messages // 2

    def acknowledged(self) -> None:
        """Tell when the half is reached."""
        if self._received == self._messages // 2:
            say({"acknowledged": self._received})


class Collect(Ready):
    """Commits everything up to the end; then tells the numbers of what came, in order."""

    batch = 1

    def __init__(self, messages: int) -> None:
        del messages
        self._numbers: list[int] = []
        self._is_done = False

    def take(self, bodies: Sequence[bytes]) -> bool:
        """Yes."""
        self._numbers += [int(body[:8]) for body in bodies if body != END]
        self._is_done |= END in bodies
        return True

    def acknowledged(self) -> None:
        """Tell them, if that was the end."""
        if self._is_done:
            say({"numbers": self._numbers})


TASKS: Final[dict[str, Callable[[int], Task]]] = {MEASURE: Measure, HOLD: Hold, COLLECT: Collect}


def say(what: object) -> None:
    """Tell the benchmark."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
