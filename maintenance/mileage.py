"""Daily kilometres of many vehicles out of their odometers.

The counter is cumulative: what was driven over silent days is known in sum and is spread by exposure. Only
what came after the last reading is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maintenance.exposure import Exposure
from maintenance.odometer import Odometer

_SMOOTHED_GAP_D = 7  # a longer gap hides how the kilometres were spread over weeks ...
_STOOD_STILL_KM = 5.0  # ... unless there were none


@dataclass(frozen=True, slots=True, eq=False)
class DailyMileage:
    """Matrices (vehicles, days); the last column is each vehicle's last observed day."""

    last_day: NDArray[np.int32]
    """Local day of the last column, per vehicle."""
    km: NDArray[np.float64]
    exposure: NDArray[np.float64]
    """0 where nothing was observed, and there `km` is 0 too."""
    is_smoothed: NDArray[np.bool_]
    """Kilometres of the day are a share of a long gap."""


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """From one reading to the next of the same vehicle, arrays over all such pairs."""

    vehicle: NDArray[np.intp]
    from_day: NDArray[np.int64]
    to_day: NDArray[np.int64]
    km: NDArray[np.float64]


def daily(
    odometers: Sequence[Odometer],
    segment: NDArray[np.intp],
    as_of_day: NDArray[np.int32],
    exposure: Exposure,
    *,
    history_d: int,
) -> DailyMileage:
    """The last `history_d` observed days of each vehicle.

    The day of `as_of_day` itself is not over and is left out.
    A gap runs from the middle of one day to the middle of another.
    """
    first_day, last_day = _observed(odometers, as_of_day)
    steps = _steps(odometers)
    start = last_day.astype(np.int64) - (history_d - 1)
    km = np.zeros((len(odometers), history_d + 1))
    smoothed = np.zeros((len(odometers), history_d + 1))
    _add_within_days(km, steps, start, history_d)
    density = np.zeros((len(odometers), history_d + 1))
    _add_gaps(km, density, smoothed, steps, start, segment, exposure, history_d)
    days = start[:, None] + np.arange(history_d)
    on_day = exposure.on(segment[:, None], days)
    total = km[:, :-1] + np.cumsum(density, axis=1)[:, :-1] * on_day
    is_observed = days >= first_day[:, None]
    coverage = _coverage(odometers, days, first_day, last_day)
    return DailyMileage(
        last_day=last_day,
        km=np.where(is_observed, np.maximum(total, 0.0), 0.0),
        exposure=np.where(is_observed, on_day * coverage, 0.0),
        is_smoothed=np.cumsum(smoothed, axis=1)[:, :-1] > 0.5,
    )


def _observed(
    odometers: Sequence[Odometer], as_of_day: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First and last observed day; a vehicle without readings has a first day after its last."""
    first = np.array([o.day[0] if len(o) else 1 for o in odometers], dtype=np.int32)
    last = np.array([o.day[-1] if len(o) else 0 for o in odometers], dtype=np.int32)
    return first, np.minimum(last, as_of_day - 1).astype(np.int32)


def _steps(odometers: Sequence[Odometer]) -> _Steps:
    vehicle = np.repeat(np.arange(len(odometers)), [max(len(o) - 1, 0) for o in odometers])
    empty = np.zeros(0)
    days = [o.day.astype(np.int64) for o in odometers if len(o) > 1] or [empty.astype(np.int64)]
    kms = [o.km for o in odometers if len(o) > 1] or [empty]
    return _Steps(
        vehicle=vehicle,
        from_day=np.concatenate([day[:-1] for day in days]),
        to_day=np.concatenate([day[1:] for day in days]),
        km=np.concatenate([np.diff(km) for km in kms]),
    )


def _add_within_days(
    km: NDArray[np.float64], steps: _Steps, start: NDArray[np.int64], history_d: int
) -> None:
    column = steps.to_day - start[steps.vehicle]
    inside = (steps.from_day == steps.to_day) & (column >= 0) & (column < history_d)
    _add(km, steps.vehicle[inside], column[inside], steps.km[inside])


def _add(
    matrix: NDArray[np.float64], row: NDArray[np.intp], column: NDArray[np.int64], value: NDArray[np.float64]
) -> None:
    """Add to cells that may come more than once; the flat index is numpy's fast path."""
    np.add.at(matrix.reshape(-1), row * matrix.shape[1] + column, value)


def _add_gaps(
    km: NDArray[np.float64],
    density: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    steps: _Steps,
    start: NDArray[np.int64],
    segment: NDArray[np.intp],
    exposure: Exposure,
    history_d: int,
) -> None:
    """Spread each gap: half its first day, the days between, half its last; as differences along the days."""
    begin, end = steps.from_day - start[steps.vehicle], steps.to_day - start[steps.vehicle]
    inside = (end > begin) & (end >= 0) & (begin < history_d)
    vehicle, begin, end, step_km = steps.vehicle[inside], begin[inside], end[inside], steps.km[inside]
    of, from_day, to_day = segment[vehicle], steps.from_day[inside], steps.to_day[inside]
    half_first, half_last = exposure.on(of, from_day) / 2.0, exposure.on(of, to_day) / 2.0
    between = exposure.between(of, from_day + 1, to_day)
    per_exposure = step_km / np.maximum(half_first + between + half_last, 1e-6)
    for column, share in ((begin, half_first), (end, half_last)):
        seen = (column >= 0) & (column < history_d)
        _add(km, vehicle[seen], column[seen], (per_exposure * share)[seen])
    is_long = (end - begin > _SMOOTHED_GAP_D) & (step_km >= _STOOD_STILL_KM)
    low, high = np.clip(begin + 1, 0, history_d), np.clip(end, 0, history_d)
    for matrix, value in ((density, per_exposure), (smoothed, is_long.astype(np.float64))):
        _add(matrix, vehicle, low, value)
        _add(matrix, vehicle, high, -value)


def _coverage(
    odometers: Sequence[Odometer],
    days: NDArray[np.int64],
    first_day: NDArray[np.int32],
    last_day: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Share of a day that was observed: half of a first or last day with one reading; of both, nothing."""
    starts_single = np.array([len(o) > 0 and _readings_on(o, o.day[0]) == 1 for o in odometers])
    ends_single = np.array([len(o) > 0 and _readings_on(o, o.day[-1]) == 1 for o in odometers])
    ends_here = np.array(
        [len(o) > 0 and o.day[-1] == day for o, day in zip(odometers, last_day, strict=True)]
    )
    starts_late = (days == first_day[:, None]) & starts_single[:, None]
    ends_early = (days == last_day[:, None]) & (ends_single & ends_here)[:, None]
    return np.asarray(1.0 - 0.5 * starts_late - 0.5 * ends_early)


def _readings_on(odometer: Odometer, day: int) -> int:
    left, right = np.searchsorted(odometer.day, [day, day + 1])
    return int(right - left)
