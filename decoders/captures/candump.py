"""candump: the log form (`candump -L`, `-l`) and the form it shows on a terminal (`candump -t a`).

    (1608041699.326500) can1 7BB#10266201007E5007
     (1608041699.326500)  can1  7BB   [8]  10 26 62 01 00 7E 50 07

A timestamp counts seconds since 1970 or, with `-t z`, since the first frame; `-t A` writes date and time of
day, which are taken as UTC. Three hexadecimal digits are a standard identifier, eight an extended one. CAN FD
frames have `##` and a digit of flags, or two digits in the brackets; remote frames an `R`.
"""

import re
from datetime import UTC, datetime
from typing import Final

from decoders.captures.findings import Findings
from decoders.captures.lines import Lines
from decoders.captures.shape import Kind, Shape
from vehicle.day import us_of
from vehicle.frame import FrameBatch

_TIME: Final = (
    rb"\s*\((?:(?P<date>\d{4}-\d\d-\d\d \d\d:\d\d):(?P<second>\d\d)|(?P<whole>\d{1,10}))"
    rb"\.(?P<fraction>\d{1,9})\)"
)
_BUS: Final = rb"\s+(?P<bus>[^\s#]{1,32})\s+"
_ID: Final = rb"(?P<id>[0-9A-Fa-f]{8}|[0-9A-Fa-f]{3})"
_LOGGED: Final = re.compile(
    _TIME + _BUS + _ID + rb"#(?:(?P<remote>R[0-9A-Fa-f]?(?:_[0-9A-Fa-f])?)"
    rb"|#[0-9A-Fa-f](?P<fd>(?:[0-9A-Fa-f]{2}){0,64})"
    rb"|(?P<data>(?:[0-9A-Fa-f]{2}){0,8})(?:_[0-9A-Fa-f])?)(?:\s+[RT])?\s*"
)
_SHOWN: Final = re.compile(
    _TIME + _BUS + rb"(?:[RT]X\s[B-]\s[E-]\s+)?" + _ID + rb"\s+\[(?P<size>\d{1,2})\]"
    rb"(?:\s+(?P<remote>remote request)|\s+(?P<data>[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2}){0,63}))?"
    rb"(?P<behind>\s+(?:'.*|ERRORFRAME.*)?)?"
)
_EXPECTED: Final = "a line like (1608041699.326500) can1 7BB#10266201007E5007"
_CAN_XL: Final = re.compile(_TIME + _BUS + _ID + rb"#[0-9A-Fa-f]{2}:")
_NO_TIME: Final = re.compile(rb"\s*[^\s(#]{1,32}\s+" + _ID + rb"(?:#|\s+\[)")
_EXTENDED_DIGITS: Final = 8
_CLASSIC_BYTES: Final = 8
_MINUTE: Final = "%Y-%m-%d %H:%M"
_SHOWN_CHARACTERS: Final = 60


def lines() -> Lines:
    """A reader of one capture."""
    return Lines(_Candump().shape)


def parse(text: bytes) -> tuple[FrameBatch, Findings]:
    """The data frames of a whole capture, in its order, and what was left out."""
    reader = lines()
    batch = reader.feed(text if text.endswith(b"\n") else text + b"\n")
    return batch, reader.findings


class _Candump:
    """Remembers the buses, which have names here and numbers in the frames."""

    def __init__(self) -> None:
        self._buses: dict[bytes, int] = {}

    def shape(self, line: bytes) -> Shape | str | None:
        """See `Lines.shape_of`."""
        if line.isspace() or line.startswith((b"#", b"\t")):  # comments; details of an error frame
            return None
        if (found := _LOGGED.fullmatch(line)) is not None:
            part = "fd" if found["fd"] is not None else "data"
            return self._shape(found, found.span(part), 2)
        if (found := _SHOWN.fullmatch(line)) is None:
            return _refusal(line)
        start, end = found.span("data")
        got, said = (end - start + 1) // 3, int(found["size"])
        if said > _CLASSIC_BYTES and len(found["size"]) == 1:
            return f"a frame of {said} bytes is CAN FD, whose length has two digits"
        if found["remote"] is None and got != said:
            return f"{said} bytes announced, {got} found"
        return self._shape(found, found.span("data"), 3, found.span("behind"))

    def _shape(
        self, found: re.Match[bytes], data: tuple[int, int], stride: int, behind: tuple[int, int] = (0, 0)
    ) -> Shape | str:
        since_us, whole = 0, found.span("whole")
        if found["date"] is not None:
            whole = found.span("second")
            try:
                minute = datetime.strptime(found["date"].decode(), _MINUTE).replace(tzinfo=UTC)
            except ValueError:
                return f"a date was expected, got {found['date'].decode()}"
            since_us = us_of(minute)
        return Shape(
            whole=whole,
            fraction=found.span("fraction"),
            can_id=found.span("id"),
            data=data if data[0] >= 0 else (0, 0),
            stride=stride,
            is_extended=len(found["id"]) == _EXTENDED_DIGITS,
            bus=self._bus(found["bus"]),
            kind=Kind.DATA if found["remote"] is None else Kind.REMOTE,
            free=(behind,),
            since_us=since_us,
        )

    def _bus(self, name: bytes) -> int:
        """The number in an interface's name (`can1`), else the order in which it was seen first."""
        if name not in self._buses:
            number = re.search(rb"\d+$", name)
            self._buses[name] = (int(number[0]) if number else len(self._buses)) & 0xFF
        return self._buses[name]


def _refusal(line: bytes) -> str:
    """What is wrong with a line that is neither."""
    shown = line[:_SHOWN_CHARACTERS].decode("ascii", errors="replace").strip()
    if _CAN_XL.match(line):
        return f"CAN XL frames are not read: {shown}"
    if _NO_TIME.match(line):
        return f"a frame without its time: record with `candump -L`; got {shown}"
    return f"{_EXPECTED} was expected, got {shown}"
