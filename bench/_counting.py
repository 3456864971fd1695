"""Processes that say on their output, a number per line, how far they are."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

from vehicle.errors import StackError

_PATIENCE_S: Final = 60.0


@dataclass(slots=True)
class Counting:
    """What such a process has said last."""

    n: int = -1

    def done(self) -> int:
        """So many by now."""
        return self.n


@contextmanager
def counting(module: str, environment: Mapping[str, str], log: Path) -> Iterator[Counting]:
    """The process, once it has said its first number. Raises `StackError`."""
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603  # our own modules
            [sys.executable, "-m", module],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            start_new_session=True,
        )
    found, began = Counting(), Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            found.n = int(line)
            began.set()
        began.set()

    listener = Thread(target=listen, daemon=True)
    listener.start()
    try:
        if not began.wait(_PATIENCE_S) or found.n < 0:
            raise StackError(f"{module} did not start:\n{log.read_text(errors='replace')[-1000:]}")
        yield found
    finally:
        process.kill()
        process.wait()
        listener.join()
        assert process.stdout is not None
        process.stdout.close()
