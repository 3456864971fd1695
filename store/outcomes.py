"""Outcomes: what became of triggers, reported by consumers; a status per report, never all or nothing."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store import touched, trigger_changes
from store.outcome_report import MalformedReportError, Report, check_built, is_plain, parse
from store.pool import Connection
from vehicle.trigger import ENDED, EventKind, Feed, TriggerState, TriggerType, fold, may_follow

SERVICE_TYPES: Final = frozenset(
    {TriggerType.SERVICE_DUE, TriggerType.SERVICE_OVERDUE, TriggerType.FIRST_SERVICE_MISSED}
)
"""Triggers whose subject is an item of the service plan."""


@dataclass(frozen=True, slots=True)
class OutcomeResult:
    """The answer to one report, in the order they came."""

    status: int
    """200 stored (or known already), 404 no such trigger here, 409 not possible now, 422 malformed."""
    trigger_id: str | None
    state: TriggerState | None
    """The trigger's state after it, where there is one."""
    revision: int | None
    detail: str
    """A sentence for people; empty where there is nothing to say."""


@dataclass(frozen=True, slots=True)
class _Trigger:
    id: UUID
    vehicle_id: int
    vin: str
    tz: str
    built_on: date | None
    dealer_id: int | None
    type: str
    feed: str
    subject: str
    state: str
    revision: int


@dataclass(frozen=True, slots=True)
class _Past:
    state: str
    happened_at: datetime
    detail: dict[str, Any]


class _RefusedError(Exception):
    """A report that cannot be taken; becomes the status of its row."""

    def __init__(self, status: int, detail: str, trigger: _Trigger | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.trigger = trigger


async def report(
    conn: Connection,
    consumer_id: int,
    reports: Sequence[object],
    *,
    now: datetime | None = None,
    feeds: Collection[Feed] | None = None,
) -> list[OutcomeResult]:
    """Take reports in their order, each in a savepoint of its own, all in one transaction.

    `reports` are plain JSON values, shaped as `Report`. `now` bounds `happened_at`. Triggers of other
    feeds than `feeds` are not there for the reporter (None: all are). The caller gives the events their
    positions afterwards (`feed.sequence`), outside the transaction.
    """
    now = now or datetime.now(UTC)
    results = []
    async with conn.transaction():
        await _lock(conn, reports)
        for raw in reports:
            try:
                async with conn.transaction():
                    results.append(await _take(conn, consumer_id, raw, now, feeds))
            except _RefusedError as refusal:
                results.append(_refused(raw, refusal))
    return results


LOCK: Final = "select 1 from trigger where id = any(%(ids)s) order by id for update"


async def _lock(conn: Connection, reports: Sequence[object]) -> None:
    """All triggers of the request in the order of their ids, as an evaluation does: no deadlock."""
    ids = set()
    for raw in reports:
        named = raw.get("trigger_id") if isinstance(raw, dict) else None
        with suppress(ValueError):
            ids.add(UUID(named if isinstance(named, str) else ""))
    await conn.execute(LOCK, {"ids": list(ids)})


async def _take(
    conn: Connection, consumer_id: int, raw: object, now: datetime, feeds: Collection[Feed] | None
) -> OutcomeResult:
    try:
        told = parse(raw, now=now)
        trigger = await _trigger(conn, told.trigger_id, feeds)
        check_built(told, trigger.built_on)
    except MalformedReportError as error:
        raise _RefusedError(422, str(error)) from error
    past = await _history(conn, told.trigger_id)
    detail = msgspec.json.decode(msgspec.json.encode(told))  # as it will be read back
    for name in ("trigger_id", "state", "happened_at"):
        detail.pop(name)
    if _Past(told.state, told.happened_at, detail) in past:
        return OutcomeResult(
            200, str(trigger.id), TriggerState(trigger.state), trigger.revision, "known already"
        )
    before = fold([TriggerState(step.state) for step in past if step.happened_at <= told.happened_at])
    if not may_follow(before, told.state):
        raise _RefusedError(
            409, f"{told.state} cannot follow {before} at {told.happened_at.isoformat()}", trigger
        )
    await _store(conn, consumer_id, told, detail)
    if told.state is TriggerState.COMPLETED:
        await _complete(conn, trigger, told)
    steps = sorted([*past, _Past(told.state, told.happened_at, detail)], key=lambda step: step.happened_at)
    return await _tell(conn, trigger, told, fold([TriggerState(step.state) for step in steps]))


TRIGGER: Final = """
    select t.id, t.vehicle_id, v.vin, v.tz, v.built_on, coalesce(t.dealer_id, v.dealer_id) as dealer_id,
        t.type, t.feed, t.subject, t.state, t.revision
    from trigger t join vehicle v on v.id = t.vehicle_id where t.id = %(id)s
"""


async def _trigger(conn: Connection, trigger_id: UUID, feeds: Collection[Feed] | None) -> _Trigger:
    async with conn.cursor(row_factory=class_row(_Trigger)) as cur:
        found = await (await cur.execute(TRIGGER, {"id": trigger_id})).fetchone()
    if found is None or (feeds is not None and found.feed not in feeds):
        raise _RefusedError(404, f"no trigger {trigger_id}")
    return found


HISTORY: Final = """
    select state, happened_at, detail from outcome where trigger_id = %(id)s order by happened_at, id
"""


async def _history(conn: Connection, trigger_id: UUID) -> list[_Past]:
    async with conn.cursor(row_factory=class_row(_Past)) as cur:
        return await (await cur.execute(HISTORY, {"id": trigger_id})).fetchall()


STORE: Final = """
    insert into outcome (trigger_id, state, happened_at, consumer_id, detail)
    values (%(trigger_id)s, %(state)s, %(happened_at)s, %(consumer_id)s, %(detail)s)
"""


async def _store(conn: Connection, consumer_id: int, told: Report, detail: dict[str, Any]) -> None:
    await conn.execute(
        STORE,
        {
            "trigger_id": told.trigger_id,
            "state": told.state,
            "happened_at": told.happened_at,
            "consumer_id": consumer_id,
            "detail": Jsonb(detail),
        },
    )


VISIT: Final = """
    insert into service_visit (
        vehicle_id, visited_at, odometer_km, dealer_id, repair_order, items, finding, source
    ) values (
        %(vehicle_id)s, %(happened_at)s, %(odometer_km)s, %(dealer_id)s, %(repair_order)s, %(items)s,
        %(finding)s, 'outcome'
    )
    on conflict (vehicle_id, repair_order) do update set
        odometer_km = coalesce(service_visit.odometer_km, excluded.odometer_km),
        items = array(select distinct unnest(service_visit.items || excluded.items) order by 1),
        finding = coalesce(service_visit.finding, excluded.finding)
"""
REMEDY: Final = """
    update campaign_vehicle set state = 'remedied', remedied_at = %(happened_at)s
    where campaign_id = %(campaign)s and vin = %(vin)s and state = 'open'
"""
TOUCH: Final = """
    insert into touched (vehicle_id, from_day)
    values (%(vehicle_id)s, (%(happened_at)s::timestamptz at time zone %(tz)s)::date)
    on conflict (vehicle_id) do update
        set from_day = least(touched.from_day, excluded.from_day), touched_at = excluded.touched_at
"""


async def _complete(conn: Connection, trigger: _Trigger, told: Report) -> None:
    """The visit restarts the plan's items, a recall is remedied, the vehicle is evaluated again.

    A completed job was done, whatever else the report lists. One repair order may complete several triggers:
    it stays one visit with all their items.
    """
    own = (trigger.subject,) if trigger.type in SERVICE_TYPES and trigger.subject else ()
    row = {
        "vehicle_id": trigger.vehicle_id,
        "vin": trigger.vin,
        "tz": trigger.tz,
        "dealer_id": trigger.dealer_id,
        "campaign": trigger.subject,
        "happened_at": told.happened_at,
        "odometer_km": told.odometer_km,
        "repair_order": told.repair_order,
        "items": sorted({*own, *(told.items or ())}),
        "finding": told.finding,
    }
    await conn.execute(VISIT, row)
    if trigger.type == TriggerType.RECALL:
        await conn.execute(REMEDY, row)
    await conn.execute(TOUCH, row)
    await conn.execute(touched.NOTIFY)


LAST_PAYLOAD: Final = """
    select payload from trigger_event where trigger_id = %(id)s order by revision desc limit 1
"""
MOVE: Final = """
    update trigger set state = %(state)s, revision = %(revision)s, changed_at = now(),
        closed_at = case when %(is_ended)s then coalesce(closed_at, now()) end
    where id = %(id)s
"""


async def _tell(conn: Connection, trigger: _Trigger, told: Report, state: TriggerState) -> OutcomeResult:
    """Move the trigger and write the event that tells it; a late report need not change the state."""
    revision = trigger.revision + 1
    row = await (await conn.execute(LAST_PAYLOAD, {"id": trigger.id})).fetchone()
    assert row is not None, "a trigger opens with an event"
    payload = state_payload(row[0], told, revision=revision, state=state)
    await conn.execute(
        MOVE, {"id": trigger.id, "state": state, "revision": revision, "is_ended": state in ENDED}
    )
    event = trigger_changes.Event(trigger.id, Feed(trigger.feed), EventKind.STATE, revision, payload)
    await trigger_changes.append(conn, [event])
    late = "" if state is told.state else f"taken by its time; the trigger stays {state}"
    return OutcomeResult(200, str(trigger.id), state, revision, late)


def state_payload(
    last: dict[str, Any], told: Report, *, revision: int, state: TriggerState
) -> dict[str, Any]:
    """The CloudEvent of a reported state: the trigger's last event, with what is new."""
    data = {key: value for key, value in last["data"].items() if key not in {"changes", "outcome"}}
    happened_at = told.happened_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    outcome = {"state": told.state.value, "happened_at": happened_at}
    return {
        **last,
        "id": f"{told.trigger_id}.{revision}",
        "type": f"odocare.trigger.{EventKind.STATE.value}",
        "time": happened_at,
        "data": {**data, "revision": revision, "state": state.value, "outcome": outcome},
    }


def _refused(raw: object, refusal: _RefusedError) -> OutcomeResult:
    trigger = refusal.trigger
    named = raw.get("trigger_id") if isinstance(raw, dict) else None
    return OutcomeResult(
        refusal.status,
        named if isinstance(named, str) and is_plain(named) else None,
        None if trigger is None else TriggerState(trigger.state),
        None if trigger is None else trigger.revision,
        refusal.detail,
    )
