"""The true odometer of a vehicle out of all its sources: one wins, the others fill in what it did not tell.

True kilometres are what was shown, in kilometres, plus the offset of the epoch. Everything is decided anew
from all readings in event order, so that the order in which they came cannot matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from maintenance import counter, trips
from maintenance.anomaly import LIMITS, Anomaly, AnomalyKind, OdometerLimits
from maintenance.fold import Counted
from maintenance.inputs import SourceDays, VehicleInput, Visit
from maintenance.readings import Readings, gather, written
from vehicle import odometer as sources

WRITTEN: Final = sources.WRITTEN
_SAME_TIME_US: Final = 15 * 60 * 1_000_000
_QUALIFIES_D: Final = 3
"""A source must have told the odometer on so many days to win over one that has."""


@dataclass(frozen=True, slots=True, eq=False)
class Odometer:
    """The readings that count, of one vehicle, arrays of length m."""

    day: NDArray[np.int32]
    at_us: NDArray[np.int64]
    km: NDArray[np.float64]
    """Kilometres driven since the car was new, over all epochs; never falls."""
    shown_km: NDArray[np.float64]
    """What the source that wins shows, in km; where another fills in, what it would show."""
    source: NDArray[np.int16]
    """Who told it; `WRITTEN` for a workshop."""
    ratio: NDArray[np.float64]
    """Kilometres per kilometre shown: 1 unless the source tells another unit than it should."""
    epoch: NDArray[np.int32]
    used: NDArray[np.bool_]
    """Per reading of the source that wins (length n >= what it has in m): whether it counts."""
    anomalies: tuple[Anomaly, ...]

    def __len__(self) -> int:
        return len(self.day)


def of_vehicle(vehicle: VehicleInput, as_of_day: int, limits: OdometerLimits = LIMITS) -> Odometer:
    """The cleaned odometer of one vehicle as it was known at the end of a local day."""
    given = vehicle.odometers or (SourceDays.of(vehicle.days),)
    ranked = sorted(given, key=lambda one: sources.rank(one.source))
    if len(ranked) == 1:
        return _of_source(ranked[0], vehicle, vehicle.visits, as_of_day, limits)
    alone = [_of_source(one, vehicle, (), as_of_day, limits) for one in ranked]
    best = _best(alone)
    chosen = _of_source(ranked[best], vehicle, vehicle.visits, as_of_day, limits)
    for place, other in enumerate(alone):
        if place != best:
            chosen = _joined(chosen, other, limits)
    return chosen


def clean(readings: Readings, limits: OdometerLimits = LIMITS) -> Odometer:
    """One counter whose speed is not known: the readings that count."""
    return _cleaned(SourceDays.build(sources.UNTOLD, []), readings, (), np.inf, limits)


def _of_source(
    days: SourceDays, vehicle: VehicleInput, visits: Sequence[Visit], as_of_day: int, limits: OdometerLimits
) -> Odometer:
    readings = gather(days, visits, as_of_day=as_of_day)
    first_most_km = np.inf
    if vehicle.built_day is not None and len(readings):
        age_d = max(0, int(readings.day[0]) - vehicle.built_day) + 1
        first_most_km = limits.first_km + limits.most_km_per_d * age_d
    told = written(visits, as_of_day)
    found = _cleaned(days, readings, told, first_most_km, limits)
    return replace(found, anomalies=_sorted([*found.anomalies, *_start_ups(days, as_of_day)]))


def _cleaned(
    days: SourceDays,
    readings: Readings,
    told: Sequence[tuple[int, float]],
    first_most_km: float,
    limits: OdometerLimits,
) -> Odometer:
    judged = trips.judge(days, readings, limits)
    if judged is None:
        counted = counter.count(
            readings, written=told, first_most_km=first_most_km, source=days.source, limits=limits
        )
        return _odometer(days.source, readings, counted, None, ())
    scaled = Readings(readings.day, readings.at_us, readings.shown_km * judged.ratio, readings.is_visit)
    moving = np.flatnonzero(~judged.is_frozen)
    counted = counter.count(
        Readings(*(getattr(scaled, name)[moving] for name in ("day", "at_us", "shown_km", "is_visit"))),
        written=told,
        most_km=judged.most_km[moving],
        first_most_km=first_most_km,
        source=days.source,
        limits=limits,
    )
    counted = replace(counted, place=moving[counted.place])
    return _odometer(days.source, scaled, counted, judged.ratio, judged.anomalies)


def _odometer(
    source: int,
    readings: Readings,
    counted: Counted,
    ratio: NDArray[np.float64] | None,
    anomalies: Sequence[Anomaly],
) -> Odometer:
    place = counted.place
    used = np.zeros(len(readings), dtype=np.bool_)
    used[place] = True
    return Odometer(
        day=readings.day[place],
        at_us=readings.at_us[place],
        km=counted.km,
        shown_km=readings.shown_km[place],
        source=np.where(readings.is_visit[place], WRITTEN, source).astype(np.int16),
        ratio=np.ones(len(place)) if ratio is None else ratio[place],
        epoch=counted.epoch,
        used=used,
        anomalies=_sorted([*counted.anomalies, *anomalies]),
    )


def _start_ups(days: SourceDays, as_of_day: int) -> list[Anomaly]:
    """What was left out on arrival: one anomaly per day."""
    return [
        Anomaly(
            kind=AnomalyKind.START_UP,
            at_us=int(days.glitch_us[place]),
            before_km=float(days.settled_km[place]),
            after_km=float(days.glitch_km[place]),
            reason="half a second later the instrument showed what stands beside it",
            source=days.source,
            readings_n=int(days.glitches_n[place]),
        )
        for place in np.flatnonzero((days.glitches_n > 0) & (days.day <= as_of_day)).tolist()
    ]


def _best(alone: Sequence[Odometer]) -> int:
    """The first of those in order of trust that told enough; else the one that told most days."""
    days_n = [len(np.unique(one.day)) for one in alone]
    for place, n in enumerate(days_n):
        if n >= _QUALIFIES_D:
            return place
    return int(np.argmax(days_n))


def _joined(chosen: Odometer, other: Odometer, limits: OdometerLimits) -> Odometer:
    """What another source adds: the days that the chosen one does not tell, moved to its reading."""
    if not len(other):
        return replace(chosen, anomalies=_sorted([*chosen.anomalies, *other.anomalies]))
    if not len(chosen):
        return replace(other, anomalies=_sorted([*chosen.anomalies, *other.anomalies]))
    chosen, other, drift = _compared(chosen, other, limits)
    away = ~np.isin(other.day, chosen.day)
    ahead_km, shown_ahead_km = _ahead(chosen, other)
    fill_km = other.km[away] + ahead_km[away]
    at_us = other.at_us[away]
    place = np.searchsorted(chosen.at_us, at_us)
    low = np.where(place > 0, chosen.km[np.maximum(place - 1, 0)], -np.inf) if len(chosen) else -np.inf
    high = (
        np.where(place < len(chosen), chosen.km[np.minimum(place, len(chosen) - 1)], np.inf)
        if len(chosen)
        else np.inf
    )
    fits = (fill_km >= low - limits.jitter_km) & (fill_km <= high + limits.jitter_km) & (fill_km >= 0.0)
    fill_km = np.clip(fill_km, low, high)
    both: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
        "day": (chosen.day, other.day[away][fits]),
        "at_us": (chosen.at_us, at_us[fits]),
        "km": (chosen.km, fill_km[fits]),
        "shown_km": (chosen.shown_km, (other.km + shown_ahead_km)[away][fits]),
        "source": (chosen.source, other.source[away][fits]),
        "ratio": (chosen.ratio, other.ratio[away][fits]),
    }
    order = np.argsort(np.concatenate(both["at_us"]), kind="stable")
    column: dict[str, NDArray[Any]] = {name: np.concatenate(parts)[order] for name, parts in both.items()}
    epoch = np.concatenate((chosen.epoch, np.full(int(fits.sum()), -1, dtype=np.int32)))[order]
    column["km"] = np.maximum.accumulate(column["km"])
    astray = _astray(other, np.flatnonzero(away)[~fits], chosen)
    return Odometer(
        **column,
        epoch=np.maximum.accumulate(epoch),
        used=chosen.used,
        anomalies=_sorted([*chosen.anomalies, *other.anomalies, *drift, *astray]),
    )


def _ahead(chosen: Odometer, other: Odometer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What to add to the other's kilometres to get the chosen one's, true and shown, at each reading.

    Taken from the nearest day that both told at about the same time, the earlier one first; without one, and
    where the other is what was stored before sources were told apart, they count alike.
    """
    mine, theirs = _last_of_days(chosen), _last_of_days(other)
    common, a, b = np.intersect1d(chosen.day[mine], other.day[theirs], return_indices=True)
    apart_us = np.abs(chosen.at_us[mine][a] - other.at_us[theirs][b])
    close = apart_us <= max(_SAME_TIME_US, int(apart_us.min(initial=np.iinfo(np.int64).max)))
    common, a, b = common[close], a[close], b[close]
    if not len(common) or other.source[0] == sources.UNTOLD:
        shown = chosen.shown_km - chosen.km
        near = np.clip(np.searchsorted(chosen.at_us, other.at_us, side="right") - 1, 0, len(chosen) - 1)
        return np.zeros(len(other)), shown[near]
    ahead_km = chosen.km[mine][a] - other.km[theirs][b]
    shown_km = chosen.shown_km[mine][a] - other.km[theirs][b]
    near = np.clip(np.searchsorted(common, other.day, side="right") - 1, 0, len(common) - 1)
    return ahead_km[near], shown_km[near]


def _compared(
    chosen: Odometer, other: Odometer, limits: OdometerLimits
) -> tuple[Odometer, Odometer, list[Anomaly]]:
    """Both without what the comparison shows to be wrong, and what was noticed.

    A constant difference is none. Where the chosen one stands for days and the other counts, it is frozen.
    """
    mine, theirs = _last_of_days(chosen), _last_of_days(other)
    common, a, b = np.intersect1d(chosen.day[mine], other.day[theirs], return_indices=True)
    if len(common) < limits.trips + 1:
        return chosen, other, []
    own_km, their_km = np.diff(chosen.km[mine][a]), np.diff(other.km[theirs][b])
    stands = (own_km == 0.0) & (their_km >= limits.frozen_trip_km)
    first = _run(stands, limits.trips)
    if first is not None:
        last = first + int(np.argmin(np.append(stands[first:], False)))
        frozen = (chosen.day > common[first]) & (chosen.day <= common[last]) & (chosen.source != WRITTEN)
        told = _noticed(AnomalyKind.FROZEN, chosen, np.flatnonzero(frozen), "another source counted on")
        return _without(chosen, frozen), other, [told]
    apart_km = np.cumsum(own_km - their_km)
    allowed_km = limits.jitter_km + limits.drift_ratio * np.cumsum(np.maximum(own_km, their_km))
    beyond = np.flatnonzero(np.abs(apart_km) > 2.0 * allowed_km)
    if not len(beyond):
        return chosen, other, []
    place = int(np.searchsorted(other.day, common[beyond[0] + 1], side="right")) - 1
    told = Anomaly(
        kind=AnomalyKind.DISAGREES,
        at_us=int(other.at_us[place]),
        before_km=float(chosen.km[mine][a][beyond[0] + 1]),
        after_km=float(other.km[place]),
        reason=f"{sources.name(int(chosen.source[mine][a][0]))} counts otherwise, and wins",
        source=int(other.source[place]),
        readings_n=len(other) - place,
        until_us=int(other.at_us[-1]),
    )
    return chosen, _without(other, np.arange(len(other)) >= place), [told]


def _run(flags: NDArray[np.bool_], least: int) -> int | None:
    """Where the first run of at least so many begins."""
    length = 0
    for place, flag in enumerate(flags.tolist()):
        length = length + 1 if flag else 0
        if length == least:
            return place - least + 1
    return None


def _last_of_days(odometer: Odometer) -> NDArray[np.intp]:
    return np.flatnonzero(np.diff(odometer.day, append=np.iinfo(np.int32).max))


def _without(odometer: Odometer, dropped: NDArray[np.bool_]) -> Odometer:
    kept = ~dropped
    arrays = ("day", "at_us", "km", "shown_km", "source", "ratio", "epoch")
    return replace(odometer, **{name: getattr(odometer, name)[kept] for name in arrays})


def _noticed(kind: AnomalyKind, of: Odometer, places: NDArray[np.intp], reason: str) -> Anomaly:
    return Anomaly(
        kind=kind,
        at_us=int(of.at_us[places[0]]),
        before_km=float(of.shown_km[max(int(places[0]) - 1, 0)]),
        after_km=float(of.shown_km[places[0]]),
        reason=reason,
        source=int(of.source[places[0]]),
        readings_n=len(places),
        until_us=int(of.at_us[places[-1]]),
    )


def _astray(other: Odometer, places: NDArray[np.intp], chosen: Odometer) -> list[Anomaly]:
    """Readings that were to fill a gap and do not lie between those around it: one anomaly for all."""
    if not len(places):
        return []
    reason = f"not between what {sources.name(int(chosen.source[0]))} told before and after"
    told = _noticed(AnomalyKind.DISAGREES, other, places, reason)
    nearest = max(int(np.searchsorted(chosen.at_us, told.at_us, side="right")) - 1, 0)
    return [replace(told, before_km=float(chosen.shown_km[nearest]))]


def _sorted(anomalies: Sequence[Anomaly]) -> tuple[Anomaly, ...]:
    return tuple(sorted(anomalies, key=lambda one: (one.at_us, one.kind, one.source)))


def shown_offset_km(odometer: Odometer, day: int) -> float:
    """What to add on `day` to a shown reading to get kilometres since new; 0 before the first reading."""
    if len(odometer) == 0:
        return 0.0
    position = max(int(np.searchsorted(odometer.day, day, side="right")) - 1, 0)
    return float(odometer.km[position] - odometer.shown_km[position])


def km_range(odometer: Odometer, day: int) -> tuple[float | None, float | None]:
    """Kilometres since new that the car can have had on `day`; None where no reading bounds it.

    Readings of the day itself bound it, otherwise the ones next to it.
    """
    first, after = (int(place) for place in np.searchsorted(odometer.day, [day, day + 1]))
    if first < after:
        return float(odometer.km[first]), float(odometer.km[after - 1])
    low = float(odometer.km[first - 1]) if first > 0 else None
    high = float(odometer.km[after]) if after < len(odometer) else None
    return low, high
