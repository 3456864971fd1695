"""The CloudEvent of a trigger event: thin, because what it names can be asked for with a purpose.

No VIN, no plate, no owner, no position: the vehicle's random id stands for them.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from store.inputs import VehicleRow
from store.trigger_changes import Draft
from vehicle.trigger import EventKind, Feed, TriggerState

CONSENT: Final = "unknown"
"""Until consents are kept here, the consumer asks its own records before it contacts anybody."""
TOLD: Final = ("version", "opened_at", "read_at", "values")
"""Evidence that goes with the event: conditions of the vehicle, nothing about people or places."""
_BANDS: Final = 5


def cloud_event(
    draft: Draft,
    vehicle: VehicleRow,
    *,
    site: str,
    feed: Feed,
    kind: EventKind,
    state: TriggerState,
    revision: int,
    as_of: datetime,
    changes: Sequence[str] = (),
) -> dict[str, Any]:
    """One event of a trigger as CloudEvents 1.0 JSON; `changes` says what a revision is about."""
    data = {"trigger_id": str(draft.id), "revision": revision, "state": state.value, **_thin(draft, vehicle)}
    if changes:
        data["changes"] = list(changes)
    return {
        "specversion": "1.0",
        "id": f"{draft.id}.{revision}",
        "source": f"//{site}/feeds/{feed.value}",
        "type": f"odocare.trigger.{kind.value}",
        "subject": str(draft.id),
        "time": as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }


def _thin(draft: Draft, vehicle: VehicleRow) -> dict[str, Any]:
    """What a consumer needs to decide whether to ask for more."""
    return {
        "type": draft.type.value,
        "severity": draft.severity.value,
        "vehicle": {"id": str(vehicle.public_id), "model": vehicle.model},
        "dealer": vehicle.dealer_code,
        "subject": draft.subject,
        "job": draft.job,
        "due": {
            "p10_on": _day(draft.due.p10_on),
            "p50_on": _day(draft.due.p50_on),
            "p90_on": _day(draft.due.p90_on),
        },
        "probability_band": band(draft.evidence.get("probability_due")),
        "reasons": reasons(draft),
        "template": draft.rule_id,
        "evidence": {name: draft.evidence.get(name) for name in TOLD},
        "words": {"zh": draft.words_zh, "en": draft.words_en},
        "consent": CONSENT,
        "link": f"/vehicles/{vehicle.public_id}#trigger-{draft.id}",
    }


def reasons(draft: Draft) -> list[str]:
    """Codes a program can tell apart: the rule, the limit that binds, the lead time reached."""
    found = [f"rule:{draft.rule_id}"]
    if binding := draft.evidence.get("binding"):
        found.append(f"binding:{binding}")
    if draft.stage:
        found.append(f"lead:{draft.stage}")
    return found


def band(probability: float | None) -> list[float] | None:
    """A probability as the fifth it lies in, `[0.6, 0.8]`: plainer than it is, never surer; None: unknown."""
    if probability is None:
        return None
    low = min(math.floor(probability * _BANDS), _BANDS - 1)
    return [low / _BANDS, (low + 1) / _BANDS]


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
