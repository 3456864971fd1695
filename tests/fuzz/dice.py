"""Seeded chance, drawn from numpy in blocks: one draw costs as much as taking a number off a list."""

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np

_BLOCK: Final = 8192
_T = TypeVar("_T")


class Dice:
    """The same throws for the same seed."""

    def __init__(self, *seed: int) -> None:
        self._chance = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        self._drawn: list[int] = []

    def below(self, n: int) -> int:
        """A whole number of 0 to n - 1; n is at most 2^32."""
        if not self._drawn:
            self._drawn = self._chance.integers(0, 1 << 32, _BLOCK, np.uint64).tolist()
        return self._drawn.pop() * n >> 32

    def one_of(self, several: Sequence[_T]) -> _T:
        """Any of them."""
        return several[self.below(len(several))]

    def octets(self, n: int) -> bytes:
        """Any n bytes."""
        return self._chance.bytes(n)
