"""Readings become days the same however messages are batched; what half a second corrects is left out."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from maintenance import odometer_days
from vehicle.day import us_of
from vehicle.frame import SignalRows
from vehicle.odometer import J1939_VD, SIGNALS, OdometerDays, OdometerSamples

SPEED = 2
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
T0_US = us_of(datetime(2026, 3, 1, 23, 59, 59, tzinfo=SHANGHAI))
SECOND_US = 1_000_000
DAY = us_of(datetime(2026, 3, 1, 8, tzinfo=SHANGHAI)) // 86_400_000_000

Sample = tuple[int, int, int, float]
"""Message, moment, source, kilometres."""


def days(samples: list[Sample], vehicles: list[int], speeds: list[Sample] | None = None) -> OdometerDays:
    speeds = sorted(speeds or [])
    rows = SignalRows(
        message=np.array([one[0] for one in speeds], np.int32),
        t_us=np.array([one[1] for one in speeds], np.int64),
        signal=np.array([one[2] for one in speeds], np.int16),
        value=np.array([one[3] for one in speeds], np.float64),
    )
    shown = OdometerSamples(
        message=np.array([one[0] for one in samples], np.int32),
        t_us=np.array([one[1] for one in samples], np.int64),
        source=np.array([one[2] for one in samples], np.int16),
        km=np.array([one[3] for one in samples], np.float64),
    )
    zone = np.array([vehicle % 2 for vehicle in vehicles], np.int64)
    return odometer_days.odometer_days(
        shown, rows, SPEED, np.array(vehicles, np.int64), zone, [SHANGHAI, BERLIN]
    )


def rows(found: OdometerDays) -> list[dict[str, object]]:
    columns = {name: getattr(found, name).tolist() for name in OdometerDays.__dataclass_fields__}
    out = []
    for number in range(len(found)):
        row = {name: None if (x := column[number]) != x else x for name, column in columns.items()}
        for name in ("first", "last", "low", "high", "glitch"):
            if row[f"{name}_km"] is None:
                row[f"{name}_us"] = None
        out.append(row)
    return out


def test_a_glitch_at_the_start_is_left_out_and_told() -> None:
    shown = [3.0, 0.0, 0.0, 83_211.0, 83_211.0, 83_211.0]
    (row,) = rows(
        days([(0, T0_US - 3 * SECOND_US + k * 100_000, SIGNALS, km) for k, km in enumerate(shown)], [2])
    )
    assert (row["first_km"], row["low_km"], row["high_km"], row["last_km"]) == (83_211.0,) * 4
    assert (row["readings_n"], row["glitches_n"], row["glitch_km"], row["settled_km"]) == (
        3,
        3,
        3.0,
        83_211.0,
    )
    assert row["glitch_us"] == T0_US - 3 * SECOND_US


def test_a_glitch_that_lasts_longer_than_half_a_second_is_left_to_the_days() -> None:
    (row,) = rows(days([(0, T0_US, SIGNALS, 0.0), (0, T0_US + 600_000, SIGNALS, 50_000.0)], [2]))
    assert (row["low_km"], row["high_km"], row["glitches_n"]) == (0.0, 50_000.0, 0)


def test_a_counter_that_rises_within_half_a_second_is_none() -> None:
    (row,) = rows(days([(0, T0_US, SIGNALS, 100.0), (0, T0_US + 400_000, SIGNALS, 101.0)], [2]))
    assert (row["first_km"], row["last_km"], row["glitches_n"]) == (100.0, 101.0, 0)


def test_readings_weeks_apart_under_one_number_are_held_against_their_neighbours_only() -> None:
    late_us = T0_US + 40 * 86_400 * SECOND_US
    found = days(
        [
            (0, T0_US, SIGNALS, 100.0),
            (0, late_us, SIGNALS, 3.0),
            (0, late_us + 100_000, SIGNALS, 2_000.0),
            (1, T0_US, SIGNALS, 5_000.0),
        ],
        [2, 4],
    )
    assert [(row["first_km"], row["glitches_n"]) for row in rows(found)] == [(100, 0), (2_000, 1), (5_000, 0)]


def test_sources_and_local_days_are_kept_apart() -> None:
    found = days(
        [
            (0, T0_US, SIGNALS, 10.0),
            (0, T0_US + 2 * SECOND_US, SIGNALS, 11.0),
            (0, T0_US, J1939_VD + 0x17, 20.0),
        ],
        [2],
    )
    assert [(row["day"], row["source"], row["first_km"], row["last_km"]) for row in rows(found)] == [
        (DAY, SIGNALS, 10.0, 10.0),
        (DAY, J1939_VD + 0x17, 20.0, 20.0),
        (DAY + 1, SIGNALS, 11.0, 11.0),
    ]


def test_speed_is_integrated_over_messages_that_it_covers() -> None:
    t0_us = T0_US - 3600 * SECOND_US
    speeds = [(0, t0_us + k * SECOND_US, SPEED, 72.0) for k in range(60)]
    shown = [(0, t0_us, SIGNALS, 100.0), (0, t0_us + 59 * SECOND_US, SIGNALS, 101.2)]
    (row,) = rows(days(shown, [2], speeds))
    assert (row["within_m"], row["speed_m"]) == (1200, 1200)
    (row,) = rows(days(shown, [2], speeds[:20]))
    assert (row["within_m"], row["speed_m"]) == (0, 0)


@st.composite
def histories(draw: DrawFn) -> tuple[list[Sample], list[int], list[Sample]]:
    """Samples of a few messages of a few vehicles, with many equal moments and values, and glitches."""
    vehicles = draw(st.lists(st.integers(0, 3), min_size=1, max_size=6))
    message = st.integers(0, len(vehicles) - 1)
    moment = st.integers(0, 30).map(lambda step: T0_US + step * 200_000)
    source = st.sampled_from([SIGNALS, J1939_VD])
    sample = st.tuples(message, moment, source, st.sampled_from([0.0, 3.0, 4.5, 100.0, 100.5, 101.0]))
    speed = st.tuples(message, moment, st.just(SPEED), st.sampled_from([0.0, 30.0, 90.0]))
    return draw(st.lists(sample, max_size=25)), vehicles, draw(st.lists(speed, max_size=15))


@settings(max_examples=100, deadline=None)
@given(history=histories(), data=st.data())
def test_any_split_in_any_order_merges_to_the_same_days(
    history: tuple[list[Sample], list[int], list[Sample]], data: st.DataObject
) -> None:
    samples, vehicles, speeds = history
    merged = odometer_days.empty()
    for message in data.draw(st.permutations(range(len(vehicles)))):
        mine = [one for one in samples if one[0] == message]
        merged = odometer_days.merge(
            merged, days(mine, vehicles, [one for one in speeds if one[0] == message])
        )
    assert rows(merged) == rows(days(samples, vehicles, speeds))
