"""Values out of frames beside the frames they stood in, so that the numbers on the bus can be kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vehicle.frame import SignalRows

NO_SOURCE = -1
"""In the place of a source address: the frames' bus has none, or the value is from no frame."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Layouts:
    """Which signals stand together in a frame, and what their raw integers mean.

    A layout is a set of signals that are in a frame together; each signal is in one. Arrays called "of each
    row" have one element per signal of the codebook, those of a layout one behind the other.
    """

    row: NDArray[np.int32]
    """By `Signal.number`: its row; -1 where no frame has it."""
    layout: NDArray[np.int32]
    """Of each row."""
    first: NDArray[np.int64]
    """Of each layout: its first row."""
    count: NDArray[np.int64]
    """Of each layout: its rows."""
    local: NDArray[np.int32]
    """Of each layout: its place among those that can be in a frame together."""
    most: int
    """Layouts that one frame can hold, at most."""
    number: NDArray[np.int16]
    """Of each row, like all that follow: `Signal.number`."""
    is_whole: NDArray[np.bool_]
    """Values are `((raw * scale + offset) * factor + shift)` of an integer, each operation rounded."""
    lowest: NDArray[np.int64]
    """No value has a raw integer below,"""
    highest: NDArray[np.int64]
    """or above."""
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    factor: NDArray[np.float64]
    shift: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one codebook decoded of a batch."""

    layouts: Layouts
    rows: SignalRows
    frame: NDArray[np.int32]
    """Of each row: the frame it is from."""
    message: NDArray[np.int32]
    """Of each frame: the message it came in; rising."""
    t_us: NDArray[np.int64]
    """Of each frame: microseconds since 1970 UTC."""
    source: NDArray[np.int16]
    """Of each frame: the J1939 address of its sender, or `NO_SOURCE`."""

    def kept(self, which: NDArray[np.bool_]) -> "Sheet":
        """Without some of the rows."""
        rows = self.rows
        return Sheet(
            layouts=self.layouts,
            rows=SignalRows(rows.message[which], rows.t_us[which], rows.signal[which], rows.value[which]),
            frame=self.frame[which],
            message=self.message,
            t_us=self.t_us,
            source=self.source,
        )

    def part(self, rows: slice) -> "Sheet":
        """The whole messages that these rows are, with their frames only."""
        mine = self.rows.message[rows]
        begin, end = np.searchsorted(self.message, [mine[0], mine[-1] + 1])
        return Sheet(
            layouts=self.layouts,
            rows=SignalRows(mine, self.rows.t_us[rows], self.rows.signal[rows], self.rows.value[rows]),
            frame=self.frame[rows] - np.int32(begin),
            message=self.message[begin:end],
            t_us=self.t_us[begin:end],
            source=self.source[begin:end],
        )
