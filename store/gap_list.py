"""Gaps as people and programs look through them: by vehicle and time, open ones or all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from store.pool import Connection
from vehicle.vin import Vin


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to list; everything where nothing is given."""

    vin: Vin | None = None
    vehicle: UUID | None = None
    """By its public id."""
    since: datetime | None = None
    """When it was seen, included."""
    until: datetime | None = None
    """Not included."""
    is_open: bool = False
    """Only what is missing still."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A run of sequence numbers that were passed over."""

    id: int
    vehicle: UUID | None
    """Its public id."""
    boot: int
    life: int
    """0, rising when the T-Box began again under the same boot."""
    first_seq: int
    last_seq: int
    messages: int
    seen_at: datetime
    """Arrival of the message that passed them over."""
    closed_at: datetime | None
    """Arrival of what was missing; None: it is missing still."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How many there are over all pages."""

    vehicles: int
    gaps: int
    missing: int
    """Messages that have not come."""
    late: int
    """Messages that have come."""


_CHOSEN: Final = """
    from gap g left join vehicle v on v.id = g.vehicle_id
    where (%(vin)s::text is null or g.vehicle_id = (select id from vehicle where vin = %(vin)s))
      and (%(vehicle)s::uuid is null or g.vehicle_id = (
          select id from vehicle where public_id = %(vehicle)s
      ))
      and (%(since)s::timestamptz is null or g.seen_at >= %(since)s)
      and (%(until)s::timestamptz is null or g.seen_at < %(until)s)
      and (not %(is_open)s or g.closed_at is null)
"""
PAGE: Final = f"""
    select g.id, v.public_id as vehicle, g.boot, g.life, g.first_seq, g.last_seq,
           g.last_seq - g.first_seq + 1 as messages, g.seen_at, g.closed_at
    {_CHOSEN} and (%(before)s::bigint is null or g.id < %(before)s)
    order by g.id desc limit %(limit)s
"""
TOTALS: Final = f"""
    select count(distinct g.vehicle_id) as vehicles, count(*) as gaps,
           coalesce(sum(g.last_seq - g.first_seq + 1) filter (where g.closed_at is null), 0) as missing,
           coalesce(sum(g.last_seq - g.first_seq + 1) filter (where g.closed_at is not null), 0) as late
    {_CHOSEN}
"""
STILL_OPEN: Final = """
    select count(*), coalesce(sum(last_seq - first_seq + 1), 0)::double precision
    from gap where closed_at is null
"""


async def page(conn: Connection, wanted: Wanted, *, limit: int, before: int | None = None) -> list[Listed]:
    """The newest, or the newest of those with a number below `before`. A gap that is split counts as new."""
    async with conn.cursor(row_factory=class_row(Listed)) as cur:
        await cur.execute(PAGE, {**_parameters(wanted), "limit": limit, "before": before})
        return await cur.fetchall()


async def totals(conn: Connection, wanted: Wanted) -> Totals:
    """What the pages together hold."""
    row = await (await conn.execute(TOTALS, _parameters(wanted))).fetchone()
    assert row is not None
    return Totals(*map(int, row))


async def still_open(conn: Connection) -> tuple[int, float]:
    """How many gaps are open, and how many messages are missing in them; for metrics."""
    row = await (await conn.execute(STILL_OPEN)).fetchone()
    assert row is not None
    return int(row[0]), float(row[1])


def _parameters(wanted: Wanted) -> dict[str, object]:
    return {name: getattr(wanted, name) for name in Wanted.__dataclass_fields__}
