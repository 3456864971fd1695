"""Odometer readings of one vehicle in time order: what its days hold, and what workshops wrote down."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maintenance.inputs import DAY_US, DayColumns, Visit

_EXACT_US = 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Readings of one vehicle in time order, arrays of length n."""

    day: NDArray[np.int32]
    at_us: NDArray[np.int64]
    shown_km: NDArray[np.float64]
    """As the instrument showed it; may be anything but NaN."""
    is_visit: NDArray[np.bool_]
    """Written down at a workshop; the time is noon UTC of the day."""

    def __len__(self) -> int:
        return len(self.day)


def gather(days: DayColumns, visits: Sequence[Visit], *, as_of_day: int) -> Readings:
    """First and last reading of each stored day up to `as_of_day`, and visits on days without one."""
    until = int(np.searchsorted(days.day, as_of_day, side="right"))
    day = np.repeat(days.day[:until], 2)
    at_us = np.column_stack((days.odometer_first_us[:until], days.odometer_last_us[:until])).reshape(-1)
    km = np.column_stack((days.odometer_first_km[:until], days.odometer_last_km[:until])).reshape(-1)
    keep = ~np.isnan(km) & (np.abs(at_us) < _EXACT_US)
    keep[1::2] &= ~(keep[::2] & (at_us[1::2] == at_us[::2]) & (km[1::2] == km[::2]))
    readings = Readings(
        day[keep], at_us[keep].astype(np.int64), km[keep], np.zeros(int(keep.sum()), dtype=np.bool_)
    )
    return _with_visits(readings, visits, as_of_day=as_of_day)


def _with_visits(readings: Readings, visits: Sequence[Visit], *, as_of_day: int) -> Readings:
    written = {
        visit.visited_on_day: visit.odometer_km
        for visit in visits
        if visit.odometer_km is not None and visit.visited_on_day <= as_of_day
    }
    for day in set(readings.day.tolist()) & set(written):
        del written[day]
    if not written:
        return readings
    day = np.array(sorted(written), dtype=np.int32)
    km = np.array([written[int(key)] for key in day], dtype=np.float64)
    finite = ~np.isnan(km)
    day, km = day[finite], km[finite]
    all_days = np.concatenate((readings.day, day))
    order = np.argsort(all_days, kind="stable")
    return Readings(
        day=all_days[order],
        at_us=np.concatenate((readings.at_us, day.astype(np.int64) * DAY_US + DAY_US // 2))[order],
        shown_km=np.concatenate((readings.shown_km, km))[order],
        is_visit=np.concatenate((readings.is_visit, np.ones(len(day), dtype=np.bool_)))[order],
    )
