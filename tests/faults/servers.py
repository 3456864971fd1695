"""A PostgreSQL of an experiment's own, which it may kill and start again."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from odocare.stack import local, process
from odocare.stack.place import find_place
from odocare.stack.temporary import SMALL, Temporary, temporary_stack
from store import migrate
from store.pool import connect

GONE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class OwnDatabase:
    """A cluster in a temporary folder, with one migrated database."""

    stack: Temporary
    setup_home: Path
    """Where set-up brought the programs to."""
    url: str
    admin_url: str

    @classmethod
    @contextmanager
    def running(cls, setup_home: Path) -> Iterator["OwnDatabase"]:
        """Make it, and migrate; gone afterwards. Raises `StackError` where there is no PostgreSQL."""
        with temporary_stack(setup_home, local.Wanted(broker=False, size=SMALL)) as stack:
            url, admin_url = stack.addresses.database_url, stack.addresses.admin_database_url
            assert url is not None
            assert admin_url is not None
            asyncio.run(_migrated(url))
            yield cls(stack, setup_home, url, admin_url)

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return find_place(self.stack.home).servers / "postgres" / "data"

    def stop_at_once(self) -> None:
        """`pg_ctl stop -m immediate`: no checkpoint, no goodbye; returns when its processes are gone."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        pid = process.find("postgres", self.data)
        assert pid is not None, "PostgreSQL does not run"
        os.kill(pid, how)
        assert process.wait_gone(pid, within_s=GONE_S), "PostgreSQL does not stop"

    def start(self) -> None:
        """Start it again, on the same port, outside a running loop; it recovers from its own log."""
        wanted = local.Wanted(broker=False, size=SMALL, runtime=find_place(self.setup_home).runtime)
        addresses = local.up(self.stack.home, wanted, lambda _: None)
        assert addresses.database_url == self.url, "PostgreSQL came back elsewhere"


async def _migrated(url: str) -> None:
    async with connect(url) as conn:
        await migrate.migrate(conn, migrate.read_migrations())
