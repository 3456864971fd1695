"""Exposure: how much driving a day invites, by use class and weekday; 1 on average.

Only the weekday counts so far; the day of the year joins it once a year of a fleet's history is fitted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maintenance.parameters import Segment

_MONDAY_OF_DAY_ZERO = 3  # 1970-01-01 was a Thursday, and weekday 0 is Monday


def weekday(day: NDArray[np.integer]) -> NDArray[np.intp]:
    """0 Monday to 6 Sunday of days since 1970-01-01."""
    return (np.asarray(day, dtype=np.intp) + _MONDAY_OF_DAY_ZERO) % 7


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """Exposure of segments on days, in closed form so that any span costs the same."""

    factor: NDArray[np.float64]
    """Shape (segments, 7)."""
    before: NDArray[np.float64]
    """Shape (segments, 7): sum of the factors of the weekdays before this one."""

    @classmethod
    def of(cls, segments: tuple[Segment, ...]) -> "Exposure":
        """The factors of the segments, in their order."""
        factor = np.array([segment.weekday for segment in segments], dtype=np.float64)
        return cls(factor=factor, before=np.cumsum(factor, axis=1) - factor)

    def on(self, segment: NDArray[np.intp], day: NDArray[np.integer]) -> NDArray[np.float64]:
        """Exposure of each day; the two arrays broadcast against each other."""
        return np.asarray(self.factor[segment, weekday(day)])

    def between(
        self, segment: NDArray[np.intp], first: NDArray[np.integer], until: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Sum over the days `first` to `until` - 1; all three broadcast."""
        return self._since_start(segment, until) - self._since_start(segment, first)

    def _since_start(self, segment: NDArray[np.intp], day: NDArray[np.integer]) -> NDArray[np.float64]:
        weeks = (np.asarray(day, dtype=np.int64) + _MONDAY_OF_DAY_ZERO) // 7
        return np.asarray(weeks * self.factor.sum(axis=1)[segment] + self.before[segment, weekday(day)])
