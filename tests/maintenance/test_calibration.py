"""Whether the interval holds what it promises, on a fleet whose generator is not the model.

The constants are invented, so the bounds are loose; they fail when the interval is nonsense.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from maintenance.due import predict
from maintenance.inputs import DayColumns, PlanItem, VehicleInput
from vehicle.prediction import DueDate

VEHICLES_N, HISTORY_D, FUTURE_D = 900, 420, 400
FIRST_DAY = 19_723  # 2024-01-01, a Monday
CLASSES = ("commuter", "business", "ride_hailing", "weekend")
MEAN_KM = {"commuter": 36.0, "business": 80.0, "ride_hailing": 180.0, "weekend": 17.0}
ACTIVE = {
    "commuter": (0.95, 0.95, 0.95, 0.95, 0.95, 0.7, 0.6),
    "business": (0.95, 0.95, 0.95, 0.95, 0.95, 0.6, 0.2),
    "ride_hailing": (0.85, 0.85, 0.85, 0.85, 0.9, 0.9, 0.8),
    "weekend": (0.25, 0.25, 0.25, 0.25, 0.35, 0.8, 0.7),
}


@pytest.fixture(scope="module")
def fleet() -> tuple[list[str], NDArray[np.float64]]:
    """Use classes and true daily km: lognormal days, habits, drifting levels, changed lives, weeks away."""
    rng = np.random.default_rng(20261121)
    days_n = HISTORY_D + FUTURE_D
    classes = [CLASSES[i] for i in rng.integers(len(CLASSES), size=VEHICLES_N)]
    km = np.zeros((VEHICLES_N, days_n))
    weekday = np.arange(days_n) % 7
    for row, use_class in enumerate(classes):
        logit = np.log(np.array(ACTIVE[use_class]) / (1.0 - np.array(ACTIVE[use_class])))
        habit = 1.0 / (1.0 + np.exp(-(logit + rng.normal(0.0, 0.5, 7))))
        drift = np.cumsum(rng.normal(0.0, 0.012, days_n)) - 0.1 * np.cos(
            np.arange(days_n) * 2 * np.pi / 365.0
        )
        for day in rng.integers(0, days_n, rng.poisson(0.4 * days_n / 365.0)):
            drift[day:] += 0.35 * rng.standard_t(4)
        drives = rng.random(days_n) < habit[weekday]
        for day in rng.integers(0, days_n, rng.poisson(1.5 * days_n / 365.0)):
            drives[day : day + rng.integers(4, 20)] = False
        own_km = MEAN_KM[use_class] * rng.lognormal(0.0, 0.4) / habit.mean()
        km[row] = drives * own_km * np.exp(np.clip(drift, -2.0, 1.2)) * rng.lognormal(-0.15, 0.55, days_n)
        km[row] += (rng.random(days_n) < 0.01) * rng.uniform(100.0, 700.0, days_n)
    return classes, np.minimum(km, 1200.0)


def test_the_interval_of_a_known_vehicle_holds_about_what_it_says(
    fleet: tuple[list[str], NDArray[np.float64]],
) -> None:
    assert 0.65 <= _coverage(fleet, seen_d=HISTORY_D) <= 0.92


def test_the_interval_of_a_week_old_vehicle_holds_about_what_it_says(
    fleet: tuple[list[str], NDArray[np.float64]],
) -> None:
    assert 0.65 <= _coverage(fleet, seen_d=7) <= 0.92


def test_a_silent_month_widens_the_interval_and_it_still_holds(
    fleet: tuple[list[str], NDArray[np.float64]],
) -> None:
    assert 0.65 <= _coverage(fleet, seen_d=HISTORY_D, silent_d=30) <= 0.92


def test_the_median_beats_the_last_thirty_days(fleet: tuple[list[str], NDArray[np.float64]]) -> None:
    left_km, happened = _cases(fleet)
    due = _predict(fleet, left_km, seen_d=HISTORY_D, silent_d=0)
    median = np.array([_ahead(one.p50_on) for one in due])
    last_30 = left_km / np.maximum(fleet[1][:, HISTORY_D - 30 : HISTORY_D].mean(axis=1), 1e-3)
    near = median <= 200
    ours = np.abs(median - happened)[near].mean()
    naive = np.abs(np.minimum(last_30, 700.0) - happened)[near].mean()
    assert ours < 0.85 * naive


def _coverage(fleet: tuple[list[str], NDArray[np.float64]], *, seen_d: int, silent_d: int = 0) -> float:
    """Share of the true days inside P10 to P90, for predictions within 200 days."""
    left_km, happened = _cases(fleet)
    due = _predict(fleet, left_km, seen_d=seen_d, silent_d=silent_d)
    low, median, high = (
        np.array([_ahead(getattr(one, name)) for one in due]) for name in ("p10_on", "p50_on", "p90_on")
    )
    near = median <= 200
    assert near.sum() > 300
    return float(((happened >= low) & (happened <= high))[near].mean())


def _cases(fleet: tuple[list[str], NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kilometres left on the last day of history, and in how many days they are really driven."""
    km = fleet[1]
    rng = np.random.default_rng(7)
    rate = np.maximum(km[:, HISTORY_D - 300 : HISTORY_D].mean(axis=1), 1.0)
    left_km = rate * rng.uniform(8.0, 220.0, len(km))
    ahead = np.cumsum(km[:, HISTORY_D:], axis=1) >= left_km[:, None]
    return left_km, np.where(ahead.any(axis=1), ahead.argmax(axis=1) + 1, FUTURE_D + 1)


def _predict(
    fleet: tuple[list[str], NDArray[np.float64]], left_km: NDArray[np.float64], *, seen_d: int, silent_d: int
) -> Sequence[DueDate]:
    classes, km = fleet
    odometer = 12_000.0 + np.cumsum(km, axis=1)
    first, until = HISTORY_D - seen_d, HISTORY_D - silent_d
    day = np.arange(FIRST_DAY + first, FIRST_DAY + until)
    vehicles = [
        VehicleInput(
            vehicle_id=row,
            use_class=classes[row],
            days=DayColumns.build(
                day,
                odometer_first_km=(odometer - km)[row, first:until],
                odometer_last_km=odometer[row, first:until],
                odometer_first_us=(day * 24.0 + 1.0) * 3.6e9,
                odometer_last_us=(day * 24.0 + 20.0) * 3.6e9,
            ),
            plan=(
                PlanItem("oil", "oil-service", every_km=float(odometer[row, HISTORY_D - 1] + left_km[row])),
            ),
        )
        for row in range(len(classes))
    ]
    return predict(vehicles, np.full(len(vehicles), FIRST_DAY + HISTORY_D, dtype=np.int32))


def _ahead(on: object) -> float:
    if on is None:
        return 9_999.0
    return float(np.datetime64(str(on), "D").astype(int) - (FIRST_DAY + HISTORY_D - 1))
