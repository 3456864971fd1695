"""Long polls: readers of a feed's end sleep until it moves.

One query, repeated while anybody waits, serves them all, so that a thousand waiting readers cost the
database as much as one and hold no connection.
"""

import asyncio
from typing import Final

import psycopg
import structlog

from store import health
from store.feed import Position
from store.pool import Pool
from vehicle.trigger import Feed

log = structlog.get_logger()

EVERY_S: Final = 0.25


class FeedWatch:
    """Knows where each feed ends; `run` must be going for `moved` to return early."""

    def __init__(self, pool: Pool, *, every_s: float = EVERY_S) -> None:
        self._pool = pool
        self._every_s = every_s
        self._ends: dict[str, tuple[int, int]] = {}
        self._waiters = 0
        self._is_closed = False
        self._wanted = asyncio.Event()
        self._round = asyncio.Event()

    @property
    def waiters(self) -> int:
        """How many wait now."""
        return self._waiters

    @property
    def is_closed(self) -> bool:
        """Whether nobody should wait any more."""
        return self._is_closed

    def close(self) -> None:
        """Send everybody away: the service ends."""
        self._is_closed = True
        self._round.set()

    async def moved(self, feed: Feed, seen: Position, *, within_s: float) -> bool:
        """Wait until `feed` has more than `seen`; False where the time is over first, or the service ends."""
        self._waiters += 1
        self._wanted.set()
        try:
            async with asyncio.timeout(within_s):
                while not self._is_closed and not self._is_past(feed, seen):
                    await self._round.wait()
        except TimeoutError:
            return False
        finally:
            self._waiters -= 1
            if self._waiters == 0:
                self._wanted.clear()
                self._ends = {}  # nobody looks any more: it would be stale for the next
        return not self._is_closed

    def _is_past(self, feed: Feed, seen: Position) -> bool:
        if feed not in self._ends:
            return False
        epoch, position = self._ends[feed]
        return epoch != seen.epoch or position > seen.position

    async def run(self) -> None:
        """Look while anybody waits; for ever."""
        while True:
            await self._wanted.wait()
            try:
                async with self._pool.connection() as conn:
                    self._ends = await health.feed_ends(conn)
            except psycopg.OperationalError as error:
                log.warning("feed not watched", error=type(error).__name__)
            done, self._round = self._round, asyncio.Event()
            done.set()
            await asyncio.sleep(self._every_s)
