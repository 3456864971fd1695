"""Vehicle-days: everything a T-Box could have measured on each day of a vehicle's life, as columns."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.battery import battery
from simulator.climate import CITIES, daily_mean_degc
from simulator.faults import Change, Episode, changes, episodes, standard_of
from simulator.fleet import LIFE_D, Vehicle
from simulator.holidays import work_calendar
from simulator.usage import Floats, Usage, usage
from simulator.visits import WorkshopVisit, visits

OIL_LIFE_KM: Final = 11_500.0
OIL_LIFE_D: Final = 430.0
"""What the oil lasts at most; short trips in the cold wear it faster."""


@dataclass(frozen=True, slots=True)
class Life:
    """A vehicle's life in columns of `LIFE_D` days from its delivery, sensors' resolution included.

    Days without a start hold what the sensors would have shown; nothing is sent of them.
    """

    vehicle: Vehicle
    used: Usage
    first_m: Floats
    """Odometer before the first start, as the bus has it."""
    last_m: Floats
    first_km: Floats
    last_km: Floats
    crank_v: NDArray[np.float64]
    """Shape (days, `usage.STARTS_MAX`: one per start, the first after the night)."""
    rest_v: Floats
    dawn_degc: Floats
    """Outside at the first start."""
    noon_degc: Floats
    """Outside at the warmest."""
    coolant_degc: Floats
    """Hottest of the day."""
    oil_life_pct: Floats
    engine_h: Floats
    """Counter at the day's end."""
    starts_total: Floats
    """Counter at the day's end."""
    speed_kmh: Floats
    """At half of the way."""
    episodes: tuple[Episode, ...]
    changes: tuple[Change, ...]
    visits: tuple[WorkshopVisit, ...]

    def driven(self, first_day: int, last_day: int) -> NDArray[np.int64]:
        """Day numbers of the life with a start, within days since 1970-01-01 (both included)."""
        start = max(first_day - self.vehicle.delivered_day, 0)
        stop = min(last_day - self.vehicle.delivered_day + 1, LIFE_D)
        return start + np.flatnonzero(self.used.starts_n[start:stop])


def live(vehicle: Vehicle) -> Life:
    """A whole life, the same whenever it is asked for."""
    rng = vehicle.generator()
    used = usage(vehicle, rng, work_calendar(vehicle.delivered_day, LIFE_D))
    drives = used.starts_n > 0
    city = CITIES[vehicle.dealer.climate]
    mean_degc = daily_mean_degc(vehicle.seed, city, vehicle.delivered_day, LIFE_D)
    swing = city.swing_degc * rng.uniform(0.35, 1.0, LIFE_D)
    cells = battery(rng, vehicle.model.crank_drop_v, mean_degc, mean_degc - swing / 2.0, used)
    faults = episodes(rng, vehicle, drives, cells.ends)
    last_km = np.round(float(rng.integers(5, 60)) + np.cumsum(used.km), 1)
    been = visits(rng, vehicle, drives, last_km, faults, cells.ends)
    first_km = np.concatenate([[last_km[0] - used.km[0]], last_km[:-1]]).round(1)
    return Life(
        vehicle=vehicle,
        used=used,
        first_m=np.round(first_km * 1000.0),
        last_m=np.round(last_km * 1000.0),
        first_km=first_km,
        last_km=last_km,
        crank_v=cells.crank_v,
        rest_v=cells.rest_v,
        dawn_degc=np.round(mean_degc - swing / 2.0),
        noon_degc=np.round(mean_degc + swing / 2.0),
        coolant_degc=_coolant_degc(rng, used, mean_degc, faults),
        oil_life_pct=_oil_life_pct(rng, used, mean_degc, been),
        engine_h=np.round(np.cumsum(used.driving_s * float(rng.uniform(1.03, 1.18))) / 3600.0, 2),
        starts_total=np.cumsum(used.starts_n).astype(np.float64),
        speed_kmh=_speed_kmh(rng, used),
        episodes=faults,
        changes=tuple(changes(faults, standard_of(vehicle))),
        visits=been,
    )


def _coolant_degc(
    rng: np.random.Generator, used: Usage, mean_degc: Floats, faults: tuple[Episode, ...]
) -> Floats:
    """Thermostat, load and weather; short trips in the cold do not get it warm; faults on top."""
    open_degc = float(rng.normal(90.5, 1.2))
    warm = open_degc + 0.11 * (mean_degc - 18.0) + 4.0 * used.journey_ratio + rng.normal(0.0, 1.3, LIFE_D)
    minutes = used.driving_s / 60.0 / np.maximum(used.starts_n, 1)
    reached = 1.0 - np.exp(-minutes / np.where(mean_degc < 0.0, 6.0, 3.5))
    degc = mean_degc + (warm - mean_degc) * reached
    for episode in faults:
        if episode.kind.coolant_degc:
            degc = degc + episode.coolant_degc()
    return np.round(degc)


def _oil_life_pct(
    rng: np.random.Generator,
    used: Usage,
    mean_degc: Floats,
    been: tuple[WorkshopVisit, ...],
) -> Floats:
    """Falls with kilometres, short cold trips and time, and starts anew with each oil service."""
    short = used.starts_n * np.where(mean_degc < 5.0, 6.0, 2.0)  # a cold start wears like so many km
    wear = np.cumsum(used.km + short) / (OIL_LIFE_KM * float(rng.normal(1.0, 0.06)))
    days = np.arange(LIFE_D, dtype=np.float64)
    services = [0, *(visit.day for visit in been if "oil-and-filter" in visit.items)]
    latest = np.asarray(services)[np.searchsorted(services, days, side="right") - 1]
    used_ratio = np.maximum(wear - wear[latest], (days - latest) / OIL_LIFE_D)
    return np.asarray(np.floor(np.clip(1.0 - used_ratio, 0.0, 1.0) * 100.0), dtype=np.float64)


def _speed_kmh(rng: np.random.Generator, used: Usage) -> Floats:
    """Some speed on the way: of a road in town, or of a motorway where the day was a journey."""
    town = rng.normal(42.0, 13.0, LIFE_D)
    motorway = rng.normal(106.0, 9.0, LIFE_D)
    return np.round(np.clip(np.where(used.journey_ratio > 0.5, motorway, town), 5.0, 132.0))
