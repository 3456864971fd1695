"""One outcome as a consumer writes it: its shape, and what makes it malformed."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from vehicle.errors import OdocareError
from vehicle.trigger import TriggerState

REPORTABLE: Final = frozenset(TriggerState) - {TriggerState.NEW, TriggerState.WITHDRAWN}
"""States a consumer can report; the others are the evaluation's own."""
AHEAD_MOST: Final = timedelta(minutes=5)
_Word = Annotated[str, Meta(min_length=1, max_length=80)]
_Text = Annotated[str, Meta(max_length=500)]
_Amount = Annotated[float, Meta(ge=0, le=10_000_000)]


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One outcome as a consumer reports it."""

    trigger_id: UUID
    state: TriggerState
    happened_at: Annotated[datetime, Meta(tz=True)]
    channel: _Word | None = None
    """How the owner was contacted: `phone`, `sms`, `app`, …"""
    result: _Text | None = None
    reason: _Text | None = None
    """Why it was declined or suppressed; required for these two."""
    booked_for: Annotated[datetime, Meta(tz=True)] | None = None
    repair_order: _Word | None = None
    """The workshop's number of the visit; required for `completed`."""
    odometer_km: _Amount | None = None
    items: Annotated[tuple[_Word, ...], Meta(max_length=100)] | None = None
    """Service items that were done; None: the trigger's own, where it is one."""
    finding: Literal["confirmed", "not_found", "other_fault"] | None = None
    parts: Annotated[tuple[_Word, ...], Meta(max_length=200)] | None = None
    hours: _Amount | None = None
    """Hours of work."""


class MalformedReportError(OdocareError):
    """A report that does not have the shape of `Report`, or lacks what its state needs."""


def parse(raw: object, *, now: datetime) -> Report:
    """One report out of a plain JSON value; `now` bounds `happened_at`. Raises `MalformedReportError`."""
    try:
        told = msgspec.convert(raw, Report)
    except msgspec.ValidationError as error:
        raise MalformedReportError(str(error)) from error
    if told.state not in REPORTABLE:
        raise MalformedReportError(
            f"{told.state} is not for reporting: one of {', '.join(sorted(REPORTABLE))}"
        )
    if told.happened_at > now + AHEAD_MOST:
        raise MalformedReportError(f"happened_at {told.happened_at.isoformat()} lies in the future")
    if told.state is TriggerState.COMPLETED and told.repair_order is None:
        raise MalformedReportError("completed needs the visit's repair_order")
    if told.state in {TriggerState.DECLINED, TriggerState.SUPPRESSED} and not told.reason:
        raise MalformedReportError(f"{told.state} needs a reason")
    return told
