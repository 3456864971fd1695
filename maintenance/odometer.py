"""Odometer cleaning: which readings count, what they add up to, and which are quarantined.

The counter of a car rises, but readings fall (jitter, rollover, a new instrument cluster) and jump (garbage,
a reprogrammed cluster). What contradicts the readings before it is quarantined; only when three readings
over two days agree with each other is the instrument believed to have changed, and a new epoch begins.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from maintenance.inputs import DAY_US, VehicleInput
from maintenance.readings import Readings, gather

_HOUR_US: Final = 3_600_000_000
_EARLIEST_OFFSET_US: Final = -14 * _HOUR_US  # a local day begins at most 14 h before the same day in UTC
_LATEST_OFFSET_US: Final = DAY_US + 12 * _HOUR_US


class AnomalyKind(StrEnum):
    """Why a reading does not count."""

    NO_MEASUREMENT = "odometer-no-measurement"
    OUTSIDE_ITS_DAY = "odometer-outside-its-day"
    FALL = "odometer-fall"
    JUMP = "odometer-jump"
    VISIT = "odometer-visit"
    """A reading somebody wrote down at a workshop contradicts the car's own."""
    REPLACED = "odometer-replaced"
    """No quarantine: from here on the instrument counts from another number."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One reading that does not count, or the start of a new epoch."""

    kind: AnomalyKind
    at_us: int
    before_km: float | None
    """The reading it was held against."""
    after_km: float | None
    """The reading itself, as shown; None where it is no number."""
    reason: str


@dataclass(frozen=True, slots=True)
class OdometerLimits:
    """What a counter can do."""

    most_kmh: float = 180.0
    most_km_per_d: float = 2500.0
    """Over any longer while: two drivers taking turns at 85 km/h stay below 2,100."""
    jitter_km: float = 5.0
    most_km: float = 5_000_000.0
    stable_readings: int = 3
    """So many readings that agree with each other outweigh what came before."""
    source: str = "invented: no car drives farther, no odometer jitters more"


LIMITS: Final = OdometerLimits()


@dataclass(frozen=True, slots=True, eq=False)
class Odometer:
    """The readings that count, of one vehicle, arrays of length m."""

    day: NDArray[np.int32]
    km: NDArray[np.float64]
    """Kilometres driven since the car was new, over all epochs; never falls."""
    shown_km: NDArray[np.float64]
    used: NDArray[np.bool_]
    """Per reading that was given (length n >= m): whether it counts."""
    anomalies: tuple[Anomaly, ...]

    def __len__(self) -> int:
        return len(self.day)


def of_vehicle(vehicle: VehicleInput, as_of_day: int) -> Odometer:
    """The cleaned odometer of one vehicle as it was known at the end of a local day."""
    return clean(gather(vehicle.days, vehicle.visits, as_of_day=as_of_day))


def clean(readings: Readings, limits: OdometerLimits = LIMITS) -> Odometer:
    """Tell the readings that count from those that do not.

    A run without any contradiction, which is nearly every vehicle, is accepted in one vectorised look.
    """
    held_km = np.maximum.accumulate(readings.shown_km)
    if _is_plain(readings, held_km, limits):
        used = np.ones(len(readings), dtype=np.bool_)
        return Odometer(readings.day, held_km, readings.shown_km, used, ())
    fold = _Fold(readings, limits)
    for index in range(len(readings)):
        fold.take(index)
    return fold.finish()


def _is_plain(readings: Readings, held_km: NDArray[np.float64], limits: OdometerLimits) -> bool:
    """Whether `_Fold` would accept everything; `held_km` is the highest reading so far."""
    km, at_us = readings.shown_km, readings.at_us
    if not (np.isfinite(km).all() and _is_in_its_day(readings.day, at_us).all()):
        return False
    if len(km) > 0 and (km.min() < 0.0 or held_km[-1] > limits.most_km):
        return False
    step_km, step_h = km[1:] - held_km[:-1], np.diff(at_us) / _HOUR_US
    most_km = np.minimum(limits.most_kmh * step_h, limits.most_km_per_d * np.maximum(step_h / 24.0, 1.0))
    return bool(
        np.all(step_km > -limits.jitter_km)
        and np.all(step_h >= 0.0)
        and np.all(step_km <= most_km + limits.jitter_km)
    )


def _is_in_its_day(day: NDArray[np.int32], at_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a moment can lie on a local day, in any time zone."""
    since_us = at_us - day.astype(np.int64) * DAY_US
    return (since_us >= _EARLIEST_OFFSET_US) & (since_us < _LATEST_OFFSET_US)


class _Fold:
    """The slow path: one reading after the other, with those in doubt kept aside."""

    def __init__(self, readings: Readings, limits: OdometerLimits) -> None:
        self._day: list[int] = readings.day.tolist()
        self._at_us: list[int] = readings.at_us.tolist()
        self._shown: list[float] = readings.shown_km.tolist()
        self._is_visit: list[bool] = readings.is_visit.tolist()
        self._inside: list[bool] = _is_in_its_day(readings.day, readings.at_us).tolist()
        self._readings = readings
        self._limits = limits
        self._kept: list[int] = []
        self._km: list[float] = []
        self._offset: list[float] = []
        self._doubted: list[int] = []
        self._anomalies: list[Anomaly] = []

    def take(self, index: int) -> None:
        """The next reading."""
        shown = self._shown[index]
        if not (0.0 <= shown <= self._limits.most_km):
            self._report(AnomalyKind.NO_MEASUREMENT, index, "an odometer shows 0 to 5 million km")
        elif not self._inside[index]:
            self._report(
                AnomalyKind.OUTSIDE_ITS_DAY, index, "its time lies outside the day it was stored under"
            )
        elif not self._kept:
            self._keep(index, offset=0.0)
        elif self._follows(index):
            self._drop_doubted()
            self._keep(index, offset=self._offset[-1])
        elif self._is_visit[index]:
            self._report(AnomalyKind.VISIT, index, "written at a visit, against the car's own readings")
        elif self._doubted and self._agrees(self._doubted[-1], index):
            self._doubted.append(index)
            self._settle()
        else:
            self._contradiction(index)

    def finish(self) -> Odometer:
        """What counts, once all readings have been taken."""
        self._drop_doubted()
        kept = np.array(self._kept, dtype=np.intp)
        used = np.zeros(len(self._readings), dtype=np.bool_)
        used[kept] = True
        return Odometer(
            day=self._readings.day[kept],
            km=np.array(self._km, dtype=np.float64),
            shown_km=self._readings.shown_km[kept],
            used=used,
            anomalies=tuple(sorted(self._anomalies, key=lambda anomaly: anomaly.at_us)),
        )

    def _contradiction(self, index: int) -> None:
        """What people wrote down yields to the car's own reading; otherwise the reading is in doubt."""
        while self._kept and self._is_visit[self._kept[-1]] and not self._follows(index):
            self._report_dropped(AnomalyKind.VISIT, "written at a visit, against the reading after it", index)
        if not self._kept:
            self._keep(index, offset=0.0)
        elif self._follows(index):
            self._keep(index, offset=self._offset[-1])
        else:
            self._drop_doubted()
            self._doubted = [index]

    def _settle(self) -> None:
        """Once enough doubted readings agree, find what was wrong: the few before them, or the instrument."""
        doubted = self._doubted
        if len(doubted) < self._limits.stable_readings or self._day[doubted[0]] == self._day[doubted[-1]]:
            return
        self._doubted = []
        if self._drops_weak_readings_before(doubted[0]):
            offset = self._offset[-1] if self._kept else 0.0
        else:
            offset = self._offset_of_new_epoch(doubted[0])
        for index in doubted:
            self._keep(index, offset=offset)

    def _drops_weak_readings_before(self, index: int) -> bool:
        """Drop the last few kept readings, fewer than those that contradict them, if that resolves it."""
        for count in range(1, min(self._limits.stable_readings, len(self._kept) + 1)):
            before = len(self._kept) - count
            if before > 0 and self._offset[before - 1] != self._offset[-1]:
                return False
            if before == 0 or self._fits(before - 1, index):
                for _ in range(count):
                    self._report_dropped(AnomalyKind.JUMP, "the readings after it contradict it", index)
                return True
        return False

    def _offset_of_new_epoch(self, first: int) -> float:
        shown, last_km = self._shown[first], self._km[-1]
        self._report(AnomalyKind.REPLACED, first, "three readings agree: the instrument counts anew")
        counts_from_zero = shown <= self._most_step_km(self._kept[-1], first)
        return last_km if counts_from_zero else last_km - shown

    def _keep(self, index: int, *, offset: float) -> None:
        km = self._shown[index] + offset
        self._kept.append(index)
        self._offset.append(offset)
        self._km.append(max(km, self._km[-1]) if self._km else km)  # jitter is held

    def _follows(self, index: int) -> bool:
        """Whether a reading can come after the last one kept."""
        return self._fits(len(self._kept) - 1, index)

    def _fits(self, position: int, index: int) -> bool:
        step_km = self._shown[index] + self._offset[position] - self._km[position]
        earlier = self._kept[position]
        if self._at_us[index] < self._at_us[earlier]:
            return False
        return -self._limits.jitter_km < step_km <= self._most_step_km(earlier, index)

    def _agrees(self, earlier: int, later: int) -> bool:
        step_km = self._shown[later] - self._shown[earlier]
        rises = self._at_us[later] >= self._at_us[earlier]
        return rises and -self._limits.jitter_km < step_km <= self._most_step_km(earlier, later)

    def _most_step_km(self, earlier: int, later: int) -> float:
        """Farthest a car gets between two readings: at top speed within a day, at a day's most beyond."""
        elapsed_h = max(0, self._at_us[later] - self._at_us[earlier]) / _HOUR_US
        limits = self._limits
        by_days_km = limits.most_km_per_d * max(elapsed_h / 24.0, 1.0)
        return min(limits.most_kmh * elapsed_h, by_days_km) + limits.jitter_km

    def _drop_doubted(self) -> None:
        for index in self._doubted:
            fell = self._shown[index] + self._offset[-1] < self._km[-1]
            kind = AnomalyKind.FALL if fell else AnomalyKind.JUMP
            self._report(
                kind,
                index,
                "below the reading before it"
                if fell
                else "farther than 180 km/h since the reading before it",
            )
        self._doubted = []

    def _report_dropped(self, kind: AnomalyKind, reason: str, against: int) -> None:
        self._km.pop()
        self._offset.pop()
        self._report(kind, self._kept.pop(), reason, against=against)

    def _report(self, kind: AnomalyKind, index: int, reason: str, *, against: int | None = None) -> None:
        if against is None and self._kept:
            against = self._kept[-1]
        shown = self._shown[index]
        self._anomalies.append(
            Anomaly(
                kind=kind,
                at_us=self._at_us[index],
                before_km=None if against is None else self._shown[against],
                after_km=shown if math.isfinite(shown) else None,
                reason=reason,
            )
        )


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
