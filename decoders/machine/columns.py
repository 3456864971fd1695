"""Columns: for each layout the values of each of its signals, in the order of the batch's frames."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from decoders.machine.grouping import add_selected, message_of, words_of
from decoders.machine.memory import cleared, frames_of, plan_of, room_of
from decoders.machine.pointers import float64_at, int32_at, int64_at, start_of, told, word_at
from decoders.machine.records import PAIRS, SHORT, UNKNOWN
from decoders.machine.values import frame_values, signal_values
from decoders.tables import WORDS


class Out(NamedTuple):
    """Columns. Layout k has frames from `frame_start[k]` to `[k + 1]`, and values likewise."""

    frame_start: Any
    value_start: Any
    frame: Any
    value: Any


@njit
def arrange(words):
    """Find out what frames hold, and where each layout's frames and values will begin; how many values."""
    plan, frames = plan_of(words), frames_of(words)
    room, count = room_of(words, plan, frames.n, np.int64(0))
    cleared(plan, room, count)
    for k in range(plan.layout_count):
        room.is_cut[k] = 0
    tell_layouts(plan, frames, room, count)
    rises, values = starts_of(words, plan)
    rises[0] = values[0] = 0
    for k in range(plan.layout_count):
        rises[k + 1] = rises[k] + room.count[k]
        values[k + 1] = values[k] + padded(np.int64(room.count[k])) * plan.layouts.count[k]
    return values[plan.layout_count]


@njit
def starts_of(words, plan):
    """Where each layout's frames begin, and behind that where its values do."""
    starts = told(words, WORDS.starts)
    return int64_at(start_of(starts, 0), 0), int64_at(start_of(starts, 8 * (plan.layout_count + 1)), 0)


@njit
def tell_layouts(plan, frames, room, counters):
    """What each frame always holds into `held`, -1: nothing; and as pairs what its multiplexers say."""
    messages = plan.messages
    pairs, touched, short, unknown = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for frame in range(frames.n):
        length = min(np.int64(frames.length[frame]), frames.width)
        simple = np.int64(plan.identifiers.simple[frames.can_id[frame] & 0x7FF])
        if simple >= 0 and length >= simple & 0xFF and not frames.is_extended[frame]:
            here = np.int64(room.count[simple >> 8])
            room.count[simple >> 8] = here + 1
            room.held[frame] = (simple >> 8) << 32 | here
            continue
        message = message_of(plan.identifiers, frames.can_id[frame], frames.is_extended[frame])
        if message < 0:
            room.held[frame] = -1
            room.unknown[unknown] = frame
            unknown += 1
            continue
        layout = np.int64(messages.kept[message])
        room.held[frame] = -1
        short += length < messages.length[message]
        if layout >= 0:
            here = np.int64(room.count[layout])
            room.count[layout] = here + 1
            room.held[frame] = layout << 32 | here
            if length < plan.layouts.needed_bytes[layout]:
                room.is_cut[layout] = 1
        if messages.selectors[message]:
            pairs, touched = add_selected(plan, frames, room, message, frame, length, pairs, touched)
    counters[UNKNOWN], counters[SHORT], counters[PAIRS] = unknown, short, pairs


@njit
def fill(words):
    """Fill the columns of frames that are arranged, in the same room."""
    plan, frames = plan_of(words), frames_of(words)
    room, count = room_of(words, plan, frames.n, np.int64(0))
    rises, values = starts_of(words, plan)
    frame, value = start_of(told(words, WORDS.frame), 0), start_of(told(words, WORDS.value), 0)
    out = Out(rises, values, int32_at(frame, 0), float64_at(value, 0))
    put_frames(plan, frames, room, out, count[PAIRS])
    for layout in range(plan.layout_count):
        start = out.frame_start[layout]
        here = out.frame_start[layout + 1] - start
        if here:
            put_values(plan, frames, room, out, layout, start, here, count)
    return np.int64(0)


@njit
def put_frames(plan, frames, room, out, pairs):
    """The frames of each layout together, in order: their numbers and their first words."""
    for frame in range(frames.n):
        held = room.held[frame]
        if held >= 0:
            slot = out.frame_start[held >> 32] + (held & 0xFFFF_FFFF)
            out.frame[slot] = frame
            room.word[slot] = word_at(frames.data, frame * frames.width)
    if pairs:
        for k in range(plan.layout_count):
            room.next[k] = out.frame_start[k]
    for pair in range(pairs):
        layout, frame = np.int64(room.pair_layout[pair]), np.int64(room.pair_frame[pair])
        slot = room.next[layout]
        room.next[layout] = slot + 1
        out.frame[slot] = frame
        room.word[slot] = word_at(frames.data, frame * frames.width)


@njit
def put_values(plan, frames, room, out, layout, start, n, counters):
    """All signals of one layout in all its n frames."""
    first, count = np.int64(plan.layouts.first[layout]), plan.layouts.count[layout]
    at = out.value_start[layout]
    if room.is_cut[layout]:
        for k in range(n):
            frame_values(plan, frames, layout, np.int64(out.frame[start + k]), room.value, counters)
            for j in range(count):
                out.value[at + j * padded(n) + k] = room.value[j]
        return
    words, word = words_of(frames, room, out.frame, room.word, start, n, plan.layouts.needed_bytes[layout])
    for j in range(count):
        row, here = first + j, at + j * padded(n)
        signal_values(plan.rows, row, words, word, n, padded(n), out.value, here, counters)


@njit(forceinline=True)
def padded(n):
    """So many values that the next column begins on a border of the cache's lines."""
    return ((n + 7) >> 3) << 3
