"""Gets every batch committed: waits for the database while it is away, and sets poison aside."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import psycopg
import structlog

from ingest import parking, pipeline
from ingest.delivery import Delivery
from ingest.metrics import Metrics, Tally
from ingest.pipeline import Line, Prepared
from store import migrate, signals
from store.pool import AWAY, Connection, LastingConnection, is_unwritable
from vehicle.errors import ConflictError

log: Final = structlog.get_logger(__name__)

_LONGEST_BATCH_S: Final = 60
"""A batch that has not committed by then is tried again on a new connection, in halves."""
_MOST_TRIES: Final = 5
"""Of a batch that conflicts, or of one message that is too slow, while the database answers: invented."""
_ANSWER_S: Final = 10
"""Longest wait for the answer of a database that may be away."""
_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0

BROKEN: Final = (psycopg.ProgrammingError, psycopg.InternalError, psycopg.NotSupportedError)
"""The database is not the one this version expects: no message is to blame, the process ends."""

_STUCK: Final = (ConflictError, psycopg.errors.QueryCanceled)
"""Raised by a database that is there: others were in the way, or its `statement_timeout` is over."""

Result = TypeVar("Result")


class StoppedError(Exception):
    """Told to stop while the database is away."""


class _StuckError(Exception):
    """The database answers, and the batch does not go in as it is: it is too slow, or conflicts."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.cause = cause


class Committer:
    """Holds one connection, made anew whenever it fails; never gives a batch up."""

    def __init__(
        self,
        database_url: str,
        line: Line,
        metrics: Metrics,
        stop: asyncio.Event,
        *,
        longest_batch_s: float = _LONGEST_BATCH_S,
    ) -> None:
        self._conn = LastingConnection(database_url)
        self._line = line
        self._metrics = metrics
        self._stop = stop
        self._longest_batch_s = longest_batch_s
        self.away_since: float | None = None
        """Moment of the loop's clock since which the database has not answered."""

    async def __aenter__(self) -> "Committer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._conn.drop()

    async def prepare(self) -> None:
        """Wait for the database, see that its schema is this version's, write the catalogue.

        Raises `MigrationError`, or `StoppedError`.
        """
        await self._until_done(self._prepare)

    async def read(self, deliveries: Sequence[Delivery]) -> Prepared | None:
        """Read a batch ahead of its commit; None where that fails, which the commit then looks into."""
        try:
            return await pipeline.prepare(deliveries, self._line)
        except Exception as error:  # noqa: BLE001  # the outermost loop: the commit finds the message to blame
            log.warning("batch not read ahead", error=type(error).__name__)
            return None

    async def commit(self, deliveries: Sequence[Delivery], prepared: Prepared | None = None) -> Tally:
        """Store a batch, however long it takes. Raises `StoppedError` when told to stop before that.

        `prepared` is what `read` made of it.
        """
        loop = asyncio.get_running_loop()
        rest, total = deliveries, Tally()
        while rest:
            began = loop.time()
            try:
                storing = partial(self._store, rest, prepared)
                tally, taken = await self._until_done(storing, messages=len(rest))
            except (StoppedError, *BROKEN):
                raise
            except Exception as error:  # noqa: BLE001  # the outermost loop: one message must not block others
                total.add(await self._without_poison(rest, error))
                break
            self._metrics.batch(tally, took_s=loop.time() - began)
            total.add(tally)
            rest, prepared = rest[taken:], None
        return total

    async def _store(
        self, deliveries: Sequence[Delivery], prepared: Prepared | None, conn: Connection
    ) -> tuple[Tally, int]:
        return await pipeline.store(conn, deliveries, self._line, prepared)

    async def _without_poison(self, deliveries: Sequence[Delivery], error: Exception) -> Tally:
        """Store the halves of a batch that cannot be stored whole, down to the message that is to blame."""
        if len(deliveries) > 1 and isinstance(error, _StuckError):
            log.warning("batch goes on in halves", error=str(error), messages=len(deliveries))
        middle = len(deliveries) // 2
        if middle:
            tally = await self.commit(deliveries[:middle])
            tally.add(await self.commit(deliveries[middle:]))
            return tally
        error = error.cause if isinstance(error, _StuckError) else error
        at = traceback.extract_tb(error.__traceback__)[-1]
        log.error("message set aside", error=type(error).__name__, where=f"{at.name}, line {at.lineno}")
        tally = await self._until_done(lambda conn: parking.park(conn, deliveries[0], error, self._line))
        self._metrics.batch(tally, took_s=0.0)
        return tally

    async def _prepare(self, conn: Connection) -> None:
        await migrate.require_current(conn, migrate.read_migrations())
        await signals.sync(conn, self._line.lexicon.catalogue)

    async def _until_done(
        self, work: Callable[[Connection], Awaitable[Result]], *, messages: int = 0
    ) -> Result:
        """Do it on a connection that works; try again, with growing pauses, while the database is away.

        Raises `_StuckError` where the database is there and that many `messages` do not go in all the same.
        """
        pause_s, tries = _SHORTEST_PAUSE_S, 0
        while True:
            try:
                async with asyncio.timeout(self._longest_batch_s) as limit:
                    result = await work(await self._conn.get())
            except (*AWAY, psycopg.DatabaseError, ConflictError) as error:
                if not _may_pass(error):
                    raise
                await self._conn.drop()
                self._metrics.database_failures.inc()
                is_stuck = limit.expired() or isinstance(error, _STUCK)
                if is_stuck and await self._answers():
                    tries += 1
                    most = 1 if limit.expired() and messages > 1 else _MOST_TRIES
                    if messages and tries >= most:
                        raise _StuckError(error) from error
                    self.away_since = None
                    log.warning("batch is tried again", error=type(error).__name__, again_in_s=pause_s)
                else:
                    self.away_since = self.away_since or asyncio.get_running_loop().time()
                    log.warning(
                        "batch waits for the database's disk"
                        if is_unwritable(error)
                        else "batch waits for the database",
                        error=type(error).__name__,
                        again_in_s=pause_s,
                    )
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self.away_since = None
                return result

    async def _answers(self) -> bool:
        """Whether the database is there, and so is not to blame."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                await (await self._conn.get()).execute("select 1")
        except AWAY:
            await self._conn.drop()
            return False
        return True

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s * random.uniform(0.5, 1.5)):  # noqa: S311  # spreads retries
                await self._stop.wait()
        except TimeoutError:
            return
        raise StoppedError


def _may_pass(error: Exception) -> bool:
    """Whether the same batch may go in later as it is: the database is away or full, or was busy with it."""
    if isinstance(error, psycopg.errors.ProgramLimitExceeded):
        return False  # a message's own doing, whatever class psycopg puts it in
    return isinstance(error, (*AWAY, ConflictError)) or is_unwritable(error)
