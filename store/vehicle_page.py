"""All that is known of one vehicle, as its page and `/v1/vehicles/…` show it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from store.pool import Connection
from vehicle.dtc import DtcStatus
from vehicle.fault import EndedWhy, FaultState, state_of


@dataclass(frozen=True, slots=True)
class Card:
    """Who the vehicle is and when it was last heard of."""

    vehicle_id: int
    public_id: UUID
    vin: str
    plate: str | None
    model: str | None
    market: str
    use_class: str
    fuel: str
    tz: str
    built_on: date | None
    delivered_on: date | None
    owner_ref: str | None
    is_registered: bool
    first_seen_at: datetime
    seen_at: datetime | None
    """Newest event time of anything it sent."""
    odometer_km: float | None
    """True kilometres since new as the last evaluation found them: never a glitch, nor what is in doubt."""
    odometer_at: datetime | None
    odometer_source: int | None
    """Who told it, as in `odometer.source`."""
    dealer: str | None
    dealer_zh: str | None
    dealer_en: str | None


CARD: Final = """
    select v.id as vehicle_id, v.public_id, v.vin, v.plate, v.model, v.market, v.use_class, v.fuel, v.tz,
           v.built_on, v.delivered_on, v.owner_ref, v.registered_at is not null as is_registered,
           v.first_seen_at, l.seen_at, o.km as odometer_km, o.at as odometer_at,
           o.source as odometer_source,
           d.code as dealer, d.name_zh as dealer_zh, d.name_en as dealer_en
    from vehicle v
    left join dealer d on d.id = v.dealer_id
    left join latest l on l.vehicle_id = v.id
    left join odometer o on o.vehicle_id = v.id
    where v.public_id = %(public_id)s
"""


async def card(conn: Connection, public_id: UUID) -> Card | None:
    """The vehicle of this random id; None where there is none."""
    async with conn.cursor(row_factory=class_row(Card)) as cur:
        await cur.execute(CARD, {"public_id": public_id})
        return await cur.fetchone()


@dataclass(frozen=True, slots=True)
class Day:
    """One local day's features."""

    day: date
    odometer_first_km: float | None
    odometer_last_km: float | None
    starts_n: int
    crank_min_v: float | None
    rest_v: float | None
    ambient_min_degc: float | None
    ambient_max_degc: float | None
    coolant_max_degc: float | None
    oil_life_pct: float | None


DAYS: Final = """
    select day, odometer_first_km, odometer_last_km, starts_n, crank_min_v, rest_v,
           ambient_min_degc, ambient_max_degc, coolant_max_degc, oil_life_pct
    from vehicle_day
    where vehicle_id = %(vehicle_id)s and day >= %(since)s and day <= %(until)s
    order by day
"""


async def days(conn: Connection, vehicle_id: int, *, since: date, until: date) -> list[Day]:
    """Days that have data, in order, both ends included."""
    async with conn.cursor(row_factory=class_row(Day)) as cur:
        await cur.execute(DAYS, {"vehicle_id": vehicle_id, "since": since, "until": until})
        return await cur.fetchall()


@dataclass(frozen=True, slots=True)
class Forecast:
    """The newest prediction of one service item."""

    item: str
    item_zh: str | None
    item_en: str | None
    job: str | None
    status: str
    cycle: int
    is_first: bool
    p10_on: date | None
    p20_on: date | None
    p50_on: date | None
    p90_on: date | None
    binding: str | None
    due_probability: float | None
    km_left_p20: float | None
    odometer_km: float | None
    odometer_at: datetime | None
    as_of: datetime
    model: str
    model_version: str
    evidence: dict[str, Any]


FORECASTS: Final = """
    select p.item, s.name_zh as item_zh, s.name_en as item_en, s.op_code as job, p.status, p.cycle,
           p.is_first, p.p10_on, p.p20_on, p.p50_on, p.p90_on, p.binding, p.due_probability, p.km_left_p20,
           p.odometer_km, p.odometer_at, p.as_of, p.model, p.model_version, p.evidence
    from prediction p
    join vehicle v on v.id = p.vehicle_id
    left join service_plan s on s.model = v.model and s.market = v.market and s.item = p.item
    where p.vehicle_id = %(vehicle_id)s and p.is_newest
    order by p.p50_on nulls last, p.item
"""


async def forecasts(conn: Connection, vehicle_id: int) -> list[Forecast]:
    """Newest prediction per service item, the earliest likely date first."""
    async with conn.cursor(row_factory=class_row(Forecast)) as cur:
        await cur.execute(FORECASTS, {"vehicle_id": vehicle_id})
        return await cur.fetchall()


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault episode."""

    standard: str
    ecu: str
    code: str
    ftb: int | None
    spn: int | None
    fmi: int | None
    episode: int
    first_seen_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    ended_why: str | None
    confirmed: bool
    status: int | None
    occurrences: int
    mil: bool | None
    severity: str
    family: str
    freeze_frame: dict[str, Any]

    @property
    def state(self) -> FaultState:
        """Where it stands, in a word."""
        return state_of(
            confirmed=self.confirmed,
            status=None if self.status is None else DtcStatus(self.status),
            ended_why=None if self.ended_why is None else EndedWhy(self.ended_why),
            has_ended=self.ended_at is not None,
        )


FAULTS: Final = """
    select standard, ecu, code, ftb, spn, fmi, episode, first_seen_at, last_seen_at, ended_at, ended_why,
           confirmed, status, occurrences, mil, severity, family, freeze_frame
    from fault
    where vehicle_id = %(vehicle_id)s
    order by ended_at desc nulls first, severity desc, last_seen_at desc, id
    limit %(limit)s
"""


async def faults(conn: Connection, vehicle_id: int, *, limit: int = 500) -> list[Fault]:
    """Fault episodes: those that go on first, most severe first; then the ended ones, newest first."""
    async with conn.cursor(row_factory=class_row(Fault)) as cur:
        await cur.execute(FAULTS, {"vehicle_id": vehicle_id, "limit": limit})
        return await cur.fetchall()


@dataclass(frozen=True, slots=True)
class Visit:
    """One workshop visit."""

    visited_at: datetime
    odometer_km: float | None
    repair_order: str
    items: list[str]
    item_names_zh: list[str]
    """In the order of `items`; the item itself where the plan does not name it."""
    item_names_en: list[str]
    finding: str | None
    source: str
    dealer_zh: str | None
    dealer_en: str | None


VISITS: Final = """
    select s.visited_at, s.odometer_km, s.repair_order, s.items, s.finding, s.source,
           d.name_zh as dealer_zh, d.name_en as dealer_en,
           array(select coalesce(p.name_zh, i.item) from unnest(s.items) with ordinality i (item, place)
                 left join service_plan p on p.model = v.model and p.market = v.market and p.item = i.item
                 order by i.place) as item_names_zh,
           array(select coalesce(p.name_en, i.item) from unnest(s.items) with ordinality i (item, place)
                 left join service_plan p on p.model = v.model and p.market = v.market and p.item = i.item
                 order by i.place) as item_names_en
    from service_visit s
    join vehicle v on v.id = s.vehicle_id
    left join dealer d on d.id = s.dealer_id
    where s.vehicle_id = %(vehicle_id)s
    order by s.visited_at desc, s.id desc
    limit %(limit)s
"""


async def visits(conn: Connection, vehicle_id: int, *, limit: int = 200) -> list[Visit]:
    """Workshop visits, newest first."""
    async with conn.cursor(row_factory=class_row(Visit)) as cur:
        await cur.execute(VISITS, {"vehicle_id": vehicle_id, "limit": limit})
        return await cur.fetchall()


@dataclass(frozen=True, slots=True)
class Recall:
    """One campaign the vehicle is or was in."""

    campaign: str
    title_zh: str
    title_en: str
    remedy_zh: str
    remedy_en: str
    do_not_drive: bool
    parts_ready: bool
    opened_on: date
    closed_on: date | None
    state: str
    remedied_at: datetime | None


RECALLS: Final = """
    select c.id as campaign, c.title_zh, c.title_en, c.remedy_zh, c.remedy_en, c.do_not_drive, c.parts_ready,
           c.opened_on, c.closed_on, m.state, m.remedied_at
    from campaign_vehicle m
    join campaign c on c.id = m.campaign_id
    where m.vin = %(vin)s and m.state <> 'removed'
    order by m.state = 'open' desc, c.do_not_drive desc, c.opened_on desc, c.id
"""


async def recalls(conn: Connection, vin: str) -> list[Recall]:
    """Campaigns of this vehicle, open ones first."""
    async with conn.cursor(row_factory=class_row(Recall)) as cur:
        await cur.execute(RECALLS, {"vin": vin})
        return await cur.fetchall()
