"""Where the local servers live and as whom they run; standard library only, set-up reads it too."""

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vehicle.errors import StackError

OUTSIDE: Final = Path("/var/lib")
"""Where the servers' folder goes when root's checkout is closed to others; /var/tmp is swept by age."""
_RECORD: Final = "place"
_INSIDE, _OUTSIDE = "inside", "outside"
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "GMT"}


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the servers run as, and that owns their files."""

    uid: int
    gid: int
    dropped: bool
    """True where root gives its rights up to become this user."""

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """`argv` as this user."""
        words = [str(word) for word in argv]
        if not self.dropped:
            return words
        rights = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs"]
        return ["setpriv", *rights, "--inh-caps=-all", "--", *words]

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path = Path("/"),
        text_in: str | None = None,
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` as this user to its end, output and errors together in `stdout`; any exit code returns.

        Raises `StackError` where it cannot be started or does not end in time.
        """
        given = {"input": text_in} if text_in is not None else {"stdin": subprocess.DEVNULL}
        try:
            return subprocess.run(
                self.command(argv),
                cwd=cwd,
                env=_ENVIRONMENT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_s,
                check=False,
                **given,
            )
        except OSError as error:
            raise StackError(f"cannot run {error.filename or argv[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{argv[0]} did not end within {timeout_s:g} s") from error

    def must(self, argv: Sequence[str | Path], *, cwd: Path = Path("/"), text_in: str | None = None) -> str:
        """What `argv` printed. Raises `StackError` with its last lines on any exit code but 0."""
        done = self.run(argv, cwd=cwd, text_in=text_in)
        if done.returncode:
            raise StackError(f"{Path(argv[0]).name} failed ({done.returncode}): {last_lines(done.stdout)}")
        return done.stdout

    def write(self, path: Path, text: str) -> None:
        """Replace the file `path`, readable by this user alone, in one step.

        This user writes it, not root: root never follows what lies in a folder that another user owns.
        """
        script = 'umask 077 && cat >"$1.new" && mv -f "$1.new" "$1"'
        self.must(["sh", "-c", script, "sh", path], text_in=text)


@dataclass(frozen=True, slots=True)
class Place:
    """One local stack's folders."""

    home: Path
    """What ODOCARE_HOME says, absolute."""
    folder: Path
    """`home`, or a folder outside it where the account cannot reach `home`."""
    account: Account

    @property
    def runtime(self) -> Path:
        """Servers that set-up brought, unpacked."""
        return self.folder / "runtime"

    @property
    def servers(self) -> Path:
        """Data, configuration, logs and passwords of the running servers; the account's own, mode 0700."""
        return self.folder / "servers"

    def open_servers(self) -> None:
        """Make `servers` where it is missing. Raises `StackError` where the account cannot get there."""
        if not self.is_reachable():
            raise StackError(
                f"user {self.account.uid} of the local servers can no longer enter {self.folder}:"
                " let others enter its parents again, or begin anew with `make clean`"
            )
        if self.servers.is_dir():
            return
        fresh = self.servers.with_name("servers.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.account.dropped:
            os.chown(fresh, self.account.uid, self.account.gid)
        fresh.rename(self.servers)

    def is_reachable(self) -> bool:
        """Whether the account can enter `folder`: asked of the kernel, not read off mode bits."""
        return not self.account.run(["test", "-x", self.folder]).returncode


def find_place(home: Path) -> Place:
    """The place that belongs to `home`, chosen on the first call and the same ever after."""
    home = home.absolute()
    try:
        if not home.is_dir():
            home.mkdir(parents=True)
            home.chmod(0o755)  # whatever the umask: the servers' user walks through it
        account = _account(home)
        record = home / _RECORD
        recorded = record.read_text(encoding="utf-8") if record.is_file() else ""
        if recorded not in (_INSIDE, _OUTSIDE):
            recorded = _INSIDE if Place(home, home, account).is_reachable() else _OUTSIDE
            record.write_text(recorded, encoding="utf-8")
            give_to_owner(record)
        return Place(home, home if recorded == _INSIDE else _outside(home), account)
    except PermissionError as error:
        raise StackError(f"no permission for {error.filename}: the local stack is another user's") from error


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Let one process at a time start or stop the stack of `home`."""
    path = home / "lock"
    try:
        file = path.open("w", encoding="utf-8")
    except PermissionError as error:
        raise StackError(f"no permission for {path}: the local stack is another user's") from error
    with file:
        give_to_owner(path)
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def give_to_owner(path: Path) -> None:
    """Let what root made inside another user's folder belong to that user."""
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def last_lines(text: str, count: int = 8) -> str:
    """The end of a log, for a message."""
    kept = [line.rstrip() for line in text.splitlines() if line.strip()][-count:]
    return "\n  ".join(["", *kept]) if kept else "it printed nothing"


def _account(home: Path) -> Account:
    """Us; where we are root, the owner of `home` if it is somebody else, otherwise `nobody`."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), dropped=False)
    owner = home.stat()
    if owner.st_uid != 0:
        try:
            pwd.getpwuid(owner.st_uid)  # initdb refuses a user without a name
        except KeyError:
            pass
        else:
            return Account(owner.st_uid, owner.st_gid, dropped=True)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise StackError(
            "the local servers never run as root, and this system has no user `nobody`:"
            " start them as an ordinary user"
        ) from error
    return Account(nobody.pw_uid, nobody.pw_gid, dropped=True)


def _outside(home: Path) -> Path:
    folder = OUTSIDE / f"odocare-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise StackError(f"{folder} is needed for the local servers and belongs to somebody else")
    folder.chmod(0o755)
    return folder
