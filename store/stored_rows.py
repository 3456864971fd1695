"""Segments back as rows of values: of named messages, or of a vehicle over a span, a portion at a time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, LiteralString

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from store import arrays, unpacked
from store.messages import MessageKeys
from store.pool import Connection
from vehicle.day import at_of
from vehicle.frame import SignalRows

PORTION_BYTES: Final = 1 << 18
"""A portion is full with so many bytes of bodies: a value has one or two of them, and 28 when it is read."""
_FETCHED: Final = 200
_MESSAGE: Final = timedelta(days=1)
"""A message spans a day at most (see `segment`), so this bounds the chunks that are read."""

MARGIN: Final = timedelta(minutes=10)
"""A value may be dated by a frame of the message before, where its payload took several, seconds apart."""

OF_MESSAGES: Final = """
    select k.number, (extract(epoch from s.at) * 1000000)::bigint, s.body
    from segment s
    join unnest(%(boot)s, %(life)s, %(seq)s) with ordinality as k (boot, life, seq, number)
        using (boot, life, seq)
    where s.vehicle_id = %(vehicle_id)s and s.codebook_id = any(%(books)s)
      and s.at between %(since)s::timestamptz - %(margin)s and %(until)s::timestamptz + %(margin)s
    order by k.number, s.at
"""
SPANNING: Final = """
    select 0, (extract(epoch from s.at) * 1000000)::bigint, s.body
    from segment s
    where s.vehicle_id = %(vehicle_id)s
      and s.at >= %(earliest)s and s.at < %(before)s and s.at + s.span_ms * interval '1 ms' >= %(since)s
      and (%(books)s::integer[] is null or s.codebook_id = any(%(books)s::integer[]))
    order by s.at, s.boot, s.life, s.seq
"""
WITHOUT_FRAMES: Final = """
    with kept as (
        select boot, life, seq from raw_frame
        where vehicle_id = %(vehicle_id)s and at >= %(earliest)s and at < %(before)s
    )
    select 0, (extract(epoch from s.at) * 1000000)::bigint, s.body
    from segment s
    where s.vehicle_id = %(vehicle_id)s
      and s.at >= %(earliest)s and s.at < %(before)s and s.at + s.span_ms * interval '1 ms' >= %(since)s
      and s.codebook_id = any(%(books)s)
      and not exists (select from kept k where (k.boot, k.life, k.seq) = (s.boot, s.life, s.seq))
    order by s.at, s.boot, s.life, s.seq
"""
OF_SIGNALS: Final = """
    select 0, (extract(epoch from s.at) * 1000000)::bigint, s.body
    from segment s
    where s.vehicle_id = %(vehicle_id)s
      and s.at >= %(earliest)s and s.at < %(before)s and s.at + s.span_ms * interval '1 ms' >= %(since)s
      and s.codebook_id is null and s.boot >= 0
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

_Row = tuple[int, int, bytes]
"""Number of the message, start, body."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Values as they are stored."""

    rows: SignalRows
    source: NDArray[np.int16]
    """Of each row: J1939 address of its frame's sender; `NO_SOURCE` where there is none or nobody knows."""

    def __len__(self) -> int:
        return len(self.source)


async def of_messages(
    conn: Connection, keys: MessageKeys, books: Sequence[int], *, since_us: int, until_us: int
) -> Stored:
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
        return await _stored(conn, [(number - 1, *rest) for number, *rest in await cur.fetchall()])


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
) -> AsyncIterator[Stored]:
    """Segments that reach into a span, in portions; `rows.message` numbers a portion's.

    With `signals`, only values of those; with `books`, only what these contents of codebooks decoded. Needs a
    transaction.
    """
    return _portions(conn, SPANNING, reach, signals, books=None if books is None else list(books))


def without_frames(
    conn: Connection, reach: Reach, *, books: Sequence[int], signals: Sequence[int]
) -> AsyncIterator[Stored]:
    """The same of CAN messages that these contents of codebooks decoded and whose frames are gone."""
    return _portions(conn, WITHOUT_FRAMES, reach, signals, books=list(books))


def of_signals(conn: Connection, reach: Reach, *, signals: Sequence[int]) -> AsyncIterator[Stored]:
    """The same of messages that the T-Box decoded itself, as far as the ledger remembers their kind."""
    return _portions(conn, OF_SIGNALS, reach, signals)


async def _portions(
    conn: Connection,
    statement: LiteralString,
    reach: Reach,
    signals: Sequence[int] | None,
    **parameters: object,
) -> AsyncIterator[Stored]:
    portion: list[_Row] = []
    size = 0
    async with conn.cursor(name="stored_rows", binary=True) as cur:
        cur.itersize = _FETCHED
        await cur.execute(sql.SQL(statement), reach.parameters | parameters)
        async for _, at_us, body in cur:
            portion.append((len(portion), at_us, body))
            size += len(body)
            if size >= PORTION_BYTES:
                if len(found := await _stored(conn, portion, signals)):
                    yield found
                portion, size = [], 0
    if portion and len(found := await _stored(conn, portion, signals)):
        yield found


async def earliest_us(conn: Connection, vehicle_id: int, *, before_us: int) -> int | None:
    """When the first segment of a vehicle begins, if that is before a moment."""
    cur = await conn.execute(EARLIEST, {"vehicle_id": vehicle_id, "before": at_of(before_us)})
    row = await cur.fetchone()
    return None if row is None else int(row[0])


async def _stored(conn: Connection, given: Sequence[_Row], signals: Sequence[int] | None = None) -> Stored:
    """Long form, by message, signal and time, also where a message has a second segment."""
    values = await unpacked.read(conn, [body for _, _, body in given], signals=signals)
    number = np.array([row[0] for row in given], dtype=np.int32)
    at_us = np.array([row[1] for row in given], dtype=np.int64)
    message, t_us = number[values.body], at_us[values.body] + values.dt_us
    order: NDArray[Any] = np.lexsort((t_us, values.signal, message))
    rows = SignalRows(message[order], t_us[order], values.signal[order], values.value[order])
    return Stored(rows, values.source[order])
