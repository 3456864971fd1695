"""Values back out of the bodies of segments, many bodies at once; `store.bodies` says what stands in them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from store import shapes
from store.bodies import HEAD_BYTES, MOST_SAMPLES, OWN_4, SHARED_8, TIME_BYTES, TIMES_SHIFT
from store.pool import Connection
from store.shapes import FLOAT_BYTES, WIDEST_BYTES, Shape
from vehicle.errors import NotFoundError

_PADDING: Final = np.zeros(HEAD_BYTES, np.uint8)
_ALL_ONES: Final = -1


@dataclass(frozen=True, slots=True)
class Values:
    """Values of some bodies, by body; within one as they stand in it."""

    body: NDArray[np.int64]
    """Place of the body among those given."""
    dt_us: NDArray[np.int64]
    """From the segment's `at`."""
    signal: NDArray[np.int16]
    source: NDArray[np.int16]
    """J1939 address of the sender, or `NO_SOURCE`."""
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.value)


async def read(conn: Connection, given: Sequence[bytes], *, signals: Collection[int] | None = None) -> Values:
    """All values of these bodies, or those of some signals."""
    sizes = np.array([len(one) for one in given], np.int64)
    return await read_joined(conn, b"".join(given), sizes, signals=signals)


async def read_joined(
    conn: Connection, joined: bytes, sizes: NDArray[np.int64], *, signals: Collection[int] | None = None
) -> Values:
    """The same of bodies that stand one behind the other, given their sizes in bytes."""
    blob = np.concatenate([np.frombuffer(joined, np.uint8), _PADDING])
    end = np.cumsum(sizes)
    legend = _legend(conn)
    groups, unknown = _groups(blob, end - sizes, end, legend)
    while unknown:
        known = await shapes.read(conn, unknown)
        for one in unknown:
            if one not in known:
                raise NotFoundError("shape of a segment", str(one))
        legend = _legend(conn)
        groups, unknown = _groups(blob, end - sizes, end, legend)
    return _values(blob, groups, legend, signals)


@dataclass(frozen=True, slots=True)
class Legend:
    """Shapes as arrays."""

    id: NDArray[np.int64]
    """Of each shape, rising."""
    source: NDArray[np.int16]
    holed: NDArray[np.bool_]
    first: NDArray[np.int64]
    """Of each shape: its first column."""
    count: NDArray[np.int64]
    sample_bytes: NDArray[np.int64]
    signal: NDArray[np.int16]
    """Of each column, like all that follow."""
    before: NDArray[np.int64]
    """Bytes of a sample of the columns before it."""
    coding: NDArray[np.void]

    @classmethod
    def of(cls, known: Mapping[int, Shape]) -> "Legend":
        """Lay them out."""
        ids = sorted(known)
        found = [known[one] for one in ids]
        count = np.array([len(one.signal) for one in found], np.int64)
        first = np.cumsum(count) - count
        coding = np.array([tuple(each) for one in found for each in one.coding], _CODING)
        width = np.append(np.cumsum(coding["width"], dtype=np.int64), 0)
        start = np.where(first > 0, width[first - 1], 0)
        return cls(
            id=np.array(ids, np.int64),
            source=np.array([one.source for one in found], np.int16),
            holed=np.array([one.holed for one in found], np.bool_),
            first=first,
            count=count,
            sample_bytes=width[first + count - 1] - start,
            signal=np.array([number for one in found for number in one.signal], np.int16),
            before=width[:-1] - coding["width"] - np.repeat(start, count),
            coding=coding,
        )

    def place(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each shape stands; -1: it is not here."""
        if not len(self.id):
            return np.full(len(ids), -1, np.int64)
        place = np.minimum(np.searchsorted(self.id, ids), len(self.id) - 1)
        return np.where(self.id[place] == ids, place, -1)


_CODING: Final = np.dtype(
    [
        ("width", "i8"), ("base", "i8"), ("scale", "f8"), ("offset", "f8"), ("factor", "f8"),
        ("shift", "f8"), ("divisor", "f8"),
    ]
)  # fmt: skip


_LEGENDS: Final[WeakKeyDictionary[Connection, Legend]] = WeakKeyDictionary()


def _legend(conn: Connection) -> Legend:
    """All shapes that a connection has read."""
    known = shapes.known(conn).by_id
    legend = _LEGENDS.get(conn)
    if legend is None or len(legend.id) < len(known):
        legend = _LEGENDS[conn] = Legend.of(known)
    return legend


@dataclass(frozen=True, slots=True)
class _Groups:
    """Groups of some bodies, by body."""

    body: NDArray[np.int64]
    shape: NDArray[np.int64]
    """Place in the legend."""
    times: NDArray[np.int64]
    samples: NDArray[np.int64]
    times_at: NDArray[np.int64]
    values_at: NDArray[np.int64]


def _groups(
    blob: NDArray[np.uint8], at: NDArray[np.int64], end: NDArray[np.int64], legend: Legend
) -> tuple[_Groups, list[int]]:
    """All groups, found in step in all bodies; or the numbers of shapes that the legend lacks."""
    body = np.arange(len(at))
    found: list[tuple[NDArray[np.int64], ...]] = []
    missing: set[int] = set()
    while len(body := body[at[body] < end[body]]):
        here = at[body]
        ids, head = _integers(blob, here, 4), _integers(blob, here + 4, 4)
        shape = legend.place(ids)
        there = shape >= 0
        if not there.all():
            missing.update(np.unique(ids[~there]).tolist())
            body, here, shape, head = body[there], here[there], shape[there], head[there]
        times, samples = head >> TIMES_SHIFT, head & MOST_SAMPLES
        each = np.where(times >= OWN_4, legend.count[shape], 1)
        times_at = here + HEAD_BYTES
        values_at = times_at + TIME_BYTES[times] * each * samples
        found.append((body, shape, times, samples, times_at, values_at))
        at[body] = values_at + legend.sample_bytes[shape] * samples
    if missing or not found:
        found = found[:0] or [(np.zeros(0, np.int64),) * 6]
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return _Groups(*(column[order] for column in columns)), sorted(missing)


def _values(
    blob: NDArray[np.uint8], groups: _Groups, legend: Legend, signals: Collection[int] | None
) -> Values:
    group, column = _columns(groups, legend, signals)
    samples = groups.samples[group]
    run = np.repeat(np.arange(len(group)), samples)
    end = np.cumsum(samples)
    place = np.arange(len(run)) - (end - samples)[run]
    coding = legend.coding[column]
    value_at = groups.values_at[group] + legend.before[column] * samples
    raw, value, there = _decoded(blob, value_at[run] + coding["width"][run] * place, coding, run)
    there &= ~(legend.holed[groups.shape[group]][run] & (raw == _ALL_ONES))
    times = groups.times[group]
    each = TIME_BYTES[times]
    nth = np.where(times >= OWN_4, column - legend.first[groups.shape[group]], 0)
    time_at = groups.times_at[group] + nth * each * samples
    dt_us = _times(blob, time_at[run] + each[run] * place, each[run])
    run, dt_us, value = run[there], dt_us[there], value[there]
    return Values(
        body=groups.body[group][run],
        dt_us=dt_us,
        signal=legend.signal[column][run],
        source=legend.source[groups.shape[group]][run],
        value=value,
    )


def _columns(
    groups: _Groups, legend: Legend, signals: Collection[int] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each signal of each group, or of those that are wanted: the group, and the column of the legend."""
    first, count, picked = legend.first, legend.count, None
    if signals is not None and len(first):
        wanted = np.isin(legend.signal, list(signals))
        count = np.add.reduceat(wanted.astype(np.int64), first)
        first, picked = np.cumsum(count) - count, np.flatnonzero(wanted)
    count = count[groups.shape]
    group = np.repeat(np.arange(len(count)), count)
    end = np.cumsum(count)
    column = np.arange(len(group)) + (first[groups.shape] - (end - count))[group]
    return group, column if picked is None else picked[column]


def _decoded(
    blob: NDArray[np.uint8], at: NDArray[np.int64], coding: NDArray[np.void], run: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Integers (-1 where all bits are ones), values, and which of the float64 are numbers."""
    raw = np.zeros(len(at), np.int64)
    value = np.zeros(len(at))
    there = np.ones(len(at), np.bool_)
    width = coding["width"][run]
    for bytes_ in range(1, WIDEST_BYTES + 1):
        these = np.flatnonzero(width == bytes_)
        if not len(these):
            continue
        found = _integers(blob, at[these], bytes_)
        raw[these] = np.where(found == (1 << 8 * bytes_) - 1, _ALL_ONES, found)
        mine = run[these]
        of = {name: coding[name][mine] for name in _CODING.names or ()}
        exact = (found + of["base"]).astype(np.float64)
        value[these] = ((exact * of["scale"] + of["offset"]) * of["factor"] + of["shift"]) / of["divisor"]
    these = np.flatnonzero(width == FLOAT_BYTES)
    value[these] = _integers(blob, at[these], FLOAT_BYTES).view(np.float64)
    there[these] = ~np.isnan(value[these])
    return raw, value, there


def _times(blob: NDArray[np.uint8], at: NDArray[np.int64], width: NDArray[np.int64]) -> NDArray[np.int64]:
    dt_us = np.zeros(len(at), np.int64)
    for bytes_ in TIME_BYTES[1 : SHARED_8 + 1].tolist():
        these = np.flatnonzero(width == bytes_)
        dt_us[these] = _integers(blob, at[these], bytes_)
    return dt_us


def _integers(blob: NDArray[np.uint8], at: NDArray[np.int64], width: int) -> NDArray[Any]:
    """Big-endian integers that begin at these places: unsigned, but those of eight bytes."""
    found: NDArray[np.int64] = blob[at].astype(np.int64)
    for byte in range(1, width):
        found = found << 8 | blob[at + byte]
    return found
