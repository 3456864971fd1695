"""The advisor's worklist: open triggers of all vehicles, and predictions that have no trigger yet."""

from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from store.pool import Connection
from vehicle.trigger import Severity, TriggerType


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list; None and False do not restrict."""

    dealer: str | None = None
    """The dealer's code."""
    within_d: int | None = None
    """Likely due within so many days; faults and recalls are due from the day they came up."""
    overdue: bool = False
    severity: Severity | None = None
    type: TriggerType | None = None
    recall: bool = False
    text: str | None = None
    """Part of a plate, of the VIN's last six characters, of the model or of the words."""

    def parameters(self, today: date) -> dict[str, Any]:
        """As the queries below name them."""
        return {
            "today": today,
            "dealer": self.dealer,
            "until": None if self.within_d is None else today + timedelta(days=self.within_d),
            "overdue": self.overdue,
            "severity": self.severity,
            "type": self.type,
            "recall": self.recall,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Job:
    """One open trigger with its vehicle, as the list shows it."""

    id: UUID
    type: str
    severity: str
    state: str
    revision: int
    rule_id: str
    subject: str
    job: str
    item_zh: str | None
    """Name of the service item or of the campaign; None for other subjects."""
    item_en: str | None
    due_p10_on: date | None
    due_p50_on: date | None
    due_p90_on: date | None
    is_overdue: bool
    words_zh: str
    words_en: str
    as_of: datetime
    opened_at: datetime
    vehicle: UUID
    model: str | None
    plate: str | None
    vin_tail: str
    is_registered: bool
    seen_at: datetime | None
    dealer: str | None
    dealer_zh: str | None
    dealer_en: str | None
    recalls: int
    """Open campaigns this vehicle is in."""
    faults: int
    """Confirmed fault episodes that have not ended."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many open triggers the filters leave."""

    total: int
    stop: int
    urgent: int
    overdue: int
    recall: int


@dataclass(frozen=True, slots=True)
class Worklist:
    """One page of the list, and how many there are over all pages."""

    jobs: list[Job]
    counts: Counts


WORKLIST: Final = """
    with found as materialized (
        select t.id, t.severity, t.type, t.due_p50_on,
               t.type in ('service_overdue', 'first_service_missed')
                   or (t.type <> 'recall' and coalesce(t.due_p90_on < %(today)s, false)) as is_overdue
        from trigger t
        where t.closed_at is null and t.feed <> 'sales'
          and (%(dealer)s::text is null or t.dealer_id = (select id from dealer where code = %(dealer)s))
          and (%(until)s::date is null or t.due_p50_on <= %(until)s)
          and (%(severity)s::severity is null or t.severity = %(severity)s)
          and (%(type)s::text is null or t.type = %(type)s)
          and (not %(recall)s or t.type = 'recall')
          and (%(text)s::text is null
               or strpos(upper(t.words_zh || ' ' || t.words_en || ' ' || t.job), upper(%(text)s)) > 0
               or t.vehicle_id in (
                   select id from vehicle
                   where strpos(upper(coalesce(plate, '')), upper(%(text)s)) > 0
                      or strpos(right(vin, 6), upper(%(text)s)) > 0
                      or strpos(upper(coalesce(model, '')), upper(%(text)s)) > 0))
    ), wanted as (
        select * from found where is_overdue or not %(overdue)s
    ), counted as (
        select count(*) as total,
               count(*) filter (where severity = 'stop') as stop,
               count(*) filter (where severity = 'urgent') as urgent,
               count(*) filter (where is_overdue) as overdue,
               count(*) filter (where type = 'recall') as recall
        from wanted
    ), page as (
        select id, is_overdue from wanted
        order by severity desc, due_p50_on nulls first, id
        limit %(limit)s offset %(offset)s
    )
    select n.total, n.stop, n.urgent, n.overdue, n.recall,
           t.id, t.type, t.severity, t.state, t.revision, t.rule_id, t.subject, t.job,
           coalesce(s.name_zh, g.title_zh) as item_zh, coalesce(s.name_en, g.title_en) as item_en,
           t.due_p10_on, t.due_p50_on, t.due_p90_on, p.is_overdue,
           t.words_zh, t.words_en, t.as_of, t.opened_at,
           v.public_id as vehicle, v.model, v.plate, right(v.vin, 6) as vin_tail,
           v.registered_at is not null as is_registered, l.seen_at,
           d.code as dealer, d.name_zh as dealer_zh, d.name_en as dealer_en,
           (select count(*) from campaign_vehicle c join campaign k on k.id = c.campaign_id
            where c.vin = v.vin and c.state = 'open' and k.closed_on is null) as recalls,
           (select count(*) from fault f
            where f.vehicle_id = v.id and f.ended_at is null and f.confirmed) as faults
    from counted n
    left join page p on true
    left join trigger t on t.id = p.id
    left join vehicle v on v.id = t.vehicle_id
    left join dealer d on d.id = t.dealer_id
    left join latest l on l.vehicle_id = v.id
    left join service_plan s on s.model = v.model and s.market = v.market and s.item = t.subject
    left join campaign g on t.type = 'recall' and g.id = t.subject
    order by t.severity desc, t.due_p50_on nulls first, t.id
"""


async def open_jobs(
    conn: Connection, filters: Filters, *, today: date, limit: int, offset: int = 0
) -> Worklist:
    """Open triggers, most severe first, then the earliest likely date; the `sales` feed's are left out."""
    wanted = {**filters.parameters(today), "limit": limit, "offset": offset}
    rows = await (await conn.execute(WORKLIST, wanted)).fetchall()
    width = len(fields(Counts))
    jobs = [Job(*row[width:]) for row in rows if row[width] is not None]
    return Worklist(jobs, Counts(*rows[0][:width]))


@dataclass(frozen=True, slots=True)
class Expected:
    """One prediction that no rule has turned into a trigger yet."""

    item: str
    item_zh: str | None
    item_en: str | None
    job: str | None
    status: str
    is_first: bool
    binding: str | None
    p10_on: date
    p50_on: date
    p90_on: date
    km_left_p20: float | None
    vehicle: UUID
    model: str | None
    plate: str | None
    vin_tail: str
    is_registered: bool
    seen_at: datetime | None
    dealer: str | None
    dealer_zh: str | None
    dealer_en: str | None


_EXPECTED: Final = """
    from prediction p
    join vehicle v on v.id = p.vehicle_id
    left join dealer d on d.id = v.dealer_id
    left join latest l on l.vehicle_id = v.id
    left join service_plan s on s.model = v.model and s.market = v.market and s.item = p.item
    where v.registered_at is not null and p.is_newest and p.p50_on <= %(until)s
      and p.p90_on >= %(today)s and p.p10_on is not null
      and (%(dealer)s::text is null or d.code = %(dealer)s)
      and (%(text)s::text is null
           or strpos(upper(coalesce(v.plate, '')), upper(%(text)s)) > 0
           or strpos(right(v.vin, 6), upper(%(text)s)) > 0
           or strpos(upper(coalesce(v.model, '')), upper(%(text)s)) > 0)
      and not exists (select from trigger t
                      where t.vehicle_id = p.vehicle_id and t.subject = p.item and t.closed_at is null)
"""

UPCOMING: Final = (
    """
    select p.item, s.name_zh as item_zh, s.name_en as item_en, s.op_code as job, p.status, p.is_first,
           p.binding, p.p10_on, p.p50_on, p.p90_on, p.km_left_p20,
           v.public_id as vehicle, v.model, v.plate, right(v.vin, 6) as vin_tail,
           v.registered_at is not null as is_registered, l.seen_at,
           d.code as dealer, d.name_zh as dealer_zh, d.name_en as dealer_en
"""
    + _EXPECTED
    + """
    order by p.p50_on, p.vehicle_id, p.item
    limit %(limit)s offset %(offset)s
"""
)
UPCOMING_COUNT: Final = (
    "select count(*) from (select 1"  # noqa: S608 - constants of this file
    + _EXPECTED
    + "limit %(most)s) counted"
)
COUNTED_MOST: Final = 10_000
"""What is expected is counted no further than this: beyond it nobody pages."""


async def upcoming(
    conn: Connection, filters: Filters, *, today: date, until: date, limit: int, offset: int = 0
) -> list[Expected]:
    """Newest predictions likely due by a date and perhaps not yet, without an open trigger.

    Of the filters, dealer and text count.
    """
    wanted = {"today": today, "until": until, "dealer": filters.dealer, "text": filters.text}
    async with conn.cursor(row_factory=class_row(Expected)) as cur:
        await cur.execute(UPCOMING, {**wanted, "limit": limit, "offset": offset})
        return await cur.fetchall()


async def upcoming_count(conn: Connection, filters: Filters, *, today: date, until: date) -> int:
    """How many `upcoming` has over all pages, at most `COUNTED_MOST`."""
    wanted = {
        "today": today,
        "until": until,
        "dealer": filters.dealer,
        "text": filters.text,
        "most": COUNTED_MOST,
    }
    row = await (await conn.execute(UPCOMING_COUNT, wanted)).fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, slots=True)
class Dealer:
    """A dealer to filter by."""

    code: str
    name_zh: str
    name_en: str


DEALERS: Final = "select code, name_zh, name_en from dealer order by code limit 1000"


async def dealers(conn: Connection) -> list[Dealer]:
    """All dealers, by code."""
    async with conn.cursor(row_factory=class_row(Dealer)) as cur:
        await cur.execute(DEALERS)
        return await cur.fetchall()
