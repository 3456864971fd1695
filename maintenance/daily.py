"""Daily features: from decoded values to what each vehicle's local day adds up to.

Every column merges the same in any order and any split of the messages, so that late and doubled
batches change the right day and nothing else. The ledger sees to it that a message counts once.
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
CRANKING: Final = "Vehicle.X-Odo.LowVoltageBattery.CrankingVoltage"
REST: Final = "Vehicle.X-Odo.LowVoltageBattery.RestVoltage"
AMBIENT: Final = "Vehicle.Exterior.AirTemperature"
COOLANT: Final = "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature"
OIL_LIFE: Final = "Vehicle.X-Odo.EngineOil.LifeRemaining"
ENGINE_HOURS: Final = "Vehicle.Powertrain.CombustionEngine.EngineHours"

_DAY_BITS: Final = 32
"""A vehicle and a day share one sort key: the vehicle's number above, the day below."""
_NO_US: Final = 0


@dataclass(frozen=True, slots=True)
class DailySignals:
    """The catalogue's numbers of the signals that the features read."""

    odometer: int
    odometer_per_km: float
    """Stored odometer units in a kilometre; dividing by it is exact where multiplying would round."""
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
        for path, unit in ((CRANKING, Unit.VOLT), (REST, Unit.VOLT), (AMBIENT, Unit.CELSIUS)):
            conversion(catalogue.of(path).unit, unit)
        return cls(
            odometer=catalogue.of(ODOMETER).number,
            odometer_per_km=factor,
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
    first_km, first_us = values.ends(signals.odometer, last=False)
    last_km, last_us = values.ends(signals.odometer, last=True)
    return FeatureDays(
        vehicle_id=keys >> _DAY_BITS,
        day=(keys & ((1 << _DAY_BITS) - 1)).astype(np.int32),
        odometer_first_km=first_km / signals.odometer_per_km,
        odometer_first_us=first_us,
        odometer_last_km=last_km / signals.odometer_per_km,
        odometer_last_us=last_us,
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
    first_km, first_us = joined.ends("odometer_first", last=False)
    last_km, last_us = joined.ends("odometer_last", last=True)
    return FeatureDays(
        vehicle_id=keys >> _DAY_BITS,
        day=(keys & ((1 << _DAY_BITS) - 1)).astype(np.int32),
        odometer_first_km=first_km,
        odometer_first_us=first_us,
        odometer_last_km=last_km,
        odometer_last_us=last_us,
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
        odometer_first_km=f, odometer_first_us=us, odometer_last_km=f, odometer_last_us=us,
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
    first = _local_days(np.minimum.reduceat(rows.t_us, starts), zone[message], zones)
    last = _local_days(np.maximum.reduceat(rows.t_us, starts), zone[message], zones)
    of_message = (vehicle_id[message] << _DAY_BITS) | first
    counts = np.diff(starts, append=len(rows))
    across = np.flatnonzero(np.repeat(first != last, counts))
    across_day = _local_days(rows.t_us[across], zone[rows.message[across]], zones)
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


def _local_days(
    t_us: NDArray[np.int64], zone: NDArray[np.int64], zones: Sequence[ZoneInfo]
) -> NDArray[np.int64]:
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

    def ends(self, signal: int, *, last: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Value and time of the first or last sample of each day."""
        mine = np.flatnonzero(self.rows.signal == signal)
        return _ends(self.group[mine], self.rows.t_us[mine], self.rows.value[mine], self.n, last=last)

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

    def ends(self, name: str, *, last: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        km, at = self._both(f"{name}_km"), self._both(f"{name}_us")
        there = ~np.isnan(km)
        return _ends(self.group[there], at[there], km[there], self.n, last=last)

    def _both(self, column: str) -> NDArray[Any]:
        return np.concatenate([getattr(self.one, column), getattr(self.other, column)])


def _ends(
    group: NDArray[np.int64], t_us: NDArray[np.int64], value: NDArray[np.float64], n: int, *, last: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    km, at = np.full(n, np.nan), np.full(n, _NO_US, dtype=np.int64)
    order = np.lexsort((value, t_us, group))
    if not last:
        order = order[::-1]
    km[group[order]] = value[order]  # of equal indices the last one written stays
    at[group[order]] = t_us[order]
    return km, at


def _key(days: FeatureDays) -> NDArray[np.int64]:
    return (days.vehicle_id << _DAY_BITS) | days.day.astype(np.int64)
