"""Arrays as PostgreSQL takes them in binary, built from numpy without a step per element.

Two uses: parameters of `unnest` (one statement for a whole batch), and the columns of a binary COPY.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncCursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from store.pool import Connection

EPOCH_US: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01 UTC, we from 1970."""

_LENGTH_BYTES: Final = 4
_HEAD_BYTES: Final = 20
"""Of an array with one dimension: dimensions, nulls, type, size, first index."""
INT2_OID: Final = 21
INT4_OID: Final = 23
INT8_OID: Final = 20
FLOAT8_OID: Final = 701
TIMESTAMPTZ_OID: Final = 1184
DATE_OID: Final = 1082
TEXT_OID: Final = 25
_EPOCH_DAY: Final = 10_957
"""2000-01-01 in days since 1970-01-01."""


class Int2Array(bytes):
    """A `smallint[]` in binary."""


class Int4Array(bytes):
    """An `integer[]` in binary."""


class Int8Array(bytes):
    """A `bigint[]` in binary."""


class Float8Array(bytes):
    """A `double precision[]` in binary."""


class TimestampArray(bytes):
    """A `timestamptz[]` in binary."""


class DateArray(bytes):
    """A `date[]` in binary."""


class TextArray(bytes):
    """A `text[]` in binary."""


def int2s(values: NDArray[Any]) -> Int2Array:
    """Any integers as `smallint[]`."""
    return Int2Array(_array(INT2_OID, values, ">i2"))


def int4s(values: NDArray[Any]) -> Int4Array:
    """Any integers as `integer[]`."""
    return Int4Array(_array(INT4_OID, values, ">i4"))


def int8s(values: NDArray[Any]) -> Int8Array:
    """Any integers as `bigint[]`."""
    return Int8Array(_array(INT8_OID, values, ">i8"))


def float8s(values: NDArray[np.float64]) -> Float8Array:
    """Numbers as `double precision[]`, NaN as null."""
    return Float8Array(_array(FLOAT8_OID, values, ">f8", null=np.isnan(values)))


def timestamps(us: NDArray[np.int64], *, null: NDArray[np.bool_] | None = None) -> TimestampArray:
    """Microseconds since 1970 UTC as `timestamptz[]`."""
    return TimestampArray(_array(TIMESTAMPTZ_OID, us - EPOCH_US, ">i8", null=null))


def dates(days: NDArray[np.int32]) -> DateArray:
    """Days since 1970-01-01 as `date[]`."""
    return DateArray(_array(DATE_OID, days - _EPOCH_DAY, ">i4"))


def texts(values: Sequence[str]) -> TextArray:
    """Texts without zero bytes as `text[]`; fast where few of them differ."""
    coded = {text: _text(text) for text in set(values)}
    return TextArray(head(TEXT_OID, len(values)) + b"".join([coded[text] for text in values]))


def _text(text: str) -> bytes:
    octets = text.encode()
    return struct.pack(">i", len(octets)) + octets


def elements(values: NDArray[Any], dtype: str) -> bytes:
    """Every value big-endian behind its length: what stands in a binary array after its head.

    Raises `OverflowError` where an integer type does not hold all values: numpy alone would wrap them.
    """
    out = np.empty(len(values), dtype=[("length", ">i4"), ("value", dtype)])
    out["length"] = np.dtype(dtype).itemsize
    out["value"] = values
    if out["value"].dtype.kind == "i" and not np.can_cast(values.dtype, dtype):
        wrong = np.flatnonzero(out["value"] != values)
        if len(wrong):
            raise OverflowError(
                f"{np.dtype(dtype).name} expected, got {values[wrong[0]]} at place {wrong[0]}"
            )
    return out.tobytes()


def head(oid: int, n: int, *, nulls: bool = False) -> bytes:
    """What stands before the elements of a one-dimensional array."""
    return struct.pack(">iiIii", 1, int(nulls), oid, n, 1) if n else struct.pack(">iiI", 0, 0, oid)


def read(given: Sequence[bytes], dtype: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The values of binary arrays without nulls (`array_send`), one behind the other, and the arrays' sizes.

    In native byte order. An empty array has no dimension, and so is all head.
    """
    bodies = [array[_HEAD_BYTES:] for array in given]
    parts = np.frombuffer(b"".join(bodies), dtype=[("length", ">i4"), ("value", dtype)])
    sizes = np.array([len(body) for body in bodies], dtype=np.int64) // parts.itemsize
    return parts["value"].astype(np.dtype(dtype).newbyteorder("=")), sizes


def cursor(conn: Connection) -> AsyncCursor[tuple[Any, ...]]:
    """A cursor that takes these arrays as parameters."""
    cur = conn.cursor()
    for dumper in _DUMPERS:
        cur.adapters.register_dumper(dumper.of, dumper)
    return cur


def _array(oid: int, values: NDArray[Any], dtype: str, null: NDArray[np.bool_] | None = None) -> bytes:
    body = elements(values, dtype)
    if null is None or not null.any():
        return head(oid, len(values)) + body
    width = _LENGTH_BYTES + np.dtype(dtype).itemsize
    rows = np.frombuffer(body, dtype=np.uint8).reshape(-1, width).copy()
    rows[null, :_LENGTH_BYTES] = 0xFF  # length -1
    kept = np.ones(rows.shape, dtype=np.bool_)
    kept[null, _LENGTH_BYTES:] = False
    return head(oid, len(values), nulls=True) + rows[kept].tobytes()


class _Binary(Dumper):
    """Bytes that are in PostgreSQL's own form already."""

    format = Format.BINARY
    of: type[bytes] = bytes

    def dump(self, obj: bytes) -> Buffer | None:
        return bytes(obj)


class _Int2s(_Binary):
    of, oid = Int2Array, 1005


class _Int4s(_Binary):
    of, oid = Int4Array, 1007


class _Int8s(_Binary):
    of, oid = Int8Array, 1016


class _Float8s(_Binary):
    of, oid = Float8Array, 1022


class _Timestamps(_Binary):
    of, oid = TimestampArray, 1185


class _Dates(_Binary):
    of, oid = DateArray, 1182


class _Texts(_Binary):
    of, oid = TextArray, 1009


_DUMPERS: Final[tuple[type[_Binary], ...]] = (_Int2s, _Int4s, _Int8s, _Float8s, _Timestamps, _Dates, _Texts)
