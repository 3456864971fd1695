"""Anomalies: what was measured and not believed, with the reason; derived from what is known now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from store.pool import Connection


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One reading that does not count, or the start of a new counter."""

    vehicle_id: int
    happened_at: datetime
    kind: str
    before: float | None
    """The reading it was held against, in km for odometers."""
    after: float | None
    """The reading itself; None where it is no number."""
    reason: str
    source: str
    """Who told it, as `vehicle.odometer.name` spells it."""
    readings_n: int
    """Readings that do not count because of it."""
    until_at: datetime | None
    """The last of them; None: there is only the one, or none."""


FORGET: Final = """
    delete from anomaly a
    where a.vehicle_id = any(%(vehicle_ids)s) and a.kind like 'odometer-%%'
      and not exists (
        select from unnest(
            %(of)s::bigint[], %(kinds)s::text[], %(moments)s::timestamptz[], %(sources)s::text[]
        ) as n (v, kind, at, source)
        where n.v = a.vehicle_id and n.kind = a.kind and n.at = a.happened_at and n.source = a.source
      )
"""
PUT: Final = """
    insert into anomaly as a (
        vehicle_id, kind, happened_at, before, after, reason, source, readings_n, until_at
    )
    select distinct on (v, kind, at, source) v, kind, at, before, after, reason, source, readings_n, until_at
    from unnest(
        %(of)s::bigint[], %(kinds)s::text[], %(moments)s::timestamptz[],
        %(before)s::double precision[], %(after)s::double precision[], %(reasons)s::text[],
        %(sources)s::text[], %(readings)s::integer[], %(until)s::timestamptz[]
    ) as n (v, kind, at, before, after, reason, source, readings_n, until_at)
    order by v, kind, at, source, readings_n desc, before, after
    on conflict (vehicle_id, kind, happened_at, source) do update
    set before = excluded.before, after = excluded.after, reason = excluded.reason,
        readings_n = excluded.readings_n, until_at = excluded.until_at
    where (a.before, a.after, a.reason, a.readings_n, a.until_at) is distinct from
        (excluded.before, excluded.after, excluded.reason, excluded.readings_n, excluded.until_at)
"""
OF_VEHICLE: Final = """
    select vehicle_id, happened_at, kind, before, after, reason, source, readings_n, until_at
    from anomaly where vehicle_id = %(vehicle_id)s order by happened_at, kind, source
"""
NEWEST: Final = """
    select vehicle_id, happened_at, kind, before, after, reason, source, readings_n, until_at
    from anomaly where vehicle_id = %(vehicle_id)s order by happened_at desc, kind, source limit %(limit)s
"""


async def replace_odometer(conn: Connection, vehicle_ids: Sequence[int], found: Sequence[Anomaly]) -> None:
    """Make `found` all the odometer anomalies these vehicles have; what stays keeps its time of arrival."""
    columns = {
        "vehicle_ids": list(vehicle_ids),
        "of": [one.vehicle_id for one in found],
        "kinds": [one.kind for one in found],
        "moments": [one.happened_at for one in found],
        "before": [one.before for one in found],
        "after": [one.after for one in found],
        "reasons": [one.reason for one in found],
        "sources": [one.source for one in found],
        "readings": [one.readings_n for one in found],
        "until": [one.until_at for one in found],
    }
    await conn.execute(FORGET, columns)
    if found:
        await conn.execute(PUT, columns)


async def of_vehicle(conn: Connection, vehicle_id: int) -> list[Anomaly]:
    """All anomalies of a vehicle, by event time."""
    async with conn.cursor(row_factory=class_row(Anomaly)) as cur:
        await cur.execute(OF_VEHICLE, {"vehicle_id": vehicle_id})
        return await cur.fetchall()


async def newest(conn: Connection, vehicle_id: int, *, limit: int = 200) -> list[Anomaly]:
    """The newest anomalies of a vehicle, the newest first."""
    async with conn.cursor(row_factory=class_row(Anomaly)) as cur:
        await cur.execute(NEWEST, {"vehicle_id": vehicle_id, "limit": limit})
        return await cur.fetchall()
