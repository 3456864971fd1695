"""Values that vehicles decoded themselves, of a whole batch as columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.message import SampleColumns, SignalsMessage
from ingest.lexicon import Lexicon
from vehicle.frame import SignalRows


@dataclass(frozen=True, slots=True)
class Samples:
    """The known values of the messages, and what is none."""

    rows: SignalRows
    unknown: dict[int, list[str]]
    """Message index to the paths that the catalogue does not have."""
    out_of_range: int
    """Values outside the catalogue's range, which are no measurements."""


def join(messages: Sequence[tuple[int, SignalsMessage]], lexicon: Lexicon) -> Samples:
    """One table out of many messages, each with its index, which rises; a step per signal, none per value."""
    unknown: dict[int, list[str]] = {}
    number: list[int] = []
    columns: list[SampleColumns] = []
    series_n: list[int] = []
    for place, message in messages:
        signals = message.signals
        found = list(map(lexicon.numbers.get, signals))
        if None in found:
            unknown[place] = [path for path in signals if path not in lexicon.numbers]
            signals = {path: signals[path] for path in signals if path in lexicon.numbers}
        number += [one for one in found if one is not None]
        columns += signals.values()
        series_n.append(len(signals))
    if not columns:
        return Samples(empty(), unknown, 0)
    counts = np.array([len(dt_us) for dt_us, _ in columns])
    index = np.repeat(np.array([place for place, _ in messages], np.int32), series_n)
    t0_us = np.repeat(np.array([one.envelope.t0_us for _, one in messages], np.int64), series_n)
    joined = SignalRows(
        message=np.repeat(index, counts),
        t_us=np.repeat(t0_us, counts) + np.concatenate([dt_us for dt_us, _ in columns]),
        signal=np.repeat(np.array(number, np.int16), counts),
        value=np.concatenate([value for _, value in columns]),
    )
    measured = np.isfinite(joined.value)
    inside = (joined.value >= lexicon.minimum[joined.signal]) & (
        joined.value <= lexicon.maximum[joined.signal]
    )
    out_of_range = int(np.count_nonzero(measured & ~inside))
    return Samples(ordered(pick(joined, measured & inside)), unknown, out_of_range)


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
