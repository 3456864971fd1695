"""How the feeds stand, for probes and metrics."""

from dataclasses import dataclass
from typing import Final

from psycopg.rows import class_row

from store import migrate
from store.pool import Connection


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """One feed's end, and what is committed but not yet in it."""

    feed: str
    epoch: int
    position: int
    waiting: int
    """Committed events that the sequencer has not numbered yet."""
    lag_s: float
    """Age of the oldest of them; 0 where none waits."""


FEEDS: Final = """
    select f.name as feed, f.epoch, f.position, count(e.id) as waiting,
           coalesce(greatest(extract(epoch from now() - min(e.happened_at)), 0), 0)::double precision as lag_s
    from feed f
    left join trigger_event e on e.feed = f.name and e.position is null
    group by f.name, f.epoch, f.position
    order by f.name
"""


async def feeds(conn: Connection) -> list[FeedHealth]:
    """All feeds, by name."""
    async with conn.cursor(row_factory=class_row(FeedHealth)) as cur:
        await cur.execute(FEEDS)
        return await cur.fetchall()


@dataclass(frozen=True, slots=True)
class Flow:
    """What is on its way through the store, or did not get through."""

    rejected_24h: int
    """Messages and parts of messages refused in the last day."""
    gaps_open: int
    """Runs of sequence numbers that vehicles have not sent."""
    messages_missing: int
    """The numbers in them."""
    vehicles_waiting: int
    """Registered ones whose data changed since they were last evaluated."""
    longest_wait_s: float
    """Of those, since the change or the last evaluation; 0 where none waits."""
    vehicles_held_back: int
    """Their evaluation failed, and is tried again later."""
    events_waiting: int
    """Committed changes of triggers that no feed shows yet."""


FLOW: Final = """
    select (select count(*) from reject where known_at > now() - interval '1 day') as rejected_24h,
           g.gaps_open, g.messages_missing, w.vehicles_waiting, w.longest_wait_s,
           (select count(*) from held_back where until > now()) as vehicles_held_back,
           (select count(*) from trigger_event where position is null) as events_waiting
    from (
        select count(*) as gaps_open,
               least(coalesce(sum(last_seq::numeric - first_seq + 1), 0), 2^62)::bigint as messages_missing
        from gap where closed_at is null
    ) g,
    (
        select count(*) as vehicles_waiting,
               coalesce(
                   greatest(extract(epoch from now() - min(greatest(t.touched_at, e.as_of))), 0), 0
               )::double precision as longest_wait_s
        from touched t join vehicle v on v.id = t.vehicle_id left join evaluated e on e.vehicle_id = v.id
        where v.registered_at is not null
    ) w
"""


async def flow(conn: Connection) -> Flow:
    """How much waits, was refused or is missing. The schema must be this version's."""
    async with conn.cursor(row_factory=class_row(Flow)) as cur:
        await cur.execute(FLOW)
        found = await cur.fetchone()
    assert found is not None
    return found


ENDS: Final = "select name, epoch, position from feed"


async def feed_ends(conn: Connection) -> dict[str, tuple[int, int]]:
    """Epoch and last position of every feed; one cheap query that long polls share."""
    rows = await (await conn.execute(ENDS)).fetchall()
    return {name: (epoch, position) for name, epoch, position in rows}


async def require_ready(conn: Connection) -> None:
    """Raise `MigrationError` unless the schema is this version's."""
    await migrate.require_current(conn, migrate.read_migrations())
