"""All vehicles, for finding one: also those that need nothing, and those that nobody registered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from store.pool import Connection


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which vehicles; None and False do not restrict."""

    text: str | None = None
    """Part of a plate, of the VIN's last six characters or of the model."""
    dealer: str | None = None
    unregistered: bool = False
    """Only those that send without being registered."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One vehicle."""

    vehicle: UUID
    model: str | None
    plate: str | None
    vin_tail: str
    is_registered: bool
    seen_at: datetime | None
    odometer_km: float | None
    dealer_zh: str | None
    dealer_en: str | None
    jobs: int
    """Open triggers, but for those of feed `sales`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many vehicles there are."""

    total: int
    unregistered: int


_WANTED: Final = """
    from vehicle v
    where (%(dealer)s::text is null or v.dealer_id = (select id from dealer where code = %(dealer)s))
      and (not %(unregistered)s or v.registered_at is null)
      and (%(text)s::text is null
           or strpos(upper(coalesce(v.plate, '')), upper(%(text)s)) > 0
           or strpos(right(v.vin, 6), upper(%(text)s)) > 0
           or strpos(upper(coalesce(v.model, '')), upper(%(text)s)) > 0)
"""

PAGE: Final = (
    "with page as (select v.id"  # noqa: S608 - constants of this file
    + _WANTED
    + """
        order by v.id desc
        limit %(limit)s offset %(offset)s
    )
    select v.public_id as vehicle, v.model, v.plate, right(v.vin, 6) as vin_tail,
           v.registered_at is not null as is_registered, l.seen_at,
           (select o.km from odometer o where o.vehicle_id = v.id) as odometer_km,
           d.name_zh as dealer_zh, d.name_en as dealer_en,
           (select count(*) from trigger t where t.vehicle_id = v.id and t.closed_at is null
              and t.feed <> 'sales') as jobs
    from page p
    join vehicle v on v.id = p.id
    left join dealer d on d.id = v.dealer_id
    left join latest l on l.vehicle_id = v.id
    order by v.id desc
"""
)
COUNTS: Final = (
    "select count(*) as total, count(*) filter (where v.registered_at is null) as unregistered" + _WANTED
)


def _parameters(wanted: Wanted) -> dict[str, object]:
    return {"text": wanted.text, "dealer": wanted.dealer, "unregistered": wanted.unregistered}


async def page(conn: Connection, wanted: Wanted, *, limit: int, offset: int = 0) -> list[Entry]:
    """Vehicles, the ones that came last first."""
    async with conn.cursor(row_factory=class_row(Entry)) as cur:
        await cur.execute(PAGE, {**_parameters(wanted), "limit": limit, "offset": offset})
        return await cur.fetchall()


async def counts(conn: Connection, wanted: Wanted) -> Counts:
    """How many there are over all pages."""
    async with conn.cursor(row_factory=class_row(Counts)) as cur:
        await cur.execute(COUNTS, _parameters(wanted))
        found = await cur.fetchone()
    assert found is not None
    return found
