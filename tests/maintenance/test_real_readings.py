"""The models on real odometer readings and real next-service reports, read in place."""

import csv
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maintenance.due import predict
from maintenance.inputs import DAY_US, DayColumns, PlanItem, VehicleInput
from maintenance.odometer import of_vehicle
from vehicle.prediction import Binding, DueDate, Status
from vehicle.units import Unit, conversion

KM_PER_MI, _ = conversion(Unit.MILE, Unit.KILOMETER)


def rows(name: str) -> list[dict[str, str]]:
    folder = os.environ.get("ODOCARE_FIXTURES")
    if folder is None:
        pytest.skip("no real recordings: set ODOCARE_FIXTURES")
    with (Path(folder) / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def day_number(on: date) -> int:
    return (on - date(1970, 1, 1)).days


def predicted(day: Any, odometer_km: Any, plan: PlanItem, as_of: int) -> DueDate:
    vehicle = VehicleInput(1, days=DayColumns.build(day, odometer_last_km=odometer_km), plan=(plan,))
    (found,) = predict([vehicle], np.array([as_of], dtype=np.int32))
    return found


def test_a_pick_up_with_irregular_readings_reaches_its_limits_inside_the_windows() -> None:
    readings = rows("mileage/tundra_odometer.csv")
    day = np.array([day_number(date.fromisoformat(row["date"])) for row in readings])
    km = np.array([float(row["odometer_mi"]) * KM_PER_MI for row in readings])
    assert len(day) == 64
    inside, errors = [], []
    for origin in range(12, 50, 2):
        for left_km in (800.0, 2_000.0, 4_000.0):
            limit = float(km[origin]) + left_km
            reached = int(np.ceil(np.interp(limit, km, day)))
            if limit >= km[-1]:
                continue
            found = predicted(day, km, PlanItem("oil", "x", every_km=limit), int(day[origin]))
            assert found.p10_on is not None
            assert found.p50_on is not None
            assert found.p90_on is not None
            inside.append(found.p10_on <= date(1970, 1, 1) + timedelta(days=reached) <= found.p90_on)
            errors.append(abs(day_number(found.p50_on) - reached) / max(reached - day[origin], 1))
    assert np.mean(inside) > 0.6
    assert np.median(errors) < 0.25


def test_no_real_reading_of_the_pick_up_is_left_out() -> None:
    """Two days stand twice in the file, with the same reading."""
    read: dict[int, list[float]] = {}
    for row in rows("mileage/tundra_odometer.csv"):
        read.setdefault(day_number(date.fromisoformat(row["date"])), []).append(float(row["odometer_mi"]))
    day = np.array(list(read))
    for factor in (1.0, KM_PER_MI):
        columns = DayColumns.build(
            day,
            odometer_first_km=[km[0] * factor for km in read.values()],
            odometer_first_us=day * float(DAY_US),
            odometer_last_km=[km[-1] * factor for km in read.values()],
            odometer_last_us=day * float(DAY_US) + DAY_US / 2,
        )
        odometer = of_vehicle(VehicleInput(1, days=columns), int(day[-1]))
        wanted = sorted({round(one * factor, 6) for km in read.values() for one in km})
        assert sorted(set(odometer.km.round(6).tolist())) == wanted
        assert odometer.anomalies == ()


def test_readings_in_miles_or_kilometres_give_the_same_dates() -> None:
    readings = rows("mileage/tundra_odometer.csv")
    day = [day_number(date.fromisoformat(row["date"])) for row in readings]
    miles = [float(row["odometer_mi"]) for row in readings]
    once = predicted(
        day, np.multiply(miles, KM_PER_MI), PlanItem("a", "x", every_km=70_000 * KM_PER_MI), day[-1]
    )
    again = predicted(day, [m * 1.609344 for m in miles], PlanItem("a", "x", every_km=112_654.08), day[-1])
    assert (once.p10_on, once.p50_on, once.p90_on) == (again.p10_on, again.p50_on, again.p90_on)


def test_of_a_real_report_the_earlier_of_time_and_distance_wins() -> None:
    reports = [
        row for row in rows("maintenance_reports/maintenance_reports.csv") if row["inspection_due_days"]
    ]
    assert len(reports) == 34
    for report in reports:
        captured = day_number(datetime.fromisoformat(report["captured_at_utc"]).date())
        found = _of_report(report, captured)
        due_day = captured + int(report["inspection_due_days"])
        due_on = date(1970, 1, 1) + timedelta(days=due_day)
        assert found.p10_on is not None
        assert found.p90_on is not None
        assert found.p90_on <= due_on
        overdue = int(report["inspection_due_days"]) <= 0
        assert found.status is (Status.DUE if overdue else Status.OK)
        if not (report["mileage_km"] and report["inspection_due_km"]):
            assert (found.p10_on, found.p90_on, found.binding) == (due_on, due_on, Binding.TIME)
        if found.binding is Binding.DISTANCE:
            assert found.p50_on is not None
            assert found.p50_on < due_on


def _of_report(report: dict[str, str], captured: int) -> DueDate:
    """One reading, a distance limit ahead of it, and a date; the plan starts a thousand days before."""
    mileage, due_km = report["mileage_km"], report["inspection_due_km"]
    plan = PlanItem(
        "inspection",
        "x",
        every_km=float(mileage) + float(due_km) if mileage and due_km else None,
        every_d=1_000 + int(report["inspection_due_days"]),
    )
    vehicle = VehicleInput(
        1,
        delivered_day=captured - 1_000,
        use_class="private",
        days=DayColumns.build([captured], odometer_last_km=[float(mileage)])
        if mileage
        else DayColumns.build([]),
        plan=(plan,),
    )
    (found,) = predict([vehicle], np.array([captured], dtype=np.int32))
    return found
