"""Decimals as integers: which power of ten the values of a signal have, and how wide the integers are.

Both are learnt from values, batch by batch, and only ever grow.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from store.shapes import Shape
from vehicle.frame import SignalRows

SCALES: Final = np.array([1.0, 1.0, 0.1, 1.0, 0.01, 1.0, 0.001, 1.0, 1.0, 1.0, 1.0])
DIVISORS: Final = np.array([1.0, 10.0, 1.0, 100.0, 1.0, 1_000.0, 1.0, 1e4, 1e5, 1e6, 1.0])
_TIMES: Final = np.array([1.0, 10.0, 10.0, 100.0, 100.0, 1_000.0, 1_000.0, 1e4, 1e5, 1e6, 1.0])
"""By step: a value is `raw * scale / divisor`, about `raw / times`. The last step is no integer at all."""
FLOAT: Final = len(SCALES) - 1
_PATIENCE: Final = 3
_FEW: Final = 10
"""So many batches, in which one of so many values fits no step, until a signal is float64 for good."""
_NUMBERS: Final = 1 << 15
_LARGEST: Final = 2.0**46
MOST_SETS: Final = 20_000


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
        if len(self.seen) >= MOST_SETS:
            self.seen, self.seen_before = set(), self.seen
        self.seen.add(signals)
        return signals in self.seen_before

    def base(self, signal: NDArray[np.integer]) -> NDArray[np.int64]:
        """The least integer of each signal's coding."""
        half = np.int64(1) << (8 * self.width[signal].astype(np.int64) - 1)
        return np.where(self.signed[signal], -half, 0)


def raw(
    rows: SignalRows, samples: NDArray[np.int64], signal: NDArray[np.int64], habits: Habits
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The integer behind each value, counted from the least of its coding; and whether it gives the value.

    The rows stand in runs of one signal: `samples` and `signal` have one element per run. What a signal's
    coding does not hold widens the coding, or gives it more decimals, where that helps.
    """

    def spread(of_run: NDArray[Any]) -> NDArray[Any]:
        return of_run if len(of_run) == len(rows) else np.repeat(of_run, samples)

    whole, fits = _whole(rows.value, spread(habits.step[signal]))
    if not fits.all():
        _more_decimals(rows, ~fits, habits)
        whole, fits = _whole(rows.value, spread(habits.step[signal]))
    found = whole - spread(habits.base(signal))
    room = np.int64(1) << (8 * habits.width[signal].astype(np.int64))
    wrong = fits & ((found < 0) | (found >= spread(room)))
    if wrong.any():
        _widen(rows.signal[wrong], whole[wrong], habits)
        found = whole - spread(habits.base(signal))
    return found, fits


def _whole(value: NDArray[np.float64], step: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Integers, and whether they give the values by those steps, bit for bit."""
    with np.errstate(all="ignore"):
        whole = np.rint(value * _TIMES[step])
        inside = np.abs(whole) < _LARGEST
        if not inside.all():
            whole[~inside] = 0.0
        whole += 0.0  # no negative zero
        again = whole * SCALES[step]
        again /= DIVISORS[step]
    fits = again.view(np.int64) == value.view(np.int64)
    is_float = step == FLOAT
    if is_float.any():
        fits |= is_float
    return whole.astype(np.int64), fits


def _more_decimals(rows: SignalRows, wrong: NDArray[np.bool_], habits: Habits) -> None:
    """Find the first later step of each signal that fits all its values; count those that have none."""
    for signal in np.unique(rows.signal[wrong]).tolist():
        value = rows.value[rows.signal == signal]
        for step in range(int(habits.step[signal]) + 1, FLOAT):
            whole, fits = _whole(value, np.full(len(value), step, np.int8))
            if fits.all():
                habits.step[signal] = step
                _widen(np.full(len(value), signal, np.int16), whole, habits)
                break
        else:
            habits.misses[signal] += np.count_nonzero(~fits) * _FEW > len(value)
            if habits.misses[signal] >= _PATIENCE:
                habits.step[signal] = FLOAT


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
