"""The 12 V starter battery: what a T-Box reads of it while it ages, weakens and is replaced.

Cranking voltage is open-circuit voltage minus starter current times resistance. Cold thickens the oil
(more current) and slows the chemistry (more resistance); age adds resistance, and from some day on a
failing battery adds a lot of it within weeks. Constants are invented, of a usual size.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.usage import STARTS_MAX, Bools, Floats, Usage, next_drive

LIFE_25_D: Final = 1_300.0
"""Weibull scale of a battery's life, in days at 25 °C; cooler days count less (Arrhenius)."""
LIFE_SHAPE: Final = 3.0
_ACTIVATION_K: Final = 6_000.0
_LONGEST_IGNORED_D: Final = 45


@dataclass(frozen=True, slots=True)
class Weakness:
    """One battery's end, as day numbers of the vehicle's life."""

    onset: int
    """Resistance starts to rise."""
    replaced: int
    """Day of the visit, with a new battery from the next day on; beyond the life: not replaced any more."""


@dataclass(frozen=True, slots=True)
class Battery:
    """What is measured. Arrays over the days of a life; days without a start hold what would have been."""

    crank_v: NDArray[np.float64]
    """Shape (days, `usage.STARTS_MAX`): lowest voltage of each start, the first after the night."""
    rest_v: Floats
    """Before the first start of the day."""
    weak_ratio: Floats
    """How far the failing battery has come: 0 sound, 1 about to leave the driver standing."""
    ends: tuple[Weakness, ...]


def battery(
    rng: np.random.Generator, crank_drop_v: float, mean_degc: Floats, dawn_degc: Floats, used: Usage
) -> Battery:
    """A life of readings.

    `crank_drop_v` is what the starter costs a new battery at 25 °C; `mean_degc` and `dawn_degc` are the
    day's outside temperatures.
    """
    drives = used.starts_n > 0
    ends, age_ratio, weak = _generations(rng, mean_degc, drives)
    idle_d = _days_idle(drives)
    in_garage_degc = np.where(dawn_degc < 8.0, float(rng.choice([0.0, 0.0, 4.0])), 0.0)
    cold_degc = dawn_degc + in_garage_degc + rng.normal(0.0, 0.8, len(dawn_degc))
    rest_v = _rest_v(rng, idle_d, age_ratio, weak)
    drop_v = crank_drop_v * float(rng.normal(1.0, 0.06)) * (1.0 + 0.25 * age_ratio + 0.8 * weak)
    cold_v = rest_v - drop_v * _cold_factor(cold_degc)
    warm_v = rest_v + 0.12 - drop_v * _cold_factor(np.maximum(cold_degc, 0.0) * 0.4 + 35.0)
    crank_v = np.column_stack([cold_v, *[warm_v] * (STARTS_MAX - 1)])
    crank_v += rng.normal(0.0, 0.06, crank_v.shape)
    return Battery(
        crank_v=np.round(np.round(np.clip(crank_v, 5.5, 12.5) / 0.05) * 0.05, 2),
        rest_v=np.round(np.round(rest_v / 0.02) * 0.02, 2),
        weak_ratio=weak,
        ends=ends,
    )


def _cold_factor(degc: Floats) -> Floats:
    """How much more the starter costs in the cold: resistance times current."""
    return np.asarray(np.exp(-0.0075 * (degc - 25.0)) * np.exp(-0.0035 * (degc - 25.0)), dtype=np.float64)


def _rest_v(rng: np.random.Generator, idle_d: Floats, age_ratio: Floats, weak: Floats) -> Floats:
    """Open-circuit voltage falls while the car stands and its control units sip."""
    sip = float(rng.uniform(0.006, 0.013))
    charge = 12.72 - sip * np.minimum(idle_d, 60.0) - 0.10 * age_ratio - 0.42 * weak
    return np.asarray(charge + rng.normal(0.0, 0.025, len(idle_d)), dtype=np.float64)


def _days_idle(drives: Bools) -> Floats:
    """Whole days the vehicle has stood before each day."""
    days = np.arange(len(drives))
    last = np.maximum.accumulate(np.where(drives, days, -1))
    before = np.concatenate([[-1], last[:-1]])
    return np.asarray(days - before - 1, dtype=np.float64)


def _generations(
    rng: np.random.Generator, mean_degc: Floats, drives: Bools
) -> tuple[tuple[Weakness, ...], Floats, Floats]:
    """Battery after battery: their ends, age (1 at the drawn life) and weakness by day."""
    days_n = len(mean_degc)
    kelvin = mean_degc + 273.15
    ageing = np.cumsum(np.exp(-_ACTIVATION_K * (1.0 / kelvin - 1.0 / 298.15)))
    age, weak = np.zeros(days_n), np.zeros(days_n)
    ends: list[Weakness] = []
    first = 0
    while first < days_n:
        life = LIFE_25_D * float(rng.weibull(LIFE_SHAPE))
        before = float(ageing[first - 1]) if first else 0.0
        fails = int(np.searchsorted(ageing, before + max(life, 200.0)))
        develops_d = int(rng.integers(24, 60))
        onset = max(first + 30, fails - develops_d)
        waits_d = int(rng.integers(1, _LONGEST_IGNORED_D))
        replaced = next_drive(drives, onset + develops_d + waits_d)
        last = min(replaced + 1, days_n)
        age[first:last] = (ageing[first:last] - before) / life
        progress = (np.arange(first, last) - onset) / develops_d
        weak[first:last] = np.clip(progress, 0.0, 1.25) ** 1.5
        if onset < days_n:
            ends.append(Weakness(onset=onset, replaced=replaced))
        first = replaced + 1 if replaced < days_n else days_n
    return tuple(ends), np.minimum(age, 1.3), weak
