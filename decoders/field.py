"""Bit fields of a payload: where they stand and how they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

WORD_BITS: Final = 64


class Form(IntEnum):
    """What the bits of a field are."""

    UNSIGNED = 0
    SIGNED = 1
    FLOAT32 = 2
    FLOAT64 = 3


@dataclass(frozen=True, slots=True)
class Field:
    """One bit field: where it stands in a payload and how it is read."""

    start: int
    """As in DBC: the least significant bit (little-endian) or the most significant (big-endian)."""
    bits: int
    """1 to 64."""
    is_big_endian: bool
    form: Form

    @property
    def first_bit(self) -> int:
        """Distance from the payload's first bit, in the field's own direction of counting."""
        if self.is_big_endian:
            return 8 * (self.start // 8) + 7 - self.start % 8
        return self.start

    @property
    def needed_bytes(self) -> int:
        """Payload bytes that must be there."""
        return (self.first_bit + self.bits - 1) // 8 + 1


@dataclass(frozen=True, slots=True)
class Fields:
    """Bit fields as columns, each of length s."""

    lane: NDArray[np.intp]
    """Which 64-bit word of the payload the field starts in."""
    left: NDArray[np.uint64]
    """Shift that brings the field's first bit to the top of that word."""
    right: NDArray[np.uint64]
    """Shift from there down to its place: 64 - bits."""
    spill: NDArray[np.uint64]
    """Bits of the field that stand in the next word; 0 for most."""
    is_big_endian: NDArray[np.bool_]
    form: NDArray[np.uint8]
    needed_bytes: NDArray[np.uint8]
    any_big_endian: bool
    any_spill: bool
    forms: frozenset[int]

    @classmethod
    def of(cls, all_fields: Sequence[Field]) -> "Fields":
        """The columns of some fields."""
        first = np.array([one.first_bit for one in all_fields], np.int64)
        bits = np.array([one.bits for one in all_fields], np.int64)
        big = np.array([one.is_big_endian for one in all_fields], np.bool_)
        form = np.array([one.form for one in all_fields], np.uint8)
        at = first % WORD_BITS
        spill = np.maximum(at + bits - WORD_BITS, 0)
        left = np.where(big, at, np.maximum(WORD_BITS - at - bits, 0))
        return cls(
            lane=(first // WORD_BITS).astype(np.intp),
            left=left.astype(np.uint64),
            right=(WORD_BITS - bits).astype(np.uint64),
            spill=spill.astype(np.uint64),
            is_big_endian=big,
            form=form,
            needed_bytes=np.array([one.needed_bytes for one in all_fields], np.uint8),
            any_big_endian=bool(big.any()),
            any_spill=bool(spill.any()),
            forms=frozenset(form.tolist()),
        )
