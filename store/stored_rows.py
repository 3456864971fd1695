"""Segments back as rows of values: of named messages, or of a vehicle over a span, a portion at a time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, LiteralString

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from store import arrays
from store.messages import MessageKeys
from store.pool import Connection
from vehicle.day import at_of
from vehicle.frame import SignalRows

PORTION_VALUES: Final = 200_000
"""A portion is full with so many values, more or less: 26 bytes each."""
_FETCHED: Final = 50
_VALUE_BYTES: Final = 12
"""Of a value with its length, as an array is sent."""
_MESSAGE: Final = timedelta(days=1)
"""A message spans a day at most (see `segment`), so this bounds the chunks that are read."""

MARGIN: Final = timedelta(minutes=10)
"""A value may be dated by a frame of the message before, where its payload took several, seconds apart."""

OF_MESSAGES: Final = """
    select k.number, (extract(epoch from s.at) * 1000000)::bigint,
           array_send(s.signal), array_send(s.samples), array_send(s.dt_us), array_send(s.value)
    from segment s
    join unnest(%(boot)s, %(life)s, %(seq)s) with ordinality as k (boot, life, seq, number)
        using (boot, life, seq)
    where s.vehicle_id = %(vehicle_id)s and s.codebook_id = any(%(books)s)
      and s.at between %(since)s::timestamptz - %(margin)s and %(until)s::timestamptz + %(margin)s
    order by k.number, s.at
"""
SPANNING: Final = """
    select 0, (extract(epoch from s.at) * 1000000)::bigint,
           array_send(s.signal), array_send(s.samples), array_send(s.dt_us), array_send(s.value)
    from segment s
    where s.vehicle_id = %(vehicle_id)s
      and s.at >= %(earliest)s and s.at < %(before)s and s.until >= %(since)s
      and (%(signals)s::smallint[] is null or s.signal && %(signals)s::smallint[])
      and (%(books)s::integer[] is null or s.codebook_id = any(%(books)s::integer[]))
    order by s.at, s.boot, s.life, s.seq
"""
WITHOUT_FRAMES: Final = """
    with kept as (
        select boot, life, seq from raw_frame
        where vehicle_id = %(vehicle_id)s and at >= %(earliest)s and at < %(before)s
    )
    select 0, (extract(epoch from s.at) * 1000000)::bigint,
           array_send(s.signal), array_send(s.samples), array_send(s.dt_us), array_send(s.value)
    from segment s
    where s.vehicle_id = %(vehicle_id)s
      and s.at >= %(earliest)s and s.at < %(before)s and s.until >= %(since)s
      and s.signal && %(signals)s::smallint[] and s.codebook_id = any(%(books)s)
      and not exists (select from kept k where (k.boot, k.life, k.seq) = (s.boot, s.life, s.seq))
    order by s.at, s.boot, s.life, s.seq
"""
OF_SIGNALS: Final = """
    select 0, (extract(epoch from s.at) * 1000000)::bigint,
           array_send(s.signal), array_send(s.samples), array_send(s.dt_us), array_send(s.value)
    from segment s
    where s.vehicle_id = %(vehicle_id)s
      and s.at >= %(earliest)s and s.at < %(before)s and s.until >= %(since)s
      and s.signal && %(signals)s::smallint[] and s.codebook_id is null and s.boot >= 0
      and not exists (
        select from message m
        where (m.vehicle_id, m.boot, m.seq, m.life) = (s.vehicle_id, s.boot, s.seq, s.life)
          and m.kind <> 'signals'
      )
      and not exists (
        select from ledger_range r
        where (r.vehicle_id, r.boot, r.life) = (s.vehicle_id, s.boot, s.life) and r.others @> s.seq
      )
    order by s.at, s.boot, s.life, s.seq
"""
EARLIEST: Final = """
    select (extract(epoch from at) * 1000000)::bigint
    from segment where vehicle_id = %(vehicle_id)s and at < %(before)s order by at limit 1
"""

_Row = tuple[int, int, bytes, bytes, bytes, bytes]


async def of_messages(
    conn: Connection, keys: MessageKeys, books: Sequence[int], *, since_us: int, until_us: int
) -> SignalRows:
    """What these contents of codebooks decoded of CAN messages of one vehicle, at least one.

    `rows.message` counts as `keys` does. The span reaches from the first message's beginning to the last
    frame of all.
    """
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            OF_MESSAGES,
            {
                "vehicle_id": int(keys.vehicle_id[0]),
                "books": list(books),
                "boot": arrays.int8s(keys.boot),
                "life": arrays.int2s(keys.life),
                "seq": arrays.int8s(keys.seq),
                "since": at_of(since_us),
                "until": at_of(until_us),
                "margin": MARGIN,
            },
            binary=True,
        )
        return _ordered(_rows([(number - 1, *rest) for number, *rest in await cur.fetchall()]))


@dataclass(frozen=True, slots=True)
class Reach:
    """A span of a vehicle's time."""

    vehicle_id: int
    since_us: int
    before_us: int
    """Exclusive."""

    @property
    def parameters(self) -> dict[str, Any]:
        """For statements that look for segments which reach into it."""
        return {
            "vehicle_id": self.vehicle_id,
            "since": at_of(self.since_us),
            "earliest": at_of(self.since_us) - _MESSAGE,
            "before": at_of(self.before_us),
        }


def spanning(
    conn: Connection,
    reach: Reach,
    *,
    signals: Sequence[int] | None = None,
    books: Sequence[int] | None = None,
) -> AsyncIterator[SignalRows]:
    """Whole segments that reach into a span, in portions; `rows.message` numbers a portion's.

    With `signals`, only segments that have one of them; with `books`, only what these contents of codebooks
    decoded. Needs a transaction.
    """
    return _portions(
        conn,
        SPANNING,
        reach,
        signals=None if signals is None else list(signals),
        books=None if books is None else list(books),
    )


def without_frames(
    conn: Connection, reach: Reach, *, books: Sequence[int], signals: Sequence[int]
) -> AsyncIterator[SignalRows]:
    """The same of CAN messages that these contents of codebooks decoded and whose frames are gone."""
    return _portions(conn, WITHOUT_FRAMES, reach, signals=list(signals), books=list(books))


def of_signals(conn: Connection, reach: Reach, *, signals: Sequence[int]) -> AsyncIterator[SignalRows]:
    """The same of messages that the T-Box decoded itself, as far as the ledger remembers their kind."""
    return _portions(conn, OF_SIGNALS, reach, signals=list(signals))


async def _portions(
    conn: Connection, statement: LiteralString, reach: Reach, **parameters: object
) -> AsyncIterator[SignalRows]:
    portion: list[_Row] = []
    values = 0
    async with conn.cursor(name="stored_rows", binary=True) as cur:
        cur.itersize = _FETCHED
        await cur.execute(sql.SQL(statement), reach.parameters | parameters)
        async for _, at_us, signal, samples, dt_us, value in cur:
            portion.append((len(portion), at_us, signal, samples, dt_us, value))
            values += len(value) // _VALUE_BYTES
            if values >= PORTION_VALUES:
                yield _rows(portion)
                portion, values = [], 0
    if portion:
        yield _rows(portion)


async def earliest_us(conn: Connection, vehicle_id: int, *, before_us: int) -> int | None:
    """When the first segment of a vehicle begins, if that is before a moment."""
    cur = await conn.execute(EARLIEST, {"vehicle_id": vehicle_id, "before": at_of(before_us)})
    row = await cur.fetchone()
    return None if row is None else int(row[0])


def _rows(given: Sequence[_Row]) -> SignalRows:
    """Long form; (number of the message, start, arrays as sent) per segment."""
    signal, _ = arrays.read([row[2] for row in given], ">i2")
    samples, _ = arrays.read([row[3] for row in given], ">i4")
    dt_us, sizes = arrays.read([row[4] for row in given], ">i8")
    value, _ = arrays.read([row[5] for row in given], ">f8")
    at_us = np.array([row[1] for row in given], dtype=np.int64)
    number = np.array([row[0] for row in given], dtype=np.int32)
    return SignalRows(
        message=np.repeat(number, sizes),
        t_us=np.repeat(at_us, sizes) + dt_us,
        signal=np.repeat(signal, samples),
        value=value,
    )


def _ordered(rows: SignalRows) -> SignalRows:
    """By message, signal and time, also where a message has a second segment."""
    order: NDArray[Any] = np.lexsort((rows.t_us, rows.signal, rows.message))
    return SignalRows(rows.message[order], rows.t_us[order], rows.signal[order], rows.value[order])
