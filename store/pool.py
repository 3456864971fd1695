"""Connections: a pool for services, a single connection for commands."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]

AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError, OSError)
"""What a database that is away, or no longer answers, raises."""
_CONNECT_TIMEOUT_S = 10
_STORAGE: Final = frozenset({"md.c", "fd.c", "slru.c", "buffile.c", "xlog.c"})
"""The places in PostgreSQL that write to files; an error names the place that reports it, in any language."""


def is_unwritable(error: BaseException) -> bool:
    """Whether PostgreSQL could not write to its disk: over once there is room, and no statement's fault.

    A full disk has a code of its own (53100, an `OperationalError`), as has a broken one (58030). A quota, a
    limit on files or a read-only file system are called internal errors or a lack of privilege.
    """
    if isinstance(error, psycopg.errors.DiskFull | psycopg.errors.IoError):
        return True
    if isinstance(error, psycopg.errors.DataCorrupted):
        return False  # it could read, and what it read is broken
    return isinstance(error, psycopg.Error) and error.diag.source_file in _STORAGE


@asynccontextmanager
async def open_pool(database_url: str, *, most: int = 8) -> AsyncIterator[Pool]:
    """A pool that times out rather than waits for ever; closed on leaving."""
    pool: Pool = AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=most,
        timeout=_CONNECT_TIMEOUT_S,
        open=False,
        check=AsyncConnectionPool.check_connection,
        kwargs={"connect_timeout": _CONNECT_TIMEOUT_S},
    )
    await pool.open(wait=True, timeout=_CONNECT_TIMEOUT_S)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def connect(database_url: str) -> AsyncIterator[Connection]:
    """One connection in autocommit mode; use `conn.transaction()` for what belongs together."""
    conn = await AsyncConnection.connect(database_url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S)
    try:
        async with conn:
            yield conn
    finally:
        await conn.close()  # psycopg leaves it open where the last commit or rollback fails or is cancelled


class LastingConnection:
    """One connection for a service, made anew after it broke or was dropped."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._stack = AsyncExitStack()
        self._conn: Connection | None = None

    async def get(self) -> Connection:
        """A connection that was not seen to break. Raises one of `AWAY`."""
        if self._conn is None or self._conn.closed:
            await self.drop()
            self._conn = await self._stack.enter_async_context(connect(self._database_url))
        return self._conn

    async def drop(self) -> None:
        """Close it, in whatever state it is."""
        self._conn = None
        try:
            await self._stack.aclose()
        except AWAY:
            return
