"""Text captures in columns: lines of the same shape are read together, whatever the format.

A format says, of one line, where its parts stand (`Shape`). All lines of that length which have the same
characters between those parts are then read by a few array operations. A capture has some dozens of shapes:
one per bus, length of payload and length of identifier.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders.captures import digits
from decoders.captures.findings import Findings
from vehicle.frame import FrameBatch

MAX_LINE_BYTES: Final = 1024
_SHAPES_TRIED: Final = 24
"""For lines of one length in one portion; what is left is read one by one."""
_MICROSECOND: Final = 6
_ERROR_FLAG: Final = 0x2000_0000
"""In an identifier of Linux' SocketCAN: the frame tells of an error on the bus."""
_LAST_STANDARD: Final = 0x7FF
_LAST_EXTENDED: Final = 0x1FFF_FFFF
_CLASSIC_BYTES: Final = 8
_FD_BYTES: Final = 64
_WORD: Final = 8
_ADJACENT: Final = 2
_ZERO: Final = ord("0")
_LINE_FEED: Final = ord("\n")
_CARRIAGE_RETURN: Final = ord("\r")
Span = tuple[int, int]
"""First character of a part and the one behind its last."""


class Kind(Enum):
    """What a line tells of."""

    DATA = "data"
    REMOTE = "remote"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the parts of a line stand; every other character is the same in all lines of the shape."""

    whole: Span
    """Digits of the time before its point."""
    fraction: Span
    """Those behind it."""
    can_id: Span
    """Hexadecimal, or nothing for an error frame."""
    data: Span
    """Payload, hexadecimal."""
    stride: int
    """Characters from one byte of the payload to the next: 2, or 3 where something stands between."""
    is_extended: bool
    bus: int
    kind: Kind = Kind.DATA
    free: tuple[Span, ...] = ()
    """Characters that say nothing."""
    since_us: int = 0
    """Added to the time."""
    unit_digits: int = _MICROSECOND
    """Digits from the time's unit to the microsecond: 6 for seconds, 3 for milliseconds."""


@dataclass(slots=True)
class Lines:
    """Reads one text capture, a portion at a time; any bytes may come."""

    shape_of: Callable[[bytes], Shape | str | None]
    """Of one line: its shape, what is wrong with it, or None where it holds no frame."""
    findings: Findings = field(default_factory=Findings)
    number: int = 0
    """Lines read."""
    _rest: bytes = b""

    def feed(self, portion: bytes) -> FrameBatch:
        """The frames of the lines that end in this portion, in their order."""
        text = self._rest + portion
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        if len(self._rest) > MAX_LINE_BYTES:
            end, self._rest = len(text), b""
        return self._read(text[:end])

    def close(self) -> FrameBatch:
        """What stands behind the last line's end; a capture that was cut off ends within a line."""
        text, self._rest = self._rest, b""
        return self._read(text)

    def _read(self, text: bytes) -> FrameBatch:
        part = _Part.of(text)
        for rows in part.by_length():
            self._read_alike(part, rows)
        for row, what in sorted(part.problems):
            self.findings.report(f"line {self.number + row + 1}", what)
        self.findings.remote_frames_n += part.remote_n
        self.findings.error_frames_n += part.error_n
        self.number += len(part.start)
        return part.frames()

    def _read_alike(self, part: "_Part", rows: NDArray[np.intp]) -> None:
        """Lines of one length: all of the first one's shape, then all of the next one's that is left."""
        length = int(part.length[rows[0]])
        if length == 0:
            return
        if length > MAX_LINE_BYTES:
            what = f"a line has at most {MAX_LINE_BYTES} bytes, got {length}"
            part.problems += [(row, what) for row in rows.tolist()]
            return
        words = part.words(rows, length)
        shapes = 0
        while len(rows):
            shape = self._shape(part, int(rows[0]))
            if shape is None:
                rows, words = rows[1:], words[1:]
                continue
            shapes += 1
            here = slice(1) if shapes > _SHAPES_TRIED else _alike(words, shape, length)
            strange = part.take(rows[here], words[here], shape)
            if strange[0]:
                part.problems.append((int(rows[0]), "cannot be read"))
            if isinstance(here, slice):
                rows, words = rows[1:], words[1:]
            else:
                here[here] = ~strange
                here[0] = True
                rows, words = rows[~here], words[~here]

    def _shape(self, part: "_Part", row: int) -> Shape | None:
        found = self.shape_of(part.line(row))
        if isinstance(found, str):
            part.problems.append((row, found))
            return None
        return found


def _alike(words: NDArray[np.uint64], shape: Shape, length: int) -> NDArray[np.bool_]:
    """Which lines have the characters of the first one wherever the shape says that they are the same."""
    fixed = np.zeros(8 * words.shape[1], np.uint8)
    fixed[:length] = 0xFF
    for start, end in (shape.whole, shape.fraction, shape.can_id, *shape.free):
        fixed[start:end] = 0
    for start in (shape.data[0], shape.data[0] + 1):
        fixed[start : shape.data[1] : shape.stride] = 0
    differs = np.zeros(len(words), np.uint64)
    for column, mask in enumerate(fixed.view("<u8")):
        if mask:
            differs |= (words[:, column] ^ words[0, column]) & mask
    return np.asarray(differs == 0)


@dataclass(slots=True)
class _Part:
    """Lines of one portion, and the frames out of them by line."""

    text: bytes
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    is_frame: NDArray[np.bool_]
    t_us: NDArray[np.int64]
    can_id: NDArray[np.uint32]
    is_extended: NDArray[np.bool_]
    bus: NDArray[np.uint8]
    data_length: NDArray[np.uint8]
    data: NDArray[np.uint8]
    problems: list[tuple[int, str]] = field(default_factory=list)
    remote_n: int = 0
    error_n: int = 0

    @classmethod
    def of(cls, text: bytes) -> "_Part":
        padded = text + bytes(MAX_LINE_BYTES + _WORD)
        characters = np.frombuffer(padded, np.uint8)
        end = np.flatnonzero(characters[: len(text)] == _LINE_FEED)
        if not text.endswith(b"\n") and text:
            end = np.append(end, len(text))
        n = len(end)
        start = np.zeros(n, np.int64)
        start[1:] = end[:-1] + 1
        length = end - start
        if b"\r" in text:
            length -= (characters[end - 1] == _CARRIAGE_RETURN) & (length > 0)
        return cls(
            padded, start, length, np.zeros(n, np.bool_), np.zeros(n, np.int64), np.zeros(n, np.uint32),
            np.zeros(n, np.bool_), np.zeros(n, np.uint8), np.zeros(n, np.uint8),
            np.zeros((n, _CLASSIC_BYTES), np.uint8),
        )  # fmt: skip

    def by_length(self) -> Iterator[NDArray[np.intp]]:
        """Lines of the same length."""
        if len(self.length) == 0:
            return
        if (self.length == self.length[0]).all():
            yield np.arange(len(self.length))
            return
        capped = np.minimum(self.length, MAX_LINE_BYTES + 1).astype(np.uint16)
        order = np.argsort(capped, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(capped[order])) + 1)

    def line(self, row: int) -> bytes:
        start = int(self.start[row])
        return self.text[start : start + int(self.length[row])]

    def words(self, rows: NDArray[np.intp], length: int) -> NDArray[np.uint64]:
        """The characters of lines of one length, eight in a word; what follows the line's end is any."""
        size = -(-length // _WORD) * _WORD
        windows: NDArray[np.void] = np.ndarray(
            (len(self.text) - size + 1,), np.dtype((np.void, size)), self.text, strides=(1,)
        )
        return windows[self.start[rows]].view("<u8").reshape(len(rows), size // _WORD)

    def take(self, rows: NDArray[np.intp], words: NDArray[np.uint64], shape: Shape) -> NDArray[np.bool_]:
        """Read lines of one shape; True for those that are not of it after all."""
        text = words.view(np.uint8)
        t_us, is_time = _times(text, shape)
        can_id, is_id = _identifiers(text, shape)
        data, is_data = _payloads(text, shape)
        wrong = np.zeros(len(rows), np.bool_)
        for valid in (is_time, is_id, is_data):
            if valid is not None:
                wrong |= ~valid
        is_frame = ~wrong
        if shape.can_id[1] > shape.can_id[0]:
            is_frame &= self._judge_ids(rows, can_id, is_frame, shape)
        if shape.kind is Kind.REMOTE:
            self.remote_n += int(is_frame.sum())
        elif shape.kind is Kind.ERROR:
            self.error_n += int(is_frame.sum())
        else:
            self._put(rows, is_frame, t_us, can_id, data, shape)
        return wrong

    def _judge_ids(
        self, rows: NDArray[np.intp], can_id: NDArray[np.uint32], readable: NDArray[np.bool_], shape: Shape
    ) -> NDArray[np.bool_]:
        """Which identifiers are some; those too large are reported, those of error frames counted."""
        last = _LAST_EXTENDED if shape.is_extended else _LAST_STANDARD
        fits = can_id <= last
        if fits.all():
            return fits
        for place in np.flatnonzero(readable & ~fits).tolist():
            if can_id[place] & ~np.uint32(_LAST_EXTENDED) == _ERROR_FLAG:
                self.error_n += 1
            else:
                self.problems.append(
                    (int(rows[place]), f"an identifier is at most {last:X}, got {int(can_id[place]):X}")
                )
        return fits

    def _put(
        self,
        rows: NDArray[np.intp],
        which: NDArray[np.bool_],
        t_us: NDArray[np.int64],
        can_id: NDArray[np.uint32],
        data: NDArray[np.uint8],
        shape: Shape,
    ) -> None:
        if not which.all():
            rows, t_us, can_id, data = rows[which], t_us[which], can_id[which], data[which]
        n, size = data.shape
        if size > self.data.shape[1]:
            wider = np.zeros((len(self.data), _FD_BYTES), np.uint8)
            wider[:, : self.data.shape[1]] = self.data
            self.data = wider
        into = slice(None) if n == len(self.start) else rows
        self.is_frame[into] = True
        self.t_us[into] = t_us
        self.can_id[into] = can_id
        self.is_extended[into] = shape.is_extended
        self.bus[into] = shape.bus
        self.data_length[into] = size
        if size == self.data.shape[1]:
            self.data[into] = data
        else:
            self.data[into, :size] = data

    def frames(self) -> FrameBatch:
        """Those that were found."""
        every = bool(self.is_frame.all())
        rows = slice(None) if every else np.flatnonzero(self.is_frame)
        t_us = self.t_us[rows]
        return FrameBatch(
            message=np.zeros(len(t_us), np.int32),
            t_us=t_us,
            can_id=self.can_id[rows],
            is_extended=self.is_extended[rows],
            bus=self.bus[rows],
            length=self.data_length[rows],
            data=self.data[rows],
        )


def _times(text: NDArray[np.uint8], shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Microseconds; digits behind the microsecond are cut."""
    point = digits.DIGITS - shape.unit_digits
    start, end = shape.whole
    number = np.full((len(text), digits.DIGITS), _ZERO, np.uint8)
    number[:, point - (end - start) : point] = text[:, start:end]
    start, end = shape.fraction
    kept = min(end - start, shape.unit_digits)
    number[:, point : point + kept] = text[:, start : start + kept]
    found, valid = digits.decimals(number)
    if kept < end - start:
        also = digits.are_decimal(text[:, start + kept : end])
        valid = also if valid is None else valid & also
    if shape.since_us:
        found += shape.since_us
    return found, valid


def _identifiers(
    text: NDArray[np.uint8], shape: Shape
) -> tuple[NDArray[np.uint32], NDArray[np.bool_] | None]:
    start, end = shape.can_id
    number = np.full((len(text), _WORD), _ZERO, np.uint8)
    number[:, _WORD - (end - start) :] = text[:, start:end]
    found, valid = digits.hexadecimals(number)
    return found.view(">u4").reshape(-1).astype(np.uint32), valid


def _payloads(text: NDArray[np.uint8], shape: Shape) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    start, end = shape.data
    if shape.stride == _ADJACENT:
        return digits.hexadecimals(np.ascontiguousarray(text[:, start:end]))
    size = (end - start + 1) // shape.stride
    pairs = np.empty((len(text), 2 * size), np.uint8)
    pairs[:, 0::2] = text[:, start : end : shape.stride]
    pairs[:, 1::2] = text[:, start + 1 : end : shape.stride]
    return digits.hexadecimals(pairs)
