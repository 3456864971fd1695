"""The plain reading of a plan in numpy, in a fixed number of array operations; the kernel must equal it.

Signal by signal equal to cantools within one unit in the last place; the tests hold it so.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders import j1939
from decoders.field import Fields, Form
from decoders.lookup import Lookup
from decoders.plan import Plan, Selectors
from vehicle.frame import FrameBatch

_STANDARD_BITS: Final = np.uint32(0x7FF)
_RADIX: Final = 2**16


@dataclass(frozen=True, slots=True)
class Reading:
    """Values of a batch, one element each; and what gave none."""

    row: NDArray[np.intp]
    """Of the plan."""
    frame: NDArray[np.intp]
    """Of the batch."""
    value: NDArray[np.float64]
    unknown: NDArray[np.intp]
    """Frames that fit no message, rising."""
    short_frames: int
    no_measurement: int
    out_of_range: int


@dataclass(frozen=True, slots=True)
class Holding:
    """Pairs of a frame and a layout that it holds; those of one layout in the order of message and time."""

    frame: NDArray[np.intp]
    layout: NDArray[np.intp]
    unknown: NDArray[np.intp]
    """Frames that fit no message, rising."""
    short_frames: int


def holding(batch: FrameBatch, plan: Plan) -> Holding:
    """What the frames of a batch hold, but for layouts without signals."""
    which = _message_of(batch, plan.lookup)
    known = _in_time_order(batch, np.flatnonzero(which >= 0))
    message = which[known]
    frame, layout = _layouts(plan, known, message, batch.length, _words(batch))
    has_signals = plan.rows.count[layout] > 0
    if not has_signals.all():
        frame, layout = frame[has_signals], layout[has_signals]
    short = batch.length[known] < plan.length[message]
    return Holding(frame, layout, np.flatnonzero(which < 0), int(np.count_nonzero(short)))


def read(batch: FrameBatch, plan: Plan) -> Reading:
    """Every mapped signal of every frame; the values of one row are in the order of message and time."""
    held = holding(batch, plan)
    with np.errstate(invalid="ignore", over="ignore"):  # a payload may hold any float, signalling NaN too
        place, row = plan.rows.expand(held.layout)
        frame = held.frame[place]
        there = plan.fields.needed_bytes[row] <= batch.length[frame]
        if not there.all():
            row, frame = row[there], frame[there]
        raw, value = _values(plan, row, frame, _words(batch))
    kept = (value >= plan.minimum[row]) & (value <= plan.maximum[row])  # no NaN is
    if plan.has_invalid:
        kept &= raw <= plan.last_valid[row]
    no_measurement = out_of_range = 0
    if not kept.all():
        lost = ~kept
        is_nothing = (raw[lost] > plan.last_valid[row[lost]]) | np.isnan(value[lost])
        no_measurement = int(np.count_nonzero(is_nothing))
        out_of_range = len(is_nothing) - no_measurement
        row, frame, value = row[kept], frame[kept], value[kept]
    return Reading(
        row=row,
        frame=frame,
        value=value,
        unknown=held.unknown,
        short_frames=held.short_frames,
        no_measurement=no_measurement,
        out_of_range=out_of_range,
    )


def _message_of(batch: FrameBatch, lookup: Lookup) -> NDArray[np.int16]:
    """Which message of the plan each frame is; -1: none."""
    which: NDArray[np.int16] = lookup.standard[batch.can_id & _STANDARD_BITS]
    if not batch.is_extended.any():
        return which
    extended = np.flatnonzero(batch.is_extended)
    can_id = batch.can_id[extended]
    if lookup.group is not None:
        which[extended] = lookup.group[j1939.pgn(can_id)]
    elif len(lookup.extended_id) == 0:
        which[extended] = -1
    else:
        place = np.minimum(np.searchsorted(lookup.extended_id, can_id), len(lookup.extended_id) - 1)
        which[extended] = np.where(lookup.extended_id[place] == can_id, lookup.extended[place], -1)
    return which


def by_message_signal_time(batch: FrameBatch, plan: Plan, reading: Reading) -> NDArray[np.intp]:
    """The order of a reading's values in long rows."""
    if len(reading.row) == 0:
        return np.zeros(0, np.intp)
    signals = len(plan.numbers)
    message = batch.message.astype(np.int64) - int(batch.message[0])
    start, rank = message * signals, plan.rank[reading.row]
    if (int(message[-1]) + 1) * signals <= _RADIX:  # 16 bits are sorted by radix
        return np.argsort(start.astype(np.uint16)[reading.frame] + rank, kind="stable")
    return np.argsort(start[reading.frame] + rank, kind="stable")


def _words(batch: FrameBatch) -> NDArray[np.uint64]:
    """Payloads as little-endian 64-bit words, shape (n, 1) or (n, 8)."""
    return np.ascontiguousarray(batch.data).view("<u8")


def _in_time_order(batch: FrameBatch, frames: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those frames by message and time."""
    t_us, message = batch.t_us[frames], batch.message[frames]
    falls = (t_us[1:] < t_us[:-1]) & (message[1:] == message[:-1])
    return frames[np.lexsort((t_us, message))] if falls.any() else frames


def _layouts(
    plan: Plan,
    frames: NDArray[np.intp],
    message: NDArray[np.int16],
    length: NDArray[np.uint8],
    words: NDArray[np.uint64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """What the frames hold, as pairs of frame and layout, by depth of multiplexing.

    A frame that is too short for a selector, or whose value nobody knows, holds what does not depend on it.
    """
    pairs = [(frames, plan.layout[message])]
    place, selector = plan.roots.expand(message.astype(np.intp))
    frame = frames[place]
    while len(frame):
        there = plan.selectors.fields.needed_bytes[selector] <= length[frame]
        frame, found = _ranges(plan.selectors, frame[there], selector[there], words)
        place, layouts = plan.selectors.layouts.expand(found)
        pairs.append((frame[place], plan.selectors.layout[layouts]))
        place, inner = plan.selectors.inner.expand(found)
        frame, selector = frame[place], plan.selectors.selector[inner]
    if len(pairs) == 1:
        return pairs[0]
    return np.concatenate([one for one, _ in pairs]), np.concatenate([one for _, one in pairs])


def _ranges(
    selectors: Selectors, frame: NDArray[np.intp], selector: NDArray[np.intp], words: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Frames whose selector has a value that somebody knows, and the range it is in."""
    if len(selectors.key) == 0:
        return frame[:0], selector[:0]
    value = _raw(selectors.fields, selector, frame, words)
    wanted = selector.astype(np.uint64) << np.uint64(32) | value
    place = np.searchsorted(selectors.key, wanted, side="right") - 1
    first = selectors.ranges.first[selector]
    found = (value < 2**32) & (place >= first) & (value <= selectors.last[place])
    return frame[found], place[found]


def _values(
    plan: Plan, row: NDArray[np.intp], frame: NDArray[np.intp], words: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """Raw bits (a signed field's in two's complement of 64) and values in the catalogue's unit."""
    raw = _raw(plan.fields, row, frame, words)
    value = raw.astype(np.float64)
    for form in plan.fields.forms - {Form.UNSIGNED}:
        these = np.flatnonzero(plan.fields.form[row] == form)
        value[these] = _reinterpreted(raw[these], Form(form))
    value *= plan.scale[row]
    value += plan.offset[row]
    if plan.converts:
        value *= plan.factor[row]
        value += plan.shift[row]
    return raw, value


def _raw(
    fields: Fields, row: NDArray[np.intp], frame: NDArray[np.intp], words: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """The bits of field `row[k]` in frame `frame[k]`: shifted to the top of a word, and down again."""
    lanes = words.shape[1]
    place = frame * lanes + fields.lane[row] if lanes > 1 else frame
    flat = words.reshape(-1)
    bits = flat[place]
    swapped = flat.byteswap() if fields.any_big_endian else flat
    if fields.any_big_endian:
        bits = np.where(fields.is_big_endian[row], swapped[place], bits)
    bits <<= fields.left[row]
    if fields.any_spill and lanes > 1:
        _add_spill(fields, row, place, flat, swapped, bits)
    right = fields.right[row]
    raw = bits >> right
    if Form.SIGNED in fields.forms:
        signed = np.flatnonzero(fields.form[row] == Form.SIGNED)
        down = bits[signed].view(np.int64) >> right[signed].view(np.int64)
        raw[signed] = down.view(np.uint64)
    return raw


def _add_spill(
    fields: Fields,
    row: NDArray[np.intp],
    place: NDArray[np.intp],
    flat: NDArray[np.uint64],
    swapped: NDArray[np.uint64],
    bits: NDArray[np.uint64],
) -> None:
    """Complete, in place, those fields that reach into the next word (CAN FD)."""
    these = np.flatnonzero(fields.spill[row])
    spill = fields.spill[row[these]]
    rest = np.uint64(64) - spill
    right = fields.right[row[these]]
    following = place[these] + 1
    little = (flat[following] << rest) | (flat[place[these]] >> right >> spill << right)
    big = bits[these] | (swapped[following] >> rest << right)
    bits[these] = np.where(fields.is_big_endian[row[these]], big, little)


def _reinterpreted(raw: NDArray[np.uint64], form: Form) -> NDArray[np.float64]:
    if form is Form.SIGNED:
        return raw.view(np.int64).astype(np.float64)
    if form is Form.FLOAT32:
        return raw.astype(np.uint32).view(np.float32).astype(np.float64)
    return raw.view(np.float64)
