"""Rows as numpy columns, through binary COPY: no Python object per value."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from store.pool import Connection

_HEADER_BYTES: Final = 19  # signature 11, flags 4, extension length 4
_TRAILER_BYTES: Final = 2


async def read(
    conn: Connection, query: bytes, parameters: Mapping[str, Any], columns: Mapping[str, str]
) -> NDArray[np.void]:
    """A structured array of the rows of `copy (select ...) to stdout (format binary)`.

    `columns` names each column and its big-endian dtype (`>i8` bigint, `>i4` integer, `>f8` double
    precision), in the order of the select; none may be null: send 'NaN' instead. Raises `ValueError` where
    a row has another shape.
    """
    fields: list[tuple[str, str]] = [("_fields", ">i2")]
    for name, dtype in columns.items():
        fields += [(f"_{name}_bytes", ">i4"), (name, dtype)]
    row = np.dtype(fields)
    async with conn.cursor() as cur, cur.copy(query, parameters) as copy:
        body = b"".join([bytes(block) async for block in copy])
    rows = np.frombuffer(body, dtype=row, offset=_HEADER_BYTES, count=_rows_in(body, row))
    for name, dtype in columns.items():
        if (rows[f"_{name}_bytes"] != np.dtype(dtype).itemsize).any():
            raise ValueError(f"column {name} must be {dtype} in every row, without nulls")
    return rows


def _rows_in(body: bytes, row: np.dtype[np.void]) -> int:
    count, rest = divmod(len(body) - _HEADER_BYTES - _TRAILER_BYTES, row.itemsize)
    if rest:
        raise ValueError(f"rows of {row.itemsize} bytes expected, {rest} bytes are left over")
    return count
