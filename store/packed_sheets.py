"""Values out of frames as bodies: a group per message, layout and sender, its samples the frames.

Everything is done for the whole batch at once: where a value goes follows from its frame's place in the
group and its signal's in the layout, so nothing is sorted per value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from store import bodies
from store.bodies import Groups, Packed, Times
from store.messages import MessageKeys
from store.shapes import FLOAT_BYTES, PLAIN, WIDEST_BYTES, Coding, Shape
from vehicle.sheet import NO_SOURCE, Layouts, Sheet

_SOURCES: Final = 257
"""Addresses, and none."""
_MOST_CELLS: Final = 1 << 22


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

    width: NDArray[np.int64]
    """By variant and row: bytes."""
    before: NDArray[np.int64]
    """By variant and row: bytes of one sample of the signals before it."""
    sample_bytes: NDArray[np.int64]
    """By variant and layout."""
    most: NDArray[np.int64]
    """By row: the greatest integer above `Layouts.lowest`."""
    is_affine: bool
    """No signal is converted to another unit."""
    shapes: dict[int, Shape] = field(default_factory=dict)
    """Those met so far: by source, variant and layout."""

    def shape(self, key: int, of: Layouts) -> Shape:
        """The shape of a group of these layouts."""
        if key not in self.shapes:
            rest, source = divmod(key, _SOURCES)
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


def tables(layouts: Layouts) -> Tables:
    """The tables of some layouts, made once."""
    if layouts not in _TABLES:
        _TABLES[layouts] = _tables_of(layouts)
    return _TABLES[layouts]


def pack(sheet: Sheet, keys: MessageKeys, codebook_id: Sequence[int | None]) -> Packed:
    """The rows of a sheet, at least one; its messages count as `keys` and `codebook_id` do."""
    known = tables(sheet.layouts)
    layouts = sheet.layouts
    row = layouts.row[sheet.rows.signal]
    raw, fits = _raw(sheet, row, known)
    cells = _Cells.of(sheet, layouts.layout[row])
    variant = cells.variants(layouts, fits)
    dt_us, times = cells.times(sheet)
    of_shape = (cells.layout * len(Variant) + variant) * _SOURCES + cells.source
    present = np.zeros(len(layouts.first) * len(Variant) * _SOURCES, np.bool_)
    present[of_shape] = True
    shapes = np.flatnonzero(present)
    groups = Groups(
        owner=cells.owner,
        shape=np.searchsorted(shapes, of_shape),
        samples=cells.samples,
        times=bodies.how(np.maximum.reduceat(dt_us, cells.starts)),
        columns=layouts.count[cells.layout],
        sample_bytes=known.sample_bytes[variant, cells.layout],
    )
    room = bodies.room(keys, codebook_id, times, groups)
    width = bodies.TIME_BYTES[groups.times][cells.group]
    bodies.write_times(room.buffer, room.times_at[cells.group] + width * cells.place, dt_us, width)
    if (variant != Variant.FULL).any():
        _fill(room.buffer, room.values_at, groups, variant)
    _write_values(room.buffer, room.values_at, sheet, row, raw, cells, variant, known)
    return Packed(
        room.buffer, [known.shape(key, layouts) for key in shapes.tolist()], groups.shape, room.group_at
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """Frames with the layouts they hold, those of a group one behind the other."""

    of_value: NDArray[Any]
    """Of each value: its cell."""
    frame: NDArray[Any]
    """Of each cell, by group, like all up to `starts`."""
    group: NDArray[np.int64]
    place: NDArray[np.int64]
    """Of each cell: its place in the group."""
    values: NDArray[np.int64]
    """Of each cell: how many it has."""
    starts: NDArray[np.int64]
    """Of each group, by message, like all that follow: its first cell."""
    samples: NDArray[np.int64]
    message: NDArray[np.int64]
    owner: NDArray[np.int64]
    """Place of its message among those that have values."""
    layout: NDArray[np.int64]
    source: NDArray[np.int64]
    """Address of the sender + 1; 0: none."""

    @classmethod
    def of(cls, sheet: Sheet, layout: NDArray[np.int32]) -> "_Cells":
        """Group the frames; `layout` is each value's."""
        frame, of_layout, of_value = _pairs(sheet, layout)
        layouts, sources = len(sheet.layouts.first), sheet.source[frame].astype(np.int64) + 1
        message = sheet.message[frame].astype(np.int64)
        key = (message * layouts + of_layout) * _SOURCES + sources
        order = np.argsort(key, kind="stable")
        sorted_key = key[order]
        starts = np.flatnonzero(np.diff(sorted_key, prepend=-1))
        samples = np.diff(starts, append=len(key))
        group = np.repeat(np.arange(len(starts)), samples)
        rest, source = np.divmod(sorted_key[starts], _SOURCES)
        of_group, layout_of_group = np.divmod(rest, layouts)
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        of_sorted = rank[of_value]
        return cls(
            of_value=of_sorted,
            frame=frame[order],
            group=group,
            place=np.arange(len(key)) - starts[group],
            values=np.bincount(of_sorted, minlength=len(key)),
            starts=starts,
            samples=samples,
            message=of_group,
            owner=np.cumsum(np.diff(of_group, prepend=of_group[:1]) != 0),
            layout=layout_of_group,
            source=source,
        )

    def variants(self, layouts: Layouts, fits: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How each group can be coded; `fits` says of each value whether the plan's integer gives it."""
        filled = np.add.reduceat(self.values, self.starts)
        variant = np.where(filled == self.samples * layouts.count[self.layout], Variant.FULL, Variant.HOLED)
        if not fits.all():
            variant[self.group[self.of_value[~fits]]] = Variant.PLAIN
        return variant

    def times(self, sheet: Sheet) -> tuple[NDArray[np.int64], Times]:
        """Each cell's distance from its message's beginning; and when the messages were."""
        t_us = sheet.t_us[self.frame]
        first_group = np.flatnonzero(np.diff(self.owner, prepend=-1))
        at = self.starts[first_group]
        first_us, last_us = np.minimum.reduceat(t_us, at), np.maximum.reduceat(t_us, at)
        dt_us = t_us - first_us[self.owner][self.group]
        return dt_us, Times(self.message[first_group], first_us, last_us)


def _pairs(sheet: Sheet, layout: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Frames and layouts that have values together, by frame; and which pair each value is of."""
    layouts = sheet.layouts
    most = layouts.most
    cells_n = len(sheet.t_us) * most
    if cells_n > _MOST_CELLS:
        n = len(layouts.first)
        found, of_value = np.unique(sheet.frame.astype(np.int64) * n + layout, return_inverse=True)
        return (*np.divmod(found, n), of_value)
    cell = sheet.frame * np.int32(most) + layouts.local[layout] if most > 1 else sheet.frame
    of_cell = np.full(cells_n, -1, np.int32)
    of_cell[cell] = layout
    there = np.flatnonzero(of_cell >= 0)
    of_layout = of_cell[there]
    of_cell[there] = np.arange(len(there), dtype=np.int32)
    return there // most if most > 1 else there, of_layout, of_cell[cell]


def _raw(
    sheet: Sheet, row: NDArray[np.int32], known: Tables
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The integer behind each value, counted from the lowest; and whether it gives the value, bit for bit."""
    of, value = sheet.layouts, sheet.rows.value
    scale, offset = of.scale[row], of.offset[row]
    lowest = of.lowest.astype(np.float64)[row]
    with np.errstate(all="ignore"):
        if known.is_affine:
            raw = np.rint((value - offset) / scale)
            again = raw * scale + offset
        else:
            factor, shift = of.factor[row], of.shift[row]
            raw = np.rint(((value - shift) / factor - offset) / scale)
            again = (raw * scale + offset) * factor + shift
        raw -= lowest
        fits = again == value
        fits &= (raw >= 0) & (raw <= known.most[row])
    is_zero = value == 0
    if is_zero.any():
        fits &= ~(is_zero & np.signbit(value))
    if not of.is_whole.all():
        fits |= ~of.is_whole[row]
    return raw, fits


def _write_values(
    buffer: NDArray[np.uint8],
    values_at: NDArray[np.int64],
    sheet: Sheet,
    row: NDArray[np.int32],
    raw: NDArray[np.float64],
    cells: _Cells,
    variant: NDArray[np.int64],
    known: Tables,
) -> None:
    cell = cells.of_value
    rows_n = known.width.shape[1]
    coded = row + (variant * rows_n)[cells.group][cell]
    width = known.width.reshape(-1)[coded]
    at = values_at[cells.group][cell]
    at += known.before.reshape(-1)[coded] * cells.samples[cells.group][cell]
    at += width * cells.place[cell]
    for bytes_ in range(1, WIDEST_BYTES + 1):
        these = np.flatnonzero(width == bytes_)
        if len(these):
            bodies.write(buffer, at[these], raw[these].astype(np.int64), bytes_)
    plain = np.flatnonzero(width == FLOAT_BYTES)
    if len(plain):
        bodies.write(buffer, at[plain], sheet.rows.value[plain].view(np.int64), FLOAT_BYTES)


def _fill(
    buffer: NDArray[np.uint8], values_at: NDArray[np.int64], groups: Groups, variant: NDArray[np.int64]
) -> None:
    """Write holes all over the values of groups that have some."""
    size = np.where(variant == Variant.FULL, 0, groups.sample_bytes * groups.samples)
    end = np.cumsum(size)
    buffer[np.arange(end[-1]) + np.repeat(values_at - (end - size), size)] = 0xFF


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
    return Tables(
        width=width,
        before=before,
        sample_bytes=before[:, last] + width[:, last],
        most=most.astype(np.float64),
        is_affine=bool((layouts.factor == 1.0).all() and (layouts.shift == 0.0).all()),
    )


def _bytes_of(most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes that hold integers from 0 to these."""
    width = np.ones(len(most), np.int64)
    for bytes_ in range(1, WIDEST_BYTES + 1):
        width += most >= 1 << 8 * bytes_
    return width
