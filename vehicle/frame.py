"""CAN frames and decoded values as columns; never an object per frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Frames of many messages, joined so that they are decoded together. All arrays have length n."""

    message: NDArray[np.int32]
    """Index of the message the frame came in; rising."""
    t_us: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    can_id: NDArray[np.uint32]
    """11 or 29 bits, without the extended flag."""
    is_extended: NDArray[np.bool_]
    bus: NDArray[np.uint8]
    length: NDArray[np.uint8]
    """Payload bytes, 0 to 64."""
    data: NDArray[np.uint8]
    """Shape (n, 8) or (n, 64), zero behind `length`."""

    def __len__(self) -> int:
        return len(self.t_us)


@dataclass(frozen=True, slots=True)
class SignalRows:
    """Decoded values in long form, arrays of length m; within a message sorted by signal, then time."""

    message: NDArray[np.int32]
    """Index of the message the value came in; rising."""
    t_us: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    signal: NDArray[np.int16]
    """`Signal.number`."""
    value: NDArray[np.float64]
    """In the catalogue's unit; never NaN, for what is no measurement has no row."""

    def __len__(self) -> int:
        return len(self.t_us)
