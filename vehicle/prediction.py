"""Estimates: always an interval, or the statement that there is too little data."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Status(StrEnum):
    """What kind of answer a prediction is."""

    OK = "ok"
    DUE = "due"
    """The limit has been crossed already."""
    TOO_LITTLE_DATA = "too_little_data"
    STALE = "stale"
    """The vehicle was last seen long ago; the window is an estimate from then."""


class Binding(StrEnum):
    """Which limit of a service item comes first at the median."""

    DISTANCE = "distance"
    TIME = "time"
    HOURS = "hours"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True)
class DueDate:
    """When one service item of one vehicle is due, by the model's reckoning."""

    vehicle_id: int
    item: str
    status: Status
    p10_on: date | None
    p20_on: date | None
    p50_on: date | None
    p90_on: date | None
    binding: Binding | None
    probability_due_ratio: float | None
    """F(0): how sure it is that the limit has been crossed already, 0 to 1."""
    km_left_p20: float | None
    """Kilometres left to the distance limit, with 20 % risk of fewer."""
    odometer_km: float | None
    odometer_age_d: float | None
    cycle: int
    """The service cycle's ordinal: 0 before the first service."""
    is_first: bool
