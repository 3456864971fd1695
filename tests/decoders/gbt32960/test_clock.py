"""Six bytes of time, in Beijing."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.gbt32960 import clock
from vehicle.day import at_of, us_of
from vehicle.errors import TruncatedPayloadError, WrongTimeError

BEIJING_2000 = us_of(datetime(1999, 12, 31, 16, tzinfo=UTC))
BEIJING_2100 = us_of(datetime(2099, 12, 31, 16, tzinfo=UTC))


def test_a_time_is_plain_binary_and_eight_hours_ahead() -> None:
    assert at_of(clock.read(bytes((18, 6, 23, 12, 5, 2)))) == datetime(2018, 6, 23, 4, 5, 2, tzinfo=UTC)
    assert clock.write(us_of(datetime(2018, 6, 22, 16, 0, 0, tzinfo=UTC))) == bytes((18, 6, 23, 0, 0, 0))


@given(st.integers(BEIJING_2000 // 1_000_000, BEIJING_2100 // 1_000_000 - 1))
def test_what_is_written_is_read(second: int) -> None:
    assert clock.read(b"##" + clock.write(second * 1_000_000), at=2) == second * 1_000_000


@given(st.binary(min_size=6, max_size=6))
def test_what_is_read_is_written(data: bytes) -> None:
    try:
        at_us = clock.read(data)
    except WrongTimeError:
        return
    assert clock.write(at_us) == data


@pytest.mark.parametrize(
    "data",
    [
        (18, 13, 1, 0, 0, 0),
        (18, 0, 1, 0, 0, 0),
        (18, 2, 29, 0, 0, 0),
        (18, 4, 31, 0, 0, 0),
        (18, 1, 0, 0, 0, 0),
        (18, 1, 1, 24, 0, 0),
        (18, 1, 1, 0, 60, 0),
        (18, 1, 1, 0, 0, 60),
        (100, 1, 1, 0, 0, 0),
        (255, 255, 255, 255, 255, 255),
        (0, 0, 0, 0, 0, 0),
    ],
)
def test_a_time_that_does_not_exist_is_refused(data: tuple[int, ...]) -> None:
    with pytest.raises(WrongTimeError, match="a time is year, month, day, hour, minute and second, got "):
        clock.read(bytes(data))


def test_the_year_2000_is_a_leap_year() -> None:
    assert at_of(clock.read(bytes((0, 2, 29, 8, 0, 0)))) == datetime(2000, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize("at_us", [BEIJING_2000 - 1, BEIJING_2100])
def test_a_moment_of_another_century_is_not_written(at_us: int) -> None:
    with pytest.raises(WrongTimeError, match="a packet tells years 2000 to 2099"):
        clock.write(at_us)


def test_five_bytes_are_no_time() -> None:
    with pytest.raises(TruncatedPayloadError, match="a time needs 6 bytes, got 5"):
        clock.read(bytes(5))
    with pytest.raises(TruncatedPayloadError, match="a time needs 6 bytes, got 0"):
        clock.read(bytes(5), at=9)
