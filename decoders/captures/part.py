"""Lines of one portion of a text capture, and the frames that come out of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders.captures import digits
from decoders.captures.compiled import Compiled
from decoders.captures.shape import Kind, Shape
from vehicle.frame import FrameBatch

MAX_LINE_BYTES: Final = 1024
_ERROR_FLAG: Final = 0x2000_0000
"""In an identifier of Linux' SocketCAN: the frame tells of an error on the bus."""
_LAST_EXTENDED: Final = 0x1FFF_FFFF
_CLASSIC_BYTES: Final = 8
_FD_BYTES: Final = 64
_WORD: Final = 8
_ADJACENT: Final = 2
_ZERO: Final = ord("0")
_LINE_FEED: Final = ord("\n")
_CARRIAGE_RETURN: Final = ord("\r")
PADDING: Final = bytes(MAX_LINE_BYTES + _WORD)
"""Behind the text of a part: words of eight characters may reach into it."""


@dataclass(slots=True)
class Part:
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
    def of(cls, padded: bytes, size: int, compiled: Compiled | None) -> "Part":
        """The lines of a text of so many bytes, behind which `PADDING` stands."""
        characters = np.frombuffer(padded, np.uint8)
        if compiled is None:
            end = np.flatnonzero(characters[:size] == _LINE_FEED)
        else:
            end = compiled.line_ends(characters[:size])
        if size and characters[size - 1] != _LINE_FEED:
            end = np.append(end, size)
        n = len(end)
        start = np.zeros(n, np.int64)
        start[1:] = end[:-1] + 1
        length = end - start
        if b"\r" in padded:
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
        """A line without its end."""
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
        fits = can_id <= shape.last_id
        if not fits.all():
            large = readable & ~fits
            self.refuse_ids(rows[large], can_id[large], shape)
        return fits

    def refuse_ids(self, rows: NDArray[np.intp], can_id: NDArray[np.uint32], shape: Shape) -> None:
        """Report identifiers that are too large, count those of error frames."""
        for row, one in zip(rows.tolist(), can_id.tolist(), strict=True):
            if one & ~_LAST_EXTENDED == _ERROR_FLAG:
                self.error_n += 1
            else:
                self.problems.append((row, f"an identifier is at most {shape.last_id:X}, got {one:X}"))

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
        self.widen(size)
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

    def widen(self, size: int) -> None:
        """Room for payloads of so many bytes."""
        if size > self.data.shape[1]:
            wider = np.zeros((len(self.data), _FD_BYTES), np.uint8)
            wider[:, : self.data.shape[1]] = self.data
            self.data = wider

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
