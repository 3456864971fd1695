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
