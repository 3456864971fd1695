"""Text captures: where lines end, and the frames of lines of one shape (`decoders/captures/lines.py`)."""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from decoders.machine.digits import (
    characters,
    decimal,
    hexadecimal,
    not_decimal,
    not_hexadecimal,
    number,
    pairs_apart,
)
from decoders.machine.pointers import bytes_at, int64_at, lowest_bit, told, uint32_at, uint64_at, word_at
from decoders.machine.words import ENDS, LINES

_LINE_FEEDS: Final = np.uint64(0x0A0A0A0A0A0A0A0A)
_SEVENS: Final = np.uint64(0x7F7F7F7F7F7F7F7F)
_LINE_FEED: Final = 10
_EIGHT_DIGITS: Final = 100_000_000


class Form(NamedTuple):
    """Where the parts of a line stand; see `words.LINES`."""

    whole: Any
    whole_digits: Any
    fraction: Any
    fraction_digits: Any
    more_digits: Any
    unit: Any
    scale: Any
    since_us: Any
    can_id: Any
    id_digits: Any
    data: Any
    stride: Any
    size: Any
    width: Any


@njit
def line_ends(words):
    """The places of line feeds."""
    text, size = told(words, ENDS.text), int64_at(words, 0)[ENDS.size]
    end = int64_at(told(words, ENDS.end), 0)
    found, at = np.int64(0), np.int64(0)
    while at + 8 <= size:
        word = word_at(text, at) ^ _LINE_FEEDS
        marks = ~(((word & _SEVENS) + _SEVENS) | word | _SEVENS)
        while marks:
            end[found] = at + (lowest_bit(marks) >> 3)
            found += 1
            marks &= marks - np.uint64(1)
        at += 8
    character = bytes_at(text, 0)
    while at < size:
        if character[at] == _LINE_FEED:
            end[found] = at
            found += 1
        at += 1
    return found


@njit
def form_of(told_words):
    """The parts of a line."""
    return Form(
        told_words[LINES.whole], told_words[LINES.whole_digits], told_words[LINES.fraction],
        told_words[LINES.fraction_digits], told_words[LINES.more_digits], told_words[LINES.unit],
        told_words[LINES.scale], told_words[LINES.since_us], told_words[LINES.id],
        told_words[LINES.id_digits], told_words[LINES.data], told_words[LINES.stride],
        told_words[LINES.size], told_words[LINES.width],
    )  # fmt: skip


@njit
def lines(words):
    """The frames of lines of one shape."""
    said = int64_at(words, 0)
    form, n = form_of(said), said[LINES.n]
    last_id, extended, bus = np.uint64(said[LINES.last_id]), said[LINES.is_extended], said[LINES.bus]
    text = told(words, LINES.text)
    start, rows = int64_at(told(words, LINES.start), 0), int64_at(told(words, LINES.rows), 0)
    model, mask = uint64_at(told(words, LINES.model), 0), uint64_at(told(words, LINES.mask), 0)
    is_frame, t_us = bytes_at(told(words, LINES.is_frame), 0), int64_at(told(words, LINES.t_us), 0)
    can_ids, is_extended = uint32_at(told(words, LINES.can_id), 0), bytes_at(told(words, LINES.extended), 0)
    buses, lengths = bytes_at(told(words, LINES.buses), 0), bytes_at(told(words, LINES.lengths), 0)
    payloads = told(words, LINES.payloads)
    left, large = int64_at(told(words, LINES.left), 0), int64_at(told(words, LINES.large), 0)
    left_n, large_n = np.int64(0), np.int64(0)
    for k in range(n):
        row = rows[k]
        at = start[row]
        strange = np.uint64(0)
        for j in range(said[LINES.words]):
            strange |= (word_at(text, at + 8 * j) ^ model[j]) & mask[j]
        if strange:
            left[left_n] = row
            left_n += 1
            continue
        found_us, strange = time_of(text, at, form)
        word = characters(text, at + form.can_id, form.id_digits)
        strange |= not_hexadecimal(word)
        strange |= put_payload(text, at + form.data, form, payloads, row * form.width)
        if strange:
            erase(payloads, row * form.width, form.size)
            left[left_n] = row
            left_n += 1
            continue
        can_id = number(hexadecimal(word))
        can_ids[row] = np.uint32(can_id)
        if can_id > last_id:
            erase(payloads, row * form.width, form.size)
            large[large_n] = row
            large_n += 1
            continue
        t_us[row] = found_us
        is_extended[row], buses[row], lengths[row], is_frame[row] = extended, bus, form.size, 1
    int64_at(told(words, LINES.told), 0)[0] = large_n
    return left_n


@njit(forceinline=True)
def time_of(text, at, form):
    """Microseconds, and not zero where a character is no digit."""
    count = form.whole_digits
    word = characters(text, at + form.whole + max(count - 8, 0), min(count, 8))
    strange = not_decimal(word)
    whole = decimal(word)
    if count > 8:
        word = characters(text, at + form.whole, count - 8)
        strange |= not_decimal(word)
        whole += decimal(word) * _EIGHT_DIGITS
    word = characters(text, at + form.fraction, form.fraction_digits)
    strange |= not_decimal(word)
    fraction = decimal(word)
    if form.more_digits:
        strange |= not_decimal(characters(text, at + form.fraction + form.fraction_digits, form.more_digits))
    return whole * form.unit + fraction * form.scale + form.since_us, strange


@njit(forceinline=True)
def put_payload(text, at, form, payloads, into):
    """A payload into its row; not zero where a character is no digit."""
    strange = np.uint64(0)
    room, done = uint32_at(payloads, into), np.int64(0)
    while 4 * done < form.size:
        word = pairs_apart(text, at + 4 * done * form.stride, form.stride, form.size - 4 * done)
        strange |= not_hexadecimal(word)
        room[done] = np.uint32(hexadecimal(word))
        done += 1
    return strange


@njit(forceinline=True)
def erase(payloads, into, size):
    """Take a payload out of its row again."""
    room = uint32_at(payloads, into)
    for k in range((size + 3) >> 2):
        room[k] = np.uint32(0)
