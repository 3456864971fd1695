"""Daily features: from decoded values to what each vehicle's local day adds up to.

Every column merges the same in any order and any split of the messages, so that late and doubled
batches change the right day and nothing else. The ledger sees to it that a message counts once.
What odometers showed is kept apart, per source: see `maintenance.odometer_days`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from vehicle.day import local_days
from vehicle.feature_day import FeatureDays
from vehicle.frame import SignalRows
from vehicle.signal import Catalogue
from vehicle.units import Unit, conversion

ODOMETER: Final = "Vehicle.TraveledDistance"
HIGH_RESOLUTION: Final = "Vehicle.X-Odo.HighResolutionDistance"
SPEED: Final = "Vehicle.Speed"
CRANKING: Final = "Vehicle.X-Odo.LowVoltageBattery.CrankingVoltage"
REST: Final = "Vehicle.X-Odo.LowVoltageBattery.RestVoltage"
AMBIENT: Final = "Vehicle.Exterior.AirTemperature"
COOLANT: Final = "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature"
OIL_LIFE: Final = "Vehicle.X-Odo.EngineOil.LifeRemaining"
ENGINE_HOURS: Final = "Vehicle.Powertrain.CombustionEngine.EngineHours"

_DAY_BITS: Final = 32
"""A vehicle and a day share one sort key: the vehicle's number above, the day below."""


@dataclass(frozen=True, slots=True)
class DailySignals:
    """The catalogue's numbers of the signals that the features read."""

    odometer: int
    high_resolution: int
    """The odometer of an ECU that counts finer, with a path of its own."""
    odometer_per_km: float
    """Stored units in a kilometre, of both; dividing by it is exact where multiplying would round."""
    speed: int
    cranking: int
    rest: int
    ambient: int
    coolant: int
    oil_life: int
    engine_hours: int

    @classmethod
    def of(cls, catalogue: Catalogue) -> "DailySignals":
        """Look the signals up. Raises `CatalogueError` where one is missing or measures something else."""
        factor, _ = conversion(Unit.KILOMETER, catalogue.of(ODOMETER).unit)
        for path, unit in (
            (HIGH_RESOLUTION, catalogue.of(ODOMETER).unit), (SPEED, Unit.KM_PER_HOUR),
            (CRANKING, Unit.VOLT), (REST, Unit.VOLT), (AMBIENT, Unit.CELSIUS),
        ):  # fmt: skip
            conversion(catalogue.of(path).unit, unit)
        return cls(
            odometer=catalogue.of(ODOMETER).number,
            high_resolution=catalogue.of(HIGH_RESOLUTION).number,
            odometer_per_km=factor,
            speed=catalogue.of(SPEED).number,
            cranking=catalogue.of(CRANKING).number,
            rest=catalogue.of(REST).number,
            ambient=catalogue.of(AMBIENT).number,
            coolant=catalogue.of(COOLANT).number,
            oil_life=catalogue.of(OIL_LIFE).number,
            engine_hours=catalogue.of(ENGINE_HOURS).number,
        )


def feature_days(
    rows: SignalRows,
    vehicle_id: NDArray[np.int64],
    zone: NDArray[np.int64],
    zones: Sequence[ZoneInfo],
    signals: DailySignals,
) -> FeatureDays:
    """What the values of a batch add to each vehicle's local days.

    `vehicle_id` and `zone` (an index into `zones`) have one entry per message of the batch. A start is a
    sample of the cranking voltage: T-Boxes report exactly one per cranking.
    """
    if not len(rows):
        return empty()
    keys, group = _vehicle_days(rows, vehicle_id, zone, zones)
    values = _Grouped(rows, group, len(keys))
    return FeatureDays(
        vehicle_id=keys >> _DAY_BITS,
        day=(keys & ((1 << _DAY_BITS) - 1)).astype(np.int32),
        starts_n=values.count(signals.cranking),
        crank_min_v=values.lowest(signals.cranking),
        rest_v=values.highest(signals.rest),
        ambient_min_degc=values.lowest(signals.ambient),
        ambient_max_degc=values.highest(signals.ambient),
        coolant_max_degc=values.highest(signals.coolant),
        oil_life_pct=values.lowest(signals.oil_life),
        engine_min_h=values.lowest(signals.engine_hours),
        engine_max_h=values.highest(signals.engine_hours),
        samples_n=np.bincount(values.group, minlength=len(keys)).astype(np.int64),
    )


def merge(one: FeatureDays, other: FeatureDays) -> FeatureDays:
    """Both together; the same whichever comes first. What the store does row by row in SQL."""
    keys, group = np.unique(np.concatenate([_key(one), _key(other)]), return_inverse=True)
    joined = _Merging(one, other, group.reshape(-1), len(keys))
    return FeatureDays(
        vehicle_id=keys >> _DAY_BITS,
        day=(keys & ((1 << _DAY_BITS) - 1)).astype(np.int32),
        starts_n=joined.total("starts_n").astype(np.int32),
        crank_min_v=joined.extreme("crank_min_v", np.fmin),
        rest_v=joined.extreme("rest_v", np.fmax),
        ambient_min_degc=joined.extreme("ambient_min_degc", np.fmin),
        ambient_max_degc=joined.extreme("ambient_max_degc", np.fmax),
        coolant_max_degc=joined.extreme("coolant_max_degc", np.fmax),
        oil_life_pct=joined.extreme("oil_life_pct", np.fmin),
        engine_min_h=joined.extreme("engine_min_h", np.fmin),
        engine_max_h=joined.extreme("engine_max_h", np.fmax),
        samples_n=joined.total("samples_n"),
    )


def empty() -> FeatureDays:
    """No vehicle, no day."""
    f, us = np.zeros(0), np.zeros(0, dtype=np.int64)
    return FeatureDays(
        vehicle_id=us, day=np.zeros(0, dtype=np.int32),
        starts_n=np.zeros(0, dtype=np.int32), crank_min_v=f, rest_v=f, ambient_min_degc=f,
        ambient_max_degc=f, coolant_max_degc=f, oil_life_pct=f, engine_min_h=f, engine_max_h=f,
        samples_n=us,
    )  # fmt: skip


def _vehicle_days(
    rows: SignalRows, vehicle_id: NDArray[np.int64], zone: NDArray[np.int64], zones: Sequence[ZoneInfo]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct vehicle-days as sorted keys, and for each row the number of its own.

    Days are looked up per message; only messages across a midnight are looked at row by row.
    """
    starts = np.flatnonzero(np.diff(rows.message, prepend=-1))
    message = rows.message[starts]
    first = local_days_of(np.minimum.reduceat(rows.t_us, starts), zone[message], zones)
    last = local_days_of(np.maximum.reduceat(rows.t_us, starts), zone[message], zones)
    of_message = (vehicle_id[message] << _DAY_BITS) | first
    counts = np.diff(starts, append=len(rows))
    across = np.flatnonzero(np.repeat(first != last, counts))
    across_day = local_days_of(rows.t_us[across], zone[rows.message[across]], zones)
    of_row = (vehicle_id[rows.message[across]] << _DAY_BITS) | across_day
    keys, number = np.unique(np.concatenate([of_message, of_row]), return_inverse=True)
    number = number.reshape(-1)
    group = np.repeat(number[: len(starts)], counts)
    group[across] = number[len(starts) :]
    return _without_unused(keys, group)


def _without_unused(
    keys: NDArray[np.int64], group: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A message across a midnight may have named a day that none of its rows falls on."""
    used = np.bincount(group, minlength=len(keys)) > 0
    return keys[used], (np.cumsum(used) - 1)[group]


def local_days_of(
    t_us: NDArray[np.int64], zone: NDArray[np.int64], zones: Sequence[ZoneInfo]
) -> NDArray[np.int64]:
    """The local day of each moment, each in its own zone (an index into `zones`)."""
    day = np.empty(len(t_us), dtype=np.int64)
    for number, place in enumerate(zones):
        here = zone == number
        day[here] = local_days(t_us[here], place)
    return day


class _Grouped:
    """Values of a batch, each with the number of its vehicle-day."""

    def __init__(self, rows: SignalRows, group: NDArray[np.int64], n: int) -> None:
        self.rows = rows
        self.group = group
        self.n = n

    def lowest(self, signal: int) -> NDArray[np.float64]:
        return self._extreme(signal, np.fmin)

    def highest(self, signal: int) -> NDArray[np.float64]:
        return self._extreme(signal, np.fmax)

    def count(self, signal: int) -> NDArray[np.int32]:
        return np.bincount(self.group[self.rows.signal == signal], minlength=self.n).astype(np.int32)

    def _extreme(self, signal: int, pick: np.ufunc) -> NDArray[np.float64]:
        mine = self.rows.signal == signal
        out = np.full(self.n, np.nan)
        pick.at(out, self.group[mine], self.rows.value[mine])
        return out


class _Merging:
    """Two tables of days, one below the other, each row with the number of its vehicle-day."""

    def __init__(self, one: FeatureDays, other: FeatureDays, group: NDArray[np.int64], n: int) -> None:
        self.one = one
        self.other = other
        self.group = group
        self.n = n

    def total(self, column: str) -> NDArray[np.int64]:
        out = np.zeros(self.n, dtype=np.int64)
        np.add.at(out, self.group, self._both(column))
        return out

    def extreme(self, column: str, pick: np.ufunc) -> NDArray[np.float64]:
        out = np.full(self.n, np.nan)
        pick.at(out, self.group, self._both(column))
        return out

    def _both(self, column: str) -> NDArray[Any]:
        return np.concatenate([getattr(self.one, column), getattr(self.other, column)])


def _key(days: FeatureDays) -> NDArray[np.int64]:
    return (days.vehicle_id << _DAY_BITS) | days.day.astype(np.int64)
