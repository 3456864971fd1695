"""Disks that are full, without a mount: servers that may not write files beyond a size.

Writes then fail as on a full disk, only with another word ("File too large"), and go on when the limit is
lifted. A process may set the limit of others of its own user; root drops to theirs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from odocare.stack.place import Account
from tests.ingest.broker import OwnBroker

UNLIMITED: Final = "unlimited"
_HEAD_BYTES: Final = 16
"""Even an empty file of queues is longer."""


def limit_files(account: Account, pids: Iterable[int], n_bytes: int | None) -> None:
    """Let these processes write no file beyond so many bytes; None lifts it."""
    most = UNLIMITED if n_bytes is None else str(n_bytes)
    for pid in pids:
        done = account.run(["prlimit", "--pid", str(pid), f"--fsize={most}:"])
        gone = not Path(f"/proc/{pid}").exists()
        assert done.returncode == 0 or gone, done.stdout


def children(parent: int) -> list[int]:
    """The processes that one has started."""
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


KEEPING: Final = """
persistence true
persistence_location {folder}/queues/
autosave_interval 1
sys_interval 1
"""
"""What deploy/mosquitto has, but saved every second."""


class KeepingBroker(OwnBroker):
    """A broker that writes its queues to disk, as the shipped one does, and lives on where it cannot."""

    def __init__(self, program: Path, folder: Path, account: Account) -> None:
        super().__init__(program, folder, tells=True)
        configuration = folder / "mosquitto.conf"
        text = configuration.read_text().replace("persistence false\n", KEEPING.format(folder=folder))
        configuration.write_text(text)
        self.queues = folder / "queues"
        self.queues.mkdir()
        self.queues.chmod(0o777)
        self._account = account
        # a full disk sends no signal where a limit does; whoever ignores it hands that on
        self._argv = ["env", "--ignore-signal=XFSZ", *account.command(self._argv)]

    @property
    def database(self) -> Path:
        """Where the queues stand."""
        return self.queues / "mosquitto.db"

    def fill_disk(self) -> None:
        """Nothing more goes onto the disk from now on."""
        assert self._process is not None
        limit_files(self._account, [self._process.pid], _HEAD_BYTES)

    def empty_disk(self) -> None:
        """There is room again."""
        assert self._process is not None
        limit_files(self._account, [self._process.pid], None)

    def close_folder(self, *, closed: bool) -> None:
        """Make the folder of the queues read-only, or writable again."""
        self.queues.chmod(0o555 if closed else 0o777)
