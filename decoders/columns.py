"""Values of a batch in columns: one series per signal, as files and tables want them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders import reference
from decoders.plan import Plan
from vehicle.frame import FrameBatch


@dataclass(frozen=True, slots=True)
class Series:
    """Signals of one message that are in a frame together, in the order of the batch; s signals in n frames.

    What is always there is one of these; what depends on a multiplexer comes apart, with only the frames that
    hold it.
    """

    message: str
    frame: NDArray[np.int32]
    """Position in the batch: its time, its bus, its identifier, its J1939 source address; shape (n,)."""
    number: NDArray[np.int16]
    """`Signal.number`, rising; shape (s,)."""
    value: NDArray[np.float64]
    """Shape (s, n), in the catalogue's unit; NaN where a frame holds no measurement."""


@dataclass(frozen=True, slots=True)
class Columns:
    """All values of a batch. Layout k of the plan has what stands from start k to start k + 1.

    Behind a signal's values there may be room up to where its neighbour's begin.
    """

    plan: Plan
    frame_start: NDArray[np.int64]
    value_start: NDArray[np.int64]
    frame: NDArray[np.int32]
    value: NDArray[np.float64]
    unknown: NDArray[np.int32]
    """Frames that fit no message, rising."""
    short_frames: int
    no_measurement: int
    out_of_range: int

    def __iter__(self) -> Iterator[Series]:
        """Those that occur, by message in the plan's order."""
        for layout in np.flatnonzero(np.diff(self.frame_start)).tolist():
            yield self._series(layout)

    def of(self, message: str) -> list[Series]:
        """Those of one message of the codebook, with those that do not occur."""
        rows, owner = self.plan.rows.count, self.plan.messages.index(message)
        here = np.flatnonzero((self.plan.owner == owner) & (rows > 0))
        return [self._series(layout) for layout in here.tolist()]

    def _series(self, layout: int) -> Series:
        plan = self.plan
        first, count = plan.rows.first[layout], plan.rows.count[layout]
        start, end = self.frame_start[layout : layout + 2]
        value = self.value[self.value_start[layout] : self.value_start[layout + 1]]
        return Series(
            message=plan.messages[plan.owner[layout]],
            frame=self.frame[start:end],
            number=plan.number[first : first + count],
            value=value.reshape(count, -1)[:, : end - start],
        )


def by_reference(batch: FrameBatch, plan: Plan) -> Columns:
    """The columns of a batch by numpy."""
    holding = reference.holding(batch, plan)
    reading = reference.read(batch, plan)
    order = np.lexsort((holding.frame, holding.layout))
    frame, layout = holding.frame[order], holding.layout[order]
    frames = np.bincount(layout, minlength=len(plan.owner))
    frame_start = np.concatenate([[0], np.cumsum(frames)])
    value_start = np.concatenate([[0], np.cumsum(frames * plan.rows.count)])
    of_row = np.repeat(np.arange(len(plan.owner)), plan.rows.count)
    mine = of_row[reading.row]
    key = layout * len(batch) + frame  # rises
    position = np.searchsorted(key, mine * len(batch) + reading.frame) - frame_start[mine]
    value = np.full(value_start[-1], np.nan)
    place = value_start[mine] + (reading.row - plan.rows.first[mine]) * frames[mine] + position
    value[place] = reading.value
    return Columns(
        plan=plan,
        frame_start=frame_start,
        value_start=value_start,
        frame=frame.astype(np.int32),
        value=value,
        unknown=reading.unknown.astype(np.int32),
        short_frames=reading.short_frames,
        no_measurement=reading.no_measurement,
        out_of_range=reading.out_of_range,
    )
