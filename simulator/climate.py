"""Weather by city: seasons, spells of warm and cold days, and the swing from dawn to afternoon."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

FIRST_DAY: Final = 16071  # 2014-01-01: weather is drawn from here, so that it is the same for every fleet
DAYS_N: Final = 9_500
"""To the end of the last life that can begin; a longer run would draw other weather."""
COLDEST_YEARDAY: Final = 18.0
_STREAM: Final = 0xC11A


@dataclass(frozen=True, slots=True)
class City:
    """A city's climate. Round numbers near the published normals, good enough for a test fleet."""

    name: str
    mean_degc: float
    """Of the year."""
    amplitude_degc: float
    """Half the difference between the warmest and the coldest month."""
    swing_degc: float
    """From dawn to afternoon."""
    spell_degc: float
    """Standard deviation of a day around the season."""


CITIES: Final = {
    city.name: city
    for city in (
        City("shanghai", 17.0, 12.0, 7.5, 3.0),
        City("beijing", 13.0, 15.5, 10.0, 3.4),
        City("guangzhou", 22.5, 7.5, 7.0, 2.8),
        City("chengdu", 16.8, 10.0, 7.0, 2.4),
        City("harbin", 5.0, 21.0, 10.5, 4.3),
        City("xian", 14.5, 13.5, 9.5, 3.2),
        City("wuhan", 17.3, 12.5, 8.0, 3.2),
        City("kunming", 15.8, 6.0, 10.5, 2.4),
    )
}


@lru_cache(maxsize=64)
def _whole(seed: int, name: str) -> NDArray[np.float64]:
    city = CITIES[name]
    stream = np.random.SeedSequence(seed, spawn_key=(_STREAM, sorted(CITIES).index(name)))
    noise = np.random.default_rng(stream).standard_normal(DAYS_N)
    persistence = 0.75
    spells = lfilter([np.sqrt(1.0 - persistence**2)], [1.0, -persistence], noise)
    yearday = np.mod(np.arange(FIRST_DAY, FIRST_DAY + DAYS_N), 365.25)
    season = -np.cos(2.0 * np.pi * (yearday - COLDEST_YEARDAY) / 365.25)
    whole: NDArray[np.float64] = city.mean_degc + city.amplitude_degc * season + city.spell_degc * spells
    whole.flags.writeable = False
    return whole


def daily_mean_degc(seed: int, city: City, first_day: int, days_n: int) -> NDArray[np.float64]:
    """Mean temperature of each day in a city; all vehicles of a fleet share the weather."""
    start = first_day - FIRST_DAY
    if start < 0 or start + days_n > DAYS_N:
        raise ValueError(f"weather is known for days {FIRST_DAY} to {FIRST_DAY + DAYS_N}, got {first_day}")
    return _whole(seed, city.name)[start : start + days_n]
