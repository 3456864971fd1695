"""Rows of a message on their way into its table: values side by side, most of them as numbers of lists."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.captures.compiled import Compiled
from vehicle.frame import FrameBatch

_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Codes:
    """Which columns of a table are coded, and how: `value * steps + shift`, cut."""

    is_coded: NDArray[np.bool_]
    """Of each column."""
    steps: NDArray[np.float64]
    """Of the coded ones, shape (n, 1)."""
    shift: NDArray[np.float64]
    with_source: bool
    """Whether J1939 source addresses are kept."""
    compiled: Compiled | None = None
    """None: numpy codes."""

    @property
    def coded_n(self) -> int:
        """Columns that are coded."""
        return len(self.steps)


@dataclass(frozen=True, slots=True)
class Block:
    """Frames of one message, and the values of each column."""

    t_us: NDArray[np.int64]
    bus: NDArray[np.uint8]
    source: NDArray[np.uint8]
    """Any bytes where `Codes.with_source` is not set."""
    coded: NDArray[np.uint16]
    """Shape (coded columns, frames)."""
    plain: NDArray[np.float64]
    """Shape (other columns, frames)."""
    missing: NDArray[np.bool_] | None
    """Shape (columns, frames); None: nothing is missing."""

    def __len__(self) -> int:
        return len(self.t_us)


@dataclass(slots=True)
class Waiting:
    """Rows that are not in pages yet."""

    codes: Codes
    rows: int = 0
    _room: Block | None = None
    """Of more rows than there are."""
    _missing: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return self.rows

    def add(
        self, batch: FrameBatch, frame: NDArray[np.int32], values: NDArray[np.float64], *, is_full: bool
    ) -> None:
        """Rows of these frames, values of shape (columns, frames); where they are full none is NaN."""
        room = self._with_room(len(frame))
        here = slice(self.rows, self.rows + len(frame))
        places = frame.astype(np.intp)
        batch.t_us.take(places, out=room.t_us[here], mode="clip")  # "raise" would copy first
        batch.bus.take(places, out=room.bus[here], mode="clip")
        if self.codes.with_source:
            room.source[here] = (batch.can_id[places] & np.uint32(0xFF)).astype(np.uint8)
        missing = None
        if not is_full:
            if self._missing is None:
                self._missing = np.zeros((len(self.codes.is_coded), len(room)), np.bool_)
            missing = self._missing[:, here]
            np.isnan(values, out=missing)
        is_coded = self.codes.is_coded
        if is_coded.all():
            self._code(values, missing, room.coded[:, here])
        else:
            room.plain[:, here] = values[~is_coded]
            if room.coded.size:
                none = None if missing is None else missing[is_coded]
                self._code(values[is_coded], none, room.coded[:, here])
        self.rows += len(frame)

    def block(self) -> Block:
        """All rows, which do not wait any longer."""
        room, rows = self._with_room(0), slice(self.rows)
        found = Block(
            room.t_us[rows],
            room.bus[rows],
            room.source[rows],
            room.coded[:, rows],
            room.plain[:, rows],
            None if self._missing is None else self._missing[:, rows],
        )
        self._room, self._missing, self.rows = None, None, 0
        return found

    def _code(
        self, values: NDArray[np.float64], missing: NDArray[np.bool_] | None, into: NDArray[np.uint16]
    ) -> None:
        steps, shift = self.codes.steps, self.codes.shift
        if self.codes.compiled is not None:
            self.codes.compiled.codes(values, steps, shift, into, missing)
            return
        places = values * steps
        places += shift
        if missing is not None:
            places[missing] = 0.0
        into[...] = places.astype(np.uint16)

    def _with_room(self, more: int) -> Block:
        """Room for so many more rows."""
        old, needed = self._room, self.rows + more
        if old is not None and needed <= len(old):
            return old
        room = _room(self.codes, max(needed, _GROWTH * self.rows))
        if old is not None:
            rows = slice(self.rows)
            for name in ("t_us", "bus", "source", "coded", "plain"):
                getattr(room, name)[..., rows] = getattr(old, name)[..., rows]
            if self._missing is not None:
                missing = np.zeros((len(self._missing), len(room)), np.bool_)
                missing[:, rows] = self._missing[:, rows]
                self._missing = missing
        self._room = room
        return room


def _room(codes: Codes, rows: int) -> Block:
    plain = len(codes.is_coded) - codes.coded_n
    return Block(
        t_us=np.empty(rows, np.int64),
        bus=np.empty(rows, np.uint8),
        source=np.empty(rows, np.uint8),
        coded=np.empty((codes.coded_n, rows), np.uint16),
        plain=np.empty((plain, rows), np.float64),
        missing=None,
    )
