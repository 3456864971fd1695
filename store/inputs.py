"""What an evaluation reads of many vehicles at once, nothing later than its `as_of`.

Days and visits are taken up to the end of the vehicle's local day at `as_of`: a visit often has a date only,
which stands as noon, and a consumer's clock may be a little ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import class_row

from store import columns, odometers
from store.pool import Connection


@dataclass(frozen=True, slots=True)
class VehicleRow:
    """Master data of one registered vehicle, with when it was last heard of."""

    id: int
    public_id: UUID
    model: str | None
    market: str
    use_class: str
    tz: str
    built_on: date | None
    delivered_on: date | None
    dealer_id: int | None
    dealer_code: str | None
    seen_at: datetime | None
    """Newest event time of any message, not after `as_of`; None if there was none."""


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One workshop visit."""

    vehicle_id: int
    visited_at: datetime
    odometer_km: float | None
    items: list[str]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One item of a model's service plan."""

    model: str
    market: str
    item: str
    op_code: str
    name_zh: str
    name_en: str
    first_km: float | None
    first_d: int | None
    every_km: float | None
    every_d: int | None


@dataclass(frozen=True, slots=True)
class FaultRow:
    """The newest episode of one code of one ECU."""

    vehicle_id: int
    standard: str
    ecu: str
    code: str
    ftb: int | None
    episode: int
    first_seen_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    ended_why: str | None
    confirmed: bool
    status: int | None
    """As in `Episode`."""
    occurrences: int
    mil: bool | None
    severity: str
    family: str


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """One vehicle's place in one campaign."""

    vehicle_id: int
    campaign: str
    title_zh: str
    title_en: str
    state: str
    """`open`, `remedied` or `removed`; a campaign that is closed has no vehicle open in it."""
    do_not_drive: bool
    parts_ready: bool
    opened_on: date
    remedied_at: datetime | None
    notified_at: datetime | None
    """When a consumer first reported a contact about it."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything of one chunk of vehicles."""

    vehicles: list[VehicleRow]
    days: NDArray[np.void]
    """Structured by `DAY_COLUMNS`, by vehicle and day; all but these two are float64, NaN is missing.

    Their odometer is the true one as an earlier evaluation found it.
    """
    shown: NDArray[np.void]
    """What each source of odometer readings showed, as `store.odometers.read` gives it."""
    visits: list[VisitRow]
    plans: list[PlanRow]
    faults: list[FaultRow]
    campaigns: list[CampaignRow]


VEHICLES: Final = """
    select v.id, v.public_id, v.model, v.market, v.use_class, v.tz, v.built_on, v.delivered_on, v.dealer_id,
        d.code as dealer_code,
        case when l.seen_at is not null then least(l.seen_at, %(as_of)s) end as seen_at -- least() drops nulls
    from vehicle v left join dealer d on d.id = v.dealer_id left join latest l on l.vehicle_id = v.id
    where v.id = any(%(ids)s) and (v.registered_at is not null) = %(registered)s
    order by v.id
"""

DAY_COLUMNS: Final = {
    "vehicle_id": ">i8",
    "day": ">i4",
    "odometer_first_km": ">f8",
    "odometer_last_km": ">f8",
    "odometer_first_us": ">i8",
    "odometer_last_us": ">i8",
    "starts_n": ">f8",
    "crank_min_v": ">f8",
    "rest_v": ">f8",
    "ambient_min_degc": ">f8",
    "ambient_max_degc": ">f8",
    "coolant_max_degc": ">f8",
    "oil_life_pct": ">f8",
}
"""Columns of a vehicle's days, in the order of the select, with their types on the wire."""
DAYS: Final = b"""
    copy (
        select d.vehicle_id, d.day - date '1970-01-01',
            coalesce(d.odometer_first_km, 'NaN'),
            coalesce(d.odometer_last_km, 'NaN'),
            coalesce(d.odometer_first_at, 'infinity'),
            coalesce(d.odometer_last_at, 'infinity'),
            d.starts_n::float8,
            coalesce(d.crank_min_v, 'NaN'),
            coalesce(d.rest_v, 'NaN'),
            coalesce(d.ambient_min_degc, 'NaN'),
            coalesce(d.ambient_max_degc, 'NaN'),
            coalesce(d.coolant_max_degc, 'NaN'),
            coalesce(d.oil_life_pct, 'NaN')
        from vehicle_day d join vehicle v on v.id = d.vehicle_id
        where d.vehicle_id = any(%(ids)s) and d.day <= (%(as_of)s::timestamptz at time zone v.tz)::date
        order by d.vehicle_id, d.day
    ) to stdout (format binary)
"""

VISITS: Final = """
    select s.vehicle_id, s.visited_at, s.odometer_km, s.items
    from service_visit s join vehicle v on v.id = s.vehicle_id
    where s.vehicle_id = any(%(ids)s)
        and (s.visited_at at time zone v.tz)::date <= (%(as_of)s::timestamptz at time zone v.tz)::date
    order by s.vehicle_id, s.visited_at, s.id
"""

PLANS: Final = """
    select p.model, p.market, p.item, p.op_code, p.name_zh, p.name_en, p.first_km, p.first_d, p.every_km,
        p.every_d
    from service_plan p
    where (p.model, p.market) in (select v.model, v.market from vehicle v where v.id = any(%(ids)s))
    order by p.model, p.market, p.item
"""

FAULTS: Final = """
    select distinct on (vehicle_id, standard, ecu, code, ftb)
        vehicle_id, standard, ecu, code, ftb, episode, first_seen_at, last_seen_at, ended_at, ended_why,
        confirmed, status, occurrences, mil, severity, family
    from fault
    where vehicle_id = any(%(ids)s) and first_seen_at <= %(as_of)s
    order by vehicle_id, standard, ecu, code, ftb, episode desc
"""

CAMPAIGNS: Final = """
    select v.id as vehicle_id, c.id as campaign, c.title_zh, c.title_en,
        case when c.closed_on is not null and cv.state = 'open' then 'removed' else cv.state end as state,
        c.do_not_drive, c.parts_ready, c.opened_on, cv.remedied_at,
        (
            select min(o.happened_at) from trigger t join outcome o on o.trigger_id = t.id
            where t.vehicle_id = v.id and t.type = 'recall' and t.subject = c.id and o.state = 'contacted'
        ) as notified_at
    from vehicle v join campaign_vehicle cv on cv.vin = v.vin join campaign c on c.id = cv.campaign_id
    where v.id = any(%(ids)s) and c.opened_on <= (%(as_of)s::timestamptz at time zone v.tz)::date
    order by v.id, c.id
"""


async def read(
    conn: Connection, vehicle_ids: Sequence[int], *, as_of: datetime, registered: bool = True
) -> Inputs:
    """Everything an evaluation needs of some vehicles: of those that are registered, or of the others."""
    wanted: dict[str, Any] = {"ids": list(vehicle_ids), "as_of": as_of, "registered": registered}
    async with conn.cursor(row_factory=class_row(VehicleRow)) as cur:
        vehicles = await (await cur.execute(VEHICLES, wanted)).fetchall()
    days = _native(await columns.read(conn, DAYS, wanted, DAY_COLUMNS))
    shown = await odometers.read(conn, vehicle_ids, as_of=as_of)
    async with conn.cursor(row_factory=class_row(VisitRow)) as cur:
        visits = await (await cur.execute(VISITS, wanted)).fetchall()
    async with conn.cursor(row_factory=class_row(PlanRow)) as cur:
        plans = await (await cur.execute(PLANS, wanted)).fetchall()
    async with conn.cursor(row_factory=class_row(FaultRow)) as cur:
        faults = await (await cur.execute(FAULTS, wanted)).fetchall()
    async with conn.cursor(row_factory=class_row(CampaignRow)) as cur:
        campaigns = await (await cur.execute(CAMPAIGNS, wanted)).fetchall()
    return Inputs(vehicles, days, shown, visits, plans, faults, campaigns)


_MOMENTS: Final = ("odometer_first_us", "odometer_last_us")
_EPOCH_US: Final = 946_684_800_000_000
"""PostgreSQL counts from 2000-01-01 UTC."""
_INFINITY: Final = np.iinfo(np.int64).max


def _native(rows: NDArray[np.void]) -> NDArray[np.void]:
    """The wire's columns in this machine's byte order, moments as microseconds since 1970 UTC."""
    whole = ("vehicle_id", "day")
    days = np.empty(
        len(rows), dtype=[(name, np.int64 if name in whole else np.float64) for name in DAY_COLUMNS]
    )
    for name in DAY_COLUMNS:
        days[name] = rows[name]
    for name in _MOMENTS:
        days[name] = np.where(rows[name] == _INFINITY, np.nan, rows[name].astype(np.float64) + _EPOCH_US)
    return days
