"""Daily features come out the same however messages are cut into batches and in whatever order they come."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from maintenance import daily
from maintenance.daily import DailySignals
from odocare import wiring
from vehicle.day import us_of
from vehicle.errors import CatalogueError
from vehicle.feature_day import FeatureDays
from vehicle.frame import SignalRows
from vehicle.signal import Catalogue

SIGNALS = DailySignals.of(wiring.catalogue())
SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT_US = us_of(datetime(2026, 3, 1, tzinfo=SHANGHAI))
HOUR_US = 3_600_000_000
DAY = MIDNIGHT_US // 86_400_000_000 + 1

Sample = tuple[int, int, int, float]
"""Message, moment, signal, value."""


def table(samples: list[Sample]) -> SignalRows:
    ordered = sorted(samples, key=lambda one: (one[0], one[2], one[1]))
    return SignalRows(
        message=np.array([one[0] for one in ordered], np.int32),
        t_us=np.array([one[1] for one in ordered], np.int64),
        signal=np.array([one[2] for one in ordered], np.int16),
        value=np.array([one[3] for one in ordered], np.float64),
    )


def days(samples: list[Sample], vehicles: list[int], zones: list[ZoneInfo] | None = None) -> FeatureDays:
    zones = zones or [SHANGHAI]
    zone = np.array([vehicle % len(zones) for vehicle in vehicles], np.int64)
    return daily.feature_days(table(samples), np.array(vehicles, np.int64), zone, zones, SIGNALS)


def rows(found: FeatureDays) -> list[dict[str, object]]:
    """Comparable: NaN is None."""
    columns = {name: getattr(found, name).tolist() for name in FeatureDays.__dataclass_fields__}
    out = []
    for number in range(len(found)):
        row = {name: column[number] for name, column in columns.items()}
        out.append({name: None if value != value else value for name, value in row.items()})
    return out


def test_a_day_in_numbers() -> None:
    nine = MIDNIGHT_US + 9 * HOUR_US
    found = days(
        [
            (0, nine, SIGNALS.cranking, 9.8),
            (0, nine + HOUR_US, SIGNALS.cranking, 9.1),
            (0, nine, SIGNALS.rest, 12.6),
            (0, nine, SIGNALS.ambient, -3.0),
            (0, nine + HOUR_US, SIGNALS.ambient, 4.0),
            (0, nine, SIGNALS.coolant, 91.0),
            (0, nine, SIGNALS.oil_life, 55.0),
            (0, nine, SIGNALS.engine_hours, 100.5),
            (0, nine + HOUR_US, SIGNALS.engine_hours, 101.25),
        ],
        [7],
    )
    (row,) = rows(found)
    assert row == {
        "vehicle_id": 7,
        "day": DAY,
        "starts_n": 2,
        "crank_min_v": 9.1,
        "rest_v": 12.6,
        "ambient_min_degc": -3.0,
        "ambient_max_degc": 4.0,
        "coolant_max_degc": 91.0,
        "oil_life_pct": 55.0,
        "engine_min_h": 100.5,
        "engine_max_h": 101.25,
        "samples_n": 9,
    }


def test_a_message_across_midnight_counts_for_both_of_the_vehicles_days() -> None:
    found = days(
        [
            (0, MIDNIGHT_US - HOUR_US, SIGNALS.rest, 12.0),
            (0, MIDNIGHT_US + HOUR_US, SIGNALS.rest, 12.5),
        ],
        [7],
    )
    assert [(row["day"], row["rest_v"], row["samples_n"]) for row in rows(found)] == [
        (DAY - 1, 12.0, 1),
        (DAY, 12.5, 1),
    ]


def test_a_day_is_the_vehicles_own() -> None:
    moment = us_of(datetime(2026, 3, 1, 22, tzinfo=UTC))
    found = days(
        [(0, moment, SIGNALS.rest, 12.0), (1, moment, SIGNALS.rest, 12.0)], [0, 1], [SHANGHAI, BERLIN]
    )
    assert [(row["vehicle_id"], row["day"]) for row in rows(found)] == [(0, DAY + 1), (1, DAY)]


def test_a_message_that_skips_a_day_makes_no_row_for_it() -> None:
    found = days(
        [
            (0, MIDNIGHT_US - HOUR_US, SIGNALS.rest, 12.0),
            (0, MIDNIGHT_US + 25 * HOUR_US, SIGNALS.rest, 12.0),
        ],
        [7],
    )
    assert [row["day"] for row in rows(found)] == [DAY - 1, DAY + 1]


def test_without_values_there_is_no_day() -> None:
    assert len(days([], [])) == 0
    assert len(daily.merge(daily.empty(), daily.empty())) == 0


def test_a_catalogue_without_an_odometer_is_refused() -> None:
    with pytest.raises(CatalogueError, match="TraveledDistance"):
        DailySignals.of(Catalogue.from_toml(""))


@st.composite
def histories(draw: DrawFn) -> tuple[list[Sample], list[int]]:
    """Samples of a few messages of a few vehicles, with many equal moments and values."""
    vehicles = draw(st.lists(st.integers(0, 3), min_size=1, max_size=6))
    numbers = [
        SIGNALS.odometer, SIGNALS.cranking, SIGNALS.rest, SIGNALS.ambient, SIGNALS.coolant,
        SIGNALS.oil_life, SIGNALS.engine_hours, 2,
    ]  # fmt: skip
    sample = st.tuples(
        st.integers(0, len(vehicles) - 1),
        st.integers(0, 5).map(lambda step: MIDNIGHT_US + (step - 2) * 7 * HOUR_US),
        st.sampled_from(numbers),
        st.sampled_from([3.0, 4.5, 10.0, 10.5, 12.0]),
    )
    return draw(st.lists(sample, max_size=25)), vehicles


@settings(max_examples=80, deadline=None)
@given(history=histories(), data=st.data())
def test_any_split_in_any_order_merges_to_the_same_days(
    history: tuple[list[Sample], list[int]], data: st.DataObject
) -> None:
    samples, vehicles = history
    zones = [SHANGHAI, BERLIN]
    parts = [[one for one in samples if one[0] == message] for message in range(len(vehicles))]
    order = data.draw(st.permutations(range(len(vehicles))))
    merged = daily.empty()
    for message in order:
        merged = daily.merge(merged, days(parts[message], vehicles, zones))
    assert rows(merged) == rows(days(samples, vehicles, zones))


@settings(max_examples=60, deadline=None)
@given(one=histories(), other=histories())
def test_merging_commutes(one: tuple[list[Sample], list[int]], other: tuple[list[Sample], list[int]]) -> None:
    first, second = days(*one), days(*other)
    assert rows(daily.merge(first, second)) == rows(daily.merge(second, first))
