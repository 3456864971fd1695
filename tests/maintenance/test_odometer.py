import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.anomaly import AnomalyKind
from maintenance.inputs import DAY_US, DayColumns, Visit
from maintenance.odometer import Odometer, clean, km_range, shown_offset_km
from maintenance.readings import gather

DAY = 20_000
HOUR_US = 3_600_000_000


def cleaned(*shown_km: float, every_h: float = 24.0, visits: tuple[Visit, ...] = ()) -> Odometer:
    """Single readings, `every_h` apart from noon of `DAY`."""
    at_us = [DAY * DAY_US + 12 * HOUR_US + round(index * every_h * HOUR_US) for index in range(len(shown_km))]
    days = DayColumns.build(
        [at // DAY_US for at in at_us],
        odometer_last_km=shown_km,
        odometer_last_us=[float(at) for at in at_us],
    )
    return clean(gather(days, visits, as_of_day=DAY + 10_000))


def kinds(odometer: Odometer) -> list[AnomalyKind]:
    return [anomaly.kind for anomaly in odometer.anomalies]


def test_a_counter_that_rises_is_taken_as_it_is() -> None:
    odometer = cleaned(100.0, 150.0, 150.0, 210.0)
    assert odometer.km.tolist() == [100.0, 150.0, 150.0, 210.0]
    assert odometer.anomalies == ()


def test_a_fall_of_less_than_five_kilometres_is_held() -> None:
    odometer = cleaned(100.0, 96.0, 101.0)
    assert odometer.km.tolist() == [100.0, 100.0, 101.0]
    assert odometer.anomalies == ()


def test_a_single_fall_is_quarantined_and_its_neighbours_are_not() -> None:
    odometer = cleaned(100.0, 150.0, 20.0, 200.0)
    assert odometer.km.tolist() == [100.0, 150.0, 200.0]
    assert odometer.used.tolist() == [True, True, False, True]
    (anomaly,) = odometer.anomalies
    assert (anomaly.kind, anomaly.before_km, anomaly.after_km) == (AnomalyKind.FALL, 150.0, 20.0)
    assert anomaly.at_us == (DAY + 2) * DAY_US + 12 * HOUR_US


def test_farther_than_a_car_can_drive_is_quarantined() -> None:
    odometer = cleaned(100.0, 290.0, 300.0, every_h=1.0)
    assert odometer.km.tolist() == [100.0, 300.0]
    assert kinds(odometer) == [AnomalyKind.JUMP]


def test_a_day_and_night_at_top_speed_is_too_far_as_well() -> None:
    assert kinds(cleaned(100.0, 3_900.0, 200.0)) == [AnomalyKind.JUMP]


def test_a_new_cluster_counts_on_from_the_old_one_after_three_readings() -> None:
    odometer = cleaned(60_000.0, 60_040.0, 60_080.0, 12.0, 52.0, 91.0)
    assert odometer.km.tolist() == [60_000.0, 60_040.0, 60_080.0, 60_092.0, 60_132.0, 60_171.0]
    assert kinds(odometer) == [AnomalyKind.REPLACED]
    assert shown_offset_km(odometer, DAY + 5) == 60_080.0
    assert shown_offset_km(odometer, DAY) == 0.0


def test_two_low_readings_are_not_enough_for_a_new_cluster() -> None:
    odometer = cleaned(60_000.0, 60_040.0, 60_080.0, 12.0, 52.0)
    assert odometer.km.tolist() == [60_000.0, 60_040.0, 60_080.0]
    assert kinds(odometer) == [AnomalyKind.FALL, AnomalyKind.FALL]


def test_a_counter_that_was_turned_back_waits_for_a_person() -> None:
    odometer = cleaned(60_000.0, 60_040.0, 60_080.0, 31_000.0, 31_050.0, 31_070.0)
    assert odometer.km.tolist() == [60_000.0, 60_040.0, 60_080.0]
    (anomaly,) = odometer.anomalies
    assert (anomaly.kind, anomaly.before_km, anomaly.after_km) == (
        AnomalyKind.ROLLED_BACK,
        60_080.0,
        31_000.0,
    )
    assert (anomaly.readings_n, anomaly.until_us) == (3, (DAY + 5) * DAY_US + 12 * HOUR_US)


def test_a_cluster_that_is_set_to_the_true_reading_later_counts_on_from_there() -> None:
    odometer = cleaned(60_000.0, 60_040.0, 60_080.0, 5.0, 45.0, 80.0, 60_200.0, 60_240.0, 60_280.0)
    assert odometer.km.tolist()[-4:] == [60_160.0, 60_200.0, 60_240.0, 60_280.0]
    assert kinds(odometer) == [AnomalyKind.REPLACED, AnomalyKind.REPLACED]


def test_zeros_sent_before_the_bus_was_up_do_not_quarantine_the_life_after() -> None:
    odometer = cleaned(0.0, 35_000.0, 35_030.0, 35_080.0, 35_100.0)
    assert odometer.km.tolist() == [35_000.0, 35_030.0, 35_080.0, 35_100.0]
    assert kinds(odometer) == [AnomalyKind.FIRST]


def test_one_high_reading_after_a_silent_week_gives_way_to_those_after_it() -> None:
    readings = cleaned(1_000.0, 9_000.0, 1_030.0, 1_060.0, 1_090.0, every_h=24.0 * 7)
    assert readings.km.tolist() == [1_000.0, 1_030.0, 1_060.0, 1_090.0]
    assert kinds(readings) == [AnomalyKind.JUMP]


@pytest.mark.parametrize("shown", [float("inf"), float("-inf"), -1.0, 6e6])
def test_what_no_odometer_shows_is_quarantined(shown: float) -> None:
    odometer = cleaned(100.0, shown, 150.0)
    assert odometer.km.tolist() == [100.0, 150.0]
    assert kinds(odometer) == [AnomalyKind.NO_MEASUREMENT]


def test_a_time_outside_its_day_is_quarantined() -> None:
    days = DayColumns.build(
        [DAY, DAY + 1],
        odometer_last_km=[100.0, 120.0],
        odometer_last_us=[float(DAY * DAY_US), float((DAY + 40) * DAY_US)],
    )
    odometer = clean(gather(days, (), as_of_day=DAY + 5))
    assert odometer.km.tolist() == [100.0]
    assert kinds(odometer) == [AnomalyKind.OUTSIDE_ITS_DAY]


def test_what_a_workshop_wrote_counts_on_days_without_a_reading() -> None:
    days = DayColumns.build([DAY], odometer_last_km=[100.0])
    odometer = clean(gather(days, (Visit(DAY + 30, 900.0),), as_of_day=DAY + 60))
    assert odometer.km.tolist() == [100.0, 900.0]


@pytest.mark.parametrize("typo_km", [10_900.0, 9.0])
def test_what_a_workshop_wrote_yields_to_the_car_itself(typo_km: float) -> None:
    visit = Visit(DAY + 7, typo_km)
    days = DayColumns.build([DAY, DAY + 14, DAY + 15], odometer_last_km=[100.0, 900.0, 950.0])
    odometer = clean(gather(days, (visit,), as_of_day=DAY + 60))
    assert odometer.km.tolist() == [100.0, 900.0, 950.0]
    assert kinds(odometer) == [AnomalyKind.VISIT]


def test_the_range_of_a_day_is_its_own_readings_or_its_neighbours() -> None:
    odometer = cleaned(100.0, 200.0, 300.0, every_h=48.0)
    assert km_range(odometer, DAY + 2) == (200.0, 200.0)
    assert km_range(odometer, DAY + 3) == (200.0, 300.0)
    assert km_range(odometer, DAY - 1) == (None, 100.0)
    assert km_range(odometer, DAY + 9) == (300.0, None)


SHOWN = st.one_of(
    st.floats(0.0, 3_000.0),
    st.sampled_from([float("nan"), float("inf"), -5.0, 0.0, 1e9, 2e6]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), SHOWN, SHOWN), max_size=25), st.integers(0, 40))
def test_whatever_comes_the_kilometres_driven_never_fall(
    rows: list[tuple[int, float, float]], visit_day: int
) -> None:
    days = DayColumns.build(
        [DAY + day for day, _, _ in rows],
        odometer_first_km=[first for _, first, _ in rows],
        odometer_last_km=[last for _, _, last in rows],
    )
    readings = gather(days, (Visit(DAY + visit_day, 500.0),), as_of_day=DAY + 30)
    odometer = clean(readings)
    assert np.isfinite(odometer.km).all()
    assert (np.diff(odometer.km) >= 0.0).all()
    assert (odometer.day <= DAY + 30).all()
    assert odometer.used.sum() == len(odometer)
    quarantined = sum(anomaly.readings_n for anomaly in odometer.anomalies)
    assert quarantined == len(readings) - len(odometer)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 400.0), min_size=4, max_size=20), st.data())
def test_one_bad_reading_in_a_sound_run_is_the_only_one_lost(steps: list[float], data: st.DataObject) -> None:
    shown = list(1_000.0 + np.cumsum(steps))
    place = data.draw(st.integers(1, len(shown) - 1))
    shown[place] = data.draw(st.sampled_from([float("inf"), -3.0, 4.9e6, 10.0]))
    odometer = cleaned(*shown)
    assert odometer.used.tolist() == [index != place for index in range(len(shown))]
