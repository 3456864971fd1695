"""A signal of one vehicle over time, down-sampled: bodies are fetched by the slice and read as columns."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from store import arrays, unpacked
from store.pool import Connection
from vehicle.day import at_of, us_of
from vehicle.errors import ConflictError
from vehicle.signal import Signal

LONGEST: Final = timedelta(days=92)
"""The longest span that is read at once."""
MOST_POINTS: Final = 2_000
_MESSAGE: Final = timedelta(days=1)
"""A message spans a day at most (see `segment`), so this bounds the chunks that are read."""
_SLICE_BYTES: Final = 32 << 20
_FIRST_SLICE: Final = timedelta(hours=12)
_LONGEST_SLICE: Final = timedelta(days=31)
_SHORTEST_SLICE: Final = timedelta(minutes=10)
_GROWTH: Final = 4


@dataclass(frozen=True, slots=True)
class Bucket:
    """Values of one signal within one bucket of time, in the signal's unit."""

    at: datetime
    """Start of the bucket."""
    n: int
    minimum: float
    maximum: float
    mean: float
    last: float


BODIES: Final = """
    select array_send(array_agg(at)), array_send(array_agg(octet_length(body))), string_agg(body, ''::bytea)
    from segment
    where vehicle_id = %(vehicle_id)s and at >= %(first)s and at < %(before)s
      and (at >= %(since)s or at + span_ms * interval '1 ms' >= %(since)s)
"""


async def buckets(
    conn: Connection,
    vehicle_id: int,
    signal: Signal,
    *,
    since: datetime,
    until: datetime,
    points: int,
    source: int | None = None,
) -> list[Bucket]:
    """Minimum, maximum, mean and last of at most `points` equal buckets; those without a value are absent.

    With `source`, only what the ECU of that J1939 address sent. Raises `ConflictError` where the span is
    empty or longer than `LONGEST`.
    """
    span = until - since
    if not timedelta(0) < span <= LONGEST:
        raise ConflictError(
            f"a series is read over more than nothing and at most {LONGEST.days} days, asked for {span}"
        )
    since_us, until_us = us_of(since), us_of(until)
    points = min(max(points, 1), MOST_POINTS)
    found = _Buckets.none(points)
    async for t_us, value in _samples(conn, vehicle_id, signal.number, since, until, source):
        inside = (t_us >= since_us) & (t_us < until_us)
        bucket = (t_us[inside] - since_us) * points // (until_us - since_us)
        found.add(bucket, t_us[inside], value[inside])
    there = np.flatnonzero(found.n)
    at_us = since_us + there * (until_us - since_us) // points
    columns = (found.n, found.minimum, found.maximum, found.total / np.maximum(found.n, 1), found.last)
    return [
        Bucket(at_of(at), *row)
        for at, *row in zip(at_us.tolist(), *(one[there].tolist() for one in columns), strict=True)
    ]


@dataclass(slots=True)
class _Buckets:
    """What has been seen in each bucket."""

    n: NDArray[np.int64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    total: NDArray[np.float64]
    last: NDArray[np.float64]
    last_us: NDArray[np.int64]

    @classmethod
    def none(cls, points: int) -> "_Buckets":
        """Nothing yet."""
        return cls(
            n=np.zeros(points, np.int64),
            minimum=np.full(points, np.inf),
            maximum=np.full(points, -np.inf),
            total=np.zeros(points),
            last=np.zeros(points),
            last_us=np.full(points, np.iinfo(np.int64).min),
        )

    def add(self, bucket: NDArray[np.int64], t_us: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Some more values."""
        if not len(value):
            return
        order = np.argsort(t_us, kind="stable")
        bucket, t_us, value = bucket[order], t_us[order], value[order]
        starts = np.flatnonzero(np.diff(bucket, prepend=-1))
        ends = np.append(starts[1:], len(bucket)) - 1
        which = bucket[starts]
        self.n[which] += ends + 1 - starts
        self.minimum[which] = np.minimum(self.minimum[which], np.minimum.reduceat(value, starts))
        self.maximum[which] = np.maximum(self.maximum[which], np.maximum.reduceat(value, starts))
        self.total[which] += np.add.reduceat(value, starts)
        newer = t_us[ends] >= self.last_us[which]
        self.last[which[newer]] = value[ends[newer]]
        self.last_us[which[newer]] = t_us[ends[newer]]


async def _samples(
    conn: Connection, vehicle_id: int, number: int, since: datetime, until: datetime, source: int | None
) -> AsyncIterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Moments and values of segments that reach into the span, by slices of about as many bytes."""
    first, step = since - _MESSAGE, _FIRST_SLICE
    while first < until:
        before = min(first + step, until)
        wanted = {"vehicle_id": vehicle_id, "first": first, "before": before, "since": since}
        cur = await conn.execute(BODIES, wanted, binary=True)
        at, sizes, bodies = await cur.fetchone() or (None, None, None)
        size = len(bodies or b"")
        if bodies is not None:
            each, _ = arrays.read([sizes], ">i4")
            values = await unpacked.read_joined(conn, bodies, each.astype(np.int64), signals=[number])
            mine: Any = slice(None) if source is None else values.source == source
            at_us = arrays.read([at], ">i8")[0] + arrays.EPOCH_US
            yield at_us[values.body[mine]] + values.dt_us[mine], values.value[mine]
        grown = step * min(_SLICE_BYTES / max(size, 1), _GROWTH)
        first, step = before, max(_SHORTEST_SLICE, min(grown, _LONGEST_SLICE))
