"""The bytes of segments, built for many messages at once: groups of values, and the COPY rows around them.

A body is one group behind the other; all numbers are big-endian:

| bytes | what |
|---|---|
| 4 | number of the group's shape (`store.shapes`) |
| 4 | how times are written << 28, and the number of samples of each signal |
| 0, 4 or 8 each | times in microseconds from the segment's `at`: per sample, or per signal and sample |
| | per signal of the shape, its samples: integers of the shape's width, or float64 |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from store import arrays
from store.messages import MessageKeys
from store.shapes import Shape

HEAD_BYTES: Final = 8
TIMES_SHIFT: Final = 28
MOST_SAMPLES: Final = (1 << TIMES_SHIFT) - 1
AT_ONCE: Final = 0
"""All samples are at the segment's beginning."""
SHARED_4: Final = 1
SHARED_8: Final = 2
"""One time per sample, for all signals of the group."""
OWN_4: Final = 3
OWN_8: Final = 4
"""Each signal has times of its own."""
TIME_BYTES: Final = np.array([0, 4, 8, 4, 8], np.int64)
_UINT32: Final = 2**32 - 1

_FIELDS: Final = 8
_TOP: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("vehicle_bytes", ">i4"), ("vehicle_id", ">i8"),
        ("at_bytes", ">i4"), ("at", ">i8"),
        ("boot_bytes", ">i4"), ("boot", ">i8"),
        ("seq_bytes", ">i4"), ("seq", ">i8"),
        ("span_bytes", ">i4"), ("span_ms", ">i4"),
        ("life_bytes", ">i4"), ("life", ">i2"),
    ]
)  # fmt: skip
"""What a COPY row begins with; the codebook (4 or 8 bytes) and the body, behind its length, follow."""
_LENGTHS: Final = (
    ("vehicle_bytes", 8), ("at_bytes", 8), ("boot_bytes", 8), ("seq_bytes", 8),
    ("span_bytes", 4), ("life_bytes", 2),
)  # fmt: skip
_NULL: Final = -1
_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Times:
    """When the messages' values were, one element per message that has some."""

    message: NDArray[np.int64]
    """Rising."""
    first_us: NDArray[np.int64]
    last_us: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of the messages of `Times`, by message."""

    owner: NDArray[np.int64]
    """Place of the message in `Times`."""
    shape: NDArray[np.int64]
    """Place among `Packed.shapes`."""
    samples: NDArray[np.int64]
    times: NDArray[np.int64]
    """How they are written."""
    columns: NDArray[np.int64]
    """Signals."""
    sample_bytes: NDArray[np.int64]
    """Of one sample of all signals."""

    @property
    def time_bytes(self) -> NDArray[np.int64]:
        """All times of each group."""
        each = np.where(self.times >= OWN_4, self.columns, 1)
        return TIME_BYTES[self.times] * self.samples * each

    @property
    def length(self) -> NDArray[np.int64]:
        """Bytes of each."""
        return HEAD_BYTES + self.time_bytes + self.sample_bytes * self.samples


@dataclass(frozen=True, slots=True)
class Packed:
    """COPY rows of a batch, but for the numbers of their shapes."""

    buffer: NDArray[np.uint8]
    shapes: Sequence[Shape]
    shape: NDArray[np.int64]
    """Of each group, its place among `shapes`."""
    at: NDArray[np.int64]
    """Of each group, where in the buffer the shape's number goes."""

    def rows(self, ids: Sequence[int]) -> NDArray[np.uint8]:
        """The finished rows; `ids` are the numbers of `shapes`."""
        write(self.buffer, self.at, np.array(ids, np.int64)[self.shape], 4)
        return self.buffer


@dataclass(frozen=True, slots=True)
class Room:
    """A buffer with everything but times and values, and where those go."""

    buffer: NDArray[np.uint8]
    group_at: NDArray[np.int64]
    times_at: NDArray[np.int64]
    values_at: NDArray[np.int64]
    """All of each group."""


def how(span_us: NDArray[np.int64], *, own: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """The way to write times of groups whose last is so far behind the segment's beginning."""
    found = (span_us > 0).astype(np.int64) + (span_us > _UINT32)
    return found if own is None else np.where(own, np.maximum(found, SHARED_4) + 2, found)


def room(keys: MessageKeys, codebook_id: Sequence[int | None], times: Times, groups: Groups) -> Room:
    """COPY rows with the heads of their groups, and room for the rest."""
    lengths = groups.length
    starts = np.flatnonzero(np.diff(groups.owner, prepend=-1))
    body_bytes = np.add.reduceat(lengths, starts)
    book = np.array([_NULL if one is None else one for one in codebook_id], np.int64)[times.message]
    book_bytes = np.where(book == _NULL, 4, 8)
    row_bytes = _TOP.itemsize + book_bytes + 4 + body_bytes
    row_at = np.cumsum(row_bytes) - row_bytes
    buffer = np.zeros(int(row_bytes.sum()), np.uint8)
    _scatter(buffer, row_at, _tops(keys, times))
    book_at = row_at + _TOP.itemsize
    has_book = book != _NULL
    write(buffer, book_at, np.where(has_book, 4, 2**32 - 1), 4)
    write(buffer, book_at[has_book] + 4, book[has_book], 4)
    write(buffer, book_at + book_bytes, body_bytes, 4)
    before = np.cumsum(lengths) - lengths
    body_at = book_at + book_bytes + 4
    group_at = before + (body_at - before[starts])[groups.owner]
    write(buffer, group_at + 4, groups.times << TIMES_SHIFT | groups.samples, 4)
    times_at = group_at + HEAD_BYTES
    return Room(buffer, group_at, times_at, times_at + groups.time_bytes)


def write(buffer: NDArray[np.uint8], at: NDArray[np.int64], values: NDArray[np.int64], width: int) -> None:
    """Put integers into a buffer, big-endian, each at its place."""
    for byte in range(width):
        shift = 8 * (width - 1 - byte)
        buffer[at + byte if byte else at] = (values >> shift if shift else values).astype(np.uint8)


def write_times(
    buffer: NDArray[np.uint8], at: NDArray[np.int64], dt_us: NDArray[np.int64], width: NDArray[np.int64]
) -> None:
    """Put times into a buffer, each at its place and as wide as it shall be: 0, 4 or 8 bytes."""
    for bytes_ in (4, 8):
        these = np.flatnonzero(width == bytes_)
        if len(these) == len(width):
            write(buffer, at, dt_us, bytes_)
        elif len(these):
            write(buffer, at[these], dt_us[these], bytes_)


def _tops(keys: MessageKeys, times: Times) -> NDArray[np.uint8]:
    top = np.empty(len(times.message), _TOP)
    top["fields"] = _FIELDS
    for name, length in _LENGTHS:
        top[name] = length
    top["vehicle_id"] = keys.vehicle_id[times.message]
    top["at"] = times.first_us - arrays.EPOCH_US
    top["boot"] = keys.boot[times.message]
    top["seq"] = keys.seq[times.message]
    top["span_ms"] = -((times.first_us - times.last_us) // _MS)
    top["life"] = keys.life[times.message]
    return top.view(np.uint8).reshape(len(top), _TOP.itemsize)


def _scatter(buffer: NDArray[np.uint8], at: NDArray[np.int64], rows: NDArray[np.uint8]) -> None:
    buffer[at[:, None] + np.arange(rows.shape[1])] = rows
