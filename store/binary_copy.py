"""The binary form of COPY: a head, rows of length-prefixed fields, an end."""

import struct
from collections.abc import Iterable
from typing import Final, LiteralString

from psycopg import sql

from store import arrays
from store.pool import Connection

_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END: Final = b"\xff\xff"
_PIECE_BYTES: Final = 1 << 20
_ARRAY: Final = struct.Struct(">iiiIii")
"""Length of the field; dimensions, nulls, type, size, first index."""
NULL: Final = b"\xff\xff\xff\xff"
"""A field that is null."""


async def write(conn: Connection, statement: LiteralString, rows: Iterable[bytes]) -> None:
    """Run `copy … from stdin (format binary)` with rows that `row` and the field functions built."""
    async with conn.cursor() as cur, cur.copy(sql.SQL(statement)) as copy:
        piece = bytearray(_HEAD)
        for row in rows:
            piece += row
            if len(piece) >= _PIECE_BYTES:
                await copy.write(bytes(piece))
                piece.clear()
        await copy.write(bytes(piece) + _END)


def count(fields: int) -> bytes:
    """What a row of so many fields begins with."""
    return struct.pack(">h", fields)


def int8(value: int) -> bytes:
    """A `bigint` field."""
    return struct.pack(">iq", 8, value)


def int4(value: int | None) -> bytes:
    """An `integer` field."""
    return NULL if value is None else struct.pack(">ii", 4, value)


def int2(value: int) -> bytes:
    """A `smallint` field."""
    return struct.pack(">ih", 2, value)


def boolean(value: bool) -> bytes:  # noqa: FBT001  # a field, as its neighbours
    """A `boolean` field."""
    return struct.pack(">i?", 1, value)


def timestamp(us: int) -> bytes:
    """A `timestamptz` field from microseconds since 1970 UTC."""
    return struct.pack(">iq", 8, us - arrays.EPOCH_US)


def octets(value: bytes) -> bytes:
    """A `bytea` field."""
    return struct.pack(">i", len(value)) + value


def array(oid: int, n: int, element_bytes: int, elements: bytes, start: int) -> bytes:
    """A one-dimensional array field of `n` of the `elements` (`store.arrays`), at least one, from one on."""
    first = start * element_bytes
    top = _ARRAY.pack(_ARRAY.size - 4 + n * element_bytes, 1, 0, oid, n, 1)
    return top + elements[first : first + n * element_bytes]
