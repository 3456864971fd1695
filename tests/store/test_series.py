"""A signal over time: buckets as a slow loop computes them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odocare import wiring
from store import segments, series
from store.messages import MessageKeys
from store.pool import Connection
from store.series import Bucket
from tests.decoders import databases
from tests.store.segment_rows import DAY_US, NOTHING, T0_US, keys, table
from tests.store.test_segments import sheet_of
from tests.strategies import Frame
from vehicle.day import at_of
from vehicle.errors import ConflictError
from vehicle.signal import Signal

SPEED: Final = wiring.catalogue().by_number[2]


def at(us: int) -> datetime:
    return at_of(T0_US + us)


def slowly(samples: list[tuple[int, float]], since_us: int, until_us: int, points: int) -> list[Bucket]:
    """Samples in order of time, one after the other."""
    found: dict[int, list[float]] = {}
    for t_us, value in samples:
        if since_us <= t_us < until_us:
            found.setdefault((t_us - since_us) * points // (until_us - since_us), []).append(value)
    return [
        Bucket(
            at(since_us + k * (until_us - since_us) // points),
            len(values), min(values), max(values), float(np.mean(values)), values[-1],
        )
        for k, values in sorted(found.items())
    ]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, DAY_US), st.integers(-100, 100)),
        max_size=30,
        unique_by=lambda one: one[1],
    ),
    since_us=st.integers(-DAY_US, DAY_US),
    span_us=st.integers(1, 3 * DAY_US),
    points=st.integers(1, 7),
)
async def test_buckets_are_what_a_loop_computes(
    conn: Connection, samples: list[tuple[int, int, int]], since_us: int, span_us: int, points: int
) -> None:
    await conn.execute("truncate segment")
    rows = table([(m, g, t, x / 10) for m, t, x in samples for g in (2, 3)])
    one = MessageKeys(np.full(6, 10), np.ones(6, np.int64), np.zeros(6, np.int64), np.arange(6))
    await segments.append(conn, one, [None] * 6, rows)
    await segments.append(conn, keys(7), [None] * 7, table([(6, 2, 5, 1e9)]))  # of another vehicle
    until_us = since_us + span_us
    found = await series.buckets(conn, 10, SPEED, since=at(since_us), until=at(until_us), points=points)
    in_time = sorted((t, x / 10) for _, t, x in samples)
    expected = slowly(in_time, since_us, until_us, points)
    assert [replace(one, mean=0) for one in found] == [replace(one, mean=0) for one in expected]
    assert [one.mean for one in found] == pytest.approx([one.mean for one in expected])


async def test_one_sender_s_values_are_told_apart(conn: Connection) -> None:
    drawn = databases.load(
        databases.dbc(['BO_ 2566844672 A: 8 X\n SG_ S : 0|8@1+ (1,0) [0|250] "" X\n']), bus="j1939"
    )
    number = drawn.names["A", "S"]
    signal = Signal(number, SPEED.path, SPEED.unit, SPEED.kind)
    wire_id = databases.wire_id_of(drawn.database.messages[0])
    frames = [Frame(wire_id | source, bytes([value]) + bytes(7), k) for k, (source, value) in
              enumerate([(0, 10), (0x17, 20), (0, 12), (0x17, 255)])]  # fmt: skip
    sheet = sheet_of(drawn.codebook, frames, [0] * 4)
    await segments.append(conn, keys(1), [1], NOTHING, [sheet])
    found = []
    for source in (None, 0x17, 0, 5):
        several = await series.buckets(conn, 10, signal, since=at(0), until=at(100), points=1, source=source)
        found.append([(one.n, one.mean, one.last) for one in several])
    assert found == [[(3, 14.0, 12.0)], [(1, 20.0, 20.0)], [(2, 11.0, 12.0)], []]


async def test_a_long_span_is_read_by_slices(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "_SLICE_BYTES", 200)
    n = 120
    rows = table([(m, 2, 0, float(m)) for m in range(n)])
    later = rows.t_us + rows.message.astype(np.int64) * 3 * 3_600_000_000
    spread = type(rows)(rows.message, later, rows.signal, rows.value)
    one = MessageKeys(np.full(n, 10), np.ones(n, np.int64), np.zeros(n, np.int64), np.arange(n))
    await segments.append(conn, one, [None] * n, spread)
    since, until = at(0), at(0) + timedelta(days=15)
    found = await series.buckets(conn, 10, SPEED, since=since, until=until, points=15)
    assert [(one.n, one.minimum, one.maximum) for one in found] == [
        (8, 8.0 * day, 8.0 * day + 7) for day in range(15)
    ]


async def test_a_span_is_more_than_nothing_and_at_most_a_quarter(conn: Connection) -> None:
    for span in (timedelta(0), timedelta(days=93)):
        with pytest.raises(ConflictError, match="92 days"):
            await series.buckets(conn, 1, SPEED, since=at(0), until=at(0) + span, points=5)
