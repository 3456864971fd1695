"""The slow look at one counter: its readings one after the other, with those in doubt kept aside.

A counter rises, but readings fall (jitter, rollover, a new instrument) and jump (garbage, a reprogrammed
instrument). What contradicts the readings before it is kept aside. Three readings over two days that agree
with each other are a counter: a new one if it starts near zero, has run over or was there before; otherwise
somebody turned it, or it is another car's, and it stays aside until a workshop's own reading confirms it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from maintenance.anomaly import Anomaly, AnomalyKind, OdometerLimits
from maintenance.inputs import DAY_US
from maintenance.readings import Readings

_HOUR_US: Final = 3_600_000_000
_EARLIEST_OFFSET_US: Final = -14 * _HOUR_US  # a local day begins at most 14 h before the same day in UTC
_LATEST_OFFSET_US: Final = DAY_US + 12 * _HOUR_US
_COUNTS_KM: Final = (1.0, 0.1, 0.125, 0.005, 0.001, 1.609344, 0.1609344)
"""One count of an odometer: km, 0.1 km (GB/T, OBD), FEE0, FEC1, m, mile, 0.1 mile."""
WRAPS_KM: Final = tuple(
    sorted(
        {10.0**k * unit for k in (5, 6) for unit in (1.0, 1.609344)}
        | {2.0**k * unit for k in (16, 20, 24, 32) for unit in _COUNTS_KM if 1e4 < 2.0**k * unit < 5e6}
    )
)
"""Where counters start from zero: after the digits of a display, and after 16, 20, 24 or 32 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The readings of one counter that count, arrays of length m."""

    place: NDArray[np.intp]
    """Their places among the readings that were given."""
    km: NDArray[np.float64]
    """Kilometres driven since the car was new, over all epochs; never falls."""
    offset_km: NDArray[np.float64]
    """Added to what was shown."""
    epoch: NDArray[np.int32]
    anomalies: tuple[Anomaly, ...]


def is_in_its_day(day: NDArray[np.int32], at_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a moment can lie on a local day, in any time zone."""
    since_us = at_us - day.astype(np.int64) * DAY_US
    return (since_us >= _EARLIEST_OFFSET_US) & (since_us < _LATEST_OFFSET_US)


@dataclass(frozen=True, slots=True)
class _Epoch:
    """How a new counter is read, and why it is believed."""

    offset_km: float
    kind: AnomalyKind
    reason: str


class Fold:
    """The slow path: one reading after the other, with those in doubt kept aside."""

    def __init__(
        self,
        readings: Readings,
        written: Sequence[tuple[int, float]],
        day_km: NDArray[np.float64],
        first_most_km: float,
        source: int,
        limits: OdometerLimits,
    ) -> None:
        self._day: list[int] = readings.day.tolist()
        self._at_us: list[int] = readings.at_us.tolist()
        self._shown: list[float] = readings.shown_km.tolist()
        self._is_visit: list[bool] = readings.is_visit.tolist()
        self._inside: list[bool] = is_in_its_day(readings.day, readings.at_us).tolist()
        self._day_km: list[float] = day_km.tolist()
        self._written = written
        self._first_most_km = first_most_km
        self._source = source
        self._limits = limits
        self._kept: list[int] = []
        self._km: list[float] = []
        self._offset: list[float] = []
        self._epoch: list[int] = []
        self._doubted: list[int] = []
        self._unexplained: int | None = None
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
            self._take_first(index)
        elif self._follows(index):
            self._drop_doubted()
            self._keep(index)
        elif self._doubted and self._agrees(self._doubted[-1], index):
            self._doubted.append(index)
            self._settle()
        elif self._is_visit[index]:
            self._report(AnomalyKind.VISIT, index, "written at a visit, against the car's own readings")
        else:
            self._contradiction(index)

    def finish(self) -> Counted:
        """What counts, once all readings have been taken."""
        self._drop_doubted()
        return Counted(
            place=np.array(self._kept, dtype=np.intp),
            km=np.array(self._km, dtype=np.float64),
            offset_km=np.array(self._offset, dtype=np.float64),
            epoch=np.array(self._epoch, dtype=np.int32),
            anomalies=tuple(self._anomalies),
        )

    def _take_first(self, index: int) -> None:
        if self._shown[index] > self._first_most_km:
            self._report(AnomalyKind.FIRST, index, "more than a car of this age can have been driven")
        else:
            self._keep(index)

    def _contradiction(self, index: int) -> None:
        """What people wrote down yields to the car's own reading; otherwise the reading is in doubt."""
        for _ in range(self._wrongly_written_n(index)):
            self._report_dropped(AnomalyKind.VISIT, "written at a visit, against the reading after it", index)
        if not self._kept:
            self._take_first(index)
        elif self._follows(index):
            self._keep(index)
        else:
            self._drop_doubted()
            self._doubted = [index]

    def _wrongly_written_n(self, index: int) -> int:
        """How many visits at the end of what was kept must go so that the reading follows; 0: it cannot."""
        for position in range(len(self._kept) - 1, -1, -1):
            if self._fits(position, index):
                return len(self._kept) - 1 - position
            if not self._is_visit[self._kept[position]]:
                return 0
        return len(self._kept)

    def _settle(self) -> None:
        """Once enough doubted readings agree, find what was wrong: the few before them, or the counter."""
        if not self._is_stable():
            return
        doubted = self._doubted
        if self._drops_weak_readings_before(doubted[0]):
            self._doubted = []
            for index in doubted:
                self._keep(index)
            return
        epoch = self._explained(doubted[0])
        if epoch is None:
            self._unexplained = doubted[0]
            return
        self._doubted = []
        self._report(epoch.kind, doubted[0], epoch.reason, readings_n=0)
        number = self._epoch[-1] + 1
        for index in doubted:
            self._keep(index, offset=epoch.offset_km, epoch=number)

    def _is_stable(self) -> bool:
        doubted = self._doubted
        if len(doubted) < self._limits.stable_readings:
            return False
        return self._day[doubted[0]] != self._day[doubted[-1]]

    def _drops_weak_readings_before(self, index: int) -> bool:
        """Drop the last few kept readings, fewer than those that contradict them, if that resolves it."""
        for n in range(1, min(self._limits.stable_readings, len(self._kept) + 1)):
            before = len(self._kept) - n
            if before > 0 and self._epoch[before - 1] != self._epoch[-1]:
                return False
            if before == 0 or self._fits(before - 1, index):
                kind = AnomalyKind.FIRST if before == 0 else AnomalyKind.JUMP
                for _ in range(n):
                    self._report_dropped(kind, "the readings after it contradict it", index)
                return True
        return False

    def _explained(self, first: int) -> _Epoch | None:
        """Why a stable counter that contradicts the one before it can be believed; None: it cannot."""
        if self._unexplained == first:  # only a workshop can have changed that
            return self._confirmed(first)
        return (
            self._rolled_over(first) or self._is_back(first) or self._is_new(first) or self._confirmed(first)
        )

    def _rolled_over(self, first: int) -> _Epoch | None:
        before, shown = self._shown[self._kept[-1]], self._shown[first]
        for wrap in WRAPS_KM:
            left = wrap - before
            if 0.0 <= left <= self._limits.wrap_km and left + shown <= self._most_step_km(
                self._kept[-1], first
            ):
                offset = self._offset[-1] + wrap
                return _Epoch(offset, AnomalyKind.ROLLED_OVER, f"a counter that ends at {wrap:,.0f} km")
        return None

    def _is_back(self, first: int) -> _Epoch | None:
        """The counter of an earlier epoch goes on: an instrument was lent, or set to the true reading."""
        shown, last_km = self._shown[first], self._km[-1]
        for position in range(len(self._kept) - 2, -1, -1):
            if self._epoch[position] == self._epoch[position + 1]:
                continue
            step_km = shown - self._shown[self._kept[position]]
            if -self._limits.jitter_km < step_km <= self._most_step_km(self._kept[position], first):
                offset = max(self._offset[position], last_km - shown)
                return _Epoch(offset, AnomalyKind.REPLACED, "the counter before the exchange is back")
        return None

    def _is_new(self, first: int) -> _Epoch | None:
        shown, before = self._shown[first], self._shown[self._kept[-1]]
        silent_d = max(0, self._at_us[first] - self._at_us[self._kept[-1]]) / DAY_US
        near_km = self._limits.new_km + self._limits.new_km_per_d * silent_d
        if shown <= near_km and shown < before / 2.0:
            return _Epoch(
                self._km[-1], AnomalyKind.REPLACED, "three readings agree: a new instrument counts from zero"
            )
        return None

    def _confirmed(self, first: int) -> _Epoch | None:
        """A workshop read the same as the counter in doubt, and that was not the old counter's reading."""
        for day, km in self._written:
            if day >= self._day[first] and self._is_written(day, km):
                return _Epoch(
                    self._km[-1] - self._shown[first],
                    AnomalyKind.REPLACED,
                    "a workshop's reading confirms the instrument",
                )
        return None

    def _is_written(self, day: int, km: float) -> bool:
        limits, slack = self._limits, self._limits.written_km
        earlier = [index for index in self._doubted if self._day[index] <= day]
        later = [index for index in self._doubted if self._day[index] > day]
        low = self._shown[next((i for i in reversed(earlier) if self._day[i] < day), earlier[0])]
        beyond_km = limits.new_km_per_d * (day - self._day[earlier[-1]])
        high = self._shown[later[0]] if later else self._shown[earlier[-1]] + beyond_km
        old = self._kept[-1]
        old_most = self._shown[old] + limits.new_km_per_d * (day - self._day[old] + 1) + slack
        fits_old = self._shown[old] - slack <= km <= old_most
        return low - slack <= km <= high + slack and not fits_old

    def _keep(self, index: int, *, offset: float | None = None, epoch: int | None = None) -> None:
        if offset is None:
            offset = self._offset[-1] if self._offset else 0.0
        if epoch is None:
            epoch = self._epoch[-1] if self._epoch else 0
        km = self._shown[index] + offset
        self._km.append(max(km, self._km[-1]) if self._km else km)  # jitter is held
        self._kept.append(index)
        self._offset.append(offset)
        self._epoch.append(epoch)

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
        most = min(limits.most_kmh * elapsed_h, limits.most_km_per_d * max(elapsed_h / 24.0, 1.0))
        if self._day[earlier] == self._day[later]:
            most = min(most, self._day_km[later])
        return most + limits.jitter_km

    def _drop_doubted(self) -> None:
        doubted, self._doubted = self._doubted, []
        if not doubted:
            return
        fell = self._shown[doubted[0]] + self._offset[-1] < self._km[-1]
        self._doubted = doubted
        is_stable, self._doubted = self._is_stable(), []
        if is_stable:
            kind = AnomalyKind.ROLLED_BACK if fell else AnomalyKind.LEAPT
            reason = self._suspicion(doubted[0], fell=fell)
            self._report(kind, doubted[0], reason, readings_n=len(doubted), until=doubted[-1])
            return
        for index in doubted:
            fell = self._shown[index] + self._offset[-1] < self._km[-1]
            kind = AnomalyKind.FALL if fell else AnomalyKind.JUMP
            reason = "below the reading before it" if fell else "farther than it can have been driven"
            if self._is_visit[index]:
                kind, reason = AnomalyKind.VISIT, "written at a visit, against the car's own readings"
            self._report(kind, index, reason)

    def _suspicion(self, first: int, *, fell: bool) -> str:
        before, shown = self._shown[self._kept[-1]], self._shown[first]
        if before > 0.0 and abs(shown * 1.609344 / before - 1.0) < 0.01:
            return "it goes on at 0.621 of what it was, as miles would; no trip has confirmed that"
        if before > 0.0 and abs(shown / 1.609344 / before - 1.0) < 0.01:
            return "it goes on at 1.609 of what it was, as miles would; no trip has confirmed that"
        if fell:
            return "it shows less and goes on from there: turned back, or another car's instrument or T-Box"
        return "it leapt and goes on from there: set forward, or another car's instrument or T-Box"

    def _report_dropped(self, kind: AnomalyKind, reason: str, against: int) -> None:
        self._km.pop()
        self._offset.pop()
        self._epoch.pop()
        self._report(kind, self._kept.pop(), reason, against=against)

    def _report(
        self,
        kind: AnomalyKind,
        index: int,
        reason: str,
        *,
        against: int | None = None,
        readings_n: int = 1,
        until: int | None = None,
    ) -> None:
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
                source=self._source,
                readings_n=readings_n,
                until_us=None if until is None else self._at_us[until],
            )
        )
