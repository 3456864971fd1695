"""A plan's layouts as the store keeps them, and what was decoded by them with its frames."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders import j1939
from decoders.can import Decoded
from decoders.codebook import Codebook
from decoders.field import Form
from decoders.plan import Plan
from vehicle.frame import FrameBatch
from vehicle.sheet import NO_SOURCE, Layouts, Sheet

_WIDEST: Final = 2.0**48
"""Integers over a wider range are not worth it: a float64 has eight bytes."""
_EXACT: Final = 2.0**53
"""Up to here each integer is a float64."""
_NUMBERS: Final = 1 << 15
_WORD_BITS: Final = 64


def sheet(found: Decoded, frames: FrameBatch, codebook: Codebook, layouts: Layouts) -> Sheet:
    """What a codebook found in frames, beside them; `layouts` are those of its plan."""
    source = np.full(len(frames), NO_SOURCE, np.int16)
    if codebook.matches_pgn:
        address = j1939.source_address(frames.can_id).astype(np.int16)
        source = np.where(frames.is_extended, address, source)
    return Sheet(
        layouts=layouts,
        rows=found.rows,
        frame=found.frame,
        message=frames.message,
        t_us=frames.t_us,
        source=source,
    )


def layouts_of(plan: Plan) -> Layouts:
    """The layouts of a plan that have signals."""
    there = np.flatnonzero(plan.rows.count)
    count = plan.rows.count[there].astype(np.int64)
    layout = np.repeat(np.arange(len(there), dtype=np.int32), count)
    _, rows = plan.rows.expand(there)
    row = np.full(_NUMBERS, -1, np.int32)
    row[plan.number[rows]] = np.arange(len(rows), dtype=np.int32)
    local = _ordinals(plan.owner[there])
    lowest, highest = _raw_range(plan)
    is_whole = (plan.fields.form <= Form.SIGNED) & (highest - lowest < _WIDEST)
    is_whole &= (lowest >= -_EXACT) & (highest <= _EXACT)
    return Layouts(
        row=row,
        layout=layout,
        first=np.cumsum(count) - count,
        count=count,
        local=local,
        most=int(local.max(initial=0)) + 1,
        number=plan.number[rows],
        is_whole=is_whole[rows],
        lowest=np.where(is_whole, lowest, 0)[rows].astype(np.int64),
        highest=np.where(is_whole, highest, 0)[rows].astype(np.int64),
        scale=plan.scale[rows],
        offset=plan.offset[rows],
        factor=plan.factor[rows],
        shift=plan.shift[rows],
    )


def _ordinals(owner: NDArray[np.intp]) -> NDArray[np.int32]:
    """Of each layout, how many of the same message stand before it; those of one stand together."""
    place = np.arange(len(owner), dtype=np.int32)
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    return place - np.repeat(place[starts], np.diff(starts, append=len(owner)))


def _raw_range(plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest raw integer of each row whose value is within the signal's range, or near it."""
    bits = float(_WORD_BITS) - plan.fields.right.astype(np.float64)
    signed = plan.fields.form == Form.SIGNED
    lowest = np.where(signed, -(2.0 ** (bits - 1)), 0.0)
    highest = np.where(signed, 2.0 ** (bits - 1), 2.0**bits) - 1
    valid = plan.last_valid.astype(np.float64)
    highest = np.where(signed, highest, np.minimum(highest, valid))
    slope = plan.scale * plan.factor
    base = plan.offset * plan.factor + plan.shift
    with np.errstate(all="ignore"):
        ends = np.stack([(plan.minimum - base) / slope, (plan.maximum - base) / slope])
    ends = np.where(np.isfinite(ends).all(axis=0), ends, np.stack([lowest, highest]))
    lowest = np.clip(np.floor(ends.min(axis=0)) - 1, lowest, highest)
    highest = np.clip(np.ceil(ends.max(axis=0)) + 1, lowest, highest)
    return lowest, highest
