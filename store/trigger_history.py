"""Triggers with what made them: the finding, the rule's own text, the revisions and the outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from store.pool import Connection


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger with its evidence."""

    id: UUID
    vehicle: UUID
    type: str
    feed: str
    severity: str
    state: str
    revision: int
    stage: str
    rule_id: str
    rule_version: str
    rule_body: str | None
    """The rule's TOML as it stood when it fired; None where that version was not kept."""
    subject: str
    occasion: str
    job: str
    item_zh: str | None
    """Name of the service item or of the campaign; None for other subjects."""
    item_en: str | None
    dealer: str | None
    due_p10_on: date | None
    due_p50_on: date | None
    due_p90_on: date | None
    words_zh: str
    words_en: str
    values: dict[str, Any]
    """What made the rule fire: feature to value."""
    read_at: Any
    """When the values were read: feature to time, or one time for all."""
    as_of: datetime
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None


_BEFORE_ALL: Final = UUID(int=0)

_TOLD: Final = """
    select t.id, v.public_id as vehicle, t.type, t.feed, t.severity, t.state, t.revision, t.stage, t.rule_id,
           t.rule_version, r.body as rule_body, t.subject, t.occasion, t.job,
           coalesce(s.name_zh, g.title_zh) as item_zh, coalesce(s.name_en, g.title_en) as item_en,
           d.code as dealer, t.due_p10_on, t.due_p50_on, t.due_p90_on,
           t.words_zh, t.words_en, f.values, f.read_at, t.as_of, t.opened_at, t.changed_at, t.closed_at
    from page p
    join trigger t on t.id = p.id
    join vehicle v on v.id = t.vehicle_id
    join finding f on f.id = t.finding_id
    left join rule_version r on r.rule_id = t.rule_id and r.version = t.rule_version
    left join service_plan s on s.model = v.model and s.market = v.market and s.item = t.subject
    left join campaign g on t.type = 'recall' and g.id = t.subject
    left join dealer d on d.id = t.dealer_id
"""

OF_VEHICLE: Final = (
    "with page as ("  # noqa: S608 - the parts are constants of this file
    """
        select id
        from trigger
        where vehicle_id = %(vehicle_id)s and feed <> 'sales'
        order by closed_at desc nulls first, severity desc, due_p50_on nulls first, id
        limit %(limit)s
    )
""" + _TOLD + "order by t.closed_at desc nulls first, t.severity desc, t.due_p50_on nulls first, t.id"
)


async def of_vehicle(conn: Connection, vehicle_id: int, *, limit: int = 200) -> list[Trigger]:
    """Triggers of one vehicle: open ones first, most severe first; then the closed ones, newest first.

    For pages: those of feed `sales` are not the workshop's business and are left out.
    """
    async with conn.cursor(row_factory=class_row(Trigger)) as cur:
        await cur.execute(OF_VEHICLE, {"vehicle_id": vehicle_id, "limit": limit})
        return await cur.fetchall()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which triggers to read; None and False do not restrict."""

    feeds: tuple[str, ...]
    """Of these feeds only: what the caller may see."""
    after: UUID | None = None
    """Go on behind this id."""
    is_open: bool = False
    state: str | None = None
    dealer: str | None = None
    type: str | None = None


PAGE: Final = (
    "with page as ("  # noqa: S608 - the parts are constants of this file
    """
        select id
        from trigger
        where feed = any (%(feeds)s)
          and id > %(after)s
          and (not %(open)s or closed_at is null)
          and (%(state)s::text is null or state = %(state)s)
          and (%(dealer)s::text is null or dealer_id = (select id from dealer where code = %(dealer)s))
          and (%(type)s::text is null or type = %(type)s)
        order by id
        limit %(limit)s
    )
""" + _TOLD + "order by t.id"
)


async def page(conn: Connection, wanted: Wanted, *, limit: int) -> list[Trigger]:
    """Triggers in the order of their ids, which never changes, so that no reader skips one."""
    parameters = {
        "feeds": list(wanted.feeds),
        "after": wanted.after or _BEFORE_ALL,
        "open": wanted.is_open,
        "state": wanted.state,
        "dealer": wanted.dealer,
        "type": wanted.type,
        "limit": limit,
    }
    async with conn.cursor(row_factory=class_row(Trigger)) as cur:
        await cur.execute(PAGE, parameters)
        return await cur.fetchall()


ONE: Final = (
    "with page as (select id from trigger where id = %(id)s and feed = any (%(feeds)s))"  # noqa: S608 - as above
    + _TOLD
)


async def one(conn: Connection, feeds: Sequence[str], trigger_id: UUID) -> Trigger | None:
    """One trigger of these feeds; None where there is none."""
    async with conn.cursor(row_factory=class_row(Trigger)) as cur:
        await cur.execute(ONE, {"id": trigger_id, "feeds": list(feeds)})
        return await cur.fetchone()


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a trigger."""

    trigger_id: UUID
    at: datetime
    kind: str
    """`opened`, `revised`, `state` or `withdrawn`."""
    revision: int
    state: str | None
    """The state it stood in after the step."""
    changes: list[str]
    """What a revision is about."""


STEPS: Final = """
    select e.trigger_id, e.happened_at as at, e.kind, e.revision, e.payload #>> '{data,state}' as state,
           coalesce(e.payload #> '{data,changes}', '[]') as changes
    from trigger_event e
    where e.trigger_id = any (%(triggers)s)
    order by e.trigger_id, e.revision
"""


async def steps(conn: Connection, triggers: Sequence[UUID]) -> dict[UUID, list[Step]]:
    """The events of some triggers, each trigger's in order."""
    found: dict[UUID, list[Step]] = {trigger: [] for trigger in triggers}
    async with conn.cursor(row_factory=class_row(Step)) as cur:
        await cur.execute(STEPS, {"triggers": list(triggers)})
        async for step in cur:
            found[step.trigger_id].append(step)
    return found
