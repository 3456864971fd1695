"""Finds PostgreSQL 17 with TimescaleDB and Mosquitto 2; standard library only, set-up reads it too."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from odocare.stack.place import Account
from vehicle.errors import StackError

POSTGRES_MAJOR: Final = 17
MOSQUITTO_MAJOR: Final = 2
_POSTGRES_VERSION: Final = re.compile(r"\(PostgreSQL\) ((\d+)\S*)")
_MOSQUITTO_VERSION: Final = re.compile(r"mosquitto version ((\d+)\S*)")


@dataclass(frozen=True, slots=True)
class Program:
    """One server's programs."""

    folder: Path
    """Where the server's program and its tools lie."""
    version: str


@dataclass(frozen=True, slots=True)
class Search:
    """What was found, or why each candidate was not good enough."""

    found: Program | None
    misses: tuple[str, ...]

    def require(self, what: str, setting: str) -> Program:
        """The program. Raises `StackError` that says what was looked at and what to do."""
        if self.found is None:
            seen = "; ".join(self.misses) or "none is installed"
            raise StackError(f"no {what} ({seen}): run `make setup`, or point {setting} at a running server")
        return self.found


def find_postgres(account: Account, runtime: Path, system: Path = Path("/")) -> Search:
    """PostgreSQL 17 with TimescaleDB that `account` can run: the system's, else the one in `runtime`."""
    misses = []
    for folder in dict.fromkeys(_postgres_folders(system, runtime)):
        version = _version([folder / "postgres", "--version"], _POSTGRES_VERSION, account)
        if version is None:
            misses.append(f"{folder}/postgres does not run as user {account.uid}")
        elif int(version.split(".")[0]) != POSTGRES_MAJOR:
            misses.append(f"{folder} has PostgreSQL {version}, {POSTGRES_MAJOR} is needed")
        elif not _has_timescaledb(folder):
            misses.append(f"PostgreSQL {version} in {folder} has no timescaledb.control")
        else:
            return Search(Program(folder, version), tuple(misses))
    return Search(None, tuple(misses))


def find_mosquitto(account: Account, runtime: Path, system: Path = Path("/")) -> Search:
    """Mosquitto 2 that `account` can run: the system's, else the one in `runtime`."""
    misses = []
    for program in dict.fromkeys(_mosquitto_programs(system, runtime)):
        version = _version([program, "-h"], _MOSQUITTO_VERSION, account)
        if version is None:
            misses.append(f"{program} does not run as user {account.uid}")
        elif int(version.split(".")[0]) != MOSQUITTO_MAJOR:
            misses.append(f"{program} is Mosquitto {version}, {MOSQUITTO_MAJOR} is needed")
        elif not mosquitto_passwd(program.parent).is_file():
            misses.append(f"{program} has no mosquitto_passwd beside it")
        else:
            return Search(Program(program.parent, version), tuple(misses))
    return Search(None, tuple(misses))


def mosquitto_passwd(folder: Path) -> Path:
    """The tool that hashes the broker's passwords; Debian keeps it in bin, beside sbin."""
    beside = folder / "mosquitto_passwd"
    return beside if beside.is_file() else folder.parent / "bin" / "mosquitto_passwd"


def _version(argv: list[str | Path], pattern: re.Pattern[str], account: Account) -> str | None:
    try:
        match = pattern.search(account.run(argv, timeout_s=20).stdout)
    except StackError:
        return None
    return match[1] if match else None


def _postgres_folders(*roots: Path) -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for root in roots:
        versions = (root / "usr/lib/postgresql").glob("*/bin/postgres")
        yield from (program.parent for program in sorted(versions, reverse=True))


def _mosquitto_programs(*roots: Path) -> Iterator[Path]:
    on_path = shutil.which("mosquitto")
    if on_path:
        yield Path(on_path).resolve()
    for root in roots:
        for folder in ("usr/sbin", "usr/local/sbin"):  # not on an ordinary user's PATH
            if (root / folder / "mosquitto").is_file():
                yield root / folder / "mosquitto"


def _has_timescaledb(folder: Path) -> bool:
    """Whether the extension lies in the share folder that PostgreSQL finds relative to its program."""
    shares = [folder.parent / "share", folder.parent / "share/postgresql"]
    if len(folder.parents) > 3:  # Debian: <root>/usr/lib/postgresql/17/bin
        shares.append(folder.parents[3] / "share/postgresql" / folder.parent.name)
    return any((share / "extension/timescaledb.control").is_file() for share in shares)
