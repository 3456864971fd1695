"""Long-running odocare processes that a command starts, watches and stops."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vehicle.errors import StackError

_STOP_S = 15
_POLL_S = 0.05
_LOG_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class Child:
    """One running `odocare` subcommand."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def require_alive(self) -> None:
        """Raise `StackError` with the end of the log when the process has stopped."""
        code = self.process.poll()
        if code is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
            raise StackError(f"`odocare {self.name}` stopped with exit code {code}:\n" + "\n".join(lines))

    def peak_memory_mb(self) -> float:
        """Highest resident memory so far (VmHWM), in MB of 10^6 bytes; Linux only."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
        return float("nan")


@contextmanager
def running(name: str, arguments: Sequence[str], *, log: Path, env: Mapping[str, str]) -> Iterator[Child]:
    """Run `odocare NAME ARGUMENTS` while the block lasts; then SIGTERM, and SIGKILL if that is ignored."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "odocare", name, *arguments],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=True,  # Ctrl-C reaches the parent, which stops them in order
        )
    try:
        yield Child(name, process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_ready(child: Child, ready: Path, *, within_s: float = 30.0) -> str:
    """Wait until the child has written its ready file; returns the file's text. Raises `StackError`."""
    deadline = time.monotonic() + within_s
    while not (ready.exists() and ready.stat().st_size):
        child.require_alive()
        if time.monotonic() > deadline:
            raise StackError(f"`odocare {child.name}` was not ready within {within_s:.0f} s, see {child.log}")
        time.sleep(_POLL_S)
    return ready.read_text()


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
