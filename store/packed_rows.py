"""Values that are not out of frames as bodies: a group per message and number of samples.

Most such values are decimals: `raw / 10^k`, or `raw * 10^-k` where a decoder has multiplied. Which of both
and which k a signal has, and how wide its integers are, is learnt from its values and only ever grows: few
shapes come up. A signal that is none of that is kept as float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from store import bodies
from store.bodies import Groups, Packed, Times
from store.messages import MessageKeys
from store.shapes import FLOAT_BYTES, PLAIN, WIDEST_BYTES, Coding, Shape
from vehicle.frame import SignalRows
from vehicle.sheet import NO_SOURCE

_SCALES: Final = np.array([1.0, 1.0, 0.1, 1.0, 0.01, 1.0, 0.001, 1.0, 1.0, 1.0, 1.0])
_DIVISORS: Final = np.array([1.0, 10.0, 1.0, 100.0, 1.0, 1_000.0, 1.0, 1e4, 1e5, 1e6, 1.0])
_TIMES: Final = np.array([1.0, 10.0, 10.0, 100.0, 100.0, 1_000.0, 1_000.0, 1e4, 1e5, 1e6, 1.0])
"""By step: a value is `raw * scale / divisor`, about `raw / times`. The last step is no integer at all."""
_FLOAT: Final = len(_SCALES) - 1
_PATIENCE: Final = 3
_FEW: Final = 10
"""So many batches, in which one of so many values fits no step, until a signal is float64 for good."""
_NUMBERS: Final = 1 << 15
_LARGEST: Final = 2.0**46
_MOST_SETS: Final = 20_000


@dataclass(slots=True)
class Habits:
    """How the signals of one process are coded; arrays by `Signal.number`."""

    step: NDArray[np.int8] = field(default_factory=lambda: np.zeros(_NUMBERS, np.int8))
    width: NDArray[np.int8] = field(default_factory=lambda: np.ones(_NUMBERS, np.int8))
    signed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(_NUMBERS, np.bool_))
    misses: NDArray[np.int8] = field(default_factory=lambda: np.zeros(_NUMBERS, np.int8))
    shapes: dict[bytes, Shape] = field(default_factory=dict)
    """By signals and codings."""
    seen: set[bytes] = field(default_factory=set)
    """Signals that have come together, and"""
    seen_before: set[bytes] = field(default_factory=set)
    """did so earlier: of many that never come again, few are remembered."""

    def has_met(self, signals: bytes) -> bool:
        """Whether these have come together before; from now on they have."""
        if signals in self.seen:
            return True
        if len(self.seen) >= _MOST_SETS:
            self.seen, self.seen_before = set(), self.seen
        self.seen.add(signals)
        return signals in self.seen_before

    def base(self, signal: NDArray[np.integer]) -> NDArray[np.int64]:
        """The least integer of each signal's coding."""
        half = np.int64(1) << (8 * self.width[signal].astype(np.int64) - 1)
        return np.where(self.signed[signal], -half, 0)


def pack(rows: SignalRows, keys: MessageKeys, codebook_id: Sequence[int | None], habits: Habits) -> Packed:
    """The rows of some values, at least one; their messages count as `keys` and `codebook_id` do."""
    runs = _Runs.of(rows)
    raw, fits = _raw(rows, habits)
    runs = runs.by_samples()
    start_of_group = _group_starts(runs, habits)
    columns = np.diff(start_of_group, append=len(runs.start))
    group = np.repeat(np.arange(len(columns)), columns)
    is_plain = ~np.logical_and.reduceat(runs.all_of(fits), start_of_group)
    step = np.where(is_plain[group], _FLOAT, habits.step[runs.signal])
    width = np.where(step == _FLOAT, FLOAT_BYTES, habits.width[runs.signal]).astype(np.int64)
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
    is_timed = is_own[group] | (column == 0)
    time_at = room.times_at[group] + np.where(is_own[group], column * each * runs.samples, 0)
    run, place = runs.expand()
    bodies.write_times(
        room.buffer, (time_at[run] + each[run] * place), dt_us[runs.rows], np.where(is_timed, each, 0)[run]
    )
    value, raw = rows.value[runs.rows], raw[runs.rows]
    at, of_value = value_at[run] + width[run] * place, width[run]
    for bytes_ in range(1, WIDEST_BYTES + 1):
        these = np.flatnonzero(of_value == bytes_)
        if len(these):
            bodies.write(room.buffer, at[these], raw[these], bytes_)
    plain = np.flatnonzero(of_value == FLOAT_BYTES)
    if len(plain):
        bodies.write(room.buffer, at[plain], value[plain].view(np.int64), FLOAT_BYTES)
    return Packed(room.buffer, shapes, groups.shape, room.group_at)


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

    def expand(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each value, run by run: its run, and its place in it."""
        if len(self.start) == int(self.samples.sum()):
            return np.arange(len(self.start)), np.zeros(len(self.start), np.int64)
        run = np.repeat(np.arange(len(self.start)), self.samples)
        end = np.cumsum(self.samples)
        return run, np.arange(end[-1]) - (end - self.samples)[run]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row of each value, run by run."""
        run, place = self.expand()
        return self.start[run] + place


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
    is_float = step == _FLOAT
    coded["width"] = np.where(is_float, FLOAT_BYTES, habits.width[runs.signal])
    coded["signed"] = ~is_float & habits.signed[runs.signal]
    content, size = coded.tobytes(), coded.itemsize
    bounds = [size * one for one in (*start_of_group.tolist(), len(coded))]
    keys = [content[start:end] for start, end in pairwise(bounds)]
    place = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    for key in place:
        if key not in habits.shapes:
            if len(habits.shapes) >= _MOST_SETS:
                habits.shapes.clear()
            habits.shapes[key] = _shape(np.frombuffer(key, coded.dtype))
    found = [habits.shapes.get(key) or _shape(np.frombuffer(key, coded.dtype)) for key in place]
    return found, np.array([place[key] for key in keys], np.int64)


def _shape(coded: NDArray[np.void]) -> Shape:
    coding = []
    for _, step, width, signed in coded.tolist():
        base = -(1 << 8 * width - 1) if signed else 0
        scale, divisor = float(_SCALES[step]), float(_DIVISORS[step])
        coding.append(PLAIN if step == _FLOAT else Coding(width, base, scale, divisor=divisor))
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
    run, place = runs.expand()
    leading = runs.start[start_of_group][group]
    same = rows.t_us[runs.rows] == rows.t_us[leading[run] + place]
    differs = np.zeros(len(start_of_group), np.bool_)
    differs[group[run[~same]]] = True
    return times, dt_us, span_us, differs


def _raw(rows: SignalRows, habits: Habits) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The integer behind each value, counted from the least of its coding; and whether it gives the value.

    What a signal's coding does not hold widens the coding, or gives it more decimals, where that helps.
    """
    whole, fits = _whole(rows.value, habits.step[rows.signal])
    if not fits.all():
        _more_decimals(rows, ~fits, habits)
        whole, fits = _whole(rows.value, habits.step[rows.signal])
    base = habits.base(rows.signal)
    room = np.int64(1) << (8 * habits.width[rows.signal].astype(np.int64))
    raw = whole - base
    wrong = fits & ((raw < 0) | (raw >= room))
    if wrong.any():
        _widen(rows.signal[wrong], whole[wrong], habits)
        raw = whole - habits.base(rows.signal)
    return raw, fits


def _whole(value: NDArray[np.float64], step: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Integers, and whether they give the values by those steps, bit for bit."""
    with np.errstate(all="ignore"):
        whole = np.rint(value * _TIMES[step])
        inside = np.abs(whole) < _LARGEST
        whole = np.where(inside, whole, 0.0) + 0.0
        again = whole * _SCALES[step] / _DIVISORS[step]
    return whole.astype(np.int64), (again.view(np.int64) == value.view(np.int64)) | (step == _FLOAT)


def _more_decimals(rows: SignalRows, wrong: NDArray[np.bool_], habits: Habits) -> None:
    """Find the first later step of each signal that fits all its values; count those that have none."""
    for signal in np.unique(rows.signal[wrong]).tolist():
        value = rows.value[rows.signal == signal]
        for step in range(int(habits.step[signal]) + 1, _FLOAT):
            whole, fits = _whole(value, np.full(len(value), step, np.int8))
            if fits.all():
                habits.step[signal] = step
                _widen(np.full(len(value), signal, np.int16), whole, habits)
                break
        else:
            habits.misses[signal] += np.count_nonzero(~fits) * _FEW > len(value)
            if habits.misses[signal] >= _PATIENCE:
                habits.step[signal] = _FLOAT


def _widen(signal: NDArray[np.int16], whole: NDArray[np.int64], habits: Habits) -> None:
    """Make the codings of signals hold these integers, too."""
    for one in np.unique(signal).tolist():
        mine = whole[signal == one]
        low, high = int(mine.min()), int(mine.max())
        width, signed = int(habits.width[one]), bool(habits.signed[one]) or low < 0
        if signed and not habits.signed[one]:
            high = max(high, min((1 << 8 * width) - 1, int(_LARGEST)))  # what has been held so far
        bits = max(low.bit_length(), high.bit_length()) + signed
        width = max(width, -(-bits // 8))
        habits.width[one], habits.signed[one] = width, signed
