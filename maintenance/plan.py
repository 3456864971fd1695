"""Service cycles: which limits a service item runs to, out of the plan, the delivery and the visits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from maintenance.inputs import PlanItem, VehicleInput, Visit
from maintenance.odometer import Odometer, km_range, shown_offset_km

_VISIT_TOLERANCE_KM: Final = 100.0
"""How far a written odometer may lie outside the car's own readings around the day; invented."""
_LONGEST: Final = 1e6
"""Kilometres or days; an interval beyond it is no limit."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """One service item between two services."""

    plan: PlanItem
    ordinal: int
    """Services done so far; a visit on another day is another service."""
    is_first: bool
    """The plan names a first service of its own, and it has not been done."""
    start_km: float | None
    """Kilometres since new at the start; None: unknown."""
    start_day: int | None
    limit_km: float | None
    """Kilometres since new at which the item is due; None: no distance limit, or the start is unknown."""
    limit_day: int | None


def cycles(vehicle: VehicleInput, odometer: Odometer, as_of_day: int) -> list[Cycle]:
    """The present cycle of every item of the plan, in its order; later visits are not known yet."""
    visits = sorted(
        (visit for visit in vehicle.visits if visit.visited_on_day <= as_of_day),
        key=lambda visit: visit.visited_on_day,
    )
    return [_cycle(vehicle, item, odometer, visits) for item in vehicle.plan]


def _cycle(vehicle: VehicleInput, item: PlanItem, odometer: Odometer, visits: Sequence[Visit]) -> Cycle:
    done = [visit for visit in visits if item.item in visit.items]
    if not done:
        return _first_cycle(vehicle, item)
    day = done[-1].visited_on_day
    written = [
        visit.odometer_km for visit in done if visit.visited_on_day == day and visit.odometer_km is not None
    ]
    start_km = restart_km(odometer, day, written[-1] if written else None)
    return Cycle(
        plan=item,
        ordinal=len({visit.visited_on_day for visit in done}),
        is_first=False,
        start_km=start_km,
        start_day=day,
        limit_km=_after(start_km, item.every_km),
        limit_day=_whole(_after(day, item.every_d)),
    )


def _first_cycle(vehicle: VehicleInput, item: PlanItem) -> Cycle:
    """From new: kilometres count from 0, days from delivery, or from building where that is all we know."""
    start_day = vehicle.delivered_day if vehicle.delivered_day is not None else vehicle.built_day
    after_d = item.first_d if item.first_d is not None else item.every_d
    after_km = item.first_km if item.first_km is not None else item.every_km
    return Cycle(
        plan=item,
        ordinal=0,
        is_first=item.first_km is not None or item.first_d is not None,
        start_km=0.0,
        start_day=start_day,
        limit_km=_after(0.0, after_km),
        limit_day=_whole(_after(start_day, after_d)),
    )


def _after(start: float | None, interval: float | None) -> float | None:
    """End of an interval; None where there is no start or the interval is no interval."""
    if start is None or interval is None or not 0.0 < interval < _LONGEST:
        return None
    return start + interval


def _whole(day: float | None) -> int | None:
    return None if day is None else int(day)


def restart_km(odometer: Odometer, day: int, written_km: float | None) -> float | None:
    """Kilometres since new at a visit: what was written if the car's readings agree, else the readings.

    Without a reading on the day the nearest ones are interpolated; before the first of them nothing is known.
    """
    low, high = km_range(odometer, day)
    if written_km is not None and not (low is None and high is None):
        km = written_km + shown_offset_km(odometer, day)
        is_above = low is None or km >= low - _VISIT_TOLERANCE_KM
        is_below = high is None or km <= high + _VISIT_TOLERANCE_KM
        if is_above and is_below:
            return km
    return _read_km(odometer, day)


def _read_km(odometer: Odometer, day: int) -> float | None:
    """The car's own last reading of a day, or its neighbours' by the days between."""
    after = int(odometer.day.searchsorted(day, side="right"))
    if after == 0:
        return None
    low = float(odometer.km[after - 1])
    low_day = int(odometer.day[after - 1])
    if low_day == day or after == len(odometer):
        return low
    high, high_day = float(odometer.km[after]), int(odometer.day[after])
    return low + (high - low) * (day - low_day) / (high_day - low_day)
