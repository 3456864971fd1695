"""A stack in a temporary folder, for tests and benchmarks; gone afterwards, however its owner ends.

A guard of its own process waits for the owner's end of a pipe to close, which the kernel does even after
SIGKILL, then stops the servers and deletes the folder.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from odocare.stack import local
from odocare.stack.place import find_place
from odocare.stack.postgres import Size
from odocare.stack.state import Addresses, read_state

TESTER = "tester"
SMALL = Size(shared_buffers_mb=128, max_wal_mb=1024, connections=100, timescaledb_workers=0)


@dataclass(frozen=True, slots=True)
class Temporary:
    """A running temporary stack."""

    home: Path
    addresses: Addresses
    tester_mqtt_url: str | None
    """An identity that may read and write every topic."""


@contextmanager
def temporary_stack(setup_home: Path, wanted: local.Wanted | None = None) -> Iterator[Temporary]:
    """Start a stack that lives as long as this context; `setup_home` is where set-up brought servers to."""
    setup = find_place(setup_home)
    wanted = replace(wanted or local.Wanted(size=SMALL), runtime=setup.runtime, tester=TESTER)
    home = Path(tempfile.mkdtemp(prefix="odocare-"))
    home.chmod(0o711)
    if setup.account.dropped:  # the same user runs both
        os.chown(home, setup.account.uid, setup.account.gid)
    guard = subprocess.Popen(
        [sys.executable, "-m", "odocare.stack.temporary", home],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the owner alone
    )
    try:
        addresses = local.up(home, wanted, lambda _: None)
        state = read_state(find_place(home))
        assert state is not None
        yield Temporary(home, addresses, state.mqtt_url(TESTER) if wanted.broker else None)
    finally:
        guard.communicate()
        guard.wait()


if __name__ == "__main__":
    sys.stdin.read()
    local.remove(Path(sys.argv[1]))
