"""What segments a load makes of rows in any order."""

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from decoders.codebook import Codebooks
from ingest.lexicon import Lexicon
from odocare import load_portion, wiring
from odocare.load_portion import Fleet
from store.vehicles import VehicleRef
from vehicle.dtc_table import DtcTable
from vehicle.vin import Vin

LEXICON = Lexicon.of(wiring.catalogue(), Codebooks({}), DtcTable({}))
FLEET = Fleet.of(
    [
        VehicleRef(30 + n, Vin(f"A0DC000000000000{n}"), None, tz, date(2020, 1, 1), True, True)
        for n, tz in enumerate(("Asia/Shanghai", "Europe/Berlin"))
    ],
    LEXICON,
)
SPEED, AMBIENT = (LEXICON.numbers[path] for path in ("Vehicle.Speed", "Vehicle.OBD.IntakeTemp"))
DAY_US = 86_400_000_000
BEGIN_US = 1_700_000_000_000_000

ROWS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from([SPEED, AMBIENT]),
        st.integers(0, 3 * DAY_US) | st.integers(0, 100).map(lambda s: s * 1_000_000),
        st.integers(0, 200),
    ),
    min_size=1,
    max_size=60,
)


def table(rows: list[tuple[int, int, int, int]]) -> pl.DataFrame:
    place, signal, dt_us, value = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "place": pl.Series(place, dtype=pl.Int32),
            "signal": pl.Series(signal, dtype=pl.Int16),
            "time": pl.Series(dt_us, dtype=pl.Int64) + BEGIN_US,
            "value": pl.Series(value, dtype=pl.Float64),
        }
    )


@given(ROWS)
def test_segments_hold_every_row_once_in_order_and_within_a_day(
    rows: list[tuple[int, int, int, int]],
) -> None:
    made = load_portion.portion(table(rows), FLEET, LEXICON, load_id=5, first_seq=7)
    found = made.rows
    vehicle = made.keys.vehicle_id[found.message]
    stored = zip(
        (vehicle - 30).tolist(),
        found.signal.tolist(),
        (found.t_us - BEGIN_US).tolist(),
        found.value.tolist(),
        strict=True,
    )
    kept = [row for row in rows if LEXICON.minimum[row[1]] <= row[3] <= LEXICON.maximum[row[1]]]
    assert sorted(stored) == sorted(kept)
    assert made.out_of_range == len(rows) - len(kept)
    order = list(zip(found.message.tolist(), found.signal.tolist(), found.t_us.tolist(), strict=True))
    assert order == sorted(order)
    assert np.unique(found.message).tolist() == list(range(len(made.keys)))
    assert made.keys.seq.tolist() == list(range(7, 7 + len(made.keys)))
    for number in range(len(made.keys)):
        t_us = found.t_us[found.message == number]
        assert t_us.max() - t_us.min() < DAY_US
    assert made.days.samples_n.sum() == len(kept)


def test_a_signal_with_many_values_in_a_row_has_segments_of_its_own() -> None:
    seconds = range(3_000)
    rows = [(0, signal, 1_000_000 * s, 20) for signal in (SPEED, AMBIENT) for s in seconds]
    made = load_portion.portion(table(rows), FLEET, LEXICON, load_id=5, first_seq=0)
    signals = [np.unique(made.rows.signal[made.rows.message == k]).tolist() for k in range(len(made.keys))]
    assert all(len(one) == 1 for one in signals)
    mixed = [(0, signal, 1_000_000 * s, 20) for s in seconds for signal in (SPEED, AMBIENT)]
    together = load_portion.portion(table(mixed), FLEET, LEXICON, load_id=5, first_seq=0)
    assert len(np.unique(together.rows.signal[together.rows.message == 0])) == 2


def test_no_segment_is_larger_than_it_may_be() -> None:
    rows = [(0, SPEED, s % 1_000, 20) for s in range(load_portion.MOST_VALUES + 10)]
    made = load_portion.portion(table(rows), FLEET, LEXICON, load_id=5, first_seq=0)
    assert np.bincount(made.rows.message).tolist() == [load_portion.MOST_VALUES, 10]
