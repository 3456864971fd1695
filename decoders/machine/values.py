"""Bits to values: all signals of one frame, or one signal of many frames.

A value that is not kept is NaN, which no kept value is. Arithmetic is as written: two roundings for
`raw * scale + offset`, two more into the catalogue's unit.
"""

import numpy as np
from numba import njit

from decoders.field import Form
from decoders.machine.grouping import top
from decoders.machine.pointers import as_float32, as_float64, swapped, word_at
from decoders.machine.records import NO_MEASUREMENT, OUT_OF_RANGE
from decoders.tables import CONVERTS, LIMITED, PLAIN, ROW_MULTIPLE, SENTINELS, SIMPLE


@njit(forceinline=True)
def frame_values(plan, frames, layout, frame, out, counters):
    """All signals of one layout in one frame into `out`; returns how many are kept."""
    rows = plan.rows
    first, count = np.int64(plan.layouts.first[layout]), np.int64(plan.layouts.count[layout])
    flags = plan.layouts.flags[layout]
    length = min(np.int64(frames.length[frame]), frames.width)
    word = word_at(frames.data, frame * frames.width)
    if flags & SIMPLE:
        simple_values(rows, first, count, word, out)
        if flags & PLAIN and length >= 8:
            return count
    kept = np.int64(0)
    for k in range(count):
        row = first + k
        if rows.field.needed_bytes[row] > length:
            out[k] = np.nan
            continue
        if flags & SIMPLE:
            bits = top(rows.field, row, word, np.uint64(0))
        else:
            at = frame * frames.width + 8 * np.int64(rows.field.lane[row])
            following = word_at(frames.data, at + 8) if rows.field.spill[row] else np.uint64(0)
            bits = top(rows.field, row, word_at(frames.data, at), following)
            out[k] = scaled(rows, row, bits)
        if rows.flags[row]:
            out[k] = measured(rows, row, bits, out[k], counters)
        kept += out[k] == out[k]
    return kept


@njit(forceinline=True)
def simple_values(rows, first, count, word, out):
    """Integers in the frame's first word: raw * scale + offset, and more up to a multiple."""
    turned = swapped(word)
    for k in range((count + ROW_MULTIPLE - 1) & -ROW_MULTIPLE):
        row = first + k
        bits = (turned if rows.field.is_big_endian[row] else word) << np.uint64(rows.field.left[row])
        right = rows.field.right[row]
        if rows.field.form[row] == Form.SIGNED:
            value = np.float64(np.int64(bits) >> np.int64(right))
        else:
            value = np.float64(bits >> np.uint64(right))
        out[k] = value * rows.scale[row] + rows.offset[row]


@njit
def scaled(rows, row, bits):
    """The value, raw * scale + offset, of bits at the top of a word."""
    form, right = rows.field.form[row], rows.field.right[row]
    if form == Form.UNSIGNED:
        value = np.float64(bits >> np.uint64(right))
    elif form == Form.SIGNED:
        value = np.float64(np.int64(bits) >> np.int64(right))
    elif form == Form.FLOAT32:
        value = np.float64(as_float32(bits >> np.uint64(right)))
    else:
        value = as_float64(bits)
    return value * rows.scale[row] + rows.offset[row]


@njit
def measured(rows, row, bits, value, counters):
    """The value in the catalogue's unit where it is a measurement within limits, else NaN."""
    value = value * rows.factor[row] + rows.shift[row]
    if value != value or bits >> np.uint64(rows.field.right[row]) > rows.last_valid[row]:
        counters[NO_MEASUREMENT] += 1
        return np.nan
    if value < rows.minimum[row] or value > rows.maximum[row]:
        counters[OUT_OF_RANGE] += 1
        return np.nan
    return value


@njit(forceinline=True)
def signal_values(rows, row, words, word, n, room, out, at, counters):
    """One signal of n frames that have it into `out[at : at + n]`; how many are kept.

    From `word` on stand all first words, then all second words, ... Up to `room` values may be written: where
    it is a multiple of eight, there are no values left over that have to be computed one by one.
    """
    first = word + np.int64(rows.field.lane[row]) * n
    if rows.field.spill[row] or rows.field.form[row] == Form.FLOAT64:
        any_signal(rows, row, words, first, n, out, at)
    elif rows.field.form[row] == Form.FLOAT32:
        float_signal(rows, row, words, first, room, out, at)
    elif rows.field.is_big_endian[row]:
        big_endian_signal(rows, row, words, first, room, out, at)
    else:
        little_endian_signal(rows, row, words, first, room, out, at)
    flags = rows.flags[row]
    if flags & CONVERTS:
        factor, shift = rows.factor[row], rows.shift[row]
        for k in range(room):
            out[at + k] = out[at + k] * factor + shift
    if flags & SENTINELS:
        return keep_measured(rows, row, words, word, n, out, at, counters)
    if flags & LIMITED:
        return keep_within_limits(rows, row, n, out, at, counters)
    return n


@njit(forceinline=True)
def little_endian_signal(rows, row, words, first, n, out, at):
    """The value, raw * scale + offset, of an integer that stands in one word."""
    left, right = np.uint64(rows.field.left[row]), np.uint64(rows.field.right[row])
    scale, offset = rows.scale[row], rows.offset[row]
    if rows.field.form[row] == Form.SIGNED:
        for k in range(n):
            bits = np.int64(words[first + k] << left)
            out[at + k] = np.float64(bits >> np.int64(right)) * scale + offset
    else:
        for k in range(n):
            out[at + k] = np.float64((words[first + k] << left) >> right) * scale + offset


@njit(forceinline=True)
def big_endian_signal(rows, row, words, first, n, out, at):
    """The value, raw * scale + offset, of an integer that stands in one word."""
    left, right = np.uint64(rows.field.left[row]), np.uint64(rows.field.right[row])
    scale, offset = rows.scale[row], rows.offset[row]
    if rows.field.form[row] == Form.SIGNED:
        for k in range(n):
            bits = np.int64(swapped(words[first + k]) << left)
            out[at + k] = np.float64(bits >> np.int64(right)) * scale + offset
    else:
        for k in range(n):
            out[at + k] = np.float64((swapped(words[first + k]) << left) >> right) * scale + offset


@njit(forceinline=True)
def float_signal(rows, row, words, first, n, out, at):
    """The value, raw * scale + offset, of a float of 32 bits that stands in one word."""
    left, right = np.uint64(rows.field.left[row]), np.uint64(rows.field.right[row])
    scale, offset = rows.scale[row], rows.offset[row]
    if rows.field.is_big_endian[row]:
        for k in range(n):
            bits = (swapped(words[first + k]) << left) >> right
            out[at + k] = np.float64(as_float32(bits)) * scale + offset
    else:
        for k in range(n):
            bits = (words[first + k] << left) >> right
            out[at + k] = np.float64(as_float32(bits)) * scale + offset


@njit
def any_signal(rows, row, words, first, n, out, at):
    """The value, raw * scale + offset, of any field."""
    field = rows.field
    spill = field.spill[row]
    for k in range(n):
        following = words[first + n + k] if spill else np.uint64(0)
        bits = top(field, row, words[first + k], following)
        out[at + k] = scaled(rows, row, bits)


@njit
def keep_measured(rows, row, words, word, n, out, at, counters):
    """Make NaN what says "error" or "not available", or is outside the limits; how many are kept."""
    field, first = rows.field, word + np.int64(rows.field.lane[row]) * n
    minimum, maximum, last = rows.minimum[row], rows.maximum[row], rows.last_valid[row]
    kept, none = np.int64(0), np.int64(0)
    spill, right = field.spill[row], np.uint64(field.right[row])
    for k in range(n):
        following = words[first + n + k] if spill else np.uint64(0)
        raw = top(field, row, words[first + k], following) >> right
        value = out[at + k]
        is_none = (raw > last) | (value != value)
        is_kept = (value >= minimum) & (value <= maximum) & (raw <= last)
        kept += is_kept
        none += is_none
        out[at + k] = value if is_kept else np.nan
    counters[NO_MEASUREMENT] += none
    counters[OUT_OF_RANGE] += n - kept - none
    return kept


@njit
def keep_within_limits(rows, row, n, out, at, counters):
    """Make NaN what is outside the limits; how many are kept."""
    minimum, maximum = rows.minimum[row], rows.maximum[row]
    kept, none = np.int64(0), np.int64(0)
    for k in range(n):
        value = out[at + k]
        is_kept = (value >= minimum) & (value <= maximum)
        kept += is_kept
        none += value != value
        out[at + k] = value if is_kept else np.nan
    counters[NO_MEASUREMENT] += none
    counters[OUT_OF_RANGE] += n - kept - none
    return kept
