"""Values that are not out of frames as bodies: a group per message and number of samples.

Most such values are decimals: `raw / 10^k`, or `raw * 10^-k` where a decoder has multiplied. Which of both
and which k a signal has, and how wide its integers are, is learnt from its values and only ever grows: few
shapes come up. A signal that is none of that is kept as float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store import bodies, decimals
from store.bodies import Groups, Packed, Times
from store.decimals import Habits
from store.messages import MessageKeys
from store.shapes import FLOAT_BYTES, PLAIN, Coding, Shape
from vehicle.frame import SignalRows
from vehicle.sheet import NO_SOURCE


def pack(rows: SignalRows, keys: MessageKeys, codebook_id: Sequence[int | None], habits: Habits) -> Packed:
    """The rows of some values, at least one; their messages count as `keys` and `codebook_id` do."""
    runs = _Runs.of(rows)
    raw, fits = decimals.raw(rows, runs.samples, runs.signal, habits)
    runs = runs.by_samples()
    start_of_group = _group_starts(runs, habits)
    columns = np.diff(start_of_group, append=len(runs.start))
    group = np.repeat(np.arange(len(columns)), columns)
    is_plain = ~np.logical_and.reduceat(runs.all_of(fits), start_of_group)
    step = np.where(is_plain[group], decimals.FLOAT, habits.step[runs.signal])
    width = np.where(step == decimals.FLOAT, FLOAT_BYTES, habits.width[runs.signal]).astype(np.int64)
    shapes, shape = _shapes(runs, start_of_group, step, habits)
    times, dt_us, span_us, is_own = _times(rows, runs, start_of_group, group)
    samples = runs.samples[start_of_group]
    groups = Groups(
        owner=np.cumsum(np.diff(runs.message[start_of_group], prepend=runs.message[:1]) != 0),
        shape=shape,
        samples=samples,
        times=bodies.how(span_us, own=is_own),
        columns=columns,
        sample_bytes=np.add.reduceat(width, start_of_group),
    )
    room = bodies.room(keys, codebook_id, times, groups)
    column = np.arange(len(group)) - start_of_group[group]
    before = np.cumsum(width) - width
    value_at = room.values_at[group] + (before - before[start_of_group][group]) * runs.samples
    each = bodies.TIME_BYTES[groups.times][group]
    is_timed = (each > 0) & (is_own[group] | (column == 0))
    if is_timed.any():
        time_at = room.times_at[group] + np.where(is_own[group], column * each * runs.samples, 0)
        _write(room.buffer, runs.those(is_timed), time_at[is_timed], each[is_timed], dt_us)
    is_float = width == FLOAT_BYTES
    if is_float.any():
        plain = rows.value.view(np.int64)
        _write(room.buffer, runs.those(is_float), value_at[is_float], width[is_float], plain)
    whole = ~is_float
    if whole.any():
        _write(room.buffer, runs.those(whole), value_at[whole], width[whole], raw)
    return Packed(room.buffer, shapes, groups.shape, room.group_at)


def _write(
    buffer: NDArray[np.uint8],
    runs: "_Runs",
    at: NDArray[np.int64],
    width: NDArray[np.int64],
    number: NDArray[np.int64],
) -> None:
    """Put a number of each of the runs' rows into a buffer, a run from a place on, as wide as the run is."""
    for bytes_ in np.unique(width).tolist():
        mine = width == bytes_
        some = runs if mine.all() else runs.those(mine)
        begin = at[mine]
        end = np.cumsum(some.samples)
        total = int(end[-1])
        if total == len(end):
            bodies.write(buffer, begin, number[some.start], bytes_)
            continue
        first = end - some.samples
        place = np.repeat(begin - first * bytes_, some.samples)
        place += np.arange(0, total * bytes_, bytes_)
        whole = number if total == len(number) and some.natural else number[some.rows]
        bodies.write(buffer, place, whole, bytes_)


@dataclass(frozen=True, slots=True)
class _Runs:
    """The samples of one signal in one message."""

    start: NDArray[np.int64]
    """First row of each."""
    samples: NDArray[np.int64]
    message: NDArray[np.int64]
    signal: NDArray[np.int64]
    natural: bool
    """They stand as their rows do."""

    @classmethod
    def of(cls, rows: SignalRows) -> "_Runs":
        new = np.diff(rows.message, prepend=-1) != 0
        new |= np.diff(rows.signal, prepend=rows.signal[:1]) != 0
        start = np.flatnonzero(new)
        return cls(
            start=start,
            samples=np.diff(start, append=len(rows)),
            message=rows.message[start].astype(np.int64),
            signal=rows.signal[start].astype(np.int64),
            natural=True,
        )

    def by_samples(self) -> "_Runs":
        """Those of a message by their number of samples."""
        falls = (self.samples[1:] < self.samples[:-1]) & (self.message[1:] == self.message[:-1])
        if not falls.any():
            return self
        order = np.lexsort((self.samples, self.message))
        return _Runs(
            self.start[order], self.samples[order], self.message[order], self.signal[order], natural=False
        )

    def all_of(self, of_row: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether something is true of all rows of each run."""
        if self.natural:
            return np.logical_and.reduceat(of_row, self.start)
        rank = np.argsort(self.start)
        found = np.empty(len(rank), np.bool_)
        found[rank] = np.logical_and.reduceat(of_row, self.start[rank])
        return found

    def those(self, which: NDArray[np.bool_]) -> "_Runs":
        """Some of them."""
        return _Runs(
            self.start[which], self.samples[which], self.message[which], self.signal[which], self.natural
        )

    @property
    def is_single(self) -> bool:
        """Every run is one row."""
        return bool((self.samples == 1).all())

    def spread(self, of_run: NDArray[Any]) -> NDArray[Any]:
        """Of each run's rows what is of the run."""
        return of_run if self.is_single else np.repeat(of_run, self.samples)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row of each value, run by run."""
        if self.is_single:
            return self.start
        first = np.cumsum(self.samples) - self.samples
        place = np.arange(int(self.samples.sum()), dtype=np.int64)
        place += np.repeat(self.start - first, self.samples)
        return place


def _group_starts(runs: _Runs, habits: Habits) -> NDArray[np.int64]:
    """Where a group begins. Signals that have never come together before make groups of their own.

    Otherwise a vehicle that sends what has changed would bring up a shape per message.
    """
    new = (np.diff(runs.message, prepend=-1) != 0) | (np.diff(runs.samples, prepend=-1) != 0)
    starts = np.flatnonzero(new)
    signal = runs.signal.astype(np.int16).tobytes()
    bounds = [2 * one for one in (*starts.tolist(), len(runs.signal))]
    sets = [signal[start:end] for start, end in pairwise(bounds)]
    met: dict[bytes, bool] = {}
    for one in sets:
        met[one] = one in met or len(one) == 2 or habits.has_met(one)  # two bytes: one signal
    if all(met.values()):
        return starts
    strange = np.array([not met[one] for one in sets])
    return np.flatnonzero(new | strange[np.cumsum(new) - 1])


def _shapes(
    runs: _Runs, start_of_group: NDArray[np.int64], step: NDArray[Any], habits: Habits
) -> tuple[list[Shape], NDArray[np.int64]]:
    """The shapes of all groups, and which each group has."""
    coded = np.empty(len(runs.signal), [("signal", "i2"), ("step", "i1"), ("width", "i1"), ("signed", "?")])
    coded["signal"], coded["step"] = runs.signal, step
    is_float = step == decimals.FLOAT
    coded["width"] = np.where(is_float, FLOAT_BYTES, habits.width[runs.signal])
    coded["signed"] = ~is_float & habits.signed[runs.signal]
    content, size = coded.tobytes(), coded.itemsize
    bounds = [size * one for one in (*start_of_group.tolist(), len(coded))]
    keys = [content[start:end] for start, end in pairwise(bounds)]
    place = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    for key in place:
        if key not in habits.shapes:
            if len(habits.shapes) >= decimals.MOST_SETS:
                habits.shapes.clear()
            habits.shapes[key] = _shape(np.frombuffer(key, coded.dtype))
    found = [habits.shapes.get(key) or _shape(np.frombuffer(key, coded.dtype)) for key in place]
    return found, np.array([place[key] for key in keys], np.int64)


def _shape(coded: NDArray[np.void]) -> Shape:
    coding = []
    for _, step, width, signed in coded.tolist():
        base = -(1 << 8 * width - 1) if signed else 0
        scale, divisor = float(decimals.SCALES[step]), float(decimals.DIVISORS[step])
        coding.append(PLAIN if step == decimals.FLOAT else Coding(width, base, scale, divisor=divisor))
    return Shape(NO_SOURCE, holed=False, signal=tuple(coded["signal"].tolist()), coding=tuple(coding))


def _times(
    rows: SignalRows, runs: _Runs, start_of_group: NDArray[np.int64], group: NDArray[np.int64]
) -> tuple[Times, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """When the messages were, and how far behind each row is.

    Of each group the greatest such distance, and whether its signals have different times.
    """
    first, last = rows.t_us[runs.start], rows.t_us[runs.start + runs.samples - 1]
    of_message = np.flatnonzero(np.diff(runs.message, prepend=-1))
    times = Times(
        runs.message[of_message],
        np.minimum.reduceat(first, of_message),
        np.maximum.reduceat(last, of_message),
    )
    sizes = np.diff(of_message, append=len(runs.start))
    begin = np.repeat(times.first_us, sizes)
    span_us = np.maximum.reduceat(last - begin, start_of_group)
    of_row = np.diff(np.flatnonzero(np.diff(rows.message, prepend=-1)), append=len(rows))
    dt_us = rows.t_us - np.repeat(times.first_us, of_row)
    leading = runs.start[start_of_group][group]
    differs = np.zeros(len(start_of_group), np.bool_)
    followers = leading != runs.start
    if followers.any():
        mine = runs.those(followers)
        place = mine.rows
        same = dt_us[place] == dt_us[place + mine.spread(leading[followers] - mine.start)]
        if not mine.is_single:
            same = np.logical_and.reduceat(same, np.cumsum(mine.samples) - mine.samples)
        differs[group[followers][~same]] = True
    return times, dt_us, span_us, differs
