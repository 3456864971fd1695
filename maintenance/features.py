"""Feature columns that the rules read: a vehicle day by day, and its service items.

Names, units and order are those of the feature tables in docs/features.md; a test compares them. Missing
numbers are NaN, missing words None.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from maintenance.battery12 import crank_rel_v
from maintenance.exposure import Exposure
from maintenance.inputs import DAY_US, VehicleInput
from maintenance.mileage import daily
from maintenance.odometer import Odometer, of_vehicle
from maintenance.parameters import DEFAULT, UsageParameters
from vehicle.prediction import DueDate

Column = NDArray[np.float64] | NDArray[np.int64] | list[str | None] | list[str] | list[bool]
_DUE: Final = (("p10", "p10_on"), ("p20", "p20_on"), ("p50", "p50_on"), ("p90", "p90_on"))


def day_range(vehicle: VehicleInput, as_of_day: int) -> NDArray[np.int32]:
    """Local days of the rows of `vehicle_days`: from the first stored day to `as_of_day`, none left out."""
    first = int(vehicle.days.day[0]) if len(vehicle.days) else as_of_day
    return np.arange(min(first, as_of_day), as_of_day + 1, dtype=np.int32)


def vehicle_days(
    vehicle: VehicleInput,
    as_of_day: int,
    *,
    open_recalls_n: ArrayLike = 0,
    value_tier: str | None = None,
    loyalty: str | None = None,
    climate: str | None = None,
    parameters: UsageParameters = DEFAULT,
    odometer: Odometer | None = None,
) -> dict[str, Column]:
    """Columns of the `vehicle` table, one row per day of `day_range`.

    Nothing after `as_of_day` is looked at, and a row uses nothing after its own day except for the
    kilometres of silent days, which only the next reading tells. `open_recalls_n` is one number, or one
    per day.
    """
    day = day_range(vehicle, as_of_day)
    odometer = of_vehicle(vehicle, as_of_day) if odometer is None else odometer
    visits = np.sort([v.visited_on_day for v in vehicle.visits]).astype(np.int64)
    stored = vehicle.days
    return {
        "odometer_km": _odometer_km(odometer, day),
        "starts_total_n": _total(_measured(vehicle, stored.starts_n, day)),
        "age_d": _age_d(vehicle, day),
        "km_per_day": _km_per_day(vehicle, odometer, day, parameters),
        "last_seen_age_d": _last_seen_age_d(vehicle, day),
        "last_visit_age_d": _age_of_last(visits, day),
        "visits_n": np.searchsorted(visits, day, side="right").astype(np.int64),
        "crank_rel_v": _measured(vehicle, crank_rel_v(stored), day),
        "rest_v": _measured(vehicle, stored.rest_v, day),
        "ambient_degc": _measured(vehicle, stored.ambient_min_degc, day),
        "coolant_max_degc": _measured(vehicle, stored.coolant_max_degc, day),
        "oil_life_pct": _measured(vehicle, stored.oil_life_pct, day),
        "value_tier": [value_tier] * len(day),
        "loyalty": [loyalty] * len(day),
        "climate": [climate] * len(day),
        "open_recalls_n": np.broadcast_to(np.asarray(open_recalls_n, dtype=np.int64), day.shape).copy(),
    }


def days_since_seen(vehicle: VehicleInput, as_of_day: int) -> float:
    """Days since the vehicle last sent anything; NaN if it never did.

    The newest message's day in UTC will do; where that is after `as_of_day`, the message counts as today's.
    """
    stored = vehicle.days.day[vehicle.days.day <= as_of_day]
    seen = [int(stored.max())] if len(stored) else []
    if vehicle.last_seen_us is not None:
        seen.append(min(vehicle.last_seen_us // DAY_US, as_of_day))
    return float(as_of_day - max(seen)) if seen else np.nan


def service_items(
    due: Sequence[DueDate], as_of_day: ArrayLike, *, last_seen_age_d: ArrayLike = np.nan
) -> dict[str, Column]:
    """Columns of the `service_item` table, a row per due date.

    `as_of_day` and `last_seen_age_d` (days, NaN is unknown) are one number, or one per row.
    """
    as_of = np.broadcast_to(np.asarray(as_of_day, dtype=np.int64), (len(due),))
    columns: dict[str, Column] = {
        "item": [one.item for one in due],
        "km_left_p20": np.array([_number(one.km_left_p20) for one in due], dtype=np.float64),
    }
    for name, attribute in _DUE:
        dates = [getattr(one, attribute) for one in due]
        days = np.array([np.nan if on is None else _day_number(on) for on in dates], dtype=np.float64)
        columns[f"due_in_{name}_d"] = days - as_of
    probability = np.array([_number(one.probability_due_ratio) for one in due], dtype=np.float64)
    past = np.maximum(-np.asarray(columns["due_in_p50_d"], dtype=np.float64), 0.0)
    overdue = np.where(probability > 0.5, past, 0.0)
    columns["overdue_d"] = np.where(np.isnan(probability), np.nan, overdue)
    columns["binding"] = [None if one.binding is None else one.binding.value for one in due]
    columns["is_first"] = [one.is_first for one in due]
    columns["last_seen_age_d"] = np.broadcast_to(
        np.asarray(last_seen_age_d, dtype=np.float64), (len(due),)
    ).copy()
    return columns


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _day_number(on: object) -> int:
    return int(np.datetime64(str(on), "D").astype(np.int64))


def _measured(
    vehicle: VehicleInput, value: NDArray[np.float64], day: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Values of the stored days on the rows of all days; the last of a day stored twice."""
    column = np.full(len(day), np.nan)
    place = vehicle.days.day - day[0]
    known = (place >= 0) & (place < len(day)) & np.isfinite(value)
    column[place[known]] = value[known]
    return column


def _total(count: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.cumsum(np.where(count > 0.0, count, 0.0)).astype(np.int64)


def _odometer_km(odometer: Odometer, day: NDArray[np.int32]) -> NDArray[np.float64]:
    column = np.full(len(day), np.nan)
    place = odometer.day - day[0]
    column[place[place >= 0]] = odometer.km[place >= 0]
    return column


def _age_d(vehicle: VehicleInput, day: NDArray[np.int32]) -> NDArray[np.float64]:
    since = vehicle.delivered_day if vehicle.delivered_day is not None else vehicle.built_day
    return np.full(len(day), np.nan) if since is None else (day - since).astype(np.float64)


def _last_seen_age_d(vehicle: VehicleInput, day: NDArray[np.int32]) -> NDArray[np.float64]:
    seen = vehicle.days.day.astype(np.int64)
    if vehicle.last_seen_us is not None:  # messages without a daily value count too; its day in UTC will do
        seen = np.sort(np.append(seen, max(vehicle.last_seen_us // DAY_US, *seen[-1:].tolist(), -(10**9))))
    return _age_of_last(seen, day)


def _age_of_last(events: NDArray[np.int64], day: NDArray[np.int32]) -> NDArray[np.float64]:
    """Days since the last event on or before each day; NaN before the first."""
    place = np.searchsorted(events, day, side="right") - 1
    if len(events) == 0:
        return np.full(len(day), np.nan)
    return np.where(place >= 0, day - events[np.maximum(place, 0)], np.nan).astype(np.float64)


def _km_per_day(
    vehicle: VehicleInput, odometer: Odometer, day: NDArray[np.int32], parameters: UsageParameters
) -> NDArray[np.float64]:
    """The middle rate out of the days before each day, shrunk as in the usage model; NaN before a reading."""
    column = np.full(len(day), np.nan)
    if len(odometer) == 0:
        return column
    segment = np.array([parameters.segment_of(vehicle.use_class)])
    history_d = int(day[-1]) - int(min(day[0], odometer.day[0])) + 1
    mileage = daily(
        [odometer],
        segment,
        np.array([day[-1]], dtype=np.int32),
        Exposure.of(parameters.segments),
        history_d=history_d,
    )
    strength = parameters.shrink_d
    rate: NDArray[np.float64] | float = parameters.segments[segment[0]].mean_km_per_d
    for half_life_d in parameters.half_lives_d[:0:-1]:
        keep = 0.5 ** (1.0 / half_life_d)
        driven = lfilter([1.0], [1.0, -keep], mileage.km[0])
        exposure = lfilter([1.0], [1.0, -keep], mileage.exposure[0])
        rate = np.asarray((driven + strength * rate) / (exposure + strength))
    first_row = int(mileage.last_day[0]) - history_d + 1 - int(day[0])
    rows = np.arange(len(day)) - 1 - first_row  # the rate after the day before
    values = np.asarray(rate)[np.clip(rows, 0, history_d - 1)]
    return np.where((day > odometer.day[0]) & (rows >= 0), values, np.nan)
