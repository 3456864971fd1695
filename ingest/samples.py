"""Values that vehicles decoded themselves, of a whole batch as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decoders.message import SignalsMessage
from ingest.lexicon import Lexicon
from vehicle.frame import SignalRows

_UNKNOWN: Final = -1
"""In the place of a signal's number."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The known values of the messages, and what is none."""

    rows: SignalRows
    unknown: dict[int, list[str]]
    """Message index to the paths that the catalogue does not have."""
    out_of_range: int
    """Values outside the catalogue's range, which are no measurements."""


def join(messages: Sequence[tuple[int, SignalsMessage]], lexicon: Lexicon) -> Samples:
    """One table out of many messages, each with its index, which rises; no step per value."""
    numbers = lexicon.numbers
    of_series = _array([numbers.get(path, _UNKNOWN) for _, one in messages for path in one.paths], np.int16)
    sizes = _array([size for _, one in messages for size in one.sizes], np.intp)
    places = _array([place for place, _ in messages], np.int32)
    t0_us = _array([one.envelope.t0_us for _, one in messages], np.int64)
    samples_n = _array([len(one) for _, one in messages], np.intp)
    total = int(samples_n.sum())
    dt_us = np.fromiter(chain.from_iterable(one.dt_us for _, one in messages), np.int64, total)
    value = np.fromiter(chain.from_iterable(one.value for _, one in messages), np.float64, total)
    joined = SignalRows(
        message=np.repeat(places, samples_n),
        t_us=np.repeat(t0_us, samples_n) + dt_us,
        signal=np.repeat(of_series, sizes),
        value=value,
    )
    is_known = joined.signal != _UNKNOWN
    unknown: dict[int, list[str]] = {}
    if (of_series == _UNKNOWN).any():
        for place, message in messages:
            if paths := [path for path in message.paths if path not in numbers]:
                unknown[place] = paths
    measured = np.isfinite(value) & is_known
    inside = (value >= lexicon.minimum[joined.signal]) & (value <= lexicon.maximum[joined.signal])
    out_of_range = int(np.count_nonzero(measured & ~inside))
    kept = measured & inside
    return Samples(ordered(joined if kept.all() else pick(joined, kept)), unknown, out_of_range)


def _array(values: list[int], dtype: type[Any]) -> NDArray[Any]:
    return np.array(values, dtype=dtype)


def ordered(rows: SignalRows) -> SignalRows:
    """The same rows by message, signal and time; at equal times as they came."""
    key = (rows.message.astype(np.int64) << 16) | rows.signal
    behind = (key[1:] < key[:-1]) | ((key[1:] == key[:-1]) & (rows.t_us[1:] < rows.t_us[:-1]))
    if not behind.any():
        return rows
    return pick(rows, np.lexsort((rows.t_us, key)))


def pick(rows: SignalRows, which: NDArray[np.bool_] | NDArray[np.intp]) -> SignalRows:
    """Those rows, by mask or position."""
    return SignalRows(
        message=rows.message[which],
        t_us=rows.t_us[which],
        signal=rows.signal[which],
        value=rows.value[which],
    )


def renumbered(rows: SignalRows, index: NDArray[np.int32]) -> SignalRows:
    """The rows of those messages that have a new index (not -1), under it; indexes must rise alike."""
    message = index[rows.message]
    kept = pick(rows, message >= 0)
    return SignalRows(message[message >= 0], kept.t_us, kept.signal, kept.value)


def together(parts: Sequence[SignalRows]) -> SignalRows:
    """Tables of different messages as one, by message."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty()
    joined = SignalRows(
        message=np.concatenate([part.message for part in parts]),
        t_us=np.concatenate([part.t_us for part in parts]),
        signal=np.concatenate([part.signal for part in parts]),
        value=np.concatenate([part.value for part in parts]),
    )
    if (joined.message[1:] >= joined.message[:-1]).all():
        return joined
    return pick(joined, np.argsort(joined.message, kind="stable"))


def empty() -> SignalRows:
    """No value at all."""
    return SignalRows(
        message=np.zeros(0, np.int32),
        t_us=np.zeros(0, np.int64),
        signal=np.zeros(0, np.int16),
        value=np.zeros(0),
    )


def extents(rows: SignalRows, first_us: NDArray[np.int64], last_us: NDArray[np.int64]) -> None:
    """Widen, in place, each message's first and last moment by its rows."""
    if len(rows):
        starts = np.flatnonzero(np.diff(rows.message, prepend=-1))
        message = rows.message[starts]
        first_us[message] = np.minimum.reduceat(rows.t_us, starts)
        last_us[message] = np.maximum.reduceat(rows.t_us, starts)
