"""Cases that are CAN frames: records of equal length that stand for a frame each."""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders import frames
from vehicle.frame import FrameBatch

RECORD_BYTES: Final = 11
"""Which identifier and bus, how much later than the one before, length, eight bytes of payload."""
STEPS_US: Final = np.array(
    [
        0,
        1,
        10_000,
        100_000,
        749_999,
        750_001,
        1_000_000,
        1_000_001,
        1_250_000,
        1_250_001,
        5_000_000,
        5_000_001,
    ],
    np.int64,
)
"""About the limits that the standards set."""
LENGTHS: Final = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 12, 16, 32, 64], np.uint8)
T0_US: Final = 1_700_000_000_000_000
OTHER_BUS: Final = 0x80
"""In the first byte of a record; the other bits choose the identifier."""


def record(choice: int, payload: bytes, *, step: int = 2, length: int | None = None, bus: int = 0) -> bytes:
    """The record of a frame of at most eight bytes."""
    size = len(payload) if length is None else length
    place = size if size <= 8 else LENGTHS.tolist().index(size)
    return bytes([choice | (OTHER_BUS if bus else 0), step, place]) + payload[:8].ljust(8, b"\xaa")


def batch_of(case: bytes, wire_ids: NDArray[np.uint32]) -> FrameBatch:
    """The frames of a case, five to a message; a record of CAN FD repeats its eight bytes."""
    n = len(case) // RECORD_BYTES
    rows = np.frombuffer(case, np.uint8, n * RECORD_BYTES).reshape(n, RECORD_BYTES)
    wire_id = wire_ids[(rows[:, 0] & 0x7F) % len(wire_ids)]
    length = LENGTHS[rows[:, 2] % len(LENGTHS)]
    data = rows[:, 3:]
    if n and int(length.max()) > 8:
        data = np.tile(data, 8)
    width = np.arange(data.shape[1], dtype=np.uint8)
    return FrameBatch(
        message=(np.arange(n) // 5).astype(np.int32),
        t_us=T0_US + np.cumsum(STEPS_US[rows[:, 1] % len(STEPS_US)]),
        can_id=wire_id & np.uint32(0x1FFF_FFFF),
        is_extended=wire_id >= 0x8000_0000,
        bus=(rows[:, 0] >> np.uint8(7)).astype(np.uint8),
        length=length,
        data=np.where(width < length[:, np.newaxis], data, np.uint8(0)),
    )


def cut(batch: FrameBatch, pieces: int) -> list[FrameBatch]:
    """The same frames in several batches, one of them empty."""
    ends = [len(batch) * k // pieces for k in range(pieces + 1)]
    parts = [frames.take(batch, slice(start, end)) for start, end in pairwise(ends)]
    return [*parts[:1], frames.take(batch, slice(0, 0)), *parts[1:]]
