"""The page of one vehicle: jobs with their evidence, odometer and forecast, faults, recalls, services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api import chart, evidence, odometer_notes
from api.context import Conn, Context, Shared
from api.evidence import RuleText, Term
from api.meaning import meaning_of
from api.session import COOKIE, SignedIn, form_token
from api.wording import ZONE
from store import anomalies, audit
from store import trigger_history as history
from store import vehicle_page as vehicles
from store.trigger_history import Step, Trigger
from store.vehicle_page import Fault
from vehicle.dtc_table import DtcMeaning
from vehicle.errors import NotFoundError
from vehicle.odometer import name as source_name

router = APIRouter(include_in_schema=False)

_HISTORY_D: Final = 550
"""How far back the chart goes: a year and a half, so that a whole year can be compared."""
_STEPS_OF: Final = 50
_ACCESSES: Final = 20


@dataclass(frozen=True, slots=True)
class JobCard:
    """One trigger with everything that explains it."""

    trigger: Trigger
    rule: RuleText | None
    terms: Sequence[Term]
    steps: Sequence[Step]
    is_overdue: bool


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault with what its code means."""

    fault: Fault
    meaning: DtcMeaning


def _is_overdue(trigger: Trigger, today: date) -> bool:
    """As the list has it (see `store.worklist`): a recall is due at once, which is no lateness."""
    if trigger.closed_at is not None or trigger.type == "recall":
        return False
    if trigger.type in {"service_overdue", "first_service_missed"}:
        return True
    return trigger.due_p90_on is not None and trigger.due_p90_on < today


def _cards(triggers: Sequence[Trigger], steps: Mapping[UUID, Sequence[Step]], today: date) -> list[JobCard]:
    cards = []
    for trigger in triggers:
        text = evidence.rule_text(trigger.rule_body)
        read_at = trigger.read_at if isinstance(trigger.read_at, dict) else {"row": trigger.read_at}
        terms = evidence.terms(trigger.values, read_at, text)
        late = _is_overdue(trigger, today)
        cards.append(JobCard(trigger, text, terms, steps.get(trigger.id, ()), late))
    return cards


@router.get("/vehicles/{vehicle_id}")
async def vehicle_page(
    vehicle_id: UUID, request: Request, conn: Conn, shared: Shared, visitor: SignedIn
) -> Response:
    """One vehicle. Opening it reads a customer's record, so it is audited."""
    card = await vehicles.card(conn, vehicle_id)
    if card is None:
        raise NotFoundError("vehicle", vehicle_id)
    now = shared.options.now()
    today = now.astimezone(ZONE).date()
    await audit.append(
        conn,
        at=now,
        actor=visitor.name,
        action="vehicle.open",
        purpose="advisor's page",
        subject=card.public_id,
    )
    return shared.languages.page(
        request,
        "vehicle.html",
        visitor=visitor,
        form=form_token(request.cookies[COOKIE]),
        card=card,
        today=today,
        now=now,
        features=shared.options.features,
        **await _contents(conn, shared, card, today),
    )


async def _contents(conn: Conn, shared: Context, card: vehicles.Card, today: date) -> dict[str, Any]:
    triggers = await history.of_vehicle(conn, card.vehicle_id)
    steps = await history.steps(conn, [trigger.id for trigger in triggers[:_STEPS_OF]])
    forecasts = await vehicles.forecasts(conn, card.vehicle_id)
    visits = await vehicles.visits(conn, card.vehicle_id)
    days = await vehicles.days(
        conn, card.vehicle_id, since=today - timedelta(days=_HISTORY_D), until=today + timedelta(days=1)
    )
    faults = await vehicles.faults(conn, card.vehicle_id)
    return {
        "cards": _cards(triggers, steps, today),
        "forecasts": forecasts,
        "visits": visits,
        "faults": [FaultRow(fault, meaning_of(shared.options.dtc, fault)) for fault in faults],
        "recalls": await vehicles.recalls(conn, card.vin),
        "accesses": await audit.of_subject(conn, card.public_id, limit=_ACCESSES),
        "remarks": odometer_notes.remarks(await anomalies.newest(conn, card.vehicle_id)),
        "odometer_source": _source(card),
        "odometer": chart.odometer_chart(days, forecasts, visits, today=today),
    }


def _source(card: vehicles.Card) -> tuple[str, str] | None:
    """Who told the odometer, in Chinese and English."""
    if card.odometer_source is None:
        return None
    return odometer_notes.source_words(source_name(card.odometer_source))
