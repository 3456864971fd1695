from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle.day import at_of, local_day, local_days, us_of

ZONES = [
    "Asia/Shanghai",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
]
moments = st.integers(us_of(datetime(1980, 1, 1, tzinfo=UTC)), us_of(datetime(2060, 1, 1, tzinfo=UTC)))


@given(moments)
def test_a_moment_comes_back_to_the_microsecond(t_us: int) -> None:
    assert us_of(at_of(t_us)) == t_us


@given(t_us=st.lists(moments, max_size=20), zone=st.sampled_from(ZONES))
def test_many_days_are_each_the_local_day(t_us: list[int], zone: str) -> None:
    days = local_days(np.array(t_us, np.int64), ZoneInfo(zone))
    assert days.dtype == np.int32
    assert [date(1970, 1, 1) + timedelta(days=int(day)) for day in days] == [
        local_day(at_of(one), ZoneInfo(zone)) for one in t_us
    ]


def test_a_day_in_shanghai_begins_at_four_in_the_afternoon_of_utc() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    before = datetime(2026, 11, 20, 15, 59, 59, 999_999, tzinfo=UTC)
    assert local_day(before, zone) == date(2026, 11, 20)
    assert local_day(before + timedelta(microseconds=1), zone) == date(2026, 11, 21)


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        ("Asia/Tehran", datetime(2021, 9, 21, 19, 45, tzinfo=UTC)),  # clocks went back at 24:00, 19:30 UTC
        ("America/New_York", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 8, 4, 59, tzinfo=UTC)),
        ("America/Sao_Paulo", datetime(2018, 11, 4, 3, 0, tzinfo=UTC)),  # there was no midnight
    ],
)
def test_the_day_is_right_around_a_change_of_the_clock(zone: str, at: datetime) -> None:
    days = local_days(np.array([us_of(at)], np.int64), ZoneInfo(zone))
    assert date(1970, 1, 1) + timedelta(days=int(days[0])) == at.astimezone(ZoneInfo(zone)).date()


def test_no_moments_have_no_days() -> None:
    assert len(local_days(np.zeros(0, np.int64), ZoneInfo("Asia/Shanghai"))) == 0
