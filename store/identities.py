"""What ECUs said about themselves, by day; and the notice when one speaks of another vehicle."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from store.pool import Connection
from vehicle.day import at_of

VIN_KIND: Final = "vin"
MOST_CHARACTERS: Final = 255
"""Of a stored value; what is longer is cut off."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that one ECU said once."""

    vehicle_id: int
    ecu: str
    kind: str
    value: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Known:
    """A value and since when it holds."""

    ecu: str
    kind: str
    value: str
    since: datetime
    """First time it was told after another value of the same ECU and kind."""
    until: datetime
    """Last time it was told."""
    before: str | None
    """The value it replaced."""


MERGE: Final = """
    insert into identity as i (vehicle_id, ecu, kind, value, day, happened_at, until_at, known_at)
    select s.vehicle_id, s.ecu, s.kind, s.value, (s.at at time zone 'UTC')::date, min(s.at), max(s.at),
           %(known_at)s
    from unnest(
        %(vehicle_id)s::bigint[], %(ecu)s::text[], %(kind)s::text[], %(value)s::text[], %(at)s::timestamptz[]
    ) as s (vehicle_id, ecu, kind, value, at)
    group by 1, 2, 3, 4, 5
    order by 1, 2, 3, 4, 5
    on conflict (vehicle_id, ecu, kind, value, day) do update set
        happened_at = least(i.happened_at, excluded.happened_at),
        until_at = greatest(i.until_at, excluded.until_at),
        known_at = least(i.known_at, excluded.known_at)
    where excluded.happened_at < i.happened_at or excluded.until_at > i.until_at
"""
FORGET_NOTICES: Final = """
    delete from anomaly where vehicle_id = any(%(vehicle_ids)s) and kind = 'vin-mismatch'
"""
NOTICES: Final = """
    insert into anomaly (vehicle_id, happened_at, kind, reason)
    select i.vehicle_id, min(i.happened_at), 'vin-mismatch',
           string_agg(distinct i.ecu, ', ' order by i.ecu)
           || ' tells another VIN than the vehicle''s, one that ends in ' || right(i.value, 6)
    from identity i join vehicle v on v.id = i.vehicle_id
    where i.vehicle_id = any(%(vehicle_ids)s) and i.kind = 'vin' and upper(i.value) <> v.vin
    group by i.vehicle_id, i.value
    order by 1, 2
    on conflict do nothing
"""
NEWEST: Final = """
    select distinct on (ecu, kind) ecu, kind, value, since, until, before
    from (
        select ecu, kind, value, before, happened_at as since,
               max(until_at) over (partition by ecu, kind, value, stretch) as until
        from (
            select *, sum((value is distinct from before)::integer)
                          over (partition by ecu, kind order by happened_at, value) as stretch
            from (
                select ecu, kind, value, happened_at, until_at,
                       lag(value) over (partition by ecu, kind order by happened_at, value) as before
                from identity where vehicle_id = %(vehicle_id)s
            ) i
        ) j
    ) k
    where value is distinct from before
    order by ecu, kind, since desc, value desc
"""


async def merge(conn: Connection, seen: Sequence[Sighting], *, known_us: int) -> None:
    """Add what ECUs said; a VIN that is not the vehicle's becomes an anomaly."""
    if not seen:
        return
    await conn.execute(
        MERGE,
        {
            "vehicle_id": [one.vehicle_id for one in seen],
            "ecu": [one.ecu for one in seen],
            "kind": [one.kind for one in seen],
            "value": [one.value[:MOST_CHARACTERS] for one in seen],
            "at": [at_of(one.at_us) for one in seen],
            "known_at": at_of(known_us),
        },
    )
    await _notice(conn, {one.vehicle_id for one in seen if one.kind == VIN_KIND})


async def _notice(conn: Connection, vehicle_ids: Iterable[int]) -> None:
    """Derive the anomalies anew, one for each foreign VIN, so that the order of arrival does not matter."""
    wanted = {"vehicle_ids": sorted(vehicle_ids)}
    if wanted["vehicle_ids"]:
        await conn.execute(FORGET_NOTICES, wanted)
        await conn.execute(NOTICES, wanted)


async def newest(conn: Connection, vehicle_id: int) -> list[Known]:
    """What each ECU says of itself now, by ECU and kind."""
    async with conn.cursor(row_factory=class_row(Known)) as cur:
        await cur.execute(NEWEST, {"vehicle_id": vehicle_id})
        return await cur.fetchall()
