"""Findings: what a rule found, on what, since when, and by which values."""

from dataclasses import dataclass
from datetime import datetime

Value = float | int | str | bool | None
"""One feature's value; None where it was unknown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One episode of a rule on one subject. (vehicle, rule, subject, occasion) names it."""

    rule_id: str
    rule_version: str
    """The version that opened it."""
    vehicle_id: int
    subject: str
    occasion: str
    """As the frame says; where that is '', the ordinal of this finding, from 1."""
    opened_at: datetime
    """Event time; of the last opening, where one occasion was opened more than once."""
    closed_at: datetime | None
    values: dict[str, Value]
    """What made it fire: every column that the conditions and the words read."""
    read_at: datetime
    """Time of the row the values were read from."""
    latest_values: dict[str, Value]
    """The same columns in the newest row that was seen, for words that are renewed."""
    latest_at: datetime
