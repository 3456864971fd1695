"""How a vehicle is used, day by day over its whole life: trips and kilometres, not rates.

Kilometres come out of errands, ways to work, shifts and journeys, each drawn for itself; the
prediction's usage model (rates with a spread) has no counterpart here, so that it is tested by
something it does not assume.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.fleet import LIFE_D, Vehicle
from simulator.holidays import WorkCalendar, holidays

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STARTS_MAX: Final = 12
"""A day."""
LONGEST_DRIVE_S: Final = 13.5 * 3600.0
CITY_KMH: Final = 27.0
JOURNEY_KMH: Final = 76.0
YEARLY_REGIME_CHANGES: Final = 0.4
SECOND_OWNER_RATIO: Final = 0.18
"""Share of vehicles that are sold once within their six years, and then used otherwise."""


@dataclass(frozen=True, slots=True)
class Trips:
    """Wishes of one use class before journeys, absences and changes of life. Arrays over days."""

    local_km: Floats
    starts_n: Floats
    begin_h: Floats
    """Local time of the first start if there is one."""
    spread_h: Floats
    """From the first start to the last arrival beyond what driving takes."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was driven. Arrays of `fleet.LIFE_D` days from the delivery day."""

    km: Floats
    starts_n: NDArray[np.int64]
    """Zero on days the vehicle stood still, and only then."""
    begin_s: Floats
    """First start, seconds after local midnight."""
    end_s: Floats
    """Last arrival; before the next midnight."""
    driving_s: Floats
    journey_ratio: Floats
    """Share of the distance that was driven on long journeys."""


def usage(vehicle: Vehicle, rng: np.random.Generator, calendar: WorkCalendar) -> Usage:
    """A life of daily usage."""
    trips = _lives(vehicle, rng, calendar)
    regime = _regimes(rng)
    journey_km = _journeys(vehicle, rng, calendar)
    away = _spells(rng, yearly=0.3, shortest_d=8, longest_d=35)
    local_km = np.where(away, 0.0, trips.local_km * regime)
    journey_km = np.where(away, 0.0, journey_km)
    starts = np.where(away, 0.0, np.minimum(trips.starts_n, STARTS_MAX))
    starts = np.where(journey_km > 0.0, np.maximum(starts, 2.0), starts)
    local_km = np.where(starts > 0.0, np.maximum(local_km, 0.8), 0.0)
    driving_s = (local_km / CITY_KMH + journey_km / JOURNEY_KMH) * 3600.0
    fits = np.minimum(1.0, LONGEST_DRIVE_S / np.maximum(driving_s, 1.0))
    local_km, journey_km, driving_s = local_km * fits, journey_km * fits, driving_s * fits
    km = np.round(local_km + journey_km, 1)  # the odometer counts tenths
    begin_s = np.clip(trips.begin_h, 4.5, 15.0) * 3600.0
    latest_s = 23.75 * 3600.0
    begin_s = np.minimum(begin_s, latest_s - driving_s * 1.05)
    end_s = np.minimum(begin_s + driving_s * 1.05 + trips.spread_h * 3600.0, latest_s)
    return Usage(
        km=km,
        starts_n=starts.astype(np.int64),
        begin_s=np.floor(begin_s),
        end_s=np.ceil(end_s),
        driving_s=driving_s,
        journey_ratio=np.divide(journey_km, km, out=np.zeros(len(km)), where=km > 0.0),
    )


def next_drive(drives: Bools, day: int) -> int:
    """First day from `day` on with a drive; the number of days when there is none."""
    if day >= len(drives):
        return len(drives)
    later = np.flatnonzero(drives[day:])
    return day + int(later[0]) if len(later) else len(drives)


def _lives(vehicle: Vehicle, rng: np.random.Generator, calendar: WorkCalendar) -> Trips:
    """The first owner's days, and from some day on the second's."""
    if not vehicle.model.is_petrol:
        return _hauler(rng, calendar)
    first = _CLASSES[vehicle.use_class](rng, calendar)
    sold_day = int(rng.integers(400, LIFE_D)) if rng.random() < SECOND_OWNER_RATIO else LIFE_D
    if sold_day == LIFE_D:
        return first
    then = str(rng.choice(["commuter", "weekend", "business"]))
    second = _CLASSES[then](rng, calendar)
    later = np.arange(LIFE_D) >= sold_day
    return Trips(
        local_km=np.where(later, second.local_km, first.local_km),
        starts_n=np.where(later, second.starts_n, first.starts_n),
        begin_h=np.where(later, second.begin_h, first.begin_h),
        spread_h=np.where(later, second.spread_h, first.spread_h),
    )


def _commuter(rng: np.random.Generator, calendar: WorkCalendar) -> Trips:
    """To work and back, with errands, mostly at weekends."""
    n = len(calendar.weekday)
    way_km = float(np.clip(rng.lognormal(np.log(12.5), 0.5), 2.0, 48.0))
    works = ~calendar.is_off & (rng.random(n) < 0.93)
    errands = rng.poisson(np.where(calendar.is_off, 1.5, 0.5))
    errand_km = errands * 6.5 * rng.lognormal(0.0, 0.55, n)
    begin_h = np.where(works, rng.normal(7.7, 0.3, n), rng.normal(10.0, 1.3, n))
    return Trips(
        local_km=works * 2.0 * way_km * rng.normal(1.0, 0.05, n).clip(0.8, 1.3) + errand_km,
        starts_n=_counts(2 * works + errands + (errands > 0) * ~works),
        begin_h=begin_h,
        spread_h=np.where(works, rng.normal(10.2, 0.5, n), 0.8 * errands + 0.5).clip(0.3),
    )


def _ride_hailing(rng: np.random.Generator, calendar: WorkCalendar) -> Trips:
    """Shifts: many kilometres a day, a day off now and then."""
    n = len(calendar.weekday)
    shift_km = float(rng.uniform(160.0, 290.0))
    works = rng.random(n) < np.where(calendar.is_holiday, 0.6, 0.9)
    return Trips(
        local_km=works * shift_km * rng.gamma(14.0, 1.0 / 14.0, n),
        starts_n=works * (3.0 + rng.poisson(3.0, n)),
        begin_h=rng.normal(6.3, 0.6, n),
        spread_h=rng.normal(3.0, 0.7, n).clip(0.5),
    )


def _weekend(rng: np.random.Generator, calendar: WorkCalendar) -> Trips:
    """Outings on days off, a rare errand in the week."""
    n = len(calendar.weekday)
    outing_km = float(rng.lognormal(np.log(34.0), 0.45))
    chance = np.where(calendar.is_off, rng.uniform(0.55, 0.85), rng.uniform(0.05, 0.2))
    out = rng.random(n) < chance
    scale = np.where(calendar.is_off, outing_km, 9.0)
    return Trips(
        local_km=out * scale * rng.lognormal(0.0, 0.6, n),
        starts_n=out * (2.0 + rng.poisson(0.7, n)),
        begin_h=rng.normal(9.8, 1.3, n),
        spread_h=rng.gamma(4.0, 0.9, n),
    )


def _business(rng: np.random.Generator, calendar: WorkCalendar) -> Trips:
    """Calls at customers on six days a week."""
    n = len(calendar.weekday)
    leg_km = float(rng.lognormal(np.log(13.0), 0.4))
    working = (calendar.weekday < 6) & ~calendar.is_holiday
    out = rng.random(n) < np.where(working, np.where(calendar.weekday == 5, 0.6, 0.93), 0.15)
    calls = 1 + rng.poisson(np.where(working, 2.6, 0.6))
    return Trips(
        local_km=out * calls * leg_km * rng.lognormal(0.0, 0.35, n),
        starts_n=out * (calls + 1.0),
        begin_h=rng.normal(8.3, 0.5, n),
        spread_h=0.7 * calls + rng.gamma(3.0, 0.8, n),
    )


def _hauler(rng: np.random.Generator, calendar: WorkCalendar) -> Trips:
    """Deliveries in and around the city, six days a week."""
    n = len(calendar.weekday)
    round_km = float(rng.lognormal(np.log(105.0), 0.35))
    working = (calendar.weekday < 6) & ~calendar.is_holiday
    out = rng.random(n) < np.where(working, 0.94, 0.1)
    stops = 3 + rng.poisson(4.0, n)
    return Trips(
        local_km=out * round_km * rng.gamma(12.0, 1.0 / 12.0, n),
        starts_n=_counts(out * stops),
        begin_h=rng.normal(6.8, 0.5, n),
        spread_h=_counts(stops) * 0.4,
    )


def _parked(rng: np.random.Generator, calendar: WorkCalendar) -> Trips:
    """Months in the garage, then some weeks of driving."""
    n = len(calendar.weekday)
    lengths = np.where(np.arange(400) % 2 == 0, rng.exponential(48.0, 400), rng.exponential(14.0, 400))
    spell = np.searchsorted(np.cumsum(lengths), np.arange(n), side="right")
    out = (spell % 2 == 1) & (rng.random(n) < 0.7)
    return Trips(
        local_km=out * 16.0 * rng.lognormal(0.0, 0.7, n),
        starts_n=out * (2.0 + rng.poisson(0.5, n)),
        begin_h=rng.normal(10.2, 1.5, n),
        spread_h=rng.gamma(3.0, 0.8, n),
    )


_CLASSES: Final[dict[str, Callable[[np.random.Generator, WorkCalendar], Trips]]] = {
    "commuter": _commuter,
    "ride_hailing": _ride_hailing,
    "weekend": _weekend,
    "business": _business,
    "parked": _parked,
}


def _counts(whole: NDArray[np.int64]) -> Floats:
    return whole.astype(np.float64)


def _regimes(rng: np.random.Generator) -> Floats:
    """A factor on local kilometres that jumps when life changes: another job, a child, a move."""
    changes = rng.poisson(YEARLY_REGIME_CHANGES * LIFE_D / 365.0)
    days = np.sort(rng.integers(60, LIFE_D, changes))
    factors = np.concatenate([[1.0], rng.lognormal(0.0, 0.42, changes).clip(0.3, 2.6)])
    return np.asarray(factors[np.searchsorted(days, np.arange(LIFE_D), side="right")], dtype=np.float64)


def _spells(rng: np.random.Generator, *, yearly: float, shortest_d: int, longest_d: int) -> Bools:
    """Days on which nobody drives: travel without the car, illness, a long repair."""
    away = np.zeros(LIFE_D, dtype=np.bool_)
    for _ in range(int(rng.poisson(yearly * LIFE_D / 365.0))):
        first = int(rng.integers(LIFE_D))
        away[first : first + int(rng.integers(shortest_d, longest_d + 1))] = True
    return away


def _journeys(vehicle: Vehicle, rng: np.random.Generator, calendar: WorkCalendar) -> Floats:
    """Long ways: home for the holidays and back, and a weekend away now and then."""
    likes = float(rng.uniform(0.05, 0.6)) if vehicle.use_class in ("commuter", "weekend") else 0.06
    weekend = (calendar.weekday == 5) & ~calendar.is_holiday & (rng.random(LIFE_D) < 0.06 * likes / 0.3)
    km = np.where(weekend, rng.lognormal(np.log(170.0), 0.4, LIFE_D).clip(60.0, 500.0), 0.0)
    for holiday in holidays():
        first = holiday.first_day - calendar.first_day
        last = holiday.last_day - calendar.first_day
        goes, way_km = rng.random() < likes, float(rng.lognormal(np.log(420.0), 0.5))
        if goes and first >= 0 and last < LIFE_D:
            km[[first, last]] = min(way_km, 900.0)
    return km
