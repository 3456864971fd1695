"""What can be wrong with an odometer reading, and how far an odometer can be trusted."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AnomalyKind(StrEnum):
    """What was noticed; docs/odometer.md says what each means for an advisor."""

    START_UP = "odometer-start-up"
    """Shown while the instrument started; half a second later it showed something else."""
    NO_MEASUREMENT = "odometer-no-measurement"
    OUTSIDE_ITS_DAY = "odometer-outside-its-day"
    FIRST = "odometer-first"
    """The first readings of all are contradicted by those after them, or by the vehicle's age."""
    FALL = "odometer-fall"
    JUMP = "odometer-jump"
    VISIT = "odometer-visit"
    """A reading somebody wrote down at a workshop contradicts the car's own."""
    ROLLED_BACK = "odometer-rolled-back"
    """It shows less, and goes on from there. Needs a person."""
    LEAPT = "odometer-leapt"
    """It shows more than can have been driven, and goes on from there. Needs a person."""
    FROZEN = "odometer-frozen"
    """The car drives and the counter stands."""
    DISAGREES = "odometer-disagrees"
    """Two sources drift apart."""
    REPLACED = "odometer-replaced"
    """No quarantine, here and below: from here on the instrument counts from another number."""
    ROLLED_OVER = "odometer-rolled-over"
    """The counter has no more digits and starts from zero."""
    UNIT = "odometer-unit"
    """The source tells another unit than it should."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One decision about readings: some do not count, or a counter is read in another way from here on."""

    kind: AnomalyKind
    at_us: int
    before_km: float | None
    """The reading it was held against."""
    after_km: float | None
    """The reading itself, as shown; None where it is no number."""
    reason: str
    source: int = 0
    """As `vehicle.odometer` numbers them."""
    readings_n: int = 1
    """Readings that do not count because of it."""
    until_us: int | None = None
    """The last of them; None: there is only the one, or none."""


@dataclass(frozen=True, slots=True)
class OdometerLimits:
    """What a counter can do."""

    most_kmh: float = 180.0
    most_km_per_d: float = 2500.0
    """Over any longer while: two drivers taking turns at 85 km/h stay below 2,100."""
    jitter_km: float = 5.0
    most_km: float = 5_000_000.0
    stable_readings: int = 3
    """So many readings that agree with each other, over two days, outweigh what came before."""
    new_km: float = 200.0
    new_km_per_d: float = 500.0
    """A new instrument shows at most so much, and so much for every day since the old one was last read."""
    wrap_km: float = 500.0
    """A counter that starts from zero was at most so far from its last digit."""
    first_km: float = 100_000.0
    """A first reading may be so much above what the vehicle's age allows: build dates are often wrong."""
    written_km: float = 100.0
    """Rounding and haste of what is written down at a workshop."""
    trips: int = 3
    """So many trips in a row that say the same change the unit; never one."""
    unit_ratio: float = 0.02
    least_trip_km: float = 5.0
    frozen_trip_km: float = 20.0
    covered_ratio: float = 0.8
    """Share of a day's kilometres that must lie in messages whose speed is known."""
    drift_ratio: float = 0.03
    """Two sources may differ by so much of what they counted: tyres wear, and each rounds."""
    source: str = "180 km/h, 5 km, 3 readings and 2 % over 3 trips: design; all else invented"


LIMITS: Final = OdometerLimits()
PENDING: Final = frozenset({AnomalyKind.ROLLED_BACK, AnomalyKind.LEAPT})
"""Readings that are kept out until a person has looked."""
