"""Values out of frames as bodies: a group per message, layout and sender, its samples the frames.

Everything is done for the whole batch at once: where a value goes follows from its frame's place in the
group and its signal's in the layout, so nothing is sorted per value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from store import bodies, sheet_tables
from store.bodies import Groups, Packed, Times
from store.messages import MessageKeys
from store.shapes import FLOAT_BYTES
from store.sheet_tables import SOURCES, Tables, Variant
from vehicle.sheet import Layouts, Sheet

_MOST_CELLS: Final = 1 << 22


def pack(sheet: Sheet, keys: MessageKeys, codebook_id: Sequence[int | None]) -> Packed:
    """The rows of a sheet, at least one; its messages count as `keys` and `codebook_id` do."""
    known = sheet_tables.of(sheet.layouts)
    layouts = sheet.layouts
    row = known.row[sheet.rows.signal]
    raw, fits = _raw(sheet, row, known)
    cells = _Cells.of(sheet, row)
    variant = cells.variants(layouts, fits)
    dt_us, times = cells.times(sheet)
    of_shape = (cells.layout * len(Variant) + variant) * SOURCES + cells.source
    present = np.zeros(len(layouts.first) * len(Variant) * SOURCES, np.bool_)
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

    of_value: NDArray[np.intp]
    """Of each value: its cell."""
    frame: NDArray[np.intp]
    """Of each cell, by group, like all up to `starts`."""
    group: NDArray[np.int64]
    place: NDArray[np.int64]
    """Of each cell: its place in the group."""
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
    def of(cls, sheet: Sheet, row: NDArray[np.intp]) -> "_Cells":
        """Group the frames; `row` is each value's."""
        frame, of_layout, of_value = _pairs(sheet, row)
        layouts, sources = len(sheet.layouts.first), sheet.source[frame].astype(np.int64) + 1
        message = sheet.message[frame].astype(np.int64)
        key = (message * layouts + of_layout) * SOURCES + sources
        order = np.argsort(key, kind="stable")
        sorted_key = key[order]
        starts = np.flatnonzero(np.diff(sorted_key, prepend=-1))
        samples = np.diff(starts, append=len(key))
        group = np.repeat(np.arange(len(starts)), samples)
        rest, source = np.divmod(sorted_key[starts], SOURCES)
        of_group, layout_of_group = np.divmod(rest, layouts)
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        return cls(
            of_value=of_value(rank),
            frame=frame[order],
            group=group,
            place=np.arange(len(key)) - starts[group],
            starts=starts,
            samples=samples,
            message=of_group,
            owner=np.cumsum(np.diff(of_group, prepend=of_group[:1]) != 0),
            layout=layout_of_group,
            source=source,
        )

    def variants(self, layouts: Layouts, fits: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How each group can be coded; `fits` says of each value whether the plan's integer gives it."""
        room = self.samples * layouts.count[self.layout]
        variant = np.full(len(room), int(Variant.FULL))
        if len(fits) < int(room.sum()):
            values = np.bincount(self.of_value, minlength=len(self.frame))
            variant[np.add.reduceat(values, self.starts) < room] = Variant.HOLED
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


def _pairs(
    sheet: Sheet, row: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.int64], Callable[[NDArray[np.intp]], NDArray[np.intp]]]:
    """Frames and layouts that have values together, by frame; and what hands a pair's to its values."""
    layouts = sheet.layouts
    most = layouts.most
    cell = sheet.frame.astype(np.intp)
    if most > 1:
        local = layouts.local[layouts.layout].astype(np.intp)
        cell = cell * most + local[row]
    cells_n = len(sheet.t_us) * most
    if cells_n > _MOST_CELLS:
        there, first, which = np.unique(cell, return_index=True, return_inverse=True)
        return there // most, layouts.layout[row[first]].astype(np.int64), lambda of_pair: of_pair[which]
    seen = np.full(cells_n, -1, np.intp)
    seen[cell] = row
    there = np.flatnonzero(seen >= 0)
    of_layout = layouts.layout[seen[there]].astype(np.int64)

    def of_value(of_pair: NDArray[np.intp]) -> NDArray[np.intp]:
        seen[there] = of_pair
        return seen[cell]

    return there // most, of_layout, of_value


def _raw(sheet: Sheet, row: NDArray[np.intp], known: Tables) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The integer behind each value, counted from the lowest; and whether it gives the value, bit for bit."""
    of, value = sheet.layouts, sheet.rows.value
    with np.errstate(all="ignore"):
        raw = value - known.start[row]
        raw *= known.slope[row]
        np.rint(raw, out=raw)
        again = raw * of.scale[row]
        again += of.offset[row]
        if known.converts:
            again *= of.factor[row]
            again += of.shift[row]
        fits = again.view(np.int64) == value.view(np.int64)
        raw -= known.lowest[row]
        fits &= raw <= known.most[row]
        fits &= raw >= 0
        if not known.all_whole:
            fits |= ~of.is_whole[row]
        return raw.astype(np.int64), fits


def _write_values(
    buffer: NDArray[np.uint8],
    values_at: NDArray[np.int64],
    sheet: Sheet,
    row: NDArray[np.intp],
    raw: NDArray[np.int64],
    cells: _Cells,
    variant: NDArray[np.int64],
    known: Tables,
) -> None:
    """Every value's last byte, and then the others of those that have more."""
    cell, coded = cells.of_value, row
    if variant.any():
        coded = row + (variant * known.width.shape[1])[cells.group][cell]
    width = known.width.reshape(-1)[coded]
    last = width * (cells.place + 1)[cell]
    last += (values_at[cells.group] - 1)[cell]
    last += known.before.reshape(-1)[coded] * cells.samples[cells.group][cell]
    buffer[last] = raw.astype(np.uint8)
    these = np.flatnonzero(width > 1)
    if not len(these):
        return
    last, width, raw = last[these], width[these], raw[these]
    is_plain = width == FLOAT_BYTES
    if is_plain.any():
        raw = np.where(is_plain, sheet.rows.value[these].view(np.int64), raw)
        buffer[last] = raw.astype(np.uint8)
    for byte in range(1, FLOAT_BYTES):
        buffer[last - byte] = (raw >> 8 * byte).astype(np.uint8)
        wider = np.flatnonzero(width > byte + 1)
        if not len(wider):
            return
        if len(wider) < len(width):
            last, width, raw = last[wider], width[wider], raw[wider]


def _fill(
    buffer: NDArray[np.uint8], values_at: NDArray[np.int64], groups: Groups, variant: NDArray[np.int64]
) -> None:
    """Write holes all over the values of groups that have some."""
    size = np.where(variant == Variant.FULL, 0, groups.sample_bytes * groups.samples)
    end = np.cumsum(size)
    buffer[np.arange(end[-1]) + np.repeat(values_at - (end - size), size)] = 0xFF
