"""BLF: the frames of a stream of ordinary objects (`decoders/captures/blf_objects.py`)."""

from typing import Final

import numpy as np
from numba import njit

from decoders.machine.pointers import bytes_at, int64_at, told, uint32_at, uint64_at, word_at
from decoders.machine.words import OBJECTS

_HALF: Final = np.uint64(0xFFFF_FFFF)
_SIGNATURE: Final = np.uint64(int.from_bytes(b"LOBJ", "little"))
_BASE_BYTES: Final = 16
_HEADER_BYTES: Final = 32
_BODY_BYTES: Final = 16
_FILLING: Final = 4
_TEN_MICROSECONDS: Final = 1
_REMOTE: Final = np.uint64(0x80)
_EXTENDED: Final = np.uint64(0x8000_0000)
_UNUSED: Final = np.uint64(0x6000_0000)
_ID_BITS: Final = np.uint64(0x1FFF_FFFF)
_LAST_STANDARD: Final = np.uint64(0x7FF)


@njit
def objects(words):
    """The frames among objects; -1 where one must be looked at more closely."""
    said = int64_at(words, 0)
    stream, size, since_us = told(words, OBJECTS.stream), said[OBJECTS.size], said[OBJECTS.since_us]
    t_us, can_ids = int64_at(told(words, OBJECTS.t_us), 0), uint32_at(told(words, OBJECTS.can_id), 0)
    is_extended = bytes_at(told(words, OBJECTS.is_extended), 0)
    buses, lengths = bytes_at(told(words, OBJECTS.buses), 0), bytes_at(told(words, OBJECTS.lengths), 0)
    payloads = uint64_at(told(words, OBJECTS.payloads), 0)
    at, found, errors, remotes = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    while True:
        here = next_object(stream, at, size)
        if here < 0:
            break
        sizes = word_at(stream, here + 4)
        kind = word_at(stream, here + 8) >> np.uint64(32)
        length = np.int64(sizes >> np.uint64(32))
        end = here + max(length, np.int64(_BASE_BYTES))
        if end > size:
            break
        at = end
        if kind == 1 or kind == 86:
            header = np.int64(sizes & np.uint64(0xFFFF))
            if header < _HEADER_BYTES or length < header + _BODY_BYTES:
                return np.int64(-1)
            head, data = word_at(stream, here + header), word_at(stream, here + header + 8)
            can_id = head >> np.uint64(32)
            if can_id > _LAST_STANDARD and (can_id < _EXTENDED or can_id & _UNUSED):
                return np.int64(-1)
            if (head >> np.uint64(16)) & _REMOTE:
                remotes += 1
                continue
            channel = np.int64(head & np.uint64(0xFFFF))
            count = min(np.int64((head >> np.uint64(24)) & np.uint64(0xFF)), np.int64(8))
            t_us[found] = since_us + microseconds(stream, here)
            can_ids[found] = np.uint32(can_id & _ID_BITS)
            is_extended[found] = can_id >= _EXTENDED
            buses[found] = np.uint8(max(channel, np.int64(1)) - 1)
            lengths[found] = np.uint8(count)
            payloads[found] = (
                data if count == 8 else data & ((np.uint64(1) << np.uint64(8 * count)) - np.uint64(1))
            )
            found += 1
        elif kind == 2 or kind == 3 or kind == 73 or kind == 104:
            errors += 1
        elif kind == 100 or kind == 101:
            return np.int64(-1)
    if size - at > _BASE_BYTES + _FILLING and next_object(stream, at, size) < 0:
        return np.int64(-1)
    out = int64_at(told(words, OBJECTS.told), 0)
    out[0], out[1], out[2] = at, errors, remotes
    return found


@njit(forceinline=True)
def next_object(stream, at, size):
    """Where the next object begins: here, or behind at most four bytes; -1: nowhere."""
    for gap in range(_FILLING + 1):
        if at + gap + _BASE_BYTES > size:
            return np.int64(-1)
        if word_at(stream, at + gap) & _HALF == _SIGNATURE:
            return at + gap
    return np.int64(-1)


@njit(forceinline=True)
def microseconds(stream, here):
    """An object's time: nanoseconds or, by a flag, tens of microseconds."""
    time = word_at(stream, here + 24)
    if word_at(stream, here + 16) & _HALF == np.uint64(_TEN_MICROSECONDS):
        return np.int64(time * np.uint64(10))
    return np.int64((time + np.uint64(500)) // np.uint64(1000))
