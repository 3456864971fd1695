import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.battery12 import DEFAULT, crank_rel_v
from maintenance.inputs import DayColumns

DAY = 20_000


def days(crank_v: list[float], ambient_degc: list[float] | None = None) -> DayColumns:
    return DayColumns.build(
        np.arange(DAY, DAY + len(crank_v)),
        crank_min_v=crank_v,
        ambient_min_degc=ambient_degc if ambient_degc is not None else [20.0] * len(crank_v),
    )


def test_a_car_is_compared_with_its_own_first_weeks() -> None:
    relative = crank_rel_v(days([10.5] * 60 + [9.6]))
    assert relative[59] == pytest.approx(0.0)
    assert relative[60] == pytest.approx(-0.9)


def test_before_fourteen_cranks_there_is_no_baseline() -> None:
    relative = crank_rel_v(days([10.5] * 20))
    assert np.isnan(relative[:13]).all()
    assert not np.isnan(relative[13:]).any()


def test_days_without_a_crank_do_not_count_towards_the_baseline() -> None:
    relative = crank_rel_v(days([10.5, float("nan")] * 13 + [10.5]))
    assert np.isnan(relative[:26]).all()
    assert relative[26] == pytest.approx(0.0)


def test_the_baseline_stands_still_after_ninety_days() -> None:
    relative = crank_rel_v(days([10.5] * 90 + [9.5] * 300))
    assert relative[-1] == pytest.approx(-1.0)


def test_cold_alone_is_no_weakness() -> None:
    cold_v = 10.5 - DEFAULT.v_per_degc * 40.0
    relative = crank_rel_v(days([10.5] * 30 + [cold_v], [20.0] * 30 + [-20.0]))
    assert relative[30] == pytest.approx(0.0)


def test_without_the_temperature_a_day_says_nothing() -> None:
    relative = crank_rel_v(days([10.5] * 30, [20.0] * 29 + [float("nan")]))
    assert np.isnan(relative[29])


def test_the_constants_are_named_as_invented() -> None:
    assert "invented" in DEFAULT.source


VOLTAGE = st.one_of(st.floats(6.0, 12.0), st.sampled_from([float("nan"), float("inf")]))


@settings(max_examples=60, deadline=None)
@given(st.lists(VOLTAGE, max_size=130), st.lists(VOLTAGE, max_size=40))
def test_later_days_never_change_an_earlier_one(now: list[float], then: list[float]) -> None:
    before, after = crank_rel_v(days(now)), crank_rel_v(days(now + then))
    np.testing.assert_array_equal(before, after[: len(now)])
    assert not np.isinf(after).any()
