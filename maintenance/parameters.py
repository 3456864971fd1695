"""Constants of the usage model as one value, each with where it comes from.

The defaults are invented: their order of magnitude is what a fit on a synthetic fleet gave, rounded.
A fit on the fleet's own history replaces the whole value; nothing else in this room holds a constant of it.
"""

from dataclasses import dataclass
from typing import Final

INVENTED: Final = (
    "invented: rounded from a fit on a synthetic fleet, until fitted on this fleet's own history"
)

Spread = tuple[tuple[float, float, float], ...]
"""Per surprise bucket (c, a, b): CV² = c·φ/M + a + b·h/100 + cold start, h in days."""
Calibration = tuple[tuple[float, float, float], ...]
"""Per horizon (shift of the median, scale below, scale above), in standard deviations of the lognormal."""
Weights = tuple[tuple[tuple[float, float, float, float], ...], ...]
"""Per horizon and surprise bucket: shares of the short, middle and long rate and of the segment's mean."""

_SPREAD: Final[Spread] = ((0.8, 0.05, 0.01), (1.3, 0.05, 0.02), (1.8, 0.06, 0.04), (2.0, 0.08, 0.04))
_WIDE_SPREAD: Final[Spread] = ((0.9, 0.10, 0.01), (1.5, 0.09, 0.03), (2.0, 0.10, 0.05), (2.2, 0.12, 0.05))
_NARROWED: Final[Calibration] = ((0.0, 0.95, 0.95), (0.0, 0.92, 0.92), (0.0, 0.9, 0.9))
_WEIGHTS: Final[Weights] = (
    ((0.30, 0.00, 0.67, 0.03), (0.10, 0.65, 0.20, 0.05), (0.00, 0.90, 0.08, 0.02), (0.15, 0.70, 0.13, 0.02)),
    ((0.24, 0.00, 0.73, 0.03), (0.00, 0.55, 0.43, 0.02), (0.00, 0.80, 0.18, 0.02), (0.05, 0.70, 0.23, 0.02)),
    ((0.18, 0.00, 0.78, 0.04), (0.00, 0.43, 0.55, 0.02), (0.00, 0.70, 0.28, 0.02), (0.00, 0.65, 0.33, 0.02)),
)
_EVEN: Final = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
_PRIVATE_WEEK: Final = (1.08, 1.08, 1.08, 1.08, 1.06, 0.86, 0.76)
_WEEKEND: Final = (0.6, 0.6, 0.6, 0.6, 0.6, 2.2, 1.8)
_WORK_WEEK: Final = (1.15, 1.15, 1.15, 1.15, 1.15, 0.80, 0.45)
_TAXI_WEEK: Final = (0.97, 0.96, 0.96, 0.99, 1.07, 1.10, 0.95)
_RENTAL_WEEK: Final = (0.88, 0.90, 0.90, 0.96, 1.12, 1.16, 1.08)


@dataclass(frozen=True, slots=True)
class Segment:
    """What is assumed of a vehicle of one use class before it has told anything."""

    name: str
    mean_km_per_d: float
    between_cv2: float
    """Squared coefficient of variation of the daily mean between vehicles (τ²)."""
    dispersion_km: float
    """Typical weekly over-dispersion φ: variance over mean of a week's kilometres."""
    weekday: tuple[float, float, float, float, float, float, float]
    """Exposure of Monday to Sunday, mean 1."""
    spread: Spread = _SPREAD
    calibration: Calibration = _NARROWED
    source: str = INVENTED

    def __post_init__(self) -> None:
        if len(self.weekday) != 7 or abs(sum(self.weekday) - 7.0) > 1e-9 or min(self.weekday) < 0.0:
            raise ValueError(
                f"segment {self.name}: weekday needs 7 factors >= 0 of mean 1, got {self.weekday}"
            )
        if not (self.mean_km_per_d > 0.0 and self.between_cv2 >= 0.0 and self.dispersion_km > 0.0):
            raise ValueError(f"segment {self.name}: mean and dispersion must be above 0")


UNKNOWN_USE: Final = "unknown"
_SEGMENTS: Final = (
    Segment(UNKNOWN_USE, 45.0, 1.0, 90.0, _EVEN, _WIDE_SPREAD),
    Segment("private", 38.0, 0.5, 60.0, _PRIVATE_WEEK),
    Segment("commuter", 42.0, 0.4, 55.0, _PRIVATE_WEEK),
    Segment("weekend", 20.0, 0.5, 80.0, _WEEKEND, _WIDE_SPREAD),
    Segment("parked", 6.0, 1.0, 110.0, _EVEN, _WIDE_SPREAD),
    Segment("business", 85.0, 0.5, 70.0, _WORK_WEEK),
    Segment("taxi", 200.0, 0.4, 130.0, _TAXI_WEEK),
    Segment("ride_hailing", 170.0, 0.5, 130.0, _TAXI_WEEK),
    Segment("rental", 85.0, 0.4, 130.0, _RENTAL_WEEK),
    Segment("truck", 350.0, 0.5, 250.0, _WORK_WEEK),
)


@dataclass(frozen=True, slots=True)
class UsageParameters:
    """Everything the usage model and the due dates are told; frozen, so that a prediction can name it."""

    version: str = "default-1"
    segments: tuple[Segment, ...] = _SEGMENTS
    """The first serves use classes that are not named."""
    half_lives_d: tuple[float, float, float] = (10.0, 35.0, 120.0)
    shrink_d: float = 6.0
    """Strength of each prior, in equivalent days of data."""
    surprise_edges: tuple[float, float, float] = (0.7, 1.4, 2.5)
    horizons_d: tuple[float, float, float] = (14.0, 60.0, 180.0)
    """Where `weights` and `calibration` are given; linear between, constant outside."""
    weights: Weights = _WEIGHTS
    cv2_most: float = 6.0
    dispersion_weeks_most: int = 26
    dispersion_prior_weeks: float = 8.0
    history_d: int = 400
    """Days of history that are read."""
    stale_after_d: int = 45
    horizon_d: int = 3650
    """A date farther ahead is not given."""
    source: str = INVENTED

    def __post_init__(self) -> None:
        if self.segments[0].name != UNKNOWN_USE:
            raise ValueError(f"the first segment must be {UNKNOWN_USE!r}, got {self.segments[0].name!r}")
        shares = [sum(row) for horizon in self.weights for row in horizon]
        if any(abs(share - 1.0) > 1e-9 for share in shares):
            raise ValueError(f"weights must add up to 1, got {shares}")

    def segment_of(self, use_class: str) -> int:
        """Index of a use class's segment; 0 where the class is not named."""
        for index, segment in enumerate(self.segments):
            if segment.name == use_class:
                return index
        return 0


DEFAULT: Final = UsageParameters()
