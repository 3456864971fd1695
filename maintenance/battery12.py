"""The 12 V battery: how the voltage while cranking moves against the car's own beginnings.

Cold lowers the cranking voltage of a sound battery too, so the day's lowest value is first brought to one
temperature. What is left is compared with the median of the car's first weeks: cars differ more from each
other than a battery differs from itself before it fails.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from maintenance.inputs import DayColumns


@dataclass(frozen=True, slots=True)
class CrankParameters:
    """Constants of the comparison."""

    v_per_degc: float = 0.02
    """Cranking voltage a sound battery gains per degree."""
    reference_degc: float = 20.0
    baseline_d: int = 90
    """The car's own baseline: days since its first reported cranking."""
    baseline_least_n: int = 14
    """Days with a cranking before there is a baseline at all."""
    source: str = "invented, until fitted per model on this fleet's own history"


DEFAULT: Final = CrankParameters()


def crank_rel_v(days: DayColumns, parameters: CrankParameters = DEFAULT) -> NDArray[np.float64]:
    """Lowest cranking voltage of each stored day at 20 °C, minus the car's own baseline; NaN where unknown.

    The baseline is the median of the days up to the one looked at, and stands still after the first 90 days:
    what is known later never changes a day's value. A day without ambient temperature says nothing.
    """
    at_reference = corrected_v(days, parameters)
    return np.asarray(at_reference - baseline_v(days.day, at_reference, parameters), dtype=np.float64)


def corrected_v(days: DayColumns, parameters: CrankParameters = DEFAULT) -> NDArray[np.float64]:
    """Lowest cranking voltage of each stored day as it would have been at the reference temperature."""
    warmer_degc = parameters.reference_degc - days.ambient_min_degc
    value = days.crank_min_v + parameters.v_per_degc * warmer_degc
    return np.where(np.isfinite(value), value, np.nan)


def baseline_v(
    day: NDArray[np.int32], value: NDArray[np.float64], parameters: CrankParameters = DEFAULT
) -> NDArray[np.float64]:
    """Median of what was known on each day, within the first 90 days; NaN before 14 values."""
    baseline = np.full(len(day), np.nan)
    known = np.flatnonzero(~np.isnan(value))
    if len(known) < parameters.baseline_least_n:
        return baseline
    until = int(np.searchsorted(day, int(day[known[0]]) + parameters.baseline_d, side="left"))
    inside = known[known < until]
    for count in range(parameters.baseline_least_n, len(inside) + 1):
        here, following = inside[count - 1], inside[count] if count < len(inside) else len(day)
        baseline[here:following] = np.median(value[inside[:count]])
    return baseline
