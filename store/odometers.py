"""What each source of odometer readings showed on each local day, and what the evaluation made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import class_row

from store import arrays, columns
from store.pool import Connection
from vehicle.odometer import OdometerDays

MERGE: Final = """
    insert into odometer_day as d (
        vehicle_id, day, source, first_km, first_at, last_km, last_at, low_km, low_at, high_km, high_at,
        within_m, speed_m, readings_n, glitches_n, glitch_km, glitch_at, settled_km, known_at
    )
    select n.*, %(known_at)s
    from unnest(
        %(vehicle_id)s, %(day)s, %(source)s, %(first_km)s, %(first_at)s, %(last_km)s, %(last_at)s,
        %(low_km)s, %(low_at)s, %(high_km)s, %(high_at)s, %(within_m)s, %(speed_m)s, %(readings_n)s,
        %(glitches_n)s, %(glitch_km)s, %(glitch_at)s, %(settled_km)s
    ) as n
    on conflict (vehicle_id, day, source) do update set
        first_km = case
            when (excluded.first_at, excluded.first_km) < (d.first_at, d.first_km) or d.first_at is null
            then excluded.first_km else d.first_km end,
        first_at = least(d.first_at, excluded.first_at),
        last_km = case
            when (excluded.last_at, excluded.last_km) > (d.last_at, d.last_km) or d.last_at is null
            then excluded.last_km else d.last_km end,
        last_at = greatest(d.last_at, excluded.last_at),
        low_at = case
            when (excluded.low_km, excluded.low_at) < (d.low_km, d.low_at) or d.low_km is null
            then excluded.low_at else d.low_at end,
        low_km = least(d.low_km, excluded.low_km),
        high_at = case
            when (-excluded.high_km, excluded.high_at) < (-d.high_km, d.high_at) or d.high_km is null
            then excluded.high_at else d.high_at end,
        high_km = greatest(d.high_km, excluded.high_km),
        within_m = d.within_m + excluded.within_m,
        speed_m = d.speed_m + excluded.speed_m,
        readings_n = d.readings_n + excluded.readings_n,
        glitches_n = d.glitches_n + excluded.glitches_n,
        glitch_km = case
            when (excluded.glitch_at, excluded.glitch_km, excluded.settled_km)
               < (d.glitch_at, d.glitch_km, d.settled_km) or d.glitch_at is null
            then excluded.glitch_km else d.glitch_km end,
        settled_km = case
            when (excluded.glitch_at, excluded.glitch_km, excluded.settled_km)
               < (d.glitch_at, d.glitch_km, d.settled_km) or d.glitch_at is null
            then excluded.settled_km else d.settled_km end,
        glitch_at = least(d.glitch_at, excluded.glitch_at),
        known_at = greatest(d.known_at, excluded.known_at)
"""

COLUMNS: Final = {
    "vehicle_id": ">i8",
    "day": ">i4",
    "source": ">i4",
    "first_km": ">f8",
    "last_km": ">f8",
    "low_km": ">f8",
    "high_km": ">f8",
    "glitch_km": ">f8",
    "settled_km": ">f8",
    "first_us": ">i8",
    "last_us": ">i8",
    "low_us": ">i8",
    "high_us": ">i8",
    "glitch_us": ">i8",
    "within_m": ">i8",
    "speed_m": ">i8",
    "glitches_n": ">i8",
}
"""Columns of a vehicle's days, in the order of the select, with their types on the wire."""
READ: Final = b"""
    copy (
        select d.vehicle_id, d.day - date '1970-01-01', d.source::integer,
            coalesce(d.first_km, 'NaN'), coalesce(d.last_km, 'NaN'),
            coalesce(d.low_km, 'NaN'), coalesce(d.high_km, 'NaN'),
            coalesce(d.glitch_km, 'NaN'), coalesce(d.settled_km, 'NaN'),
            coalesce(d.first_at, 'infinity'), coalesce(d.last_at, 'infinity'),
            coalesce(d.low_at, 'infinity'), coalesce(d.high_at, 'infinity'),
            coalesce(d.glitch_at, 'infinity'), d.within_m, d.speed_m, d.glitches_n
        from odometer_day d join vehicle v on v.id = d.vehicle_id
        where d.vehicle_id = any(%(ids)s) and d.day <= (%(as_of)s::timestamptz at time zone v.tz)::date
        order by d.vehicle_id, d.source, d.day
    ) to stdout (format binary)
"""
_INFINITY: Final = np.iinfo(np.int64).max


async def merge(conn: Connection, days: OdometerDays, *, known_at: datetime) -> None:
    """Add a batch's readings to the stored days; `maintenance.odometer_days.merge` says the same of two."""
    if not len(days):
        return
    kilometres = ("first_km", "last_km", "low_km", "high_km", "glitch_km", "settled_km")
    given: dict[str, Any] = {name: arrays.float8s(getattr(days, name)) for name in kilometres}
    for name in ("first", "last", "low", "high", "glitch"):
        without = np.isnan(getattr(days, f"{name}_km"))
        given[f"{name}_at"] = arrays.timestamps(getattr(days, f"{name}_us"), null=without)
    for name in ("within_m", "speed_m", "readings_n", "glitches_n"):
        given[name] = arrays.int8s(getattr(days, name))
    given |= {"vehicle_id": arrays.int8s(days.vehicle_id), "day": arrays.dates(days.day)}
    async with arrays.cursor(conn) as cur:
        await cur.execute(MERGE, {**given, "source": arrays.int2s(days.source), "known_at": known_at})


async def read(conn: Connection, vehicle_ids: Sequence[int], *, as_of: datetime) -> NDArray[np.void]:
    """The days of some vehicles up to `as_of`, by vehicle, source and day, structured as `COLUMNS`.

    In this machine's byte order; moments are microseconds since 1970 UTC, NaN or 0 where there is none.
    """
    rows = await columns.read(conn, READ, {"ids": list(vehicle_ids), "as_of": as_of}, COLUMNS)
    out = np.empty(len(rows), dtype=[(name, dtype.replace(">", "=")) for name, dtype in COLUMNS.items()])
    for name in COLUMNS:
        out[name] = rows[name]
    for name in ("first_us", "last_us", "low_us", "high_us", "glitch_us"):
        out[name] = np.where(rows[name] == _INFINITY, 0, rows[name].astype(np.int64) + arrays.EPOCH_US)
    return out


@dataclass(frozen=True, slots=True)
class TrueDays:
    """True odometers of some vehicle-days, arrays of length n; NaN: nothing that was told counts."""

    vehicle_id: NDArray[np.int64]
    day: NDArray[np.int32]
    first_km: NDArray[np.float64]
    first_us: NDArray[np.int64]
    last_km: NDArray[np.float64]
    last_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a vehicle stands: `km = shown_km * km_per_shown + offset_km`."""

    vehicle_id: int
    km: float
    at: datetime
    source: int
    shown_km: float
    km_per_shown: float
    offset_km: float
    epoch: int


PUT_DAYS: Final = """
    with new as (
        select * from unnest(
            %(vehicle_id)s, %(day)s, %(first_km)s, %(first_at)s, %(last_km)s, %(last_at)s
        ) as n (vehicle_id, day, first_km, first_at, last_km, last_at)
    ), held as ( -- in the order in which ingest takes them, so that neither waits for the other
        select d.vehicle_id, d.day from vehicle_day d join new n using (vehicle_id, day)
        order by d.vehicle_id, d.day for no key update of d
    )
    update vehicle_day d set
        odometer_first_km = n.first_km, odometer_first_at = n.first_at,
        odometer_last_km = n.last_km, odometer_last_at = n.last_at
    from new n join held h using (vehicle_id, day)
    where d.vehicle_id = n.vehicle_id and d.day = n.day
"""
STANDING: Final = """
    select vehicle_id, km, at, source, shown_km, km_per_shown, offset_km, epoch
    from odometer where vehicle_id = %(vehicle_id)s
"""
FORGET: Final = """
    delete from odometer
    where vehicle_id = any(%(vehicle_ids)s) and not vehicle_id = any(%(vehicle_id)s::bigint[])
"""
PUT: Final = """
    insert into odometer as o (vehicle_id, km, at, source, shown_km, km_per_shown, offset_km, epoch)
    select * from unnest(
        %(vehicle_id)s::bigint[], %(km)s::float8[], %(at)s::timestamptz[], %(source)s::smallint[],
        %(shown_km)s::float8[], %(km_per_shown)s::float8[], %(offset_km)s::float8[], %(epoch)s::integer[]
    )
    on conflict (vehicle_id) do update set
        km = excluded.km, at = excluded.at, source = excluded.source, shown_km = excluded.shown_km,
        km_per_shown = excluded.km_per_shown, offset_km = excluded.offset_km, epoch = excluded.epoch
    where (o.km, o.at, o.source, o.shown_km, o.km_per_shown, o.offset_km, o.epoch) is distinct from (
        excluded.km, excluded.at, excluded.source, excluded.shown_km, excluded.km_per_shown,
        excluded.offset_km, excluded.epoch
    )
"""


async def put_days(conn: Connection, days: TrueDays) -> None:
    """Write true odometers onto the daily features; days that have none are left out."""
    if not len(days):
        return
    without = np.isnan(days.last_km)
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            PUT_DAYS,
            {
                "vehicle_id": arrays.int8s(days.vehicle_id),
                "day": arrays.dates(days.day),
                "first_km": arrays.float8s(days.first_km),
                "first_at": arrays.timestamps(days.first_us, null=without),
                "last_km": arrays.float8s(days.last_km),
                "last_at": arrays.timestamps(days.last_us, null=without),
            },
        )


async def put(conn: Connection, vehicle_ids: Sequence[int], standings: Sequence[Standing]) -> None:
    """Write where these vehicles stand; those without a standing have none any more."""
    names = ("vehicle_id", "km", "at", "source", "shown_km", "km_per_shown", "offset_km", "epoch")
    given: dict[str, Any] = {name: [getattr(one, name) for one in standings] for name in names}
    await conn.execute(FORGET, given | {"vehicle_ids": list(vehicle_ids)})
    if standings:
        await conn.execute(PUT, given)


async def standing(conn: Connection, vehicle_id: int) -> Standing | None:
    """Where a vehicle stands; None where no reading counts yet."""
    async with conn.cursor(row_factory=class_row(Standing)) as cur:
        await cur.execute(STANDING, {"vehicle_id": vehicle_id})
        return await cur.fetchone()
