import dataclasses
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from maintenance.due import predict
from maintenance.inputs import DayColumns, PlanItem, VehicleInput, Visit
from vehicle.prediction import Binding, DueDate, Status
from vehicle.units import Unit, conversion

DELIVERED = 20_000
OIL = PlanItem("oil", "oil-service", 5_000.0, 180, 10_000.0, 365)
BY_KM = PlanItem("by-km", "x", every_km=10_000.0)
BY_DATE = PlanItem("by-date", "x", every_d=365)


def on(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def driven(km: ArrayLike, *, first: int = DELIVERED, start_km: float = 0.0) -> DayColumns:
    """A reading at the end of each day."""
    total_km = start_km + np.cumsum(np.asarray(km, dtype=np.float64))
    return DayColumns.build(np.arange(first, first + len(total_km)), odometer_last_km=total_km)


def car(
    days: DayColumns, *plan: PlanItem, vehicle_id: int = 1, visits: tuple[Visit, ...] = ()
) -> VehicleInput:
    return VehicleInput(vehicle_id, None, DELIVERED, "private", days, visits, plan or (OIL,))


def due(vehicle: VehicleInput, as_of: int) -> DueDate:
    (found,) = predict([vehicle], np.array([as_of], dtype=np.int32))
    return found


def test_the_distance_limit_comes_first_for_a_car_that_is_driven_much() -> None:
    found = due(car(driven([60.0] * 60)), DELIVERED + 60)
    assert (found.status, found.binding, found.cycle, found.is_first) == (
        Status.OK,
        Binding.DISTANCE,
        0,
        True,
    )
    assert found.p50_on is not None
    assert abs((found.p50_on - on(DELIVERED + 84)).days) <= 4  # 5,000 km at 60 km a day
    assert found.km_left_p20 is not None
    assert found.km_left_p20 == pytest.approx(5_000.0 - 3_600.0 - 60.0, abs=60.0)
    assert (found.odometer_km, found.odometer_age_d) == (3_600.0, 1.0)


def test_the_calendar_limit_comes_first_for_a_car_that_stands() -> None:
    found = due(car(driven([5.0] * 100)), DELIVERED + 100)
    assert (found.status, found.binding) == (Status.OK, Binding.TIME)
    assert found.p10_on == found.p90_on == on(DELIVERED + 180)


def test_a_crossed_limit_is_due_since_the_day_it_was_crossed() -> None:
    found = due(car(driven([60.0] * 100)), DELIVERED + 110)
    assert (found.status, found.binding, found.probability_due_ratio) == (Status.DUE, Binding.DISTANCE, 1.0)
    assert found.p10_on == found.p90_on == on(DELIVERED + 83)


def test_a_passed_date_is_due_however_little_the_car_was_driven() -> None:
    found = due(car(driven([5.0] * 100)), DELIVERED + 180)
    assert (found.status, found.binding, found.p50_on) == (Status.DUE, Binding.TIME, on(DELIVERED + 180))


def test_a_car_that_probably_crossed_the_limit_since_it_was_seen_is_due() -> None:
    found = due(car(driven([60.0] * 80), BY_KM, vehicle_id=7), DELIVERED + 80)
    later = due(car(driven([60.0] * 160), BY_KM, vehicle_id=7), DELIVERED + 200)
    assert (found.status, later.status) == (Status.OK, Status.DUE)
    assert later.probability_due_ratio is not None
    assert 0.5 < later.probability_due_ratio < 1.0
    assert later.p50_on is not None
    assert later.p50_on <= on(DELIVERED + 200)


def test_a_car_unseen_for_more_than_45_days_is_stale_and_keeps_its_window() -> None:
    days = driven([60.0] * 60)
    fresh, stale = due(car(days, BY_KM), DELIVERED + 62), due(car(days, BY_KM), DELIVERED + 59 + 46)
    assert (fresh.status, stale.status) == (Status.OK, Status.STALE)
    assert stale.odometer_age_d == 46.0
    assert (fresh.p10_on, fresh.p50_on, fresh.p90_on) == (stale.p10_on, stale.p50_on, stale.p90_on)
    assert fresh.km_left_p20 is not None
    assert stale.km_left_p20 is not None
    assert stale.km_left_p20 < fresh.km_left_p20 - 2_000.0


def test_without_any_odometer_the_calendar_alone_gives_the_date() -> None:
    found = due(car(DayColumns.build([])), DELIVERED + 10)
    assert (found.status, found.binding, found.p50_on) == (Status.OK, Binding.TIME, on(DELIVERED + 180))
    assert (found.km_left_p20, found.odometer_km, found.odometer_age_d) == (None, None, None)


def test_without_odometer_and_calendar_there_is_too_little_data() -> None:
    found = due(car(DayColumns.build([]), BY_KM), DELIVERED + 10)
    assert found.status is Status.TOO_LITTLE_DATA
    assert (found.p10_on, found.p50_on, found.p90_on, found.binding) == (None, None, None, None)
    assert found.probability_due_ratio is None


def test_one_reading_gives_a_wide_window_out_of_the_use_class() -> None:
    found = due(car(driven([300.0]), BY_KM), DELIVERED + 1)
    assert found.status is Status.OK
    assert found.p10_on is not None
    assert found.p90_on is not None
    assert (found.p90_on - found.p10_on).days > 150


def test_a_visit_resets_the_plan_and_is_the_newest_reading() -> None:
    visit = Visit(DELIVERED + 90, 5_430.0, frozenset({"oil"}))
    found = due(car(driven([60.0] * 80), visits=(visit,)), DELIVERED + 91)
    assert (found.cycle, found.is_first, found.status) == (1, False, Status.OK)
    assert found.odometer_km == 5_430.0
    assert found.inputs["limit_km"] == 15_430.0


def test_kilometres_count_from_a_visit_that_came_after_the_last_reading() -> None:
    visit = Visit(DELIVERED + 200, None, frozenset({"by-km"}))
    found = due(car(driven([60.0] * 80), BY_KM, visits=(visit,)), DELIVERED + 201)
    assert found.status is Status.OK
    assert found.p50_on is not None
    assert found.p50_on > on(DELIVERED + 300)


def test_a_quarantined_value_makes_no_date() -> None:
    days = driven([60.0] * 60)
    spoiled = days.odometer_last_km.copy()
    spoiled[[10, 30, 59]] = [4e6, float("inf"), 9.0]
    with_garbage = due(car(dataclasses.replace(days, odometer_last_km=spoiled)), DELIVERED + 60)
    assert with_garbage.odometer_km == 60.0 * 59
    sound = due(car(days), DELIVERED + 60)
    assert sound.p50_on is not None
    assert with_garbage.p50_on is not None
    assert abs((sound.p50_on - with_garbage.p50_on).days) <= 2


def test_a_date_farther_than_ten_years_is_not_given() -> None:
    found = due(car(driven([0.0] * 400), PlanItem("far", "x", every_km=200_000.0)), DELIVERED + 400)
    assert (found.status, found.p50_on, found.binding) == (Status.OK, None, None)


def test_an_advisor_can_say_why() -> None:
    found = due(car(driven([60.0] * 60)), DELIVERED + 60)
    assert found.inputs["limit_km"] == 5_000.0
    assert found.inputs["limit_on"] == on(DELIVERED + 180).isoformat()
    assert found.inputs["km_per_day"] == pytest.approx(58.0, abs=3.0)
    assert found.inputs["history_d"] == 60.0
    assert found.inputs["distance_first_ratio"] == pytest.approx(1.0, abs=0.01)
    assert found.inputs["parameters"] == "default-1"


KM = st.lists(st.floats(0.0, 500.0), min_size=1, max_size=60)
LIMIT_KM = st.floats(100.0, 60_000.0)
AHEAD = st.integers(0, 200)


def far(day: date | None) -> date:
    return date.max if day is None else day


@settings(max_examples=80, deadline=None)
@given(KM, LIMIT_KM, st.floats(0.0, 5_000.0), AHEAD)
def test_more_kilometres_left_are_never_earlier(
    km: list[float], limit: float, more: float, ahead: int
) -> None:
    plans = [PlanItem(name, "x", every_km=value) for name, value in (("a", limit), ("b", limit + more))]
    as_of = DELIVERED + len(km) + ahead
    sooner, later = predict([car(driven(km), *plans)], np.array([as_of], dtype=np.int32))
    for name in ("p10_on", "p20_on", "p50_on", "p90_on"):
        assert far(getattr(sooner, name)) <= far(getattr(later, name))


@settings(max_examples=80, deadline=None)
@given(KM, LIMIT_KM, st.integers(1, 800), AHEAD)
def test_another_limit_is_never_later(km: list[float], limit: float, days: int, ahead: int) -> None:
    as_of = DELIVERED + len(km) + ahead
    one = due(car(driven(km), PlanItem("a", "x", every_km=limit)), as_of)
    both = due(car(driven(km), PlanItem("a", "x", every_km=limit, every_d=days)), as_of)
    date_alone = due(car(driven(km), PlanItem("a", "x", every_d=days)), as_of)
    for name in ("p10_on", "p20_on", "p50_on", "p90_on"):
        assert far(getattr(both, name)) == min(far(getattr(one, name)), far(getattr(date_alone, name)))


@settings(max_examples=80, deadline=None)
@given(KM, LIMIT_KM, st.one_of(st.none(), st.integers(1, 800)), AHEAD)
def test_the_quantiles_are_in_order(km: list[float], limit: float, days: int | None, ahead: int) -> None:
    found = due(
        car(driven(km), PlanItem("a", "x", every_km=limit, every_d=days)), DELIVERED + len(km) + ahead
    )
    dates = [far(one) for one in (found.p10_on, found.p20_on, found.p50_on, found.p90_on)]
    assert dates == sorted(dates)


@settings(max_examples=60, deadline=None)
@given(KM, LIMIT_KM)
def test_miles_or_kilometres_give_the_same_date(miles: list[float], limit_mi: float) -> None:
    factor, _ = conversion(Unit.MILE, Unit.KILOMETER)
    in_km = [one * factor for one in miles]
    as_of = DELIVERED + len(miles)
    once = due(car(driven(in_km), PlanItem("a", "x", every_km=limit_mi * factor)), as_of)
    total_mi = np.cumsum(miles)
    converted = DayColumns.build(
        np.arange(DELIVERED, DELIVERED + len(miles)), odometer_last_km=total_mi * factor
    )
    again = due(car(converted, PlanItem("a", "x", every_km=limit_mi * factor)), as_of)
    assert (once.p10_on, once.p50_on, once.p90_on) == (again.p10_on, again.p50_on, again.p90_on)


@settings(max_examples=80, deadline=None)
@given(KM, KM, LIMIT_KM, st.integers(1, 40))
def test_what_is_known_later_does_not_change_a_past_prediction(
    km: list[float], then: list[float], limit: float, visit_after: int
) -> None:
    plan = PlanItem("a", "x", every_km=limit, every_d=365)
    as_of = DELIVERED + len(km) - 1
    past = due(car(driven(km), plan), as_of)
    visit = Visit(as_of + visit_after, None, frozenset({"a"}))
    again = due(car(driven(km + then), plan, visits=(visit,)), as_of)
    assert again == past


RUBBISH = st.sampled_from([float("nan"), float("inf"), float("-inf"), -40.0, 0.0, 3.0, 1e12, 4.9e6])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 80), RUBBISH, RUBBISH, st.one_of(RUBBISH, st.just(1e18))), max_size=12)
)
def test_a_bad_vehicle_never_spoils_its_neighbours(rows: list[tuple[int, float, float, float]]) -> None:
    bad = VehicleInput(
        2,
        delivered_day=DELIVERED,
        use_class="nobody knows",
        days=DayColumns.build(
            [DELIVERED + day for day, *_ in rows],
            odometer_first_km=[first for _, first, _, _ in rows],
            odometer_last_km=[last for _, _, last, _ in rows],
            odometer_last_us=[at for *_, at in rows],
        ),
        visits=(Visit(DELIVERED + 3, float("nan"), frozenset({"oil"})), Visit(DELIVERED + 5, -1.0)),
        plan=(OIL, PlanItem("none", "x"), PlanItem("odd", "x", every_km=float("nan"), every_d=-3)),
    )
    good = [car(driven([40.0] * 60), vehicle_id=1), car(driven([90.0] * 30), BY_KM, vehicle_id=3)]
    as_of = np.full(3, DELIVERED + 61, dtype=np.int32)
    alone = predict(good, as_of[:2])
    found = predict([good[0], bad, good[1]], as_of)
    assert [one for one in found if one.vehicle_id != 2] == alone
    for one in found:
        dates = [far(day) for day in (one.p10_on, one.p20_on, one.p50_on, one.p90_on)]
        assert dates == sorted(dates)


def test_the_order_of_the_vehicles_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    vehicles = [
        car(driven(rng.gamma(2.0, 20.0, int(rng.integers(1, 200)))), OIL, BY_KM, vehicle_id=number)
        for number in range(40)
    ]
    as_of = np.array([DELIVERED + len(vehicle.days) + 3 for vehicle in vehicles], dtype=np.int32)
    forward = predict(vehicles, as_of)
    backward = predict(vehicles[::-1], as_of[::-1])
    assert sorted(backward, key=lambda one: (one.vehicle_id, one.item)) == sorted(
        forward, key=lambda one: (one.vehicle_id, one.item)
    )


def test_more_vehicles_than_one_pass_takes_are_all_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    vehicles = [car(driven([30.0] * 20), vehicle_id=number) for number in range(7)]
    as_of = np.full(7, DELIVERED + 20, dtype=np.int32)
    whole = predict(vehicles, as_of)
    monkeypatch.setattr("maintenance.due._CHUNK_VEHICLES", 3)
    assert predict(vehicles, as_of) == whole


def test_no_vehicles_and_no_plan_are_no_due_dates() -> None:
    assert predict([], np.zeros(0, dtype=np.int32)) == []
    assert predict([VehicleInput(1)], np.array([DELIVERED], dtype=np.int32)) == []
