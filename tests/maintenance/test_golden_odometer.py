"""Histories with one thing wrong each, and what the true odometer makes of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.due import predict
from maintenance.inputs import DAY_US, PlanItem, SourceDays, VehicleInput, Visit
from maintenance.odometer import Odometer, of_vehicle
from tests.maintenance.golden_odometer import DAY, Golden, golden
from vehicle.prediction import DueDate

HISTORIES = golden()
AS_OF = DAY + 400


def last_of_days(odometer: Odometer) -> list[tuple[int, float]]:
    last = dict(zip((odometer.day - DAY).tolist(), odometer.km.tolist(), strict=True))
    return list(last.items())


@pytest.mark.parametrize("history", HISTORIES, ids=[one.title for one in HISTORIES])
def test_the_history_comes_out_clean(history: Golden) -> None:
    odometer = of_vehicle(history.vehicle(), AS_OF)
    told = [
        (one.kind.value, one.at_us // DAY_US - DAY, one.before_km, one.after_km, one.readings_n)
        for one in odometer.anomalies
    ]
    assert told == history.anomalies
    assert [day for day, _ in last_of_days(odometer)] == [day for day, _ in history.last]
    assert np.allclose([km for _, km in last_of_days(odometer)], [km for _, km in history.last], rtol=1e-12)


def due(history: Golden, *, leave_out: list[int]) -> DueDate:
    plan = (PlanItem("oil", "x", first_km=400_000.0, every_km=10_000.0),)
    vehicle = history.vehicle(leave_out=leave_out, plan=plan, delivered_day=DAY - 2000)
    (found,) = predict([vehicle], np.array([DAY + 10], dtype=np.int32))
    return found


@pytest.mark.parametrize(
    "history", [one for one in HISTORIES if one.without], ids=[one.title for one in HISTORIES if one.without]
)
def test_no_due_date_rests_on_what_is_kept_out(history: Golden) -> None:
    assert due(history, leave_out=[]) == due(history, leave_out=history.without)


PUZZLING = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from([1, 2, 3, 256]),
        st.sampled_from([0.0, 12.0, 80.0, 5_000.0, 5_040.0, 5_080.0, 5_200.0, 9_000.0, 65_530.0, 1e9]),
        st.integers(0, 60),
        st.sampled_from([0.0, 40.0, 64.4, 25_000.0]),
    ),
    max_size=40,
    unique_by=lambda row: (row[0], row[1]),
)


def of_rows(rows: list[tuple[int, int, float, int, float]], visits: tuple[Visit, ...]) -> Odometer:
    """Rows of (day, source, first, rise, kilometres by speed), grouped in the order they come in."""
    sources: dict[int, list[tuple[int, int, float, int, float]]] = {}
    for row in rows:
        sources.setdefault(row[1], []).append(row)
    given = tuple(
        SourceDays.build(
            source,
            [DAY + row[0] for row in mine],
            first_km=[row[2] for row in mine],
            last_km=[row[2] + row[3] for row in mine],
            first_us=[(DAY + row[0]) * float(DAY_US) for row in mine],
            last_us=[(DAY + row[0]) * float(DAY_US) + DAY_US / 2 for row in mine],
            speed_m=[1000.0 * row[4] for row in mine],
            within_m=[1000.0 * row[3] for row in mine],
        )
        for source, mine in sources.items()
    )
    return of_vehicle(VehicleInput(1, odometers=given or (SourceDays.build(0, []),), visits=visits), DAY + 60)


@settings(max_examples=100, deadline=None)
@given(rows=PUZZLING, visit_km=st.sampled_from([15.0, 5_060.0, 9_010.0]), data=st.data())
def test_whatever_comes_in_whatever_order_is_one_odometer_that_never_falls(
    rows: list[tuple[int, int, float, int, float]], visit_km: float, data: st.DataObject
) -> None:
    visits = (Visit(DAY + 12, visit_km), Visit(DAY + 20, visit_km + 30.0))
    one, other = of_rows(rows, visits), of_rows(data.draw(st.permutations(rows)), visits)
    assert one.km.tolist() == other.km.tolist()
    assert one.anomalies == other.anomalies
    assert np.isfinite(one.km).all()
    assert (np.diff(one.km) >= 0.0).all()
    assert (np.diff(one.at_us) >= 0).all()
    assert (np.diff(one.epoch) >= 0).all()
    assert all(
        len(getattr(one, name)) == len(one) for name in ("day", "at_us", "shown_km", "source", "ratio")
    )
