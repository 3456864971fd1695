"""ASC, Vector's log as text.

    date Tue Nov 14 10:13:20.000 pm 2023
    base hex  timestamps absolute
    Begin Triggerblock Tue Nov 14 10:13:20.000 pm 2023
       0.000000 Start of measurement
       0.008010 1  7BB             Rx   d 8 10 26 62 01 00 7E 50 07
       0.009010 CANFD   1 Rx        123                  1 0 9 12 11 22 33 44 55 66 77 88 99 AA BB CC ...

Times count from the measurement's start, which is taken as UTC: that of the first trigger block, or where it
has none, the date. A block that was triggered within a measurement begins where the date and its first time
lead to; then the date is the start. Lines of other events are passed over.
"""

import re
from datetime import UTC, datetime
from typing import Final

from decoders.captures.lines import Lines
from decoders.captures.shape import Kind, Shape
from vehicle.day import us_of
from vehicle.errors import DecodeError

_TIME: Final = rb"\s*(?P<whole>\d{1,10})\.(?P<fraction>\d{1,9})\s+"
_ID: Final = rb"(?P<id>[0-9A-Fa-f]{1,8})(?P<extended>x?)\s+"
_BYTES: Final = rb"(?P<data>[0-9A-Fa-f]{2}(?:\s[0-9A-Fa-f]{2})*)"
_CLASSIC: Final = re.compile(
    _TIME + rb"(?P<bus>\d{1,3})\s+" + _ID + rb"(?:Rx|Tx|TxRq)\s+"
    rb"(?:(?P<remote>r)(?:\s.*)?|d\s+(?P<dlc>[0-9A-Fa-f])(?:\s+" + _BYTES + rb")?(?P<behind>\s.*)?)"
)
_FD: Final = re.compile(
    _TIME + rb"CANFD\s+(?P<bus>\d{1,3})\s+(?:Rx|Tx|TxRq)\s+" + _ID + rb"(?:\S*[A-Za-z_]\S*\s+)?[01]\s+[01]\s+"
    rb"(?P<dlc>[0-9A-Fa-f])\s+(?P<size>\d{1,2})(?:\s+" + _BYTES + rb")?(?P<behind>\s.*)?"
)
_ERROR: Final = re.compile(
    _TIME + rb"(?:CANFD\s+)?\d{1,3}\s+(?:(?:Rx|Tx)\s+)?ErrorFrame(?P<behind>.*)", re.IGNORECASE
)
_LIKE_A_FRAME: Final = re.compile(_TIME + rb"(?:CANFD\s|\d{1,3}\s+\S+\s+(?:Rx|Tx|TxRq)\s)")
_DATE: Final = re.compile(rb"^\s*date\s+\w+\.?\s+(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_BLOCK: Final = re.compile(
    rb"^\s*begin\s+triggerblock\s+\w+\.?\s+([^\r\n]+?)\s*$", re.IGNORECASE | re.MULTILINE
)
_TIMED: Final = re.compile(rb"^" + _TIME, re.MULTILINE)
_BASE: Final = re.compile(
    rb"^\s*base\s+(hex|dec)(?:\s+timestamps\s+(absolute|relative))?", re.IGNORECASE | re.MULTILINE
)
_MONTHS: Final = {
    name: number
    for names in (
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "jan feb mär apr mai jun jul aug sep okt nov dez",
    )
    for number, name in enumerate(names.split(), start=1)
}
_WHEN: Final = re.compile(
    r"(?P<month>\w+)\.?\s+(?P<day>\d{1,2})\s+(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:\.(?P<fraction>\d{1,6}))?(?:\s+(?P<half>am|pm))?\s+(?P<year>\d{4})",
    re.IGNORECASE,
)
_MILLISECOND_DIGITS: Final = 3
_CLASSIC_BYTES: Final = 8


class UnreadableAscError(DecodeError):
    """An ASC file of a kind that is not read."""

    reason = "unknown-kind"


def is_head(head: bytes) -> bool:
    """Whether a file that begins so is an ASC file."""
    return _DATE.match(head) is not None or _BASE.match(head) is not None


def lines(head: bytes) -> Lines:
    """A reader of one capture that begins so. Raises `UnreadableAscError`."""
    base = _BASE.search(head)
    if base is not None and base[1].lower() == b"dec":
        raise UnreadableAscError("ASC files are read with `base hex`, got `base dec`")
    if base is not None and (base[2] or b"").lower() == b"relative":
        raise UnreadableAscError("ASC files are read with `timestamps absolute`, got `timestamps relative`")
    return Lines(_Asc(_start_us(head)).shape)


def _start_us(head: bytes) -> int:
    """When the measurement started, since 1970; 0 where nothing tells."""
    date, block = _DATE.search(head), _BLOCK.search(head)
    date_us = 0 if date is None else _moment(date[1])
    block_us = 0 if block is None else _moment(block[1])
    if block is None or not block_us:
        return date_us
    timed = _TIMED.search(head, block.end())
    first_us = (
        0 if timed is None else int(timed["whole"]) * 1_000_000 + int(timed["fraction"][:6].ljust(6, b"0"))
    )
    return date_us if abs(date_us + first_us - block_us) < first_us else block_us


class _Asc:
    def __init__(self, since_us: int) -> None:
        self._since_us = since_us

    def shape(self, line: bytes) -> Shape | str | None:
        """See `Lines.shape_of`."""
        if (found := _CLASSIC.fullmatch(line)) is not None:
            if found["remote"] is not None:
                return self._shape(found, 0, Kind.REMOTE, found.end("remote"))
            return self._shape(found, min(int(found["dlc"], 16), _CLASSIC_BYTES))
        if (found := _FD.fullmatch(line)) is not None:
            size, is_remote = int(found["size"]), found["size"] == b"0" and found["dlc"] != b"0"
            return self._shape(found, size, Kind.REMOTE if is_remote else Kind.DATA)
        if (found := _ERROR.fullmatch(line)) is not None:
            return Shape(
                found.span("whole"), found.span("fraction"), (0, 0), (0, 0), 3, is_extended=False, bus=0,
                kind=Kind.ERROR, free=(found.span("behind"),),
            )  # fmt: skip
        if _LIKE_A_FRAME.match(line):
            return f"a frame was expected, got {line[:60].decode('ascii', errors='replace').strip()}"
        return None

    def _shape(
        self, found: re.Match[bytes], size: int, kind: Kind = Kind.DATA, free_from: int = 0
    ) -> Shape | str:
        start = found.start("data") if kind is Kind.DATA and found["data"] is not None else 0
        there = 0 if found["data"] is None else (found.end("data") - found.start("data") + 1) // 3
        if kind is Kind.DATA and there < size:
            return f"{size} bytes announced, {there} found"
        end = start + max(3 * size - 1, 0)
        behind = (free_from or (end if size else found.end("dlc")), found.end())
        return Shape(
            whole=found.span("whole"),
            fraction=found.span("fraction"),
            can_id=found.span("id"),
            data=(start, end) if size else (0, 0),
            stride=3,
            is_extended=found["extended"] == b"x",
            bus=(max(int(found["bus"]), 1) - 1) & 0xFF,
            kind=kind,
            free=(behind,),
            since_us=self._since_us,
        )


def _moment(text: bytes) -> int:
    """A date like `Nov 14 10:13:20.000 pm 2023`; 0 where it cannot be read.

    python-can writes milliseconds without leading zeros: `55.20` is 55.020 s.
    """
    found = _WHEN.fullmatch(text.decode("utf-8", errors="replace"))
    month = None if found is None else _MONTHS.get(found["month"][:3].lower())
    if found is None or month is None:
        return 0
    hour = int(found["hour"])
    if found["half"] is not None:
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    microsecond = int((found["fraction"] or "0").zfill(_MILLISECOND_DIGITS).ljust(6, "0"))
    try:
        at = datetime(
            int(found["year"]), month, int(found["day"]), hour, int(found["minute"]), int(found["second"]),
            microsecond, tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return 0
    return us_of(at)
