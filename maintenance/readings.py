"""Odometer readings of one vehicle in time order: what its days hold, and what workshops wrote down."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maintenance.inputs import DAY_US, DayColumns, SourceDays, Visit

_EXACT_US = 2.0**53
_PLACES = ("first", "low", "high", "last")


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


def gather(days: DayColumns | SourceDays, visits: Sequence[Visit], *, as_of_day: int) -> Readings:
    """First, lowest, highest and last reading of each stored day up to `as_of_day`, each once.

    Visits count on days without a reading.
    """
    source = SourceDays.of(days) if isinstance(days, DayColumns) else days
    until = int(np.searchsorted(source.day, as_of_day, side="right"))
    day = np.repeat(source.day[:until], len(_PLACES))
    at_us = np.column_stack([getattr(source, f"{place}_us")[:until] for place in _PLACES]).reshape(-1)
    km = np.column_stack([getattr(source, f"{place}_km")[:until] for place in _PLACES]).reshape(-1)
    keep = ~np.isnan(km) & (np.abs(at_us) < _EXACT_US)
    day, at_us, km = day[keep], at_us[keep], km[keep]
    order = np.lexsort((at_us, day))
    day, at_us, km = day[order], at_us[order], km[order]
    new = np.ones(len(day), dtype=np.bool_)
    new[1:] = (day[1:] != day[:-1]) | (at_us[1:] != at_us[:-1]) | (km[1:] != km[:-1])
    day, at_us, km = day[new], at_us[new], km[new]
    readings = Readings(day, at_us.astype(np.int64), km, np.zeros(len(day), dtype=np.bool_))
    return _with_visits(readings, visits, as_of_day=as_of_day)


def written(visits: Sequence[Visit], as_of_day: int) -> list[tuple[int, float]]:
    """What workshops wrote down up to a day: (local day, kilometres), by day; of a day the last."""
    found = {
        visit.visited_on_day: visit.odometer_km
        for visit in visits
        if visit.odometer_km is not None and visit.odometer_km == visit.odometer_km
        if visit.visited_on_day <= as_of_day
    }
    return sorted(found.items())


def _with_visits(readings: Readings, visits: Sequence[Visit], *, as_of_day: int) -> Readings:
    own = set(readings.day.tolist())
    found = [one for one in written(visits, as_of_day) if one[0] not in own]
    if not found:
        return readings
    day = np.array([day for day, _ in found], dtype=np.int32)
    km = np.array([km for _, km in found], dtype=np.float64)
    all_days = np.concatenate((readings.day, day))
    order = np.argsort(all_days, kind="stable")
    return Readings(
        day=all_days[order],
        at_us=np.concatenate((readings.at_us, day.astype(np.int64) * DAY_US + DAY_US // 2))[order],
        shown_km=np.concatenate((readings.shown_km, km))[order],
        is_visit=np.concatenate((readings.is_visit, np.ones(len(day), dtype=np.bool_)))[order],
    )
