"""The private PostgreSQL cluster: made, started and stopped with PostgreSQL's own tools."""

import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from odocare.stack import process
from odocare.stack.place import Account, last_lines
from odocare.stack.state import SUPERUSER
from vehicle.errors import StackError

_TRIES: Final = 5
_ORPHANS_S: Final = 10
_LOG_LIMIT_BYTES: Final = 16 << 20
_ZONES: Final = "zoneinfo"
"""Set-up's PostgreSQL reads the time zones from this folder of its data (deploy/runtime.py)."""
_HBA: Final = f"host all all {process.LOOPBACK}/32 scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class Size:
    """How much of the machine the cluster takes."""

    shared_buffers_mb: int = 512
    max_wal_mb: int = 4096
    connections: int = 100
    timescaledb_workers: int = 4
    """0 for tests: a worker on a template would keep it from being cloned."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster in one folder."""

    programs: Path
    folder: Path
    """Belongs to `account`; holds `data` and the log."""
    account: Account
    size: Size

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What PostgreSQL printed."""
        return self.folder / "postgres.log"

    def pid(self) -> int | None:
        """The postmaster, if it runs."""
        return process.find("postgres", self.data)

    def create(self, password: str) -> None:
        """Make the cluster where it is missing; one that was half made is made anew."""
        if self.data.is_dir():
            return
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self.account.must(["mkdir", "-p", self.folder], cwd=self.folder.parent)
        secret = self.folder / "password"
        self.account.write(secret, password)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        login = [f"--username={SUPERUSER}", f"--pwfile={secret}", "--auth=scram-sha-256"]
        try:
            self.account.must(
                [self.programs / "initdb", "-D", fresh, *locale, *login, "--no-instructions"],
                cwd=self.folder,
            )
        finally:
            secret.unlink()
        fresh.rename(self.data)

    def start(self, port: int) -> int:
        """Start and wait until it answers; returns the port, another one where `port` is taken.

        Raises `StackError` with the end of the log.
        """
        self._drop_stale_pid_file()
        self._link_zones()
        self.account.write(self.data / "pg_hba.conf", _HBA)
        for _ in range(_TRIES):
            if not process.is_free(port):
                port = process.free_port()
            self.account.write(self.data / "postgresql.conf", _configuration(self.settings(port)))
            said = self._start_once()
            if said is None:
                return port
            if "Address already in use" not in said:
                raise StackError(f"PostgreSQL did not start; {self.log} ends with{last_lines(said)}")
        raise StackError(f"PostgreSQL found no free port in {_TRIES} tries")

    def stop(self) -> bool:
        """Stop it, if it runs; connections are cut, transactions rolled back. True where it ran."""
        pid = self.pid()
        if pid is None:
            return False
        if not process.end(pid, signal.SIGINT, within_s=60) and not process.end(
            pid, signal.SIGQUIT, within_s=20
        ):
            raise StackError(f"PostgreSQL (process {pid}) does not stop; see {self.log}")
        return True

    def settings(self, port: int) -> Mapping[str, str]:
        """PostgreSQL's settings: safe writes, no telemetry, sized for a small machine."""
        shared_mb = min(self.size.shared_buffers_mb, max(64, _memory_mb() // 4))
        return {
            "listen_addresses": process.LOOPBACK,
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": str(self.size.connections),
            "password_encryption": "scram-sha-256",
            "shared_preload_libraries": "timescaledb",
            "timescaledb.telemetry_level": "off",
            "timescaledb.max_background_workers": str(self.size.timescaledb_workers),
            "max_worker_processes": str(12 + self.size.timescaledb_workers),
            "max_locks_per_transaction": "256",  # a query may touch every chunk
            "shared_buffers": f"{shared_mb}MB",
            "effective_cache_size": f"{max(256, _memory_mb() // 2)}MB",
            "maintenance_work_mem": "128MB",
            "max_wal_size": f"{self.size.max_wal_mb}MB",
            "checkpoint_timeout": "15min",
            "fsync": "on",
            "synchronous_commit": "on",
            "wal_compression": "lz4",
            "random_page_cost": "1.1",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
        }

    def _start_once(self) -> str | None:
        """None once it answers, else what it wrote to its log."""
        if self.log.is_file() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        before = self.log.stat().st_size if self.log.is_file() else 0
        tool = self.account.run(
            [self.programs / "pg_ctl", "start", "-w", "-t", "60", "-D", self.data, "-l", self.log],
            cwd=self.data,  # time zones are already read before PostgreSQL enters its folder
        )
        if tool.returncode == 0:
            return None
        with self.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(before)
            return log.read() or tool.stdout

    def _drop_stale_pid_file(self) -> None:
        """Remove the pid file of a killed cluster once none of its processes is left.

        PostgreSQL would take a zombie, or a stranger who got the number since, for its postmaster.
        """
        file = self.data / "postmaster.pid"
        if not file.is_file():
            return
        for pid in process.inside(self.data, "postgres"):  # orphans end when they notice
            if not process.wait_gone(pid, within_s=_ORPHANS_S):
                raise StackError(f"process {pid} of a killed PostgreSQL still uses {self.data}")
        file.unlink()

    def _link_zones(self) -> None:
        zones = Path(*self.programs.parts[:-4]) / "share" / _ZONES  # Debian: usr/lib/postgresql/17/bin
        link = self.data / _ZONES
        if zones.is_dir() and not (link.is_symlink() and link.readlink() == zones):
            self.account.must(["ln", "-sfn", zones, link])


def _configuration(settings: Mapping[str, str]) -> str:
    lines = (f"{name} = '{value}'" for name, value in settings.items())
    return "\n".join(["# Written by `odocare up` at every start; changes are lost.", *lines, ""])


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
