"""Which message an identifier is, and which run of numbers belongs to what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EXTENDED: Final = 0x8000_0000
"""Bit 31 of a key: a 29-bit identifier, or a parameter group."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """From identifier to message; -1 is none. Tables, because a search costs as much as decoding a signal."""

    standard: NDArray[np.int16]
    """By 11-bit identifier."""
    group: NDArray[np.int16] | None
    """By J1939 parameter group number; None where 29-bit identifiers are matched whole."""
    extended_id: NDArray[np.uint32]
    """29-bit identifiers, rising; empty where `group` is there."""
    extended: NDArray[np.int16]
    """By position in `extended_id`."""

    @classmethod
    def of(cls, keys: Sequence[int], *, by_pgn: bool) -> "Lookup":
        """Of keys with bit 31 for 29-bit identifiers or, `by_pgn`, for parameter groups."""
        standard = np.full(2**11, -1, np.int16)
        group = np.full(2**18, -1, np.int16) if by_pgn else None
        extended = sorted((key & 0x1FFF_FFFF, place) for place, key in enumerate(keys) if key & EXTENDED)
        for place, key in enumerate(keys):
            if not key & EXTENDED:
                standard[key] = place
            elif group is not None:
                group[key & 0x3FFFF] = place
        found = [] if by_pgn else extended
        return cls(
            standard=standard,
            group=group,
            extended_id=np.array([key for key, _ in found], np.uint32),
            extended=np.array([place for _, place in found], np.int16),
        )


@dataclass(frozen=True, slots=True)
class Spans:
    """For each of n owners a run of numbers: those of owner k are `first[k]` to `first[k] + count[k]`."""

    first: NDArray[np.intp]
    count: NDArray[np.intp]

    @classmethod
    def of(cls, counts: Sequence[int]) -> "Spans":
        """Runs of these lengths, one after the other."""
        count = np.array(counts, np.intp)
        return cls(np.cumsum(count) - count, count)

    def expand(self, owners: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """One element per number of each of these owners: its owner's position in `owners`, and itself."""
        count = self.count[owners]
        end = np.cumsum(count)
        total = int(end[-1]) if len(end) else 0
        number = np.arange(total) + np.repeat(self.first[owners] - (end - count), count)
        return np.repeat(np.arange(len(owners)), count), number
