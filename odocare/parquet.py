"""Parquet files of narrow columns: values that are few are written as numbers of a list.

What a signal of b bits can say is a list of 2^b values; a column then holds b bits per row, and needs no
compression to be small (docs/decisions/0014-tables-of-decoded-captures.md). Everything is written once, in
row groups, so that any number of files can grow at a time. Parquet's own words: a *dictionary page* is the
list, *definition levels* say which rows have a value.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from odocare import thrift
from odocare.thrift import I8, I64, Encoded, Struct

_MAGIC: Final = b"PAR1"
_INT32, _INT64, _DOUBLE, _BYTE_ARRAY = 1, 2, 5, 6
_REQUIRED, _OPTIONAL = 0, 1
_PLAIN, _RLE, _RLE_DICTIONARY = 0, 3, 8
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_UTF8, _TIMESTAMP_MICROS, _UINT_8 = 0, 10, 11
_WIDTHS: Final = (1, 2, 4, 8, 16)
_GROUP: Final = 8
"""Values are packed by eights."""


class Kind(Enum):
    """What a column holds."""

    TIME = "time"
    """Microseconds since 1970 UTC, in every row."""
    NUMBER = "number"
    SMALL = "small"
    """0 to 255."""
    TEXT = "text"


_TYPES: Final[Mapping[Kind, Struct]] = {
    Kind.TIME: {1: _INT64, 3: _REQUIRED, 6: _TIMESTAMP_MICROS, 10: {8: {1: True, 2: {2: {}}}}},
    Kind.NUMBER: {1: _DOUBLE, 3: _OPTIONAL},
    Kind.SMALL: {1: _INT32, 3: _OPTIONAL, 6: _UINT_8, 10: {10: {1: I8(8), 2: False}}},
    Kind.TEXT: {1: _BYTE_ARRAY, 3: _OPTIONAL, 6: _UTF8, 10: {1: {}}},
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Plain:
    """Rows as they are: int64 of a time, float64 of a number."""

    values: NDArray[np.int64] | NDArray[np.float64]
    valid: NDArray[np.bool_] | None = None
    """Rows that have a value; None: all."""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Coded:
    """Rows as places in the column's list."""

    codes: NDArray[np.uint8] | NDArray[np.uint16]
    valid: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.codes)


Page = Plain | Coded


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column's rows of one row group: all plain, or all coded."""

    pages: Sequence[Page]
    listed: NDArray[np.float64] | NDArray[np.int32] | Sequence[str] = ()
    """What codes stand for."""


@dataclass(slots=True)
class ParquetFile:
    """A file that grows by row groups."""

    path: Path
    columns: Sequence[Column]
    about: Mapping[str, str] = field(default_factory=dict)
    """Stands in the footer."""
    rows: int = 0
    _size: int = 0
    _groups: list[Struct] = field(default_factory=list)

    def append(self, chunks: Sequence[Chunk]) -> None:
        """One row group: a chunk for each column, all of as many rows."""
        parts: list[bytes] = []
        if self._size == 0:
            self._put(parts, _MAGIC)
        begun = self._size
        rows = sum(map(len, chunks[0].pages))
        described = [
            self._chunk(parts, column, chunk) for column, chunk in zip(self.columns, chunks, strict=True)
        ]
        self._groups.append({1: described, 2: I64(self._size - begun), 3: I64(rows)})
        self.rows += rows
        with self.path.open("ab") as file:
            file.writelines(parts)

    def close(self) -> None:
        """Write the footer."""
        schema: list[Struct | Encoded] = [{4: "schema", 5: len(self.columns)}, *map(_in_schema, self.columns)]
        about: list[Struct] = [{1: name, 2: text} for name, text in self.about.items()]
        footer = thrift.encode({1: 1, 2: schema, 3: I64(self.rows), 4: self._groups, 5: about, 6: "odocare"})
        head = _MAGIC if self._size == 0 else b""
        with self.path.open("ab") as file:
            file.write(head + footer + struct.pack("<I", len(footer)) + _MAGIC)

    def _put(self, parts: list[bytes], content: bytes) -> None:
        parts.append(content)
        self._size += len(content)

    def _chunk(self, parts: list[bytes], column: Column, chunk: Chunk) -> Encoded:
        begun, listed_at = self._size, None
        is_coded = isinstance(chunk.pages[0], Coded)
        width = _width(len(chunk.listed)) if is_coded else 0
        if is_coded:
            listed_at = self._size
            content = _listed(chunk.listed)
            self._put(parts, _list_head(len(content), len(chunk.listed)))
            self._put(parts, content)
        data_at = self._size
        for page in chunk.pages:
            levels = _levels(page) if column.kind is not Kind.TIME else b""
            content = levels + _values(page, width)
            self._put(parts, _page_head(len(content), len(page), _RLE_DICTIONARY if is_coded else _PLAIN))
            self._put(parts, content)
        rows, size = thrift.long(sum(map(len, chunk.pages))), thrift.long(self._size - begun)
        # fields 5 to 7, 9 and 11 of the column's description, behind those that it always begins with
        places = [b"\x16", rows, b"\x16", size, b"\x16", size, b"\x26", thrift.long(data_at)]
        if listed_at is not None:
            places += [b"\x26", thrift.long(listed_at)]
        described = _column_head(column, is_coded=is_coded) + b"".join(places)
        return Encoded(b"\x26" + thrift.long(begun) + b"\x1c" + described + b"\0\0")


@lru_cache(maxsize=1024)
def _page_head(size: int, rows: int, encoding: int) -> bytes:
    return thrift.encode({1: _DATA_PAGE, 2: size, 3: size, 5: {1: rows, 2: encoding, 3: _RLE, 4: _RLE}})


@lru_cache(maxsize=1024)
def _list_head(size: int, listed: int) -> bytes:
    return thrift.encode({1: _DICTIONARY_PAGE, 2: size, 3: size, 7: {1: listed, 2: _PLAIN}})


@lru_cache(maxsize=4096)
def _in_schema(column: Column) -> Encoded:
    return Encoded(thrift.encode(dict(sorted({**_TYPES[column.kind], 4: column.name}.items()))))


@lru_cache(maxsize=4096)
def _column_head(column: Column, *, is_coded: bool) -> bytes:
    """Fields 1 to 4: type, encodings, name, no compression; the structure goes on."""
    encodings = [_PLAIN, _RLE, _RLE_DICTIONARY] if is_coded else [_PLAIN, _RLE]
    return thrift.encode({1: _TYPES[column.kind][1], 2: encodings, 3: [column.name], 4: 0})[:-1]


def _width(listed: int) -> int:
    """Bits of a code: one of those that pack without crossing bytes."""
    return next(width for width in _WIDTHS if listed <= 1 << width)


def _listed(listed: NDArray[np.float64] | NDArray[np.int32] | Sequence[str]) -> bytes:
    if isinstance(listed, np.ndarray):
        return listed.tobytes()
    return b"".join(struct.pack("<I", len(text)) + text for text in (one.encode() for one in listed))


def _levels(page: Page) -> bytes:
    if page.valid is None or page.valid.all():
        runs = thrift.varint(len(page) << 1) + b"\1"
    else:
        packed = np.packbits(page.valid, bitorder="little").tobytes()
        runs = thrift.varint(len(packed) << 1 | 1) + packed
    return struct.pack("<I", len(runs)) + runs


def _values(page: Page, width: int) -> bytes:
    if isinstance(page, Plain):
        return (page.values if page.valid is None else page.values[page.valid]).tobytes()
    codes = page.codes if page.valid is None else page.codes[page.valid]
    if len(codes) == 0:
        return bytes([width])
    if codes[0] == codes[-1] == codes[len(codes) // 2] and (codes == codes[0]).all():
        one = int(codes[0]).to_bytes(-(-width // 8), "little")
        return bytes([width]) + thrift.varint(len(codes) << 1) + one
    groups = -(-len(codes) // _GROUP)
    if len(codes) % _GROUP:
        codes = np.concatenate([codes, np.zeros(_GROUP - len(codes) % _GROUP, codes.dtype)])
    return bytes([width]) + thrift.varint(groups << 1 | 1) + _packed(codes, width)


def _packed(codes: NDArray[np.uint8] | NDArray[np.uint16], width: int) -> bytes:
    """Codes of `width` bits one behind the other, the first in the lowest bits."""
    if width == 16:
        return codes.astype("<u2", copy=False).tobytes()
    small = codes.astype(np.uint8, copy=False)
    if width == 8:
        return small.tobytes()
    if width == 1:
        return np.packbits(small, bitorder="little").tobytes()
    per_byte = 8 // width
    packed = small[0::per_byte].copy()
    for place in range(1, per_byte):
        packed |= small[place::per_byte] << np.uint8(place * width)
    return packed.tobytes()
