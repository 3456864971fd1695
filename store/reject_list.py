"""What was refused, as people and programs look through it: by reason, kind, vehicle and time."""

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

    reason: str | None = None
    kind: str | None = None
    vin: Vin | None = None
    vehicle: UUID | None = None
    """By its public id."""
    since: datetime | None = None
    """Of the arrival, included."""
    until: datetime | None = None
    """Not included."""
    is_waiting: bool = False
    """Only what can be replayed and has not been."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One refusal; its bytes stay sealed."""

    id: int
    known_at: datetime
    vehicle: UUID | None
    """Its public id; None: nobody has heard of that vehicle."""
    kind: str
    reason: str
    detail: str
    boot: int | None
    seq: int | None
    body_bytes: int | None
    """None: the broker kept them."""
    whole: bool
    """False: only part of the message was refused."""
    replayed_at: datetime | None


_CHOSEN: Final = """
    from reject r left join vehicle v on v.id = r.vehicle_id
    where (%(reason)s::text is null or r.reason = %(reason)s)
      and (%(kind)s::text is null or r.kind = %(kind)s)
      and (%(vin)s::text is null or v.vin = %(vin)s)
      and (%(vehicle)s::uuid is null or v.public_id = %(vehicle)s)
      and (%(since)s::timestamptz is null or r.known_at >= %(since)s)
      and (%(until)s::timestamptz is null or r.known_at < %(until)s)
      and (not %(is_waiting)s or r.replayed_at is null and r.sealed is not null)
"""
PAGE: Final = f"""
    select r.id, r.known_at, v.public_id as vehicle, r.kind, r.reason, r.detail, r.boot, r.seq, r.body_bytes,
           r.whole, r.replayed_at
    {_CHOSEN} and (%(before)s::bigint is null or r.id < %(before)s)
    order by r.id desc limit %(limit)s
"""
COUNTS: Final = f"select r.reason, count(*) {_CHOSEN} group by r.reason order by r.reason"


async def page(conn: Connection, wanted: Wanted, *, limit: int, before: int | None = None) -> list[Listed]:
    """The newest, or the newest of those with a number below `before`."""
    async with conn.cursor(row_factory=class_row(Listed)) as cur:
        await cur.execute(PAGE, {**_parameters(wanted), "limit": limit, "before": before})
        return await cur.fetchall()


async def counts(conn: Connection, wanted: Wanted) -> dict[str, int]:
    """How many there are, by reason."""
    return dict(await (await conn.execute(COUNTS, _parameters(wanted))).fetchall())


def _parameters(wanted: Wanted) -> dict[str, object]:
    return {name: getattr(wanted, name) for name in Wanted.__dataclass_fields__}
