import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maintenance.exposure import Exposure, weekday
from maintenance.inputs import DayColumns
from maintenance.mileage import DailyMileage, daily
from maintenance.odometer import clean
from maintenance.parameters import DEFAULT
from maintenance.readings import gather

MONDAY = 19_723  # 2024-01-01
EXPOSURE = Exposure.of(DEFAULT.segments)
EVEN, WORK_WEEK = DEFAULT.segment_of("unknown"), DEFAULT.segment_of("business")


def mileage(days: DayColumns, as_of_day: int, *, segment: int = EVEN, history_d: int = 60) -> DailyMileage:
    odometer = clean(gather(days, (), as_of_day=as_of_day))
    return daily(
        [odometer], np.array([segment]), np.array([as_of_day], dtype=np.int32), EXPOSURE, history_d=history_d
    )


def last(matrix: NDArray[np.float64], count: int) -> list[float]:
    return [round(value, 6) for value in matrix[0, -count:].tolist()]


def test_the_first_day_of_the_year_2024_was_a_monday() -> None:
    assert weekday(np.array([MONDAY, MONDAY + 6])).tolist() == [0, 6]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30_000), st.integers(0, 400), st.integers(0, len(DEFAULT.segments) - 1))
def test_the_sum_of_exposures_is_the_sum_of_its_days(first: int, count: int, segment: int) -> None:
    of = np.array([segment])
    each = EXPOSURE.on(of, np.arange(first, first + count)).sum()
    both = EXPOSURE.between(of, np.array([first]), np.array([first + count]))[0]
    assert abs(both - each) < 1e-8


def test_kilometres_within_a_day_belong_to_it() -> None:
    days = DayColumns.build(
        [MONDAY, MONDAY + 1],
        odometer_first_km=[100.0, 130.0],
        odometer_last_km=[130.0, 180.0],
        odometer_first_us=[(MONDAY + day) * 86.4e9 + 1e9 for day in (0, 1)],
        odometer_last_us=[(MONDAY + day) * 86.4e9 + 70e9 for day in (0, 1)],
    )
    found = mileage(days, MONDAY + 5)
    assert last(found.km, 3) == [0.0, 30.0, 50.0]
    assert last(found.exposure, 3) == [0.0, 1.0, 1.0]
    assert found.last_day.tolist() == [MONDAY + 1]


def test_a_silent_gap_is_spread_by_exposure_and_nothing_is_lost() -> None:
    days = DayColumns.build([MONDAY, MONDAY + 7], odometer_last_km=[100.0, 800.0])
    found = mileage(days, MONDAY + 20, segment=WORK_WEEK)
    week = DEFAULT.segments[WORK_WEEK].weekday
    assert last(found.km, 8)[1:7] == [round(100.0 * week[day], 6) for day in range(1, 7)]
    assert round(found.km.sum(), 6) == 700.0
    assert last(found.exposure, 1) == [round(week[0] / 2.0, 6)]  # half the day was seen


def test_the_day_that_is_not_over_is_left_out() -> None:
    days = DayColumns.build([MONDAY, MONDAY + 1, MONDAY + 2], odometer_last_km=[100.0, 140.0, 160.0])
    found = mileage(days, MONDAY + 2)
    assert found.last_day.tolist() == [MONDAY + 1]
    assert last(found.km, 2) == [20.0, 30.0]


def test_one_reading_alone_says_nothing_about_use() -> None:
    found = mileage(DayColumns.build([MONDAY], odometer_last_km=[100.0]), MONDAY + 9)
    assert found.exposure.sum() == 0.0


def test_days_out_of_a_long_gap_are_marked_as_smoothed_unless_the_car_stood() -> None:
    drove = mileage(DayColumns.build([MONDAY, MONDAY + 20], odometer_last_km=[0.0, 800.0]), MONDAY + 30)
    stood = mileage(DayColumns.build([MONDAY, MONDAY + 20], odometer_last_km=[0.0, 2.0]), MONDAY + 30)
    assert drove.is_smoothed.sum() == 19
    assert stood.is_smoothed.sum() == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.0, 1.0), st.booleans()), min_size=2, max_size=20),
    st.integers(0, len(DEFAULT.segments) - 1),
)
def test_the_days_add_up_to_the_counter(rows: list[tuple[int, float, bool]], segment: int) -> None:
    day = MONDAY + np.cumsum([gap for gap, _, _ in rows])
    last_km = 50.0 + np.cumsum([share * gap * 300.0 for gap, share, _ in rows])
    first_km = np.array(
        [km if single else km - 0.5 for km, (_, _, single) in zip(last_km, rows, strict=True)]
    )
    first_km = np.maximum(first_km, np.concatenate(([0.0], last_km[:-1])))
    days = DayColumns.build(
        day,
        odometer_first_km=first_km,
        odometer_last_km=last_km,
        odometer_first_us=day * 86.4e9 + 30e9,
        odometer_last_us=day * 86.4e9 + 50e9,
    )
    found = mileage(days, int(day[-1]) + 1, segment=segment, history_d=700)
    assert abs(found.km.sum() - (last_km[-1] - first_km[0])) < 1e-6
    assert (found.km >= 0.0).all()
