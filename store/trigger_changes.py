"""Writing triggers: every change is a revision with an event of its own, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from store.pool import Connection
from vehicle.trigger import ENDED, EventKind, Feed, Severity, TriggerState, TriggerType


@dataclass(frozen=True, slots=True)
class DueWindow:
    """When the work is due: P10, P50 and P90, local days; None where nothing can be said."""

    p10_on: date | None
    p50_on: date | None
    p90_on: date | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A trigger as the finding it rests on has it at this moment."""

    id: UUID
    vehicle_id: int
    type: TriggerType
    feed: Feed
    rule_id: str
    rule_version: str
    subject: str
    occasion: str
    job: str
    severity: Severity
    stage: str
    """The lead time reached last, in days; '' where the rule has none."""
    dealer_id: int | None
    due: DueWindow
    words_zh: str
    words_en: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Existing:
    """A stored trigger, as far as deciding about it needs to know."""

    draft: Draft
    state: TriggerState
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """What to store: the trigger after the change, and the events that tell it, one per revision."""

    draft: Draft
    state: TriggerState
    revision: int
    """Of the last of `events`."""
    is_new: bool
    events: tuple["Event", ...]
    enters: TriggerState | None = None
    """The state that the trigger went to by itself (withdrawn, or new again), for its history."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event for a feed."""

    trigger_id: UUID
    feed: Feed
    kind: EventKind
    revision: int
    payload: dict[str, Any]


EXISTING: Final = """
    select id, vehicle_id, type, feed, rule_id, rule_version, subject, occasion, job, severity, stage,
        dealer_id, due_p10_on, due_p50_on, due_p90_on, words_zh, words_en, evidence, state, revision
    from trigger
    where vehicle_id = any(%(vehicle_ids)s) and (closed_at is null or id = any(%(ids)s))
    order by id
    for update
"""


async def existing(conn: Connection, vehicle_ids: Sequence[int], ids: Sequence[UUID]) -> list[Existing]:
    """All open triggers of some vehicles, and those of `ids` in whatever state; locked, by rising id."""
    async with conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(EXISTING, {"vehicle_ids": list(vehicle_ids), "ids": list(ids)})
        return [_existing(row) for row in await cur.fetchall()]


def _existing(row: dict[str, Any]) -> Existing:
    draft = Draft(
        id=row["id"],
        vehicle_id=row["vehicle_id"],
        type=TriggerType(row["type"]),
        feed=Feed(row["feed"]),
        rule_id=row["rule_id"],
        rule_version=row["rule_version"],
        subject=row["subject"],
        occasion=row["occasion"],
        job=row["job"],
        severity=Severity(row["severity"]),
        stage=row["stage"],
        dealer_id=row["dealer_id"],
        due=DueWindow(row["due_p10_on"], row["due_p50_on"], row["due_p90_on"]),
        words_zh=row["words_zh"],
        words_en=row["words_en"],
        evidence=row["evidence"],
    )
    return Existing(draft, TriggerState(row["state"]), row["revision"])


INSERT: Final = """
    insert into trigger (
        id, finding_id, vehicle_id, type, feed, rule_id, rule_version, subject, occasion, job,
        severity, state, revision, stage, dealer_id, due_p10_on, due_p50_on, due_p90_on,
        words_zh, words_en, evidence, as_of
    )
    select %(id)s, f.id, %(vehicle_id)s, %(type)s, %(feed)s, %(rule_id)s, %(rule_version)s, %(subject)s,
        %(occasion)s, %(job)s, %(severity)s, %(state)s, %(revision)s, %(stage)s, %(dealer_id)s,
        %(due_p10_on)s, %(due_p50_on)s, %(due_p90_on)s, %(words_zh)s, %(words_en)s, %(evidence)s, %(as_of)s
    from finding f
    where f.vehicle_id = %(vehicle_id)s and f.rule_id = %(rule_id)s and f.subject = %(subject)s
        and f.occasion = %(occasion)s
"""

UPDATE: Final = """
    update trigger set
        type = %(type)s, feed = %(feed)s, rule_version = %(rule_version)s, job = %(job)s,
        severity = %(severity)s, state = %(state)s, revision = %(revision)s, stage = %(stage)s,
        dealer_id = %(dealer_id)s, due_p10_on = %(due_p10_on)s,
        due_p50_on = %(due_p50_on)s, due_p90_on = %(due_p90_on)s,
        words_zh = %(words_zh)s, words_en = %(words_en)s, evidence = %(evidence)s, as_of = %(as_of)s,
        changed_at = now(), closed_at = case when %(is_ended)s then coalesce(closed_at, now()) end
    where id = %(id)s
"""

APPEND: Final = """
    insert into trigger_event (trigger_id, feed, kind, revision, payload)
    values (%(trigger_id)s, %(feed)s, %(kind)s, %(revision)s, %(payload)s)
"""

ENTER: Final = """
    insert into outcome (trigger_id, state, happened_at, detail)
    values (%(trigger_id)s, %(state)s, %(as_of)s, %(detail)s)
"""


async def apply(conn: Connection, changes: Sequence[Change], *, as_of: datetime) -> None:
    """Store changes and their events. Findings must be stored already: a trigger rests on one."""
    async with conn.cursor() as cur:
        opened = [_parameters(change, as_of) for change in changes if change.is_new]
        await cur.executemany(INSERT, opened)
        assert cur.rowcount in {len(opened), -1}, "each new trigger has exactly one stored finding"
        await cur.executemany(UPDATE, [_parameters(change, as_of) for change in changes if not change.is_new])
        await cur.executemany(ENTER, [_entry(change, as_of) for change in changes if change.enters])
    await append(conn, [event for change in changes for event in change.events])


async def append(conn: Connection, events: Sequence[Event]) -> None:
    """Write feed events; the sequencer gives them their positions once they are committed."""
    async with conn.cursor() as cur:
        await cur.executemany(
            APPEND,
            [
                {
                    "trigger_id": event.trigger_id,
                    "feed": event.feed,
                    "kind": event.kind,
                    "revision": event.revision,
                    "payload": Jsonb(event.payload),
                }
                for event in events
            ],
        )


def _parameters(change: Change, as_of: datetime) -> Mapping[str, Any]:
    draft = change.draft
    return {
        "id": draft.id,
        "vehicle_id": draft.vehicle_id,
        "type": draft.type,
        "feed": draft.feed,
        "rule_id": draft.rule_id,
        "rule_version": draft.rule_version,
        "subject": draft.subject,
        "occasion": draft.occasion,
        "job": draft.job,
        "severity": draft.severity,
        "state": change.state,
        "revision": change.revision,
        "stage": draft.stage,
        "dealer_id": draft.dealer_id,
        "due_p10_on": draft.due.p10_on,
        "due_p50_on": draft.due.p50_on,
        "due_p90_on": draft.due.p90_on,
        "words_zh": draft.words_zh,
        "words_en": draft.words_en,
        "evidence": Jsonb(draft.evidence),
        "as_of": as_of,
        "is_ended": change.state in ENDED,
    }


def _entry(change: Change, as_of: datetime) -> Mapping[str, Any]:
    return {
        "trigger_id": change.draft.id,
        "state": change.enters,
        "as_of": as_of,
        "detail": Jsonb({"by": "evaluation"}),
    }
