"""The ledger's older rows, folded: which numbers of a boot were stored, by day, instead of a row for each.

The hash of a body is gone then. A message under a folded number counts as a double where its event time lies
between those of the first and the last message that were folded of that boot, life and day; outside that span
it cannot be one of them, and so comes from a T-Box that began again under the same boot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from store import arrays
from store.pool import Connection

FOLD_LOCK: Final = 0x0D0F01D
"""Advisory lock: shared by who asks for folded numbers, until it commits; an arbitrary number."""
PAGES: Final = 500
"""Pages of the ledger that one transaction folds: some 40,000 rows."""

HOLD: Final = "select pg_advisory_xact_lock_shared(%(key)s)"
KNOWN: Final = """
    select k.place, max(r.life) + 1, bool_or(k.happened_at between r.first_at and r.last_at)
    from unnest(%(place)s, %(vehicle_id)s, %(boot)s, %(seq)s, %(happened_at)s)
        as k (place, vehicle_id, boot, seq, happened_at)
    join ledger_range r using (vehicle_id, boot)
    where r.numbers @> k.seq
    group by k.place
"""
LIFE: Final = """
    select max(life) from ledger_range
    where vehicle_id = %(vehicle_id)s and boot = %(boot)s and numbers @> %(seq)s::bigint
      and %(happened_at)s between first_at and last_at
"""
LOCK: Final = "select pg_advisory_xact_lock(%(key)s)"
SIZE: Final = "select pg_relation_size('message') / current_setting('block_size')::bigint"
FOLD: Final = """
    with old as (
        delete from message
        where ctid >= %(page)s::tid and ctid < %(end)s::tid and boot >= 0 and known_at < %(before)s
          and seq < 9223372036854775807 -- a range ends behind its last number
        returning vehicle_id, boot, life, seq, kind, happened_at
    ), unfinished as (
        delete from transport_carry t using old o
        where (t.vehicle_id, t.boot, t.life, t.seq) = (o.vehicle_id, o.boot, o.life, o.seq)
    ), folded as (
        select vehicle_id, boot, life, (happened_at at time zone 'UTC')::date as day,
               range_agg(int8range(seq, seq, '[]')) as numbers,
               coalesce(
                   range_agg(int8range(seq, seq, '[]')) filter (where kind <> 'signals'), '{}'
               ) as others,
               min(happened_at) as first_at, max(happened_at) as last_at, count(*) as n
        from old group by vehicle_id, boot, life, day
    ), kept as (
        insert into ledger_range as r (vehicle_id, boot, life, day, numbers, others, first_at, last_at)
        select vehicle_id, boot, life, day, numbers, others, first_at, last_at from folded
        order by vehicle_id, boot, life, day
        on conflict (vehicle_id, boot, life, day) do update set
            numbers = r.numbers + excluded.numbers, others = r.others + excluded.others,
            first_at = least(r.first_at, excluded.first_at), last_at = greatest(r.last_at, excluded.last_at)
    )
    select coalesce(sum(n), 0)::bigint from folded
"""
FOLDABLE: Final = "select count(*) from message where boot >= 0 and known_at < %(before)s"


@dataclass(frozen=True, slots=True)
class Folded:
    """What the ledger's past says of a number."""

    place: int
    """In the columns that were asked with."""
    next_life: int
    """The lowest under which no message of this number was folded."""
    is_double: bool


async def known(
    conn: Connection,
    place: NDArray[np.int64],
    vehicle_id: NDArray[np.int64],
    boot: NDArray[np.int64],
    seq: NDArray[np.int64],
    happened_us: NDArray[np.int64],
) -> list[Folded]:
    """Which of some messages have a number that was folded; no number is folded before the commit."""
    if not len(place):
        return []
    async with arrays.cursor(conn) as cur:
        await cur.execute(HOLD, {"key": FOLD_LOCK})
        await cur.execute(
            KNOWN,
            {
                "place": arrays.int8s(place),
                "vehicle_id": arrays.int8s(vehicle_id),
                "boot": arrays.int8s(boot),
                "seq": arrays.int8s(seq),
                "happened_at": arrays.timestamps(happened_us),
            },
        )
        return [Folded(*row) for row in await cur.fetchall()]


async def life_of(
    conn: Connection, vehicle_id: int, boot: int, seq: int, happened_at: datetime
) -> int | None:
    """The life under which a message was stored that the ledger has folded; None where it was not."""
    parameters = {"vehicle_id": vehicle_id, "boot": boot, "seq": seq, "happened_at": happened_at}
    row = await (await conn.execute(LIFE, parameters)).fetchone()
    return None if row is None else row[0]


async def count(conn: Connection, before: datetime) -> int:
    """How many rows `fold` would fold."""
    row = await (await conn.execute(FOLDABLE, {"before": before})).fetchone()
    assert row is not None
    return int(row[0])


async def slices(conn: Connection, pages: int = PAGES) -> Sequence[tuple[int, int]]:
    """The ledger in the order it lies on disk, as spans of pages; what comes meanwhile is young."""
    row = await (await conn.execute(SIZE)).fetchone()
    assert row is not None
    return [(page, page + pages) for page in range(0, int(row[0]), pages)]


async def fold(conn: Connection, pages: tuple[int, int], before: datetime) -> int:
    """Fold the rows of a slice that arrived before a moment, in a transaction; how many they were.

    Transports that were unfinished at their ends go with them: what comes a week late is read alone.
    """
    async with conn.transaction():
        await conn.execute(LOCK, {"key": FOLD_LOCK})
        parameters = {"page": f"({pages[0]},0)", "end": f"({pages[1]},0)", "before": before}
        row = await (await conn.execute(FOLD, parameters)).fetchone()
    assert row is not None
    return int(row[0])
