import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import columns
from store.pool import Connection

QUERY = b"""
    copy (
        select u.number, u.day, u.value
        from unnest(%(number)s::bigint[], %(day)s::integer[], %(value)s::float8[])
            with ordinality as u (number, day, value, place)
        order by u.place
    ) to stdout (format binary)
"""
COLUMNS = {"number": ">i8", "day": ">i4", "value": ">f8"}
ROWS = st.lists(
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1), st.floats(width=64)),
    max_size=20,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
async def test_rows_come_back_as_columns_bit_by_bit(
    conn: Connection, rows: list[tuple[int, int, float]]
) -> None:
    number, day, value = ([row[place] for row in rows] for place in range(3))
    found = await columns.read(conn, QUERY, {"number": number, "day": day, "value": value}, COLUMNS)
    assert found["number"].tolist() == number
    assert found["day"].tolist() == day
    assert all(
        (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
        for a, b in zip(found["value"].tolist(), value, strict=True)
    )


async def test_a_null_or_a_column_of_another_width_is_refused(conn: Connection) -> None:
    with pytest.raises(ValueError, match=r"expected|value must be"):
        await columns.read(
            conn, b"copy (select 1::bigint, 2, null::float8) to stdout (format binary)", {}, COLUMNS
        )
    with pytest.raises(ValueError, match="number must be >i4"):
        await columns.read(
            conn,
            b"copy (select 1::bigint, 2::integer) to stdout (format binary)",
            {},
            {"number": ">i4", "day": ">i8"},
        )


async def test_no_rows_are_an_empty_array_with_the_same_columns(conn: Connection) -> None:
    found = await columns.read(conn, QUERY, {"number": [], "day": [], "value": []}, COLUMNS)
    assert len(found) == 0
    assert found["value"].dtype == np.dtype(">f8")
