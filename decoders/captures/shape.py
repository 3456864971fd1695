"""What a line of a text capture looks like: where its parts stand."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MICROSECOND: Final = 6
_LAST_STANDARD: Final = 0x7FF
_LAST_EXTENDED: Final = 0x1FFF_FFFF
_WORD: Final = 8
Span = tuple[int, int]
"""First character of a part and the one behind its last."""


class Kind(Enum):
    """What a line tells of."""

    DATA = "data"
    REMOTE = "remote"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the parts of a line stand; every other character is the same in all lines of the shape."""

    whole: Span
    """Digits of the time before its point."""
    fraction: Span
    """Those behind it."""
    can_id: Span
    """Hexadecimal, or nothing for an error frame."""
    data: Span
    """Payload, hexadecimal."""
    stride: int
    """Characters from one byte of the payload to the next: 2, or 3 where something stands between."""
    is_extended: bool
    bus: int
    kind: Kind = Kind.DATA
    free: tuple[Span, ...] = ()
    """Characters that say nothing."""
    since_us: int = 0
    """Added to the time."""
    unit_digits: int = _MICROSECOND
    """Digits from the time's unit to the microsecond: 6 for seconds, 3 for milliseconds."""

    @property
    def last_id(self) -> int:
        """The largest identifier it can have."""
        return _LAST_EXTENDED if self.is_extended else _LAST_STANDARD

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return (self.data[1] - self.data[0] + 1) // self.stride

    def fixed(self, length: int) -> NDArray[np.uint64]:
        """Which characters are the same in all lines of this length: 0xFF each, eight in a word."""
        found = np.zeros(-(-length // _WORD) * _WORD, np.uint8)
        found[:length] = 0xFF
        for start, end in (self.whole, self.fraction, self.can_id, *self.free):
            found[start:end] = 0
        for start in (self.data[0], self.data[0] + 1):
            found[start : self.data[1] : self.stride] = 0
        return found.view("<u8")
