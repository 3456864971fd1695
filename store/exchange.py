"""The exchange of what messages were decoded to, within one transaction.

Ingest only ever adds segments; what it derives from them, the latest state and the days, it writes holding
the vehicle's row of `latest`. Whoever derives them anew takes that row first (`store.latest.hold`): every
segment whose effect is in them is visible then, and what comes later is added to what is written now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, LiteralString

from psycopg import sql

from store import arrays, stored_rows
from store.messages import MessageKeys
from store.pool import Connection
from vehicle import odometer

DROP_SEGMENTS: Final = """
    delete from segment s
    using unnest(%(boot)s, %(life)s, %(seq)s) as k (boot, life, seq)
    where s.vehicle_id = %(vehicle_id)s and s.boot = k.boot and s.life = k.life and s.seq = k.seq
      and s.codebook_id = any(%(books)s)
      and s.at between %(earliest)s and %(latest)s
"""
RENAME_SEGMENTS: Final = """
    update segment s set codebook_id = %(book)s
    from unnest(%(boot)s, %(life)s, %(seq)s) as k (boot, life, seq)
    where s.vehicle_id = %(vehicle_id)s and s.boot = k.boot and s.life = k.life and s.seq = k.seq
      and s.codebook_id = any(%(books)s)
      and s.at between %(earliest)s and %(latest)s
"""
RENAME_FRAMES: Final = """
    update raw_frame r set codebook_id = %(book)s
    from unnest(%(boot)s, %(life)s, %(seq)s) as k (boot, life, seq)
    where r.vehicle_id = %(vehicle_id)s and r.boot = k.boot and r.life = k.life and r.seq = k.seq
      and r.at between %(since)s and %(until)s
"""
DROP_FRAMES: Final = """
    delete from raw_frame r
    using unnest(%(boot)s, %(life)s, %(seq)s) as k (boot, life, seq)
    where r.vehicle_id = %(vehicle_id)s and r.boot = k.boot and r.life = k.life and r.seq = k.seq
      and r.at between %(since)s and %(until)s
"""


@dataclass(frozen=True, slots=True)
class Span:
    """From the first message's beginning to the last frame of all, both included."""

    since: datetime
    until: datetime
    books: Sequence[int]
    """What decoded the values in question: a message has segments of its diagnostic answers, too."""


async def drop_segments(conn: Connection, keys: MessageKeys, span: Span) -> None:
    """Take out what is stored of messages of one vehicle."""
    await _of_messages(conn, DROP_SEGMENTS, keys, span)


async def rename(conn: Connection, keys: MessageKeys, span: Span, *, book: int) -> None:
    """Say of messages of one vehicle that this version has decoded them."""
    await _of_messages(conn, RENAME_SEGMENTS, keys, span, book)
    await _of_messages(conn, RENAME_FRAMES, keys, span, book)


async def drop_frames(conn: Connection, keys: MessageKeys, span: Span) -> None:
    """Take out the frames of messages of one vehicle."""
    await _of_messages(conn, DROP_FRAMES, keys, span)


async def _of_messages(
    conn: Connection, statement: LiteralString, keys: MessageKeys, span: Span, book: int | None = None
) -> None:
    if not len(keys):
        return
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            sql.SQL(statement),
            {
                "vehicle_id": int(keys.vehicle_id[0]),
                "boot": arrays.int8s(keys.boot),
                "life": arrays.int2s(keys.life),
                "seq": arrays.int8s(keys.seq),
                "since": span.since,
                "until": span.until,
                "book": book,
                "books": list(span.books),
                "earliest": span.since - stored_rows.MARGIN,  # summed in SQL, it would leave no chunk out
                "latest": span.until + stored_rows.MARGIN,
            },
        )


HOLDING: Final = """
    select least(%(first)s::date, min(day)), greatest(%(last)s::date, max(day))
    from odometer_day
    where vehicle_id = %(vehicle_id)s and day between %(first)s::date - 2 and %(last)s::date + 2
      and first_at <= %(until)s and last_at >= %(since)s
"""


async def days_holding(
    conn: Connection, vehicle_id: int, *, first: date, last: date, since: datetime, until: datetime
) -> tuple[date, date]:
    """The days whose odometers hold moments of a span, both included; `first` and `last` at least.

    Others than these do where days were stored before the vehicle was given another time zone.
    """
    span = {"vehicle_id": vehicle_id, "first": first, "last": last, "since": since, "until": until}
    row = await (await conn.execute(HOLDING, span)).fetchone()
    assert row is not None
    return row[0], row[1]


FORGET_DAYS: Final = """
    delete from vehicle_day
    where vehicle_id = %(vehicle_id)s and day between %(first)s and %(last)s
    returning day - date '1970-01-01', known_at
"""


async def forget_days(conn: Connection, vehicle_id: int, *, first: date, last: date) -> dict[int, datetime]:
    """Take out a vehicle's days, both included; per day since 1970-01-01 when it was last added to.

    The caller holds the vehicle's row of `latest` and writes them anew.
    """
    cur = await conn.execute(FORGET_DAYS, {"vehicle_id": vehicle_id, "first": first, "last": last})
    return {int(day): known_at for day, known_at in await cur.fetchall()}


FORGET_ODOMETERS: Final = """
    with untold as (
        select exists (
            select from odometer_day
            where vehicle_id = %(vehicle_id)s and day between %(first)s and %(last)s and source = %(untold)s
        ) as is_untold
    )
    delete from odometer_day d using untold u
    where d.vehicle_id = %(vehicle_id)s and d.day between %(first)s and %(last)s
      and (d.source = %(can)s or d.source >= %(j1939)s
           or u.is_untold and d.source = any(%(merged)s::smallint[]))
    returning d.day - date '1970-01-01', d.known_at, u.is_untold
"""


async def forget_odometers(
    conn: Connection, vehicle_id: int, *, first: date, last: date
) -> tuple[dict[int, datetime], bool]:
    """Take out what frames showed of a vehicle's odometers on some days, both included.

    Where a day was stored before sources were told apart, also what the T-Box itself said; then the second
    answer is true. The first is when each day (since 1970-01-01) was last added to.
    """
    cur = await conn.execute(
        FORGET_ODOMETERS,
        {
            "vehicle_id": vehicle_id,
            "first": first,
            "last": last,
            "untold": odometer.UNTOLD,
            "can": odometer.CAN,
            "j1939": odometer.J1939_VD,
            "merged": [odometer.UNTOLD, odometer.SIGNALS, odometer.HIGH_RESOLUTION],
        },
    )
    known: dict[int, datetime] = {}
    is_untold = False
    for day, known_at, was_untold in await cur.fetchall():
        known[day] = max(known_at, known.get(day, known_at))
        is_untold |= was_untold
    return known, is_untold
