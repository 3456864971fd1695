import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.exposure import Exposure
from maintenance.mileage import DailyMileage
from maintenance.parameters import DEFAULT, Segment, UsageParameters
from maintenance.usage import Forecast, Level, fold, level

EXPOSURE = Exposure.of(DEFAULT.segments)
DAY = 20_000


def known(km: list[float], use_class: str = "unknown") -> Level:
    """The level of one vehicle whose last days were driven like this."""
    segment = np.array([DEFAULT.segment_of(use_class)])
    days = DAY - len(km) + 1 + np.arange(len(km))
    mileage = DailyMileage(
        last_day=np.array([DAY], dtype=np.int32),
        km=np.array([km]),
        exposure=EXPOSURE.on(segment[:, None], days[None, :]),
        is_smoothed=np.zeros((1, len(km)), dtype=np.bool_),
    )
    return level(fold(mileage, segment, DEFAULT), DEFAULT)


def forecast(of: Level, rows: int = 1) -> Forecast:
    return Forecast(of, np.zeros(rows, dtype=np.intp), np.full(rows, DAY), EXPOSURE, DEFAULT)


def test_without_data_the_segment_speaks_and_is_unsure() -> None:
    blank = known([], "taxi")
    assert blank.rates[0].tolist() == [200.0, 200.0, 200.0, 200.0]
    assert blank.cold_cv2[0] == DEFAULT.segments[DEFAULT.segment_of("taxi")].between_cv2


def test_with_a_year_of_data_the_vehicle_speaks() -> None:
    steady = known([60.0] * 365)
    assert steady.rates[0, 0] == pytest.approx(60.0, abs=0.5)
    assert steady.cold_cv2[0] < 0.02
    assert steady.bucket[0] == 0


def test_a_changed_life_is_a_surprise_and_the_near_past_counts_more() -> None:
    changed = known([20.0] * 300 + [140.0] * 30)
    assert changed.bucket[0] == 3
    long_alone = changed.rates[0, 2]
    assert forecast(changed).rate_km_per_d(np.array([30]))[0] > 1.3 * long_alone


def test_more_days_are_more_kilometres() -> None:
    of = forecast(known([40.0, 0.0, 80.0] * 60), rows=4)
    km = of.quantile_km(np.array([0, 7, 30, 300]), 0.5)
    assert km[0] == 0.0
    assert (np.diff(km) > 0.0).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.0, 800.0), max_size=120),
    st.integers(1, 2_000),
    st.floats(0.02, 0.98),
)
def test_a_quantile_is_where_the_distribution_says(km: list[float], days: int, share: float) -> None:
    of = forecast(known(km))
    at = np.array([days])
    point = of.quantile_km(at, share)
    if point[0] < 0.3:
        return
    assert of.reaches(point * 0.999, at, 1.0 - share)[0]
    assert not of.reaches(point * 1.001, at, 1.0 - share)[0]


def test_segments_and_weights_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="7 factors"):
        Segment("odd", 10.0, 0.1, 10.0, (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0))
    with pytest.raises(ValueError, match="first segment"):
        UsageParameters(segments=DEFAULT.segments[1:])
    with pytest.raises(ValueError, match="add up to 1"):
        dataclasses.replace(DEFAULT, weights=(((0.5, 0.5, 0.5, 0.0),),))


def test_every_constant_says_where_it_comes_from() -> None:
    assert "invented" in DEFAULT.source
    assert all("invented" in segment.source for segment in DEFAULT.segments)
