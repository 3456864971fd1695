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


ENDS: Final = "select name, epoch, position from feed"


async def feed_ends(conn: Connection) -> dict[str, tuple[int, int]]:
    """Epoch and last position of every feed; one cheap query that long polls share."""
    rows = await (await conn.execute(ENDS)).fetchall()
    return {name: (epoch, position) for name, epoch, position in rows}


async def require_ready(conn: Connection) -> None:
    """Raise `MigrationError` unless the schema is this version's."""
    await migrate.require_current(conn, migrate.read_migrations())
