"""Long rows: the values of each message by signal and time."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from decoders.machine.grouping import gather_frames, group, sort_by_time, words_of
from decoders.machine.memory import cleared, frames_of, plan_of, room_at, room_of
from decoders.machine.pointers import float64_at, int16_at, int32_at, int64_at, lowest_bit, start_of, told
from decoders.machine.values import frame_values, signal_values
from decoders.tables import COUNTERS_BYTES, WORDS

AT_LEAST = 16
"""Frames of a layout from which on a signal of all of them is faster than all signals of one."""


class Out(NamedTuple):
    """Long rows."""

    t_us: Any
    value: Any
    message: Any
    frame: Any
    signal: Any


@njit
def room_bytes(words):
    """Bytes of working room for so many frames, an even number."""
    return room_at(words, plan_of(words), int64_at(words, 0)[WORDS.frames])[1]


@njit
def rows(words):
    """Long rows of a batch into the block; their number. `capacity` is as many as there can be."""
    plan, frames = plan_of(words), frames_of(words)
    n, capacity = frames.n, int64_at(words, 0)[WORDS.capacity]
    room, count = room_of(words, plan, n, capacity)
    cleared(plan, room, count)
    out = start_of(told(words, WORDS.block), COUNTERS_BYTES)
    into = Out(
        int64_at(out, 0),
        float64_at(out, 8 * capacity),
        int32_at(out, 16 * capacity),
        int32_at(out, 20 * capacity),
        int16_at(out, 24 * capacity),
    )
    begin, filled = np.int64(0), np.int64(0)
    while begin < n:
        end = begin
        falls = False
        while end < n and frames.message[end] == frames.message[begin]:
            room.order[end] = end
            falls |= end > begin and frames.t_us[end] < frames.t_us[end - 1]
            end += 1
        if falls:
            sort_by_time(frames, room.order, room.spare, begin, end)
        pairs, touched = group(plan, frames, room, begin, end, count, plan.messages.kept)
        last = put_rows(plan, frames, room, into, pairs, touched, filled, count)
        for k in range(filled, last):
            into.message[k] = frames.message[begin]
        begin, filled = end, last
    return filled


@njit
def capacity(words):
    """Long rows that a batch can give at most."""
    plan, frames = plan_of(words), frames_of(words)
    n = frames.n
    room, count = room_of(words, plan, n, np.int64(0))
    cleared(plan, room, count)
    for k in range(n):
        room.order[k] = k
    touched = group(plan, frames, room, np.int64(0), n, count, plan.messages.kept)[1]
    found = np.int64(0)
    for k in range(touched):
        layout = np.int64(room.touched[k])
        found += np.int64(room.count[layout]) * plan.layouts.count[layout]
    return found


@njit
def put_rows(plan, frames, room, out, pairs, touched, filled, counters):
    """The rows of one message from `filled` on; where they end."""
    end = place_ranks(plan, room, touched, filled)
    gather_frames(frames, room, pairs, touched, AT_LEAST)
    kept = np.int64(0)
    for pair in range(pairs):
        layout = np.int64(room.pair_layout[pair])
        if room.is_cut[layout] or room.count[layout] < AT_LEAST:
            kept += put_frame(plan, frames, room, out, layout, np.int64(room.pair_frame[pair]), counters)
    for k in range(touched):
        layout = np.int64(room.touched[k])
        if not (room.is_cut[layout] or room.count[layout] < AT_LEAST):
            kept += put_signals(plan, frames, room, out, layout, counters)
        room.count[layout] = 0
    if kept < end - filled:
        return close_up(out, filled, end)
    return end


@njit
def place_ranks(plan, room, touched, filled):
    """Where the values of each signal go that can occur; where they end."""
    for k in range(touched):
        layout = np.int64(room.touched[k])
        first = np.int64(plan.layouts.mask[layout])
        for mask in range(first, first + plan.layouts.masks[layout]):
            room.seen[plan.layouts.word[mask]] |= plan.layouts.bits[mask]
    for k in range((plan.rank_count >> 6) + 1):
        ranks = room.seen[k]
        room.seen[k] = 0
        while ranks:
            rank = 64 * k + lowest_bit(ranks)
            ranks &= ranks - np.uint64(1)
            room.place[rank] = filled
            filled += room.count[plan.layouts.of_rank[rank]]
    return filled


@njit
def put_frame(plan, frames, room, out, layout, frame, counters):
    """All signals of one layout in one frame; how many are kept."""
    kept = frame_values(plan, frames, layout, frame, room.value, counters)
    first, t_us = np.int64(plan.layouts.first[layout]), frames.t_us[frame]
    for k in range(plan.layouts.count[layout]):
        rank = plan.rows.rank[first + k]
        at = room.place[rank]
        room.place[rank] = at + 1
        out.value[at] = room.value[k]
        out.t_us[at] = t_us
        out.frame[at] = frame
        out.signal[at] = plan.rows.number[first + k]
    return kept


@njit
def put_signals(plan, frames, room, out, layout, counters):
    """All signals of one layout in all its frames, signal by signal; how many are kept."""
    n, start = np.int64(room.count[layout]), np.int64(room.start[layout])
    words, word = words_of(
        frames, room, room.frame, room.first_word, start, n, plan.layouts.needed_bytes[layout]
    )
    for k in range(n):
        room.t_us[k] = frames.t_us[room.frame[start + k]]
    kept = np.int64(0)
    first = np.int64(plan.layouts.first[layout])
    for row in range(first, first + plan.layouts.count[layout]):
        at, number = room.place[plan.rows.rank[row]], plan.rows.number[row]
        kept += signal_values(plan.rows, row, words, word, n, n, out.value, at, counters)
        for k in range(n):
            out.t_us[at + k] = room.t_us[k]
        for k in range(n):
            out.frame[at + k] = room.frame[start + k]
        for k in range(n):
            out.signal[at + k] = number
    return kept


@njit
def close_up(out, begin, end):
    """Leave out what is not kept; where the rest ends."""
    at = begin
    for k in range(begin, end):
        out.value[at], out.t_us[at] = out.value[k], out.t_us[k]
        out.frame[at], out.signal[at] = out.frame[k], out.signal[k]
        at += out.value[k] == out.value[k]
    return at
