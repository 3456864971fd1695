"""What decoding again changes: values of the same messages before and after, signal by signal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vehicle.frame import SignalRows


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one signal's values."""

    before_n: int = 0
    after_n: int = 0
    added_n: int = 0
    """Values at moments that had none."""
    removed_n: int = 0
    changed_n: int = 0
    """Values at the same moment of the same message that are other numbers now."""
    largest_from: float | None = None
    """Before and after the change by most, in the catalogue's unit; None: no value is another."""
    largest_to: float | None = None

    def __add__(self, other: "Change") -> "Change":
        largest = self if self.largest >= other.largest else other
        return Change(
            before_n=self.before_n + other.before_n,
            after_n=self.after_n + other.after_n,
            added_n=self.added_n + other.added_n,
            removed_n=self.removed_n + other.removed_n,
            changed_n=self.changed_n + other.changed_n,
            largest_from=largest.largest_from,
            largest_to=largest.largest_to,
        )

    @property
    def largest(self) -> float:
        """The change by most, without its sign; 0 where no value is another."""
        if self.largest_from is None or self.largest_to is None:
            return 0.0
        return abs(self.largest_to - self.largest_from)

    @property
    def is_none(self) -> bool:
        """Every value is as it was."""
        return not (self.added_n or self.removed_n or self.changed_n)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two decodings of the same messages held against each other."""

    by_signal: Mapping[int, Change]
    """By `Signal.number`, all that have a value before or after."""
    messages: NDArray[np.int64]
    """Numbers of the messages that have any other value, rising."""


NONE: Final = Difference({}, np.zeros(0, np.int64))


def compare(before: SignalRows, after: SignalRows) -> Difference:
    """Hold both against each other: value by value of message, signal and moment.

    Both are ordered as `SignalRows` says; of several values of one moment the k-th by size stands against the
    k-th.
    """
    if not len(before) and not len(after):
        return NONE
    before, after = _by_size(before), _by_size(after)
    both = _Both(before, after)
    signals, which = np.unique(both.signal, return_inverse=True)
    which = which.reshape(-1)

    def count(rows: NDArray[np.intp]) -> list[int]:
        counted: list[int] = np.bincount(which[rows], minlength=len(signals)).tolist()
        return counted

    is_after = both.is_after
    single = both.single
    columns = zip(
        signals.tolist(),
        count(np.flatnonzero(~is_after)),
        count(np.flatnonzero(is_after)),
        count(single[is_after[single]]),
        count(single[~is_after[single]]),
        count(both.changed_from),
        both.largest(which, len(signals)),
        strict=True,
    )
    by_signal = {
        signal: Change(old, new, added, removed, changed, *largest)
        for signal, old, new, added, removed, changed, largest in columns
    }
    other = np.concatenate([single, both.changed_from])
    return Difference(by_signal, np.unique(both.message[other]).astype(np.int64))


def _by_size(rows: SignalRows) -> SignalRows:
    """Values of one moment in their order; they may come from several senders."""
    same = np.ones(max(len(rows) - 1, 0), dtype=np.bool_)
    for column in (rows.t_us, rows.signal, rows.message):
        same &= column[1:] == column[:-1]
    if not same.any():
        return rows
    order = np.lexsort((rows.value, rows.t_us, rows.signal, rows.message))
    return SignalRows(rows.message[order], rows.t_us[order], rows.signal[order], rows.value[order])


class _Both:
    """Both tables one behind the other, and which row stands against which."""

    def __init__(self, before: SignalRows, after: SignalRows) -> None:
        self.message = np.concatenate([before.message, after.message])
        self.signal = np.concatenate([before.signal, after.signal])
        self.value = np.concatenate([before.value, after.value])
        self.is_after = np.arange(len(self.value)) >= len(before)
        t_us = np.concatenate([before.t_us, after.t_us])
        nth = np.concatenate([_nth_of_moment(before), _nth_of_moment(after)])
        order = np.lexsort((self.is_after, nth, t_us, self.signal, self.message))
        same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
        for column in (nth, t_us, self.signal, self.message):
            ordered = column[order]
            same &= ordered[1:] == ordered[:-1]
        first = np.flatnonzero(same)
        old, new = order[first], order[first + 1]
        alone = np.ones(len(order), dtype=np.bool_)
        alone[old] = alone[new] = False
        self.single = np.flatnonzero(alone)
        """Rows without one to stand against."""
        is_other = self.value[old] != self.value[new]
        self.changed_from, self.changed_to = old[is_other], new[is_other]

    def largest(self, which: NDArray[np.intp], n: int) -> list[tuple[float | None, float | None]]:
        """Per signal, of which `which` is the number, the values before and after the largest change."""
        out: list[tuple[float | None, float | None]] = [(None, None)] * n
        old, new = self.value[self.changed_from], self.value[self.changed_to]
        order = np.argsort(np.abs(new - old), kind="stable")
        group = which[self.changed_from[order]]
        last = len(group) - 1 - np.unique(group[::-1], return_index=True)[1]
        for place in last.tolist():
            out[group[place]] = float(old[order[place]]), float(new[order[place]])
        return out


def _nth_of_moment(rows: SignalRows) -> NDArray[np.int64]:
    """For each row, how many of the same message, signal and moment stand before it."""
    place = np.arange(len(rows))
    is_new = np.zeros(len(rows), dtype=np.bool_)
    is_new[:1] = True
    for column in (rows.message, rows.signal, rows.t_us):
        is_new[1:] |= column[1:] != column[:-1]
    return place - np.maximum.accumulate(np.where(is_new, place, 0)) if len(rows) else place
