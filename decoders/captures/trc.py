"""TRC, PEAK's trace as text, versions 1.0 to 2.1.

    ;$FILEVERSION=1.1
    ;$STARTTIME=45244.9259259259
         1)        12.5  Rx         0300  7  00 00 00 00 04 00 00

Times count milliseconds from the start, days since 1899-12-30, which is taken as UTC. Identifiers of more
than four digits are extended ones.
"""

import re
from collections.abc import Mapping
from typing import Final

from decoders.captures.lines import Lines
from decoders.captures.shape import Kind, Shape
from vehicle.errors import DecodeError

_VERSION: Final = re.compile(rb"^;\$FILEVERSION=\s*(\d\.\d)", re.MULTILINE)
_START: Final = re.compile(rb"^;\$STARTTIME=\s*(\d{1,6}(?:\.\d{1,18})?)\s*$", re.MULTILINE)
_COLUMNS: Final = re.compile(rb"^;\$COLUMNS=\s*([\w,]{1,40})", re.MULTILINE)
_EPOCH_DAY: Final = 25_569
"""1970-01-01, counted from 1899-12-30."""
_DAY_US: Final = 86_400_000_000
_PARTS: Final[Mapping[str, bytes]] = {
    "N": rb"(?P<number>\d{1,10})\)?",
    "O": rb"(?P<whole>\d{1,12})(?:\.(?P<fraction>\d{1,6}))?",
    "T": rb"(?P<type>[A-Za-z]{2})",
    "t": rb"(?P<type>Rx|Tx|Error|Warng)",
    "B": rb"(?P<bus>\d{1,3})",
    "I": rb"(?P<id>[0-9A-Fa-f]{1,8}|-)",
    "d": rb"(?:Rx|Tx|-)",
    "R": rb"\S{1,8}",
    "l": rb"(?P<size>\d{1,2})",
    "L": rb"(?P<dlc>\d{1,2})",
}
_FIXED: Final[Mapping[str, str]] = {"1.0": "NOILD", "1.1": "NOtILD", "1.3": "NOBdIRLD"}
_DATA: Final = (
    rb"(?:\s+(?:(?P<data>[0-9A-Fa-f]{2}(?:\s[0-9A-Fa-f]{2}){0,63})|(?P<remote>RTR)|(?P<other>\S.*)))?\s*"
)
_SIZES: Final = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)
_DATA_TYPES: Final = frozenset((b"Rx", b"Tx", b"DT", b"FD", b"FB", b"FE", b"BI"))
_STANDARD_DIGITS: Final = 4


class UnreadableTrcError(DecodeError):
    """A TRC file of a version that is not read."""

    reason = "unknown-kind"


def is_head(head: bytes) -> bool:
    """Whether a file that begins so is a TRC file."""
    return head.lstrip().startswith(b";")


def lines(head: bytes) -> Lines:
    """A reader of one capture that begins so. Raises `UnreadableTrcError`."""
    version = _VERSION.search(head)
    name = "1.0" if version is None else version[1].decode()
    columns = _FIXED.get(name)
    if columns is None and name in ("2.0", "2.1"):
        written = _COLUMNS.search(head)
        columns = "".join(written[1].decode().split(",")) if written is not None else ""
    if not columns or columns[-1] != "D" or not {"O", "I"} <= set(columns) <= {*_PARTS, "D"}:
        raise UnreadableTrcError(f"TRC files of version 1.0, 1.1, 1.3, 2.0 and 2.1 are read, got {name}")
    start = _START.search(head)
    since_us = 0 if start is None else _since_us(start[1].decode())
    return Lines(_Trc(columns, since_us).shape)


class _Trc:
    def __init__(self, columns: str, since_us: int) -> None:
        parts = rb"\s+".join(_PARTS[one] for one in dict.fromkeys(columns[:-1]))
        self._line = re.compile(rb"\s*" + parts + _DATA)
        self._since_us = since_us

    def shape(self, line: bytes) -> Shape | str | None:
        """See `Lines.shape_of`."""
        if line.lstrip().startswith(b";") or line.isspace():
            return None
        found = self._line.fullmatch(line)
        if found is None:
            return f"a frame was expected, got {line[:60].decode('ascii', errors='replace').strip()}"
        groups = found.groupdict()
        kind = Kind.DATA
        said = groups.get("type") or b"DT"
        if found["remote"] is not None or said == b"RR":
            kind = Kind.REMOTE
        elif said in (b"ER", b"Error"):
            kind = Kind.ERROR
        elif said not in _DATA_TYPES or found["id"] == b"-":
            return None
        size = int(groups["size"]) if groups.get("size") else _SIZES[min(int(groups.get("dlc") or 0), 15)]
        return self._shape(found, groups, kind, size)

    def _shape(
        self, found: re.Match[bytes], groups: Mapping[str, bytes | None], kind: Kind, size: int
    ) -> Shape | str:
        data = found.span("data") if found["data"] is not None else (0, 0)
        there = (data[1] - data[0] + 1) // 3
        if kind is Kind.DATA and (there != size or found["other"] is not None):
            return f"{size} bytes announced, {there} found"
        free = [found.span("number")] if "number" in groups else []
        if kind is not Kind.DATA:
            free.append((found.end("id"), found.end()))
        is_id = kind is not Kind.ERROR and found["id"] != b"-"
        return Shape(
            whole=found.span("whole"),
            fraction=found.span("fraction") if found["fraction"] is not None else (0, 0),
            can_id=found.span("id") if is_id else (0, 0),
            data=data if kind is Kind.DATA else (0, 0),
            stride=3,
            is_extended=len(found["id"]) > _STANDARD_DIGITS,
            bus=(max(int(groups.get("bus") or 1), 1) - 1) & 0xFF,
            kind=kind,
            free=tuple(free),
            since_us=self._since_us,
            unit_digits=3,
        )


def _since_us(days: str) -> int:
    """Days and a fraction since 1899-12-30, exactly."""
    whole, _, fraction = days.partition(".")
    of: int = 10 ** len(fraction)
    part_us = (int(fraction or "0") * _DAY_US + of // 2) // of
    return (int(whole) - _EPOCH_DAY) * _DAY_US + part_us
