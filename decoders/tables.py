"""A plan as the kernel reads it: one block of memory, columns behind a header that says where they begin."""

from collections import namedtuple
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decoders.field import Fields, Form
from decoders.plan import NEVER, Plan

_FIELD: Final = {
    "left": "u1", "right": "u1", "lane": "u1", "spill": "u1", "is_big_endian": "u1", "form": "u1",
    "needed_bytes": "u1",
}  # fmt: skip
COLUMNS: Final = (
    # one element per row: a signal, or what fills a layout's rows up to a multiple of ROW_MULTIPLE
    *(("row_" + name, kind) for name, kind in _FIELD.items()),
    ("row_flags", "u1"), ("row_scale", "f8"), ("row_offset", "f8"), ("row_factor", "f8"), ("row_shift", "f8"),
    ("row_minimum", "f8"), ("row_maximum", "f8"), ("row_last_valid", "u8"), ("row_rank", "i4"),
    ("row_number", "i2"),
    # one per layout
    ("layout_first", "i4"), ("layout_count", "i4"), ("layout_needed_bytes", "i4"),
    ("layout_flags", "u1"), ("layout_mask", "i4"), ("layout_masks", "i4"),
    # one per run of ranks of a layout that stand in the same word of 64
    ("mask_word", "i4"), ("mask", "u8"),
    # one per rank: a signal's position among all numbers
    ("rank_layout", "i4"),
    # one per message
    ("message_kept", "i4"), ("message_selector", "i4"), ("message_selectors", "i4"),
    ("message_length", "i4"),
    # one per selector
    *(("selector_" + name, kind) for name, kind in _FIELD.items()),
    ("selector_range", "i4"), ("selector_ranges", "i4"), ("selector_direct", "i4"),
    # for some selectors the range of each of DIRECT values
    ("direct", "i4"),
    # one per range of a selector's values; the last four say which of the last column are there
    ("range_low", "u8"), ("range_high", "u8"), ("range_layout", "i4"), ("range_layouts", "i4"),
    ("range_inner", "i4"), ("range_inners", "i4"), ("gain", "i4"),
    # from identifiers to messages: by 11 bits, and an open hash table
    ("standard", "i2"), ("slot_key", "u4"), ("slot_message", "i4"),
    # by 11 bits, layout << 8 | bytes of a whole frame, where there is nothing but that layout; else -1
    ("simple", "i4"),
)  # fmt: skip
"""Name and kind of each column."""
_NUMBERS: Final = (
    "n_layouts", "n_ranks", "n_selectors", "slot_bits", "by_pgn",
    "max_layouts", "max_lanes", "max_rows",
)  # fmt: skip
_NAMES: Final = (*(name for name, _ in COLUMNS), *_NUMBERS)
HEADER: Any = namedtuple("Header", _NAMES)(*range(len(_NAMES)))
"""Where the header says, in bytes, where a column begins; and where it holds numbers."""

ROW_MULTIPLE: Final = 8
CONVERTS: Final = 1
"""Flag of a row: factor and shift change the value."""
LIMITED: Final = 2
"""Flag of a row: some raw values give a value outside minimum and maximum, or none."""
SENTINELS: Final = 4
"""Flag of a row: raw values above `last_valid` are no measurements."""
PLAIN: Final = 1
"""Flag of a layout: its rows have no flags."""
SIMPLE: Final = 2
"""Flag of a layout: integers in the frame's first word."""
MORE: Final = 255
"""More bytes than any frame has."""
DIRECT: Final = 256
"""Selectors with at most so many values have a table of their ranges by value."""
_WORDS: Final = (
    "tables", "frames", "width", "message", "t_us", "can_id", "is_extended", "length", "data", "block",
    "capacity", "starts", "frame", "value",
)  # fmt: skip
WORDS: Any = namedtuple("Words", _WORDS)(*range(len(_WORDS)))
"""Which of the words that a function of the kernel is given says what.

`tables` is the address of the block; `frames` and `width` count frames and the bytes of a payload. Then come
addresses of arrays' headers: the columns of the batch, `block` to work in, and what columns are put into; but
`capacity` is the number of long rows there is room for.
"""
COUNTERS_BYTES: Final = 64
"""At the beginning of what the kernel is given to work in: five numbers, which come out beside the values."""
ROW_BYTES: Final = 26
"""Of a long row: time, value, message, frame, signal."""
HASH: Final = 0x9E37_79B1
"""2^32 divided by the golden ratio: the upper bits of key * HASH spread well."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The block, and how many values a frame has at most."""

    block: NDArray[np.uint64]
    max_values: int


def pack(plan: Plan) -> Tables | None:
    """The tables of a plan; None where a signal has two sources, which only numpy reads."""
    if len(plan.numbers) != len(plan.rank):
        return None
    max_layouts, max_values = _most(plan)
    found = _rows(plan) | _layouts(plan) | _messages(plan) | _selectors(plan) | _slots(plan)
    numbers = {
        "n_layouts": len(plan.rows.count),
        "n_ranks": len(plan.numbers),
        "n_selectors": len(plan.selectors.ranges.count),
        "slot_bits": len(found["slot_key"]).bit_length() - 1,
        "by_pgn": int(plan.lookup.group is not None),
        "max_layouts": max_layouts,
        "max_rows": int(plan.rows.count.max(initial=0)),
        "max_lanes": -(-int(plan.fields.needed_bytes.max(initial=8)) // 8),
    }
    return Tables(_block(found, numbers), max_values)


def _block(found: Mapping[str, NDArray[Any]], numbers: Mapping[str, int]) -> NDArray[np.uint64]:
    """Header and columns one after the other, each on a border of 64 bytes."""
    header = np.zeros(len(HEADER), np.int64)
    header[len(COLUMNS) :] = [numbers[name] for name in _NUMBERS]
    at = -(-header.nbytes // 64) * 64
    columns = [np.ascontiguousarray(found[name], np.dtype(kind)) for name, kind in COLUMNS]
    for place, column in enumerate(columns):
        header[place] = at
        at += -(-column.nbytes // 64) * 64
    block = np.zeros(at // 8 + 8, np.uint64)
    skew = -(block.ctypes.data // 8) % 8  # numpy aligns to 16 bytes
    block = block[skew : skew + at // 8]
    raw = block.view(np.uint8)
    raw[: header.nbytes] = header.view(np.uint8)
    for start, column in zip(header.tolist(), columns, strict=False):
        raw[start : start + column.nbytes] = column.view(np.uint8).reshape(-1)
    return block


def _layout_of_row(plan: Plan) -> NDArray[np.intp]:
    return np.repeat(np.arange(len(plan.rows.count)), plan.rows.count)


def _padded(plan: Plan) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First row of each layout when each is filled up, and one more; and where the plan's rows go."""
    room = -(-plan.rows.count // ROW_MULTIPLE) * ROW_MULTIPLE
    first = np.concatenate([[0], np.cumsum(room)]).astype(np.intp)
    layout = _layout_of_row(plan)
    return first, first[layout] + np.arange(len(layout)) - plan.rows.first[layout]


def _rows(plan: Plan) -> dict[str, NDArray[Any]]:
    converts = (plan.factor != 1.0) | (plan.shift != 0.0)
    has_sentinels = plan.last_valid != NEVER
    own = {
        "flags": CONVERTS * converts + LIMITED * _can_be_outside(plan) + SENTINELS * has_sentinels,
        "scale": plan.scale, "offset": plan.offset, "factor": plan.factor, "shift": plan.shift,
        "minimum": plan.minimum, "maximum": plan.maximum, "last_valid": plan.last_valid,
        "rank": plan.rank, "number": plan.number,
    } | {name: getattr(plan.fields, name) for name in _FIELD}  # fmt: skip
    first, place = _padded(plan)
    found: dict[str, NDArray[Any]] = {}
    for name, values in own.items():
        filled = np.zeros(first[-1], values.dtype)
        filled[place] = values
        found["row_" + name] = filled
    return found


def _can_be_outside(plan: Plan) -> NDArray[np.bool_]:
    """Whether a field's least or greatest value is outside the limits; the others are between them."""
    bits = 64.0 - plan.fields.right.astype(np.float64)
    signed = plan.fields.form == Form.SIGNED
    least = np.where(signed, -(2.0 ** (bits - 1)), 0.0)
    greatest = np.where(signed, 2.0 ** (bits - 1) - 1, 2.0**bits - 1)
    outside = plan.fields.form > Form.SIGNED
    with np.errstate(over="ignore", invalid="ignore"):
        for raw in (least, greatest):
            value = (raw * plan.scale + plan.offset) * plan.factor + plan.shift
            outside |= ~((value >= plan.minimum) & (value <= plan.maximum))
    return outside


def _layouts(plan: Plan) -> dict[str, NDArray[Any]]:
    fields, layout = plan.fields, _layout_of_row(plan)
    needed = _needed_bytes(plan)
    flags = np.full(len(needed), PLAIN | SIMPLE, np.uint8)
    has_flags = (
        _can_be_outside(plan) | (plan.factor != 1.0) | (plan.shift != 0.0) | (plan.last_valid != NEVER)
    )
    flags[layout[has_flags]] &= ~np.uint8(PLAIN)
    flags[layout[(fields.form > Form.SIGNED) | (fields.needed_bytes > 8)]] &= ~np.uint8(SIMPLE)
    rank_layout = np.zeros(len(plan.numbers), np.int32)
    rank_layout[plan.rank] = layout
    found: dict[str, NDArray[Any]] = {
        "layout_first": _padded(plan)[0][:-1],
        "layout_count": plan.rows.count,
        "layout_needed_bytes": needed,
        "layout_flags": flags,
        "rank_layout": rank_layout,
    }
    return found | _masks(plan)


def _needed_bytes(plan: Plan) -> NDArray[np.uint8]:
    """Payload bytes that hold all signals of each layout."""
    needed = np.zeros(len(plan.rows.count), np.uint8)
    np.maximum.at(needed, _layout_of_row(plan), plan.fields.needed_bytes)
    return needed


def _masks(plan: Plan) -> dict[str, NDArray[Any]]:
    """The ranks of each layout as bits in words of 64."""
    key = _layout_of_row(plan) << 32 | (plan.rank >> 6).astype(np.intp)
    keys, place = np.unique(key, return_inverse=True)
    mask = np.zeros(len(keys), np.uint64)
    np.bitwise_or.at(mask, place, np.uint64(1) << (plan.rank & 63).astype(np.uint64))
    layout = keys >> 32
    count = np.bincount(layout, minlength=len(plan.rows.count))
    return {
        "layout_mask": np.cumsum(count) - count,
        "layout_masks": count,
        "mask_word": keys & 0xFFFF_FFFF,
        "mask": mask,
    }


def _messages(plan: Plan) -> dict[str, NDArray[Any]]:
    return {
        "message_kept": np.where(plan.rows.count[plan.layout] > 0, plan.layout, -1),
        "message_selector": plan.roots.first,
        "message_selectors": plan.roots.count,
        "message_length": plan.length,
    }


def _enough(plan: Plan) -> NDArray[np.intp]:
    """Bytes from which on a frame of each message is whole, and only one layout; `MORE` where it never is."""
    is_simple = (plan.rows.count[plan.layout] > 0) & (plan.roots.count == 0)
    needed = _needed_bytes(plan)[plan.layout]
    return np.where(is_simple, np.maximum(plan.length, needed), MORE).astype(np.intp)


def _selectors(plan: Plan) -> dict[str, NDArray[Any]]:
    selectors = plan.selectors
    found: dict[str, NDArray[Any]] = _columns_of("selector_", selectors.fields)
    is_small = selectors.fields.right >= 56
    place = np.where(is_small, DIRECT * (np.cumsum(is_small) - 1), -1)
    direct = np.full(DIRECT * int(is_small.sum()), -1, np.int32)
    for row, key in enumerate(selectors.key.tolist()):
        start = int(place[key >> 32])
        if start >= 0:
            low, high = key & (2**32 - 1), min(int(selectors.last[row]), DIRECT - 1)
            direct[start + low : start + high + 1] = row
    return found | {
        "selector_direct": place,
        "direct": direct,
        "selector_range": selectors.ranges.first,
        "selector_ranges": selectors.ranges.count,
        "range_low": selectors.key & np.uint64(2**32 - 1),
        "range_high": selectors.last,
        "range_layout": selectors.layouts.first,
        "range_layouts": selectors.layouts.count,
        "range_inner": selectors.inner.first + len(selectors.layout),
        "range_inners": selectors.inner.count,
        "gain": np.concatenate([selectors.layout, selectors.selector]),
    }


def _columns_of(prefix: str, fields: Fields) -> dict[str, NDArray[Any]]:
    return {prefix + name: getattr(fields, name) for name in _FIELD}


def _slots(plan: Plan) -> dict[str, NDArray[Any]]:
    """At least twice as many as there are keys; -1 as message: free."""
    lookup = plan.lookup
    if lookup.group is None:
        keys, found = lookup.extended_id, lookup.extended
    else:
        keys = np.flatnonzero(lookup.group >= 0).astype(np.uint32)
        found = lookup.group[keys]
    bits = max(1, (2 * len(keys)).bit_length())
    slot_key, slot_message = np.zeros(2**bits, np.uint32), np.full(2**bits, -1, np.int32)
    for key, message in zip(keys.tolist(), found.tolist(), strict=True):
        at = (key * HASH & 0xFFFF_FFFF) >> (32 - bits)
        while slot_message[at] >= 0:
            at = (at + 1) % 2**bits
        slot_key[at], slot_message[at] = key, message
    enough = _enough(plan)
    simple = np.where(enough < MORE, plan.layout << 8 | enough, -1)
    return {
        "standard": lookup.standard,
        "slot_key": slot_key,
        "slot_message": slot_message,
        "simple": np.where(lookup.standard < 0, -1, np.append(simple, -1)[lookup.standard]),
    }


def _most(plan: Plan) -> tuple[int, int]:
    """Layouts and values that a frame can hold at once, as if all its multiplexers were there."""
    layouts = np.ones(len(plan.messages), np.int64)
    values = plan.rows.count[plan.layout]
    selectors = plan.selectors
    for first, count in zip(selectors.ranges.first, selectors.ranges.count, strict=True):
        _, places = selectors.layouts.expand(np.arange(first, first + count))
        if len(places) == 0:
            continue
        here = selectors.layout[places]
        owner = np.repeat(np.arange(count), selectors.layouts.count[first : first + count])
        layouts[plan.owner[here[0]]] += np.bincount(owner).max()
        values[plan.owner[here[0]]] += int(np.bincount(owner, weights=plan.rows.count[here]).max())
    return int(layouts.max(initial=1)), int(values.max(initial=0))
