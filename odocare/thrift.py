"""Thrift's compact protocol, as far as the footer of a Parquet file needs it: writing structures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

_TRUE, _FALSE, _I8, _I32, _I64, _BINARY, _LIST, _STRUCT = 1, 2, 3, 5, 6, 8, 9, 12
_SHORT = 15


@dataclass(frozen=True, slots=True)
class I8:
    """A byte."""

    value: int


@dataclass(frozen=True, slots=True)
class I64:
    """A long number; a plain `int` is one of 32 bits."""

    value: int


class Encoded(bytes):
    """A structure that is encoded already."""


Value: TypeAlias = "bool | int | I8 | I64 | str | bytes | Encoded | Sequence[Value] | Struct"
Struct: TypeAlias = dict[int, Value]
"""Values by the number of their field; numbers rise by at most 15."""


def encode(struct: Struct) -> bytes:
    """A structure as bytes."""
    found = bytearray()
    _write(struct, found)
    return bytes(found)


def varint(number: int) -> bytes:
    """A number from 0, seven bits in a byte, the least first."""
    if number <= 0x7F:
        return bytes((number,))
    if number <= 0x3FFF:
        return bytes((number & 0x7F | 0x80, number >> 7))
    if number <= 0x1F_FFFF:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    found = bytearray()
    _write_varint(number, found)
    return bytes(found)


def long(number: int) -> bytes:
    """A number of 64 bits as it stands in a structure."""
    return varint(_zigzag(number))


def _write(struct: Struct, found: bytearray) -> None:
    last = 0
    for number, value in struct.items():
        at = len(found)
        found.append(0)
        found[at] = (number - last) << 4 | _write_value(value, found)
        last = number
    found.append(0)


def _write_value(value: Value, found: bytearray) -> int:
    """Append a value; its kind. What a boolean is, its kind says."""
    of = type(value)
    if of is int:
        _write_varint(_zigzag(value), found)  # type: ignore[arg-type]  # it is an int
        return _I32
    if isinstance(value, I64):
        _write_varint(_zigzag(value.value), found)
        return _I64
    if isinstance(value, Encoded):
        found += value
        return _STRUCT
    if isinstance(value, dict):
        _write(value, found)
        return _STRUCT
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, str | bytes):
        text = value.encode() if isinstance(value, str) else value
        _write_varint(len(text), found)
        found += text
        return _BINARY
    if isinstance(value, I8):
        found.append(value.value & 0xFF)
        return _I8
    _write_list(value, found)  # type: ignore[arg-type]  # all else was looked at
    return _LIST


def _write_list(values: Sequence[Value], found: bytearray) -> None:
    at, kind = len(found), _STRUCT
    found.append(0)
    if len(values) >= _SHORT:
        _write_varint(len(values), found)
    for value in values:
        kind = _write_value(value, found)
    found[at] = min(len(values), _SHORT) << 4 | kind


def _write_varint(number: int, found: bytearray) -> None:
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
