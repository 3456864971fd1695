"""Segments: what goes in as columns comes out of the view value by value, bit for bit."""

import struct

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from odocare import wiring
from store import segments, signals
from store.messages import MessageKeys
from store.pool import Connection
from vehicle.day import us_of
from vehicle.frame import SignalRows

T0_US = 1_760_000_000_123_457


def keys(n: int) -> MessageKeys:
    rising = np.arange(n, dtype=np.int64)
    return MessageKeys(rising + 10, rising * 0 + 2**62, rising % 2, rising + 5)


@st.composite
def batches(draw: DrawFn) -> tuple[int, SignalRows]:
    """Rows of a few messages, some without any, sorted as decoders leave them."""
    n = draw(st.integers(1, 4))
    row = st.tuples(
        st.integers(0, n - 1),
        st.sampled_from([1, 2, 4, 24]),
        st.integers(0, 86_400_000_000),
        st.floats(allow_nan=False, allow_infinity=True),
    )
    rows = sorted(draw(st.lists(row, max_size=30)), key=lambda one: one[:3])
    return n, SignalRows(
        message=np.array([one[0] for one in rows], np.int32),
        t_us=np.array([T0_US + one[2] for one in rows], np.int64),
        signal=np.array([one[1] for one in rows], np.int16),
        value=np.array([one[3] for one in rows], np.float64),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches())
async def test_every_value_is_read_back_with_its_moment(
    conn: Connection, batch: tuple[int, SignalRows]
) -> None:
    n, rows = batch
    catalogue = wiring.catalogue()
    await signals.sync(conn, catalogue)
    await conn.execute("truncate segment")
    await segments.append(conn, keys(n), [None, 3, None, 4][:n], rows)
    cur = await conn.execute(
        "select vehicle_id, at, path, value, boot, life, seq from observation order by vehicle_id, path, at"
    )
    found = [
        (v, us_of(at), path, struct.pack(">d", x), b, life, s)
        for v, at, path, x, b, life, s in await cur.fetchall()
    ]
    k = keys(n)
    columns = (rows.message, rows.t_us, rows.signal, rows.value)
    expected = [
        (
            int(k.vehicle_id[m]), t, catalogue.by_number[g].path, struct.pack(">d", x),
            int(k.boot[m]), int(k.life[m]), int(k.seq[m]),
        )
        for m, t, g, x in zip(*(column.tolist() for column in columns), strict=True)
    ]  # fmt: skip
    assert sorted(found) == sorted(expected)


async def test_a_message_is_one_row_and_without_values_none(conn: Connection) -> None:
    rows = SignalRows(
        message=np.array([1, 1, 1], np.int32),
        t_us=np.array([T0_US + 5, T0_US + 7, T0_US], np.int64),
        signal=np.array([1, 1, 4], np.int16),
        value=np.array([1.0, 2.0, 3.0]),
    )
    await segments.append(conn, keys(3), [None, 9, None], rows)
    cur = await conn.execute(
        "select vehicle_id, at, until, codebook_id, signal, samples, dt_us, value from segment"
    )
    ((vehicle_id, at, until, codebook_id, *columns),) = await cur.fetchall()
    assert (vehicle_id, us_of(at), us_of(until), codebook_id) == (11, T0_US, T0_US + 7, 9)
    assert columns == [[1, 4], [2, 1], [5, 7, 0], [1.0, 2.0, 3.0]]
    assert await segments.stored_signals(conn, (11, 2**62, 1, 6), T0_US + 3_600_000_000) == {1, 4}
    assert await segments.stored_signals(conn, (11, 2**62, 1, 7), T0_US) == set()
