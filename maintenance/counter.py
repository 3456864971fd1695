"""One counter's readings in event order: which of them count, and what they add up to."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from maintenance.anomaly import LIMITS, OdometerLimits
from maintenance.fold import Counted, Fold, is_in_its_day
from maintenance.readings import Readings

_HOUR_US: Final = 3_600_000_000


def count(
    readings: Readings,
    *,
    written: Sequence[tuple[int, float]] = (),
    most_km: NDArray[np.float64] | None = None,
    first_most_km: float = math.inf,
    source: int = 0,
    limits: OdometerLimits = LIMITS,
) -> Counted:
    """Tell the readings that count from those that do not.

    `written` is what workshops wrote down, by day; `most_km` how far the car can have come on a reading's
    day, `first_most_km` what its very first reading can be. A run without any contradiction, which is nearly
    every vehicle, is accepted in one vectorised look.
    """
    held_km = np.maximum.accumulate(readings.shown_km)
    day_km = np.full(len(readings), np.inf) if most_km is None else most_km
    if _is_plain(readings, held_km, day_km, first_most_km, limits):
        n = len(readings)
        return Counted(np.arange(n), held_km, np.zeros(n), np.zeros(n, dtype=np.int32), ())
    fold = Fold(readings, written, day_km, first_most_km, source, limits)
    for index in range(len(readings)):
        fold.take(index)
    return fold.finish()


def _is_plain(
    readings: Readings,
    held_km: NDArray[np.float64],
    day_km: NDArray[np.float64],
    first_most_km: float,
    limits: OdometerLimits,
) -> bool:
    """Whether `Fold` would accept everything; `held_km` is the highest reading so far."""
    km, at_us = readings.shown_km, readings.at_us
    if not (np.isfinite(km).all() and is_in_its_day(readings.day, at_us).all()):
        return False
    if len(km) > 0 and (km.min() < 0.0 or held_km[-1] > limits.most_km or km[0] > first_most_km):
        return False
    step_km, step_h = km[1:] - held_km[:-1], np.diff(at_us) / _HOUR_US
    most_km = np.minimum(limits.most_kmh * step_h, limits.most_km_per_d * np.maximum(step_h / 24.0, 1.0))
    most_km = np.where(np.diff(readings.day) == 0, np.minimum(most_km, day_km[1:]), most_km)
    return bool(
        np.all(step_km > -limits.jitter_km)
        and np.all(step_h >= 0.0)
        and np.all(step_km <= most_km + limits.jitter_km)
    )
