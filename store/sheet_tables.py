"""How the layouts of a codebook are kept: widths, places and shapes of each, made once."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from store.shapes import FLOAT_BYTES, PLAIN, WIDEST_BYTES, Coding, Shape
from vehicle.sheet import NO_SOURCE, Layouts

SOURCES: Final = 257
"""Addresses, and none."""


class Variant(IntEnum):
    """How a group of a layout is coded."""

    FULL = 0
    """Every frame has a value of every signal."""
    HOLED = 1
    PLAIN = 2
    """A value is not what the plan says: all are kept as they are."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The variants of each layout of a codebook."""

    row: NDArray[np.intp]
    """By `Signal.number`."""
    width: NDArray[np.int64]
    """By variant and row: bytes."""
    before: NDArray[np.int64]
    """By variant and row: bytes of one sample of the signals before it."""
    sample_bytes: NDArray[np.int64]
    """By variant and layout."""
    lowest: NDArray[np.float64]
    """By row, like all that follow: `Layouts.lowest`;"""
    most: NDArray[np.float64]
    """the greatest integer, counted from there;"""
    slope: NDArray[np.float64]
    start: NDArray[np.float64]
    """an integer is about `(value - start) * slope`."""
    converts: bool
    """A signal is converted to another unit."""
    all_whole: bool
    """Every signal is an integer."""
    shapes: dict[int, Shape] = field(default_factory=dict)
    """Those met so far: by source, variant and layout."""

    def shape(self, key: int, of: Layouts) -> Shape:
        """The shape of a group of these layouts."""
        if key not in self.shapes:
            rest, source = divmod(key, SOURCES)
            layout, variant = divmod(rest, len(Variant))
            first = int(of.first[layout])
            rows = range(first, first + int(of.count[layout]))
            self.shapes[key] = Shape(
                source=source - 1 if source else NO_SOURCE,
                holed=variant != Variant.FULL,
                signal=tuple(int(of.number[row]) for row in rows),
                coding=tuple(self._coding(variant, row, of) for row in rows),
            )
        return self.shapes[key]

    def _coding(self, variant: int, row: int, of: Layouts) -> Coding:
        width = int(self.width[variant, row])
        if width == FLOAT_BYTES:
            return PLAIN
        numbers = (float(one[row]) for one in (of.scale, of.offset, of.factor, of.shift))
        return Coding(width, int(of.lowest[row]), *numbers)


_TABLES: Final[WeakKeyDictionary[Layouts, Tables]] = WeakKeyDictionary()


def of(layouts: Layouts) -> Tables:
    """The tables of some layouts, made once."""
    if layouts not in _TABLES:
        _TABLES[layouts] = _tables_of(layouts)
    return _TABLES[layouts]


def _tables_of(layouts: Layouts) -> Tables:
    most = layouts.highest - layouts.lowest
    full = np.where(layouts.is_whole, _bytes_of(most), FLOAT_BYTES)
    holed = np.where(layouts.is_whole, _bytes_of(most + 1), FLOAT_BYTES)
    holed[(holed > WIDEST_BYTES)] = FLOAT_BYTES
    width = np.stack([full, holed, np.full(len(most), FLOAT_BYTES, np.int64)])
    total = np.cumsum(width, axis=1)
    before = total - width
    before -= before[:, layouts.first][:, layouts.layout]
    last = layouts.first + layouts.count - 1
    with np.errstate(all="ignore"):  # a scale of 0 has no way back: its values are kept as they are
        slope = 1.0 / (layouts.scale * layouts.factor)
    return Tables(
        row=layouts.row.astype(np.intp),
        width=width,
        before=before,
        sample_bytes=before[:, last] + width[:, last],
        lowest=layouts.lowest.astype(np.float64),
        most=most.astype(np.float64),
        slope=slope,
        start=layouts.offset * layouts.factor + layouts.shift,
        converts=bool((layouts.factor != 1.0).any() or (layouts.shift != 0.0).any()),
        all_whole=bool(layouts.is_whole.all()),
    )


def _bytes_of(most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes that hold integers from 0 to these."""
    width = np.ones(len(most), np.int64)
    for bytes_ in range(1, WIDEST_BYTES + 1):
        width += most >= 1 << 8 * bytes_
    return width
