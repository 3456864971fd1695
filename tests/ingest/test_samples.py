"""Values of many messages become one table: sorted, in range, nothing invented, nothing lost."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from decoders.message import SignalsMessage
from ingest import samples
from ingest.lexicon import Lexicon
from odocare import wiring
from tests.ingest.senders import ODOMETER, T0_US, envelope, vin
from vehicle.frame import SignalRows

LEXICON = Lexicon.of(wiring.catalogue(), wiring.codebooks(), wiring.dtc_table())
SPEED = "Vehicle.Speed"


@st.composite
def messages(draw: DrawFn) -> list[tuple[int, SignalsMessage]]:
    """A few messages with known and unknown signals, moments in any order, values that are none."""
    value = st.sampled_from([0.0, 1.5, 399.0, 401.0, -101.0, math.nan, math.inf, 1e12])
    found = []
    for number in range(draw(st.integers(0, 4))):
        signals = {}
        for path in draw(st.lists(st.sampled_from([SPEED, ODOMETER, "Vehicle.X-Other.A"]), unique=True)):
            n = draw(st.integers(0, 5))
            dt_us = draw(st.lists(st.integers(-50, 50), min_size=n, max_size=n))
            values = draw(st.lists(value, min_size=n, max_size=n))
            signals[path] = (np.array(dt_us, np.int64), np.array(values, np.float64))
        message = SignalsMessage.of(envelope(vin(number), 0, t0_us=T0_US + number), signals)
        found.append((draw(st.integers(0, 2)) + 3 * number, message))
    return found


def listed(rows: SignalRows) -> list[tuple[int, int, int, float]]:
    columns = (rows.message, rows.signal, rows.t_us, rows.value)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(max_examples=100, deadline=None)
@given(given_messages=messages())
def test_every_measurement_is_there_once_in_order(given_messages: list[tuple[int, SignalsMessage]]) -> None:
    expected = []
    for place, message in given_messages:
        for path, (dt_us, value) in message.signals.items():
            signal = LEXICON.catalogue.by_path.get(path)
            for dt, x in zip(dt_us.tolist(), value.tolist(), strict=True):
                if signal is None or not math.isfinite(x):
                    continue
                assert signal.minimum is not None
                assert signal.maximum is not None
                if signal.minimum <= x <= signal.maximum:
                    expected.append((place, signal.number, message.envelope.t0_us + dt, x))
    found = samples.join(given_messages, LEXICON)
    assert sorted(listed(found.rows)) == sorted(expected)
    order = [row[:3] for row in listed(found.rows)]
    assert order == sorted(order)
    unknown = {place for place, message in given_messages if "Vehicle.X-Other.A" in message.signals}
    assert set(found.unknown) == unknown


def test_values_out_of_range_are_counted_and_missing_ones_are_not() -> None:
    message = SignalsMessage.of(
        envelope(vin(1), 0),
        {SPEED: (np.arange(4, dtype=np.int64), np.array([50.0, 401.0, math.nan, -101.0]))},
    )
    found = samples.join([(0, message)], LEXICON)
    assert (len(found.rows), found.out_of_range) == (1, 2)


def test_rows_of_dropped_messages_go_and_the_others_get_their_new_numbers() -> None:
    rows = SignalRows(
        np.array([0, 1, 1, 3], np.int32), np.arange(4), np.ones(4, np.int16), np.arange(4, dtype=np.float64)
    )
    found = samples.renumbered(rows, np.array([-1, 0, 1, 2], np.int32))
    assert listed(found) == [(0, 1, 1, 1.0), (0, 1, 2, 2.0), (2, 1, 3, 3.0)]


def test_tables_of_different_messages_interleave() -> None:
    one = SignalRows(np.array([0, 2], np.int32), np.arange(2), np.ones(2, np.int16), np.zeros(2))
    other = SignalRows(np.array([1], np.int32), np.arange(1), np.ones(1, np.int16), np.ones(1))
    assert samples.together([one, other]).message.tolist() == [0, 1, 2]
    assert len(samples.together([])) == 0
