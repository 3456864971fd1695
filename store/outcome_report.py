"""One outcome as a consumer writes it: its shape, and what makes it malformed."""

import math
import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from vehicle.errors import OdocareError
from vehicle.trigger import TriggerState

REPORTABLE: Final = frozenset(TriggerState) - {TriggerState.NEW, TriggerState.WITHDRAWN}
"""States a consumer can report; the others are the evaluation's own."""
AHEAD_MOST: Final = timedelta(minutes=5)
EARLIEST: Final = datetime(2010, 1, 1, tzinfo=UTC)
"""No outcome happened before it; invented: older than what any connected vehicle's workshop would report."""
_UNTOLD: Final = frozenset({"Cc", "Cs"})
"""Unicode categories no text may hold: control characters and halves of surrogate pairs."""
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
    """Service items that were done besides the trigger's own."""
    finding: Literal["confirmed", "not_found", "other_fault"] | None = None
    parts: Annotated[tuple[_Word, ...], Meta(max_length=200)] | None = None
    hours: _Amount | None = None
    """Hours of work."""


class MalformedReportError(OdocareError):
    """A report that does not have the shape of `Report`, or lacks what its state needs."""


def is_plain(text: str) -> bool:
    """Whether a text can be stored and sent: without control characters and halves of surrogate pairs."""
    return not any(unicodedata.category(char) in _UNTOLD for char in text)


def _check_texts(raw: object) -> None:
    """Every text of a JSON value, names of fields too; without recursion, however deep it is nested."""
    waiting: list[tuple[str, object]] = [("the report", raw)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, str):
            if not is_plain(value):
                raise MalformedReportError(f"{where} holds a control or surrogate character")
        elif isinstance(value, dict):
            waiting += [("a field's name", name) for name in value]
            waiting += [(name if is_plain(name) else where, inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(where, inner) for inner in value]


def check_built(told: Report, built_on: date | None) -> None:
    """Raise `MalformedReportError` for an outcome before its vehicle was built, with a day for time zones."""
    if built_on is not None and told.happened_at.astimezone(UTC).date() < built_on - timedelta(days=1):
        raise MalformedReportError(
            f"happened_at {told.happened_at.isoformat()} lies before the vehicle was built, {built_on}"
        )


def parse(raw: object, *, now: datetime) -> Report:
    """One report out of a plain JSON value; `now` bounds `happened_at`. Raises `MalformedReportError`."""
    _check_texts(raw)
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
    if told.happened_at < EARLIEST:
        raise MalformedReportError(
            f"happened_at {told.happened_at.isoformat()} lies before {EARLIEST:%Y-%m-%d}"
        )
    if not all(math.isfinite(number) for number in (told.odometer_km or 0, told.hours or 0)):
        raise MalformedReportError("odometer_km and hours must be numbers")
    if told.state is TriggerState.COMPLETED and told.repair_order is None:
        raise MalformedReportError("completed needs the visit's repair_order")
    if told.state in {TriggerState.DECLINED, TriggerState.SUPPRESSED} and not told.reason:
        raise MalformedReportError(f"{told.state} needs a reason")
    return told
