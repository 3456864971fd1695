"""Which message each frame is, what it holds, and which frames hold the same."""

import numpy as np
from numba import njit

from decoders.field import Form
from decoders.machine.pointers import swapped, word_at
from decoders.machine.records import SHORT, UNKNOWN
from decoders.tables import DIRECT, HASH


@njit
def message_of(identifiers, can_id, is_extended):
    """A frame's message; -1: none."""
    if not is_extended:
        return np.int64(identifiers.standard[can_id & 0x7FF])
    key = np.int64(can_id)
    if identifiers.by_pgn:
        key = (key >> 8) & 0x3FFFF
        if key & 0xFF00 < 0xF000:
            key &= 0x3FF00
    slot = ((key * HASH) & 0xFFFF_FFFF) >> (32 - identifiers.bits)
    while True:
        message = np.int64(identifiers.message[slot])
        if message < 0 or identifiers.key[slot] == key:
            return message
        slot = (slot + 1) & ((1 << identifiers.bits) - 1)


@njit(forceinline=True)
def top(field, k, word, following):
    """The bits of field k at the top of a word; `following` is the next word, which may have some."""
    left, right, spill = np.uint64(field.left[k]), np.uint64(field.right[k]), np.uint64(field.spill[k])
    if field.is_big_endian[k]:
        bits = swapped(word) << left
        return bits | (swapped(following) >> (np.uint64(64) - left)) if spill else bits
    if spill:
        low = right + spill
        return ((word >> low) | (following << (np.uint64(64) - low))) << right
    return word << left


@njit(forceinline=True)
def raw_of(field, k, frames, frame):
    """The bits of field k in a frame that has all of them; a signed field's in two's complement of 64."""
    at = frame * frames.width + 8 * np.int64(field.lane[k])
    following = word_at(frames.data, at + 8) if field.spill[k] else np.uint64(0)
    bits = top(field, k, word_at(frames.data, at), following)
    if field.form[k] == Form.SIGNED:
        return np.uint64(np.int64(bits) >> np.int64(field.right[k]))
    return bits >> np.uint64(field.right[k])


@njit
def group(plan, frames, room, begin, end, counters, always):
    """Which frames of `order[begin:end]` hold what: the number of pairs, and of layouts that occur.

    `always` is the layout that all frames of a message hold; -1: none.
    """
    pairs, touched, short, unknown = np.int64(0), np.int64(0), np.int64(0), counters[UNKNOWN]
    for k in range(begin, end):
        frame = np.int64(room.order[k])
        message = message_of(plan.identifiers, frames.can_id[frame], frames.is_extended[frame])
        if message < 0:
            room.unknown[unknown] = frame
            unknown += 1
            continue
        length = min(np.int64(frames.length[frame]), frames.width)
        short += length < plan.messages.length[message]
        layout = np.int64(always[message])
        if layout >= 0:
            touched = add_pair(plan.layouts, room, layout, frame, length, pairs, touched)
            pairs += 1
        if plan.messages.selectors[message]:
            pairs, touched = add_selected(plan, frames, room, message, frame, length, pairs, touched)
    counters[UNKNOWN] = unknown
    counters[SHORT] += short
    return pairs, touched


@njit(forceinline=True)
def add_pair(layouts, room, layout, frame, length, pairs, touched):
    """Note that a frame holds a layout; the number of layouts that occur."""
    count = room.count[layout]
    if count == 0:
        room.touched[touched] = layout
        touched += 1
        room.is_cut[layout] = 0
    if length < layouts.needed_bytes[layout]:
        room.is_cut[layout] = 1
    room.count[layout] = count + 1
    room.pair_layout[pairs] = layout
    room.pair_frame[pairs] = frame
    return touched


@njit(forceinline=True)
def add_selected(plan, frames, room, message, frame, length, pairs, touched):
    """Note what a frame holds by the values of its multiplexers, from the outer ones to the inner."""
    waiting = np.int64(0)
    first = np.int64(plan.messages.selector[message])
    for selector in range(first, first + plan.messages.selectors[message]):
        pairs, touched, waiting = add_gains(
            plan, frames, room, selector, frame, length, pairs, touched, waiting
        )
    while waiting:
        selector = np.int64(room.stack[waiting - 1])
        pairs, touched, waiting = add_gains(
            plan, frames, room, selector, frame, length, pairs, touched, waiting - 1
        )
    return pairs, touched


@njit(forceinline=True)
def add_gains(plan, frames, room, selector, frame, length, pairs, touched, waiting):
    """Note what a frame holds by the value of one multiplexer; multiplexers inside it wait in `stack`."""
    selectors = plan.selectors
    if selectors.field.needed_bytes[selector] > length:
        return pairs, touched, waiting
    found = range_of(selectors, selector, raw_of(selectors.field, selector, frames, frame))
    if found >= 0:
        gain = np.int64(selectors.layout[found])
        for k in range(gain, gain + selectors.layouts[found]):
            layout = np.int64(selectors.gain[k])
            touched = add_pair(plan.layouts, room, layout, frame, length, pairs, touched)
            pairs += 1
        gain = np.int64(selectors.inner[found])
        for k in range(gain, gain + selectors.inners[found]):
            room.stack[waiting] = selectors.gain[k]
            waiting += 1
    return pairs, touched, waiting


@njit(forceinline=True)
def range_of(selectors, selector, value):
    """The range of a selector's values that a value is in; -1: none."""
    if selectors.direct[selector] >= 0:  # a table of all its values, of which there are few
        if value >= DIRECT:
            return np.int64(-1)
        return np.int64(selectors.table[selectors.direct[selector] + np.int64(value)])
    found, left = np.int64(selectors.first[selector]), np.int64(selectors.ranges[selector])
    if left == 0:
        return np.int64(-1)
    while left > 1:
        half = left >> 1
        if selectors.low[found + half] <= value:
            found += half
        left -= half
    is_in = selectors.low[found] <= value and value <= selectors.high[found]
    return found if is_in else np.int64(-1)


@njit
def gather_frames(frames, room, pairs, touched, at_least):
    """Bring the frames of each layout that has so many together, in order: their numbers and first words."""
    place = np.int64(0)
    for k in range(touched):
        layout = np.int64(room.touched[k])
        room.start[layout] = room.fill[layout] = place
        if room.count[layout] >= at_least:
            place += room.count[layout]
    if place == 0:
        return
    for pair in range(pairs):
        layout = np.int64(room.pair_layout[pair])
        if room.count[layout] >= at_least:
            slot, frame = np.int64(room.fill[layout]), room.pair_frame[pair]
            room.fill[layout] = slot + 1
            room.frame[slot] = frame
            room.first_word[slot] = word_at(frames.data, np.int64(frame) * frames.width)


@njit
def words_of(frames, room, frame, first_word, start, count, needed_bytes):
    """Where first words of `frame[start : start + count]` stand, and behind them the second, as needed."""
    if needed_bytes <= 8:
        return first_word, start
    lanes = (np.int64(needed_bytes) + 7) >> 3
    there = min(lanes, frames.width >> 3)
    for lane in range(there):
        for k in range(count):
            at = np.int64(frame[start + k]) * frames.width + 8 * lane
            room.words[lane * count + k] = word_at(frames.data, at)
    for k in range(there * count, lanes * count):
        room.words[k] = 0
    return room.words, np.int64(0)


@njit
def sort_by_time(frames, order, spare, begin, end):
    """Bring `order[begin:end]` into the order of time; what is equal stays as it stands."""
    step = 1
    while step < end - begin:
        for left in range(begin, end, 2 * step):
            merge(frames, order, spare, left, min(left + step, end), min(left + 2 * step, end))
        for k in range(begin, end):
            order[k] = spare[k]
        step *= 2


@njit
def merge(frames, order, spare, left, middle, end):
    """Two runs next to each other, each in the order of time, into one in `spare`."""
    right = middle
    for k in range(left, end):
        take_left = left < middle and (right >= end or frames.t_us[order[left]] <= frames.t_us[order[right]])
        if take_left:
            spare[k] = order[left]
            left += 1
        else:
            spare[k] = order[right]
            right += 1
