"""Estimates: always an interval, or the statement that there is too little data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """Local days; None: not within the model's horizon of ten years, or too little data."""
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
    inputs: Mapping[str, float | str | None] = field(default_factory=dict)
    """What the date was made from, for people who ask why: `limit_km`, `limit_on`, `cycle_start_km`,
    `cycle_start_on`, `km_per_day`, `km_per_day_short`, `km_per_day_long`, `history_d`, `odometer_on`,
    `use_class`, `parameters`, `distance_first_ratio` (how sure it is that the distance limit comes first)."""
