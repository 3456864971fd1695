"""Values as tests of segments draw them, and everything that is stored of them."""

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from store.messages import MessageKeys
from store.pool import Connection
from vehicle.day import us_of
from vehicle.frame import SignalRows
from vehicle.sheet import NO_SOURCE, Sheet

T0_US: Final = 1_760_000_000_123_457
DAY_US: Final = 86_400_000_000
NOTHING: Final = SignalRows(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int16), np.zeros(0))

Told = tuple[int, int, int, int, bytes]
"""Message, signal, moment, source, bits of the value."""

VALUES: Final = st.one_of(
    st.floats(allow_nan=False, allow_infinity=True),
    st.integers(-(2**53), 2**53).map(float),
    st.integers(-(2**20), 2**20).map(lambda n: n / 10),
    st.integers(-(2**20), 2**20).map(lambda n: n * 0.01),
    st.sampled_from([0.0, -0.0, 255.0, 256.0, -128.0, 5e-324, 1e308, 0.1 + 0.2]),
)


def keys(n: int) -> MessageKeys:
    """Of the messages 0 to n."""
    rising = np.arange(n, dtype=np.int64)
    return MessageKeys(rising + 10, rising * 0 + 2**62, rising % 2, rising + 5)


def table(rows: Sequence[tuple[int, int, int, float]]) -> SignalRows:
    """Rows of message, signal, moment behind T0, value, as decoders leave them."""
    ordered = sorted(rows, key=lambda one: one[:3])
    return SignalRows(
        message=np.array([one[0] for one in ordered], np.int32),
        t_us=np.array([T0_US + one[2] for one in ordered], np.int64),
        signal=np.array([one[1] for one in ordered], np.int16),
        value=np.array([one[3] for one in ordered], np.float64),
    )


@st.composite
def plain_rows(draw: DrawFn) -> tuple[int, SignalRows]:
    """Values of a few messages, some without any: moments shared or not, signals once or several times."""
    n = draw(st.integers(1, 4))
    moments = st.sampled_from([0, 1, 1_000, 5_000_000_000, DAY_US]) | st.integers(0, DAY_US)
    row = st.tuples(st.integers(0, n - 1), st.sampled_from([1, 2, 4, 24]), moments, VALUES)
    return n, table(draw(st.lists(row, max_size=30)))


def told(rows: SignalRows, sources: Sequence[int] | None = None) -> list[Told]:
    """What rows say, in an order of its own."""
    columns = (rows.message, rows.signal, rows.t_us, rows.value)
    several = sources if sources is not None else [NO_SOURCE] * len(rows)
    found = zip(*(column.tolist() for column in columns), several, strict=True)
    return sorted((m, g, t, source, struct.pack(">d", x)) for m, g, t, x, source in found)


def told_by(sheet: Sheet) -> list[Told]:
    """What a sheet says."""
    return told(sheet.rows, sheet.source[sheet.frame].tolist())


async def in_the_view(conn: Connection) -> list[Told]:
    """What the database itself reads out of the segments of `keys`."""
    cur = await conn.execute(
        "select s.vehicle_id, v.signal, s.at, v.dt_us, v.source, v.value"
        " from segment s cross join lateral segment_values(s.body) v"
    )
    return sorted(
        (
            vehicle_id - 10,
            signal,
            us_of(at) + dt_us,
            NO_SOURCE if source is None else source,
            struct.pack(">d", x),
        )
        for vehicle_id, signal, at, dt_us, source, x in await cur.fetchall()
    )


async def rows_of(conn: Connection) -> list[tuple[Any, ...]]:
    """The heads of all segments."""
    cur = await conn.execute(
        "select vehicle_id, at, span_ms, boot, life, seq, codebook_id from segment order by vehicle_id"
    )
    return await cur.fetchall()
