"""A counter held against the speed of the same trips: which unit it counts in, and whether it counts."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from maintenance.anomaly import LIMITS, Anomaly, AnomalyKind, OdometerLimits
from maintenance.inputs import SourceDays
from maintenance.readings import Readings

KM_PER_MI: Final = 1.609344
KM: Final = 1.0
UNITS: Final = {KM: "km", KM_PER_MI: "miles", 1 / KM_PER_MI: "km taken for miles", 0.001: "m", 1000.0: "Mm"}
"""Kilometres per count shown, with the unit's name."""
_SAME: Final = (0.8, 1.25)
"""Speed and odometer of one car differ by tyres and by what the dashboard flatters."""
_SAME_READING: Final = 0.01
_CREDIBLE: Final = 0.8
_FURTHER: Final = (1.5, 20.0)
"""A day may be so many times the distance by speed, and so many kilometres, longer."""


@dataclass(frozen=True, slots=True, eq=False)
class Trips:
    """What the speed says of readings, arrays of one entry per reading."""

    ratio: NDArray[np.float64]
    """Kilometres per kilometre shown; 1 where the source tells what it should."""
    is_frozen: NDArray[np.bool_]
    most_km: NDArray[np.float64]
    """How far the car can have come that day by its speed; infinite where that is not known."""
    anomalies: tuple[Anomaly, ...]


def judge(days: SourceDays, readings: Readings, limits: OdometerLimits = LIMITS) -> Trips | None:
    """Hold a source's days against the speed; None where no speed is known, as for most vehicles."""
    if not len(readings) or not (days.speed_m > 0.0).any():
        return None
    until = int(np.searchsorted(days.day, readings.day[-1], side="right"))
    rise_km = (days.last_km - days.first_km)[:until]
    within_km, speed_km = days.within_m[:until] / 1000.0, days.speed_m[:until] / 1000.0
    is_covered = (speed_km >= limits.least_trip_km) & (within_km >= limits.covered_ratio * np.abs(rise_km))
    counted = is_covered & (rise_km > 0.0)
    share = np.divide(rise_km, speed_km, out=np.full(until, np.nan), where=counted)
    unit = np.array([_unit_of(value, limits) for value in share.tolist()])
    ratio, told = _units(readings, days.day[:until], unit, days.source, limits)
    stands = (speed_km >= limits.frozen_trip_km) & (days.high_km == days.low_km)[:until] & (within_km == 0.0)
    moves = counted | ((speed_km >= limits.frozen_trip_km) & (rise_km > 0.0))
    is_frozen, stood = _frozen(readings, days.day[:until], stands, moves, days.source, limits)
    known = unit[unit > 0.0]
    is_credible = len(known) >= limits.trips and np.mean(known == KM) >= _CREDIBLE
    times, more_km = _FURTHER
    most = np.where(is_covered & is_credible, times * speed_km + more_km, np.inf)
    place = np.minimum(np.searchsorted(days.day[:until], readings.day), until - 1)
    most_km = np.where(days.day[place] == readings.day, most[place], np.inf)
    return Trips(ratio, is_frozen, most_km, (*told, *stood))


def _unit_of(share: float, limits: OdometerLimits) -> float:
    """Kilometres per count that a trip speaks for; 0 where it speaks for none."""
    if not share > 0.0:
        return 0.0
    if _SAME[0] <= share <= _SAME[1]:
        return KM
    for unit in UNITS:
        if unit != KM and abs(share * unit - 1.0) <= limits.unit_ratio:
            return unit
    return 0.0


def _units(
    readings: Readings,
    day: NDArray[np.int32],
    unit: NDArray[np.float64],
    source: int,
    limits: OdometerLimits,
) -> tuple[NDArray[np.float64], list[Anomaly]]:
    """Kilometres per count of every reading: another unit once three trips in a row have told it."""
    ratio = np.ones(len(readings))
    told: list[Anomaly] = []
    now, run_unit, run_n, run_day, known_day = KM, KM, 0, 0, None
    for on, one in zip(day.tolist(), unit.tolist(), strict=True):
        if one == 0.0:
            continue
        run_n, run_day = (run_n + 1, run_day) if one == run_unit else (1, on)
        run_unit = one
        if one != now and run_n == limits.trips:
            place = _change(readings, known_day, run_day, one / now)
            ratio[place:] = one
            told.append(_switch(readings, place, now, one, source))
            now = one
        if one == now:
            known_day = on
    return ratio, told


def _change(readings: Readings, known_day: int | None, run_day: int, times: float) -> int:
    """The first reading in the new unit: where the number shown changes by the ratio, if it does.

    Without such a step the source has told it from its first trip in doubt on; from the beginning, if none
    before spoke for another.
    """
    low = 0 if known_day is None else int(np.searchsorted(readings.day, known_day, side="right"))
    high = int(np.searchsorted(readings.day, run_day, side="right"))
    shown = readings.shown_km
    for place in range(max(low, 1), high):
        before, after = shown[place - 1], shown[place] * times
        if before > 0.0 and abs(after / before - 1.0) <= _SAME_READING:
            return place
    return 0 if known_day is None else int(np.searchsorted(readings.day, run_day))


def _switch(readings: Readings, place: int, now: float, then: float, source: int) -> Anomaly:
    before = float(readings.shown_km[place - 1]) if place else None
    return Anomaly(
        kind=AnomalyKind.UNIT,
        at_us=int(readings.at_us[place]),
        before_km=before,
        after_km=float(readings.shown_km[place]),
        reason=f"three trips agree with their speed only if it counts {UNITS[then]}, not {UNITS[now]}",
        source=source,
        readings_n=0,
    )


def _frozen(
    readings: Readings,
    day: NDArray[np.int32],
    stands: NDArray[np.bool_],
    moves: NDArray[np.bool_],
    source: int,
    limits: OdometerLimits,
) -> tuple[NDArray[np.bool_], list[Anomaly]]:
    """Readings of days on which the car drove and the counter stood, three such days in a row at least."""
    is_frozen = np.zeros(len(readings), dtype=np.bool_)
    told: list[Anomaly] = []
    run: list[int] = []
    for on, stood, moved in [
        *zip(day.tolist(), stands.tolist(), moves.tolist(), strict=True),
        (0, False, True),
    ]:
        if stood:
            run.append(on)
        elif moved:
            if len(run) >= limits.trips:
                first, last = np.searchsorted(readings.day, [run[0], run[-1] + 1])
                is_frozen[first:last] = ~readings.is_visit[first:last]
                told.append(_stood(readings, np.flatnonzero(is_frozen[first:last]) + first, source))
            run = []
    return is_frozen, told


def _stood(readings: Readings, places: NDArray[np.intp], source: int) -> Anomaly:
    shown = float(readings.shown_km[places[0]])
    return Anomaly(
        kind=AnomalyKind.FROZEN,
        at_us=int(readings.at_us[places[0]]),
        before_km=shown,
        after_km=shown,
        reason="the car drove on three days by its speed, and the counter stood",
        source=source,
        readings_n=len(places),
        until_us=int(readings.at_us[places[-1]]),
    )
