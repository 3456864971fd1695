"""Due dates: whichever limit of a service item comes first, as an interval of local days.

P(D <= h) = P(S(l + h) >= R): R kilometres are left since the last reading, which is l days old. The calendar
limit is a step, so a quantile is the earlier of the two. Quantiles are found by bisection on whole days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from maintenance.exposure import Exposure
from maintenance.inputs import VehicleInput
from maintenance.mileage import daily
from maintenance.odometer import Odometer, of_vehicle
from maintenance.parameters import DEFAULT, UsageParameters
from maintenance.plan import Cycle, cycles
from maintenance.usage import Forecast, Level, UsageState, fold, level
from vehicle.prediction import Binding, DueDate, Status

_CHUNK_VEHICLES: Final = 512
"""Vehicles per pass: the matrices of days take about 70 MB."""
_PROBABILITIES: Final = (0.1, 0.2, 0.5, 0.9)
_NEVER: Final = np.iinfo(np.int64).max
_EPOCH: Final = date(1970, 1, 1)


def predict(
    vehicles: Sequence[VehicleInput],
    as_of_day: NDArray[np.int32],
    parameters: UsageParameters = DEFAULT,
    odometers: Sequence[Odometer] | None = None,
) -> list[DueDate]:
    """One due date per vehicle and plan item, in the order given; `as_of_day` is each vehicle's local day.

    Nothing that happened after `as_of_day` is looked at. Vehicles do not influence each other. `odometers`
    are the vehicles' own, cleaned as of that day, where somebody has them already.
    """
    if odometers is None:
        odometers = [of_vehicle(v, int(day)) for v, day in zip(vehicles, as_of_day, strict=True)]
    found: list[DueDate] = []
    for start in range(0, len(vehicles), _CHUNK_VEHICLES):
        part = slice(start, start + _CHUNK_VEHICLES)
        found += _predict_chunk(vehicles[part], odometers[part], as_of_day[part], parameters)
    return found


def _predict_chunk(
    vehicles: Sequence[VehicleInput],
    odometers: Sequence[Odometer],
    as_of_day: NDArray[np.int32],
    parameters: UsageParameters,
) -> list[DueDate]:
    exposure = Exposure.of(parameters.segments)
    segment = np.array([parameters.segment_of(v.use_class) for v in vehicles], dtype=np.intp)
    mileage = daily(odometers, segment, as_of_day, exposure, history_d=parameters.history_d)
    state = fold(mileage, segment, parameters)
    rows = _Rows.of(vehicles, odometers, as_of_day)
    if len(rows.cycle) == 0:
        return []
    by_distance = _Distance.of(rows, level(state, parameters), exposure, parameters)
    return [
        _due_date(
            vehicles[rows.vehicle[i]], odometers[rows.vehicle[i]], rows, by_distance, state, i, parameters
        )
        for i in range(len(rows.cycle))
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """One row per vehicle and plan item; arrays of length n."""

    vehicle: NDArray[np.intp]
    cycle: list[Cycle]
    as_of_day: NDArray[np.int64]
    has_distance: NDArray[np.bool_]
    """A distance limit and an odometer to hold against it."""
    base_day: NDArray[np.int64]
    """Day from which kilometres are counted ahead: of the last reading, or of a later service."""
    left_km: NDArray[np.float64]
    """Kilometres to the limit on `base_day`."""
    crossed_day: NDArray[np.int64]
    """Day on which the limit was crossed, where `left_km` is not above 0."""
    limit_day: NDArray[np.int64]

    @classmethod
    def of(
        cls, vehicles: Sequence[VehicleInput], odometers: Sequence[Odometer], as_of_day: NDArray[np.int32]
    ) -> "_Rows":
        """The cycles of all vehicles, one after the other."""
        found = [cycles(v, o, int(day)) for v, o, day in zip(vehicles, odometers, as_of_day, strict=True)]
        vehicle = np.repeat(np.arange(len(vehicles)), [len(one) for one in found])
        cycle = [c for one in found for c in one]
        distance = [_distance(c, odometers[v]) for c, v in zip(cycle, vehicle.tolist(), strict=True)]
        limit_day = [_NEVER if c.limit_day is None else c.limit_day for c in cycle]
        return cls(
            vehicle=vehicle,
            cycle=cycle,
            as_of_day=as_of_day[vehicle].astype(np.int64),
            has_distance=np.array([d is not None for d in distance], dtype=np.bool_),
            base_day=np.array([0 if d is None else d[0] for d in distance], dtype=np.int64),
            left_km=np.array([np.inf if d is None else d[1] for d in distance], dtype=np.float64),
            crossed_day=np.array([_NEVER if d is None else d[2] for d in distance], dtype=np.int64),
            limit_day=np.array(limit_day, dtype=np.int64),
        )


def _distance(cycle: Cycle, odometer: Odometer) -> tuple[int, float, int] | None:
    """(base day, kilometres left on it, day of crossing or never); None: distance says nothing."""
    if cycle.limit_km is None or len(odometer) == 0:
        return None
    base_day, base_km = int(odometer.day[-1]), float(odometer.km[-1])
    if cycle.ordinal > 0 and cycle.start_day is not None and cycle.start_day > base_day:
        base_day, base_km = cycle.start_day, max(base_km, cycle.start_km or 0.0)
    left_km = cycle.limit_km - base_km
    if left_km > 0.0:
        return base_day, left_km, _NEVER
    return base_day, left_km, _crossing_day(odometer, cycle.limit_km)


def _crossing_day(odometer: Odometer, limit_km: float) -> int:
    """Day on which a limit was crossed; inside a silent gap, in proportion to the kilometres."""
    after = min(int(np.searchsorted(odometer.km, limit_km, side="left")), len(odometer) - 1)
    day = int(odometer.day[after])
    if after == 0 or day == int(odometer.day[after - 1]):
        return day
    before_day, before_km = int(odometer.day[after - 1]), float(odometer.km[after - 1])
    step_km = float(odometer.km[after]) - before_km
    share = (limit_km - before_km) / step_km if step_km > 0.0 else 1.0
    return min(day, before_day + max(1, int(np.ceil(share * (day - before_day)))))


@dataclass(frozen=True, slots=True, eq=False)
class _Distance:
    """What the distance limit alone says, arrays over rows."""

    quantile_day: NDArray[np.int64]
    """Shape (probabilities, n): local day, `_NEVER` beyond the horizon or without a distance limit."""
    due_ratio: NDArray[np.float64]
    """P(crossed by as_of)."""
    first_ratio: NDArray[np.float64]
    """P(crossed before the calendar limit)."""
    left_p20_km: NDArray[np.float64]
    rate_km_per_d: NDArray[np.float64]
    short_km_per_d: NDArray[np.float64]
    long_km_per_d: NDArray[np.float64]

    @classmethod
    def of(cls, rows: _Rows, known: Level, exposure: Exposure, parameters: UsageParameters) -> "_Distance":
        """Ask the forecast of every row, all rows at once."""
        forecast = Forecast(known, rows.vehicle, rows.base_day, exposure, parameters)
        silent_d = np.where(rows.has_distance, rows.as_of_day - rows.base_day, 0)
        quantiles = [_quantile_day(rows, forecast, p, silent_d, parameters) for p in _PROBABILITIES]
        until_limit_d = np.where(
            rows.has_distance & (rows.limit_day != _NEVER), rows.limit_day - 1 - rows.base_day, 36500
        )
        return cls(
            quantile_day=np.array(quantiles),
            due_ratio=_crossed_ratio(rows, forecast, silent_d),
            first_ratio=_crossed_ratio(rows, forecast, until_limit_d),
            left_p20_km=rows.left_km - forecast.quantile_km(silent_d, 0.8),
            rate_km_per_d=forecast.rate_km_per_d(np.full(len(rows.cycle), 30)),
            short_km_per_d=known.rates[rows.vehicle, 0],
            long_km_per_d=known.rates[rows.vehicle, 2],
        )


def _crossed_ratio(rows: _Rows, forecast: Forecast, days: NDArray[np.int64]) -> NDArray[np.float64]:
    """P(limit crossed within `days` of the base day); 0 without a distance limit."""
    crossed = ndtr(-forecast.standard(np.maximum(rows.left_km, 0.0), np.maximum(days, 1)))
    ratio = np.where(days >= 1, crossed, 0.0)
    over = rows.base_day + days >= rows.crossed_day
    return np.where(rows.has_distance, np.where(rows.left_km <= 0.0, over, ratio), 0.0)


def _quantile_day(
    rows: _Rows,
    forecast: Forecast,
    probability: float,
    silent_d: NDArray[np.int64],
    parameters: UsageParameters,
) -> NDArray[np.int64]:
    """Smallest day by which the limit is crossed with `probability`, by bisection on whole days."""
    low = np.zeros(len(rows.cycle), dtype=np.int64)
    high = np.maximum(silent_d, 0) + parameters.horizon_d
    left_km = np.where(rows.left_km > 0.0, rows.left_km, 1.0)
    is_reached = forecast.reaches(left_km, high, probability)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        hit = forecast.reaches(left_km, np.maximum(middle, 1), probability)
        high = np.where(hit, middle, high)
        low = np.where(hit, low, middle)
    ahead = np.where(is_reached & rows.has_distance, rows.base_day + high, _NEVER)
    return np.where(rows.left_km <= 0.0, rows.crossed_day, ahead)


def _due_date(
    vehicle: VehicleInput,
    odometer: Odometer,
    rows: _Rows,
    by_distance: _Distance,
    state: UsageState,
    row: int,
    parameters: UsageParameters,
) -> DueDate:
    cycle, as_of = rows.cycle[row], int(rows.as_of_day[row])
    limit_day, has_distance = int(rows.limit_day[row]), bool(rows.has_distance[row])
    distance_days = by_distance.quantile_day[:, row].tolist()
    days = [min(day, limit_day) for day in distance_days]
    due_ratio = 1.0 if limit_day <= as_of else float(by_distance.due_ratio[row])
    has_answer = has_distance or limit_day != _NEVER
    return DueDate(
        vehicle_id=vehicle.vehicle_id,
        item=cycle.plan.item,
        status=_status(rows, row, due_ratio, parameters),
        p10_on=_date(days[0]),
        p20_on=_date(days[1]),
        p50_on=_date(days[2]),
        p90_on=_date(days[3]),
        binding=_binding(days[2], limit_day, has_answer=has_answer),
        probability_due_ratio=due_ratio if has_answer else None,
        km_left_p20=float(by_distance.left_p20_km[row]) if has_distance else None,
        odometer_km=float(odometer.km[-1]) if len(odometer) else None,
        odometer_age_d=float(as_of - int(odometer.day[-1])) if len(odometer) else None,
        cycle=cycle.ordinal,
        is_first=cycle.is_first,
        inputs=_inputs(vehicle, odometer, rows, by_distance, state, row) | {"parameters": parameters.version},
    )


def _status(rows: _Rows, row: int, due_ratio: float, parameters: UsageParameters) -> Status:
    """Due as a fact comes before stale, stale before due as an estimate."""
    as_of, limit_day = int(rows.as_of_day[row]), int(rows.limit_day[row])
    has_distance = bool(rows.has_distance[row])
    if not has_distance and limit_day == _NEVER:
        return Status.TOO_LITTLE_DATA
    if limit_day <= as_of or (has_distance and rows.left_km[row] <= 0.0):
        return Status.DUE
    if has_distance and as_of - int(rows.base_day[row]) > parameters.stale_after_d:
        return Status.STALE
    return Status.DUE if due_ratio > 0.5 else Status.OK


def _binding(median_day: int, limit_day: int, *, has_answer: bool) -> Binding | None:
    if not has_answer or median_day == _NEVER:
        return None
    return Binding.TIME if median_day == limit_day else Binding.DISTANCE


def _inputs(
    vehicle: VehicleInput,
    odometer: Odometer,
    rows: _Rows,
    by_distance: _Distance,
    state: UsageState,
    row: int,
) -> dict[str, float | str | None]:
    """What an advisor is told when asked why; dates as ISO text, kilometres and rates rounded for people."""
    cycle, has_distance = rows.cycle[row], bool(rows.has_distance[row])
    rates = (
        ("km_per_day", by_distance.rate_km_per_d),
        ("km_per_day_short", by_distance.short_km_per_d),
        ("km_per_day_long", by_distance.long_km_per_d),
    )
    told: dict[str, float | str | None] = {
        "limit_km": cycle.limit_km,
        "limit_on": _iso(cycle.limit_day),
        "cycle_start_km": cycle.start_km,
        "cycle_start_on": _iso(cycle.start_day),
        "odometer_on": _iso(int(odometer.day[-1])) if len(odometer) else None,
        "history_d": float(state.observed_d[rows.vehicle[row]]),
        "use_class": vehicle.use_class,
        "distance_first_ratio": round(float(by_distance.first_ratio[row]), 3) if has_distance else None,
    }
    return told | {name: round(float(values[row]), 1) if has_distance else None for name, values in rates}


def _date(day: int) -> date | None:
    """A local day as a date; None for never."""
    return None if day == _NEVER else _EPOCH + timedelta(days=day)


def _iso(day: int | None) -> str | None:
    return None if day is None else (_EPOCH + timedelta(days=day)).isoformat()
