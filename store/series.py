"""A signal of one vehicle over time, down-sampled in the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg.rows import class_row

from store.pool import Connection
from vehicle.errors import ConflictError
from vehicle.signal import Signal

LONGEST: Final = timedelta(days=92)
"""The longest span that is read at once."""
MOST_POINTS: Final = 2_000
_MESSAGE: Final = timedelta(days=1)
"""A message spans a day at most (see `segment`), so this bounds the chunks that are read."""


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


SERIES: Final = """
    with piece as (
        select s.at, s.dt_us, s.value, g.n,
               (select coalesce(sum(b.n), 0)::integer
                from unnest(s.samples) with ordinality b (n, k) where b.k < g.k) as before
        from segment s
        cross join lateral unnest(s.signal, s.samples) with ordinality g (number, n, k)
        where s.vehicle_id = %(vehicle_id)s and g.number = %(signal)s
          and s.at >= %(earliest)s and s.at < %(until)s and s.until >= %(since)s
    ), sample as (
        select p.at + make_interval(secs => o.dt_us / 1e6) as at, o.value
        from piece p
        cross join lateral unnest(
            p.dt_us[p.before + 1 : p.before + p.n], p.value[p.before + 1 : p.before + p.n]
        ) o (dt_us, value)
    )
    select %(since)s::timestamptz + bucket * %(width)s::interval as at, count(*) as n,
           min(value) as minimum, max(value) as maximum, avg(value) as mean,
           last(value, sample_at) as last
    from (
        select floor(extract(epoch from at - %(since)s::timestamptz)
                     / extract(epoch from %(width)s::interval))::integer as bucket,
               value, at as sample_at
        from sample
        where at >= %(since)s and at < %(until)s
    ) b
    group by bucket
    order by bucket
"""


async def buckets(
    conn: Connection, vehicle_id: int, signal: Signal, *, since: datetime, until: datetime, points: int
) -> list[Bucket]:
    """Minimum, maximum, mean and last of at most `points` equal buckets; those without a value are absent.

    Raises `ConflictError` where the span is empty or longer than `LONGEST`.
    """
    span = until - since
    if not timedelta(0) < span <= LONGEST:
        raise ConflictError(
            f"a series is read over more than nothing and at most {LONGEST.days} days, asked for {span}"
        )
    wanted = {
        "vehicle_id": vehicle_id,
        "signal": signal.number,
        "since": since,
        "until": until,
        "earliest": since - _MESSAGE,
        "width": span / min(max(points, 1), MOST_POINTS),
    }
    async with conn.cursor(row_factory=class_row(Bucket)) as cur:
        await cur.execute(SERIES, wanted)
        return await cur.fetchall()
