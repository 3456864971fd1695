"""Triggers: what a CRM acts on, and the life of one."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How soon something must be done, in rising order."""

    INFO = "info"
    SOON = "soon"
    URGENT = "urgent"
    STOP = "stop"
    """Do not drive on."""


class TriggerType(StrEnum):
    """What a trigger asks the dealer to do; DESIGN of the feeds in docs/architecture.md."""

    SERVICE_DUE = "service_due"
    SERVICE_OVERDUE = "service_overdue"
    FIRST_SERVICE_MISSED = "first_service_missed"
    INSPECTION_DUE = "inspection_due"
    WARRANTY_EXPIRING = "warranty_expiring"
    FAULT = "fault"
    WEAR = "wear"
    RECALL = "recall"
    LAPSE_RISK = "lapse_risk"
    LAPSED = "lapsed"
    SEASONAL = "seasonal"
    TRADE_IN = "trade_in"


class Feed(StrEnum):
    """The three streams a CRM reads."""

    SERVICE = "service"
    RECALL = "recall"
    """Safety: recalls and everything of severity `stop`; marketing limits never silence it."""
    SALES = "sales"


class TriggerState(StrEnum):
    """Where a trigger stands in its life."""

    NEW = "new"
    ACCEPTED = "accepted"
    CONTACTED = "contacted"
    BOOKED = "booked"
    IN_SERVICE = "in_service"
    COMPLETED = "completed"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class EventKind(StrEnum):
    """What a feed event tells about its trigger."""

    OPENED = "opened"
    REVISED = "revised"
    STATE = "state"
    WITHDRAWN = "withdrawn"


_S = TriggerState
ENDED: Final = frozenset({_S.COMPLETED, _S.DECLINED, _S.UNREACHABLE, _S.SUPPRESSED, _S.EXPIRED, _S.WITHDRAWN})
"""States in which nothing is to be done; people may go on from most of them: `NEXT` says how."""

NEXT: Final[dict[TriggerState, frozenset[TriggerState]]] = {
    _S.NEW: frozenset(
        {
            _S.ACCEPTED,
            _S.CONTACTED,
            _S.BOOKED,
            _S.IN_SERVICE,
            _S.COMPLETED,
            _S.DECLINED,
            _S.UNREACHABLE,
            _S.SUPPRESSED,
            _S.EXPIRED,
            _S.WITHDRAWN,
        }
    ),
    _S.ACCEPTED: frozenset(
        {
            _S.CONTACTED,
            _S.BOOKED,
            _S.IN_SERVICE,
            _S.COMPLETED,
            _S.DECLINED,
            _S.UNREACHABLE,
            _S.SUPPRESSED,
            _S.EXPIRED,
            _S.WITHDRAWN,
        }
    ),
    _S.CONTACTED: frozenset(
        {
            _S.CONTACTED,
            _S.BOOKED,
            _S.IN_SERVICE,
            _S.COMPLETED,
            _S.DECLINED,
            _S.UNREACHABLE,
            _S.SUPPRESSED,
            _S.EXPIRED,
            _S.WITHDRAWN,
        }
    ),
    _S.BOOKED: frozenset(
        {_S.CONTACTED, _S.BOOKED, _S.IN_SERVICE, _S.COMPLETED, _S.DECLINED, _S.EXPIRED, _S.WITHDRAWN}
    ),
    _S.IN_SERVICE: frozenset({_S.COMPLETED, _S.DECLINED}),
    _S.COMPLETED: frozenset(),
    _S.DECLINED: frozenset({_S.BOOKED, _S.IN_SERVICE, _S.COMPLETED}),
    _S.UNREACHABLE: frozenset({_S.CONTACTED, _S.BOOKED, _S.IN_SERVICE, _S.COMPLETED}),
    _S.SUPPRESSED: frozenset({_S.BOOKED, _S.IN_SERVICE, _S.COMPLETED}),
    _S.EXPIRED: frozenset({_S.BOOKED, _S.IN_SERVICE, _S.COMPLETED}),
    _S.WITHDRAWN: frozenset({_S.COMPLETED}),
}


def may_follow(state: TriggerState, then: TriggerState) -> bool:
    """Whether a trigger in `state` may go to `then`."""
    return then in NEXT[state]


def fold(steps: Iterable[TriggerState]) -> TriggerState:
    """Where a trigger stands after its states in event order; steps that cannot follow change nothing.

    Only an evaluation withdraws a trigger, and makes it new again when its condition is back.
    """
    state = TriggerState.NEW
    for then in steps:
        if may_follow(state, then) or (state is TriggerState.WITHDRAWN and then is TriggerState.NEW):
            state = then
    return state


def feed_of(kind: TriggerType, severity: Severity) -> Feed:
    """The feed a trigger goes to: safety first, then sales, service for the rest."""
    if kind is TriggerType.RECALL or severity is Severity.STOP:
        return Feed.RECALL
    if kind is TriggerType.TRADE_IN:
        return Feed.SALES
    return Feed.SERVICE
