"""What findings do to triggers: open, revise, withdraw, or nothing. Pure: nothing is read, nothing is stored.

docs/triggers.md tells a trigger's life in words.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from crm.payload import cloud_event
from store.inputs import VehicleRow
from store.trigger_changes import Change, Draft, Event, Existing
from vehicle.trigger import ENDED, EventKind, Feed, TriggerState

DRIFT_MOST: Final = timedelta(days=7)
"""A likely date that moves by more is worth a revision. Invented: a week is how workshops plan."""
WITHDRAWABLE: Final = frozenset({TriggerState.NEW, TriggerState.ACCEPTED, TriggerState.CONTACTED})
"""Nobody has made an appointment yet, so that the trigger may go silently when its condition has gone."""
_SAME: Final = 1e-9
GONE: Final = "condition_gone_at"
"""Evidence of a trigger that was too far along to be withdrawn when its condition went."""


def trigger_id(site: str, rule_id: str, vehicle: UUID, subject: str, occasion: str) -> UUID:
    """The trigger's name for ever: the same evidence gives the same id, on every machine."""
    return uuid5(uuid5(NAMESPACE_URL, site), f"{rule_id}|{vehicle}|{subject}|{occasion}")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every decision of one evaluation shares."""

    site: str
    as_of: datetime
    vehicles: Mapping[int, VehicleRow]


def decide(
    desk: Desk, existing: Sequence[Existing], drafts: Sequence[Draft], gone: Collection[UUID]
) -> list[Change]:
    """Changes that bring stored triggers in line with the findings that are open now.

    `drafts` are the triggers of all open findings, `existing` the stored ones among them and all that have
    not ended; `gone` are ids whose findings have closed. The result is in the order of ids.
    """
    stored = {trigger.draft.id: trigger for trigger in existing}
    changes = [
        _go_on(desk, stored[draft.id], draft) if draft.id in stored else _open(desk, draft)
        for draft in drafts
    ]
    changes += [
        _let_go(desk, trigger)
        for trigger in existing
        if trigger.draft.id in gone and trigger.state not in ENDED
    ]
    return sorted((change for change in changes if change is not None), key=lambda change: change.draft.id)


def _open(desk: Desk, draft: Draft) -> Change:
    event = _event(desk, draft, EventKind.OPENED, state=TriggerState.NEW, revision=1)
    return Change(draft, TriggerState.NEW, 1, is_new=True, events=(event,))


def _go_on(desk: Desk, known: Existing, draft: Draft) -> Change | None:
    """An open finding whose trigger is there: revise it, or make it new again if it was withdrawn."""
    revision = known.revision + 1
    if known.state is TriggerState.WITHDRAWN:
        new = TriggerState.NEW
        event = _event(
            desk, draft, EventKind.OPENED, state=new, revision=revision, changes=("condition_back",)
        )
        return Change(draft, new, revision, is_new=False, events=(event,), enters=new)
    if known.state in ENDED:
        return None  # done, declined or given up: not again for this occasion
    changes = differences(known.draft, draft)
    if not changes:
        return None
    if known.draft.feed is not draft.feed:
        return _move(desk, known, draft, changes)
    event = _event(desk, draft, EventKind.REVISED, state=known.state, revision=revision, changes=changes)
    return Change(draft, known.state, revision, is_new=False, events=(event,))


def _move(desk: Desk, known: Existing, draft: Draft, changes: Sequence[str]) -> Change:
    """Its rule became (or ceased to be) a matter of safety: it leaves one feed and opens in the other."""
    gone, new = TriggerState.WITHDRAWN, known.revision + 2
    left = _event(
        desk,
        known.draft,
        EventKind.WITHDRAWN,
        state=gone,
        revision=known.revision + 1,
        changes=(f"moved:{draft.feed}",),
    )
    entered = _event(desk, draft, EventKind.OPENED, state=known.state, revision=new, changes=changes)
    return Change(draft, known.state, new, is_new=False, events=(left, entered))


def _let_go(desk: Desk, trigger: Existing) -> Change | None:
    """The condition has gone: withdraw, or only say so where somebody made an appointment already."""
    revision = trigger.revision + 1
    evidence: dict[str, Any] = {**trigger.draft.evidence, GONE: desk.as_of.isoformat()}
    draft = replace(trigger.draft, evidence=evidence)
    if trigger.state in WITHDRAWABLE:
        state = TriggerState.WITHDRAWN
        event = _event(desk, draft, EventKind.WITHDRAWN, state=state, revision=revision)
        return Change(draft, state, revision, is_new=False, events=(event,), enters=state)
    if GONE in trigger.draft.evidence:
        return None
    event = _event(
        desk, draft, EventKind.REVISED, state=trigger.state, revision=revision, changes=("condition_gone",)
    )
    return Change(draft, trigger.state, revision, is_new=False, events=(event,))


def differences(before: Draft, after: Draft) -> tuple[str, ...]:
    """What a dealer must be told again: codes, none where the drift is too small to matter."""
    found = []
    if _is_nearer(after.stage, before.stage):
        found.append("stage")
    if before.severity is not after.severity:
        found.append("severity")
    if _has_moved(before, after):
        found.append("due")
    if not _is_same(before.evidence.get("values", {}), after.evidence.get("values", {})):
        found.append("facts")
    if before.dealer_id != after.dealer_id:
        found.append("dealer")
    if (before.type, before.job) != (after.type, after.job):
        found.append("job")
    if GONE in before.evidence:
        found.append("condition_back")
    return tuple(found)


def _is_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Equal values; numbers may differ in what summing in another order does to them."""
    return before.keys() == after.keys() and all(
        math.isclose(value, after[name], rel_tol=_SAME)
        if isinstance(value, float) and isinstance(after[name], float)
        else value == after[name]
        for name, value in before.items()
    )


def _is_nearer(stage: str, than: str) -> bool:
    return stage != "" and (than == "" or int(stage) < int(than))


def _has_moved(before: Draft, after: Draft) -> bool:
    old, new = before.due.p50_on, after.due.p50_on
    if old is None or new is None:
        return old is not new
    return abs(new - old) > DRIFT_MOST


def _event(
    desk: Desk,
    draft: Draft,
    kind: EventKind,
    *,
    state: TriggerState,
    revision: int,
    changes: Sequence[str] = (),
) -> Event:
    feed: Feed = draft.feed
    payload = cloud_event(
        draft,
        desk.vehicles[draft.vehicle_id],
        site=desk.site,
        feed=feed,
        kind=kind,
        state=state,
        revision=revision,
        as_of=desk.as_of,
        changes=changes,
    )
    return Event(draft.id, feed, kind, revision, payload)
