"""The feed: committed events with dense positions, given by one sequencer.

A sequence or `xmin` guard loses events when transactions commit out of order
(docs/decisions/0007-feed-sequencer.md); here only committed rows are numbered, one numberer at a time.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from store.pool import Connection
from vehicle.errors import ConflictError, OdocareError
from vehicle.trigger import EventKind, Feed, TriggerType

CHANNEL: Final = "feed"
"""`notify` goes here after new positions are given; the payload names the feed."""
LOCK_KEY: Final = 0x0D0CAFE
"""Advisory lock of the sequencer; an arbitrary number."""
MOST: Final = 500
"""Events on one page at most."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one feed: everything up to and including `position` has been read."""

    feed: Feed
    epoch: int
    position: int


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One numbered event."""

    position: int
    trigger_id: UUID
    revision: int
    kind: EventKind
    happened_at: datetime
    payload: dict[str, Any]
    """The whole CloudEvent; its `id` is `<trigger id>.<revision>`."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events after a position, in order; `next` is where to go on, also when there were none."""

    events: list[FeedEvent]
    next: Position
    lag_s: float
    """Age of the oldest committed event of this feed that the reader has not got yet; 0 at the end."""


class ExpiredCursorError(OdocareError):
    """A position that this feed cannot go on from: read again from `earliest`."""

    def __init__(self, after: Position, earliest: Position) -> None:
        super().__init__(
            f"feed {after.feed} cannot go on after epoch {after.epoch} position {after.position}:"
            f" its earliest is epoch {earliest.epoch} position {earliest.position}"
        )
        self.after = after
        self.earliest = earliest


LOCK: Final = "select pg_advisory_xact_lock(%(key)s)"

SEQUENCE: Final = """
    with waiting as (
        select id, feed, row_number() over (partition by feed order by id) as ordinal
        from trigger_event where position is null
    ), numbered as (
        update trigger_event e
        set epoch = f.epoch, position = f.position + w.ordinal
        from waiting w join feed f on f.name = w.feed
        where e.id = w.id
        returning e.feed, e.position
    ), moved as (
        update feed f set position = n.position
        from (select feed, max(position) as position, count(*) as events from numbered group by feed) n
        where f.name = n.feed
        returning f.name, n.events
    )
    select name, events, pg_notify(%(channel)s, name) from moved
"""


async def sequence(conn: Connection) -> int:
    """Give positions to all committed events that have none; returns how many.

    Its transaction must be its own: the lock would otherwise be held, and foreign work numbered before it
    is committed. Raises `ConflictError` inside a transaction.
    """
    if conn.info.transaction_status is not TransactionStatus.IDLE:
        raise ConflictError("the feed's sequencer runs in a transaction of its own, not inside another")
    async with conn.transaction():
        await conn.execute(LOCK, {"key": LOCK_KEY})
        # a statement of its own: its snapshot must be taken after the lock was got
        rows = await (await conn.execute(SEQUENCE, {"channel": CHANNEL})).fetchall()
    return sum(row[1] for row in rows)


EARLIEST: Final = """
    select f.epoch, coalesce(
        (select min(e.position) from trigger_event e where e.feed = f.name), f.position + 1)
    from feed f where f.name = %(feed)s
"""

PAGE: Final = """
    with bounds as (
        select f.epoch, f.position as last, coalesce(
            (select min(e.position) from trigger_event e where e.feed = f.name), f.position + 1) as earliest
        from feed f where f.name = %(feed)s
    )
    select b.epoch, b.last, b.earliest, e.*
    from bounds b left join lateral (
        select e.position, e.trigger_id, e.revision, e.kind, e.happened_at, e.payload
        from trigger_event e
        where e.feed = %(feed)s and e.position > coalesce(%(after)s, 0)
            and (%(types)s::text[] is null or e.payload #>> '{data,type}' = any(%(types)s::text[]))
        order by e.position limit %(limit)s
    ) e on true
    order by e.position
"""  # one statement, so that one snapshot: neither retention nor the sequencer can come between

LAG: Final = """
    select coalesce(greatest(extract(epoch from clock_timestamp() - least(
        (select happened_at from trigger_event where feed = %(feed)s and position > %(next)s
            order by position limit 1),
        (select min(happened_at) from trigger_event where feed = %(feed)s and position is null)
    )), 0), 0)::float8
"""


async def read(
    conn: Connection,
    feed: Feed,
    after: Position | None,
    limit: int = MOST,
    *,
    types: frozenset[TriggerType] | None = None,
) -> FeedPage:
    """Events after a position (None: from the earliest kept), at most `limit`, of some types only if asked.

    An event is of the type it tells, whatever its trigger has become since.

    Raises `ExpiredCursorError` for a position of another epoch or feed, before the earliest kept event, or
    ahead of the feed.
    """
    wanted = {
        "feed": feed,
        "after": None if after is None else after.position,
        "types": None if types is None else sorted(types),
        "limit": limit,
    }
    async with conn.cursor(row_factory=dict_row) as cur:
        rows = await (await cur.execute(PAGE, wanted)).fetchall()
    epoch, last, earliest = (rows[0][name] for name in ("epoch", "last", "earliest"))
    start = Position(feed, epoch, earliest - 1)
    if after is not None and (
        (after.feed, after.epoch) != (feed, epoch) or not start.position <= after.position <= last
    ):
        raise ExpiredCursorError(after, start)
    events = [_event(row) for row in rows if row["position"] is not None]
    reached = events[-1].position if len(events) == limit else last
    row = await (await conn.execute(LAG, {"feed": feed, "next": reached})).fetchone()
    assert row is not None
    return FeedPage(events, Position(feed, epoch, reached), row[0])


def _event(row: dict[str, Any]) -> FeedEvent:
    return FeedEvent(
        position=row["position"],
        trigger_id=row["trigger_id"],
        revision=row["revision"],
        kind=EventKind(row["kind"]),
        happened_at=row["happened_at"],
        payload=row["payload"],
    )


async def earliest(conn: Connection, feed: Feed) -> Position:
    """Where a reader starts who wants everything that is kept."""
    row = await (await conn.execute(EARLIEST, {"feed": feed})).fetchone()
    assert row is not None, "the three feeds are rows of the first schema"
    return Position(feed, row[0], row[1] - 1)


RENEW: Final = "update feed set epoch = epoch + 1"


async def renew_epochs(conn: Connection) -> None:
    """After a backup was restored: cursors given out before it expire, because their positions may differ."""
    await conn.execute(RENEW)
