"""Processes of the local servers, found by what they were started with: no pid file can lie."""

import os
import secrets
import signal
import socket
import time
from pathlib import Path
from typing import Final

from vehicle.errors import StackError

_POLL_S: Final = 0.02
LOOPBACK: Final = "127.0.0.1"
_PORTS: Final = range(20_000, 32_000)
"""Below the ports that Linux hands to outgoing connections, so that none of those takes ours."""


def find(program: str, argument: Path) -> int | None:
    """The process `program` that was started with `argument`; its children are not meant."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        words = arguments(int(entry.name))
        if words and Path(words[0]).name == program and str(argument) in words[1:]:
            parents[int(entry.name)] = _parent(entry)
    return next((pid for pid, parent in parents.items() if parent not in parents), None)


def inside(folder: Path, name: str) -> list[int]:
    """Processes called `name`-something that stand in `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        words = arguments(int(entry.name))
        try:
            if (
                words
                and Path(words[0]).name.startswith(name)
                and (entry / "cwd").readlink() == folder.resolve()
            ):
                found.append(int(entry.name))
        except OSError:  # another user's, or it ended while we looked
            continue
    return found


def arguments(pid: int) -> list[str]:
    """What the process was started with; nothing where it has ended, a zombie included."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return os.fsdecode(line).split("\0")[:-1]


def end(pid: int, how: signal.Signals, *, within_s: float) -> bool:
    """Send a signal and wait; False where the process is still there after `within_s`."""
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return True
    except PermissionError as error:
        raise StackError(f"process {pid} was started by another user, who has to stop it") from error
    return wait_gone(pid, within_s=within_s)


def wait_gone(pid: int, *, within_s: float) -> bool:
    """Whether the process ended in time; a zombie has ended."""
    deadline = time.monotonic() + within_s
    while arguments(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of the loopback address that nobody uses. Raises `StackError` where none is left."""
    for _ in range(200):
        port = secrets.choice(_PORTS)
        if is_free(port):
            return port
    raise StackError(f"no free port between {_PORTS.start} and {_PORTS.stop} on {LOOPBACK}")


def _parent(entry: Path) -> int:
    try:
        stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended while we looked
        return 0
    return int(stat.rpartition(")")[2].split()[1])
