"""What odometers showed on a vehicle's days, derived anew after values out of frames were exchanged.

Who counted a reading stands in its segment, as the address of its frame's sender; where it was stored before
that was so, it comes out of the frames again. Only sources that frames have are written anew, except where a
day was stored before sources were told apart.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders.codebook import Codebook
from decoders.plan import Plan
from ingest import odometers as readings
from ingest.lexicon import Lexicon
from maintenance import odometer_days
from odocare import stored_messages
from store import exchange, odometers, raw_frames, redecode, stored_rows
from store.pool import Connection
from store.raw_frames import RawFrames
from store.stored_rows import Reach, Stored
from store.vehicles import VehicleRef
from vehicle import odometer
from vehicle.day import us_of
from vehicle.frame import SignalRows
from vehicle.odometer import OdometerDays, OdometerSamples
from vehicle.sheet import NO_SOURCE

_EPOCH: Final = date(1970, 1, 1)
_LONGEST: Final = timedelta(microseconds=1 << 32)
"""Frames of a message lie at most so far behind its beginning: `dt_us` has 32 bits."""


@dataclass(frozen=True, slots=True)
class _Days:
    """Days of a vehicle on their way."""

    conn: Connection
    vehicle: VehicleRef
    first: date
    last: date
    known: Mapping[int, datetime]
    """Day since 1970-01-01 to when it was last added to."""
    now: datetime
    """For days that had nothing."""
    lexicon: Lexicon


async def derive(
    conn: Connection, vehicle: VehicleRef, first: date, last: date, lexicon: Lexicon, *, now: datetime
) -> None:
    """Write those days anew, both included. The caller holds the vehicle's row of `latest`."""
    zone = lexicon.zone(vehicle.tz)
    since = datetime.combine(first, time.min, zone)
    before = datetime.combine(last + timedelta(days=1), time.min, zone)
    known, is_untold = await exchange.forget_odometers(conn, vehicle.id, first=first, last=last)
    days = _Days(conn, vehicle, first, last, known, now, lexicon)
    stored = await redecode.books(conn)
    books = _books(stored, lexicon)
    frames = raw_frames.spanning(conn, vehicle.id, since=since - _LONGEST, until=before, books=list(books))
    async for portion in frames:
        present = [one for one in portion if _book(one, books).is_present]
        past = [one for one in portion if not _book(one, books).is_present]
        for part, merge in ((present, _merge_present), (past, _merge_past)):
            if part:
                await merge(days, part, books)
    reach = Reach(vehicle.id, us_of(since), us_of(before))
    wanted = [lexicon.daily.odometer, lexicon.daily.high_resolution, lexicon.daily.speed]
    for number, book in books.items():
        async for found in stored_rows.without_frames(conn, reach, books=[number], signals=wanted):
            await _merge_rows(days, found.rows, _told(found, book, lexicon))
    gone = [number for number, _, _ in stored if number not in books]
    if gone:
        async for found in stored_rows.spanning(conn, reach, signals=wanted, books=gone):
            await _merge_rows(days, found.rows, _told(found, None, lexicon))
    if is_untold:
        async for found in stored_rows.of_signals(conn, reach, signals=wanted):
            await _merge_rows(days, found.rows, None)


@dataclass(frozen=True, slots=True)
class _Book:
    """A content of a codebook that has decoded something."""

    codebook: Codebook
    """Its present content."""
    is_present: bool
    """It is this one."""

    @property
    def untold_source(self) -> int:
        """Whose readings are, as far as that is known without the frame."""
        return odometer.UNTOLD if self.codebook.matches_pgn else odometer.CAN


def _told(found: Stored, book: _Book | None, lexicon: Lexicon) -> NDArray[np.int16]:
    """Who counted each row, as far as its segment says; the group is that which a codebook has the signal in.

    Of a codebook that is gone, the plain distance counts as of FEE0 and the fine one as of FEC1.
    """
    fine = [lexicon.daily.high_resolution]
    if book is not None:
        counters = (lexicon.daily.odometer, lexicon.daily.high_resolution)
        fine = [number for number in counters if not _is_plain(book.codebook.plan, number)]
    group = np.where(np.isin(found.rows.signal, fine), odometer.J1939_VDHR, odometer.J1939_VD)
    untold = odometer.UNTOLD if book is None else book.untold_source
    return np.where(found.source == NO_SOURCE, untold, group + found.source).astype(np.int16)


def _is_plain(plan: Plan, number: int) -> bool:
    """Whether a signal stands in the group of the plain vehicle distance."""
    rows = np.flatnonzero(plan.number == number)
    if plan.lookup.group is None or not len(rows):
        return False
    layouts = np.flatnonzero((plan.rows.first <= rows[0]) & (rows[0] < plan.rows.first + plan.rows.count))
    return bool(plan.owner[layouts[0]] == plan.lookup.group[readings.DISTANCE])


def _books(stored: Sequence[tuple[int, str, str]], lexicon: Lexicon) -> dict[int, _Book]:
    """Those of codebooks that are still there, by their stored number."""
    there = lexicon.codebooks.codebooks
    return {
        number: _Book(there[name], there[name].version == version)
        for number, name, version in stored
        if name in there
    }


def _book(one: RawFrames, books: Mapping[int, _Book]) -> _Book:
    assert one.codebook_id is not None
    return books[one.codebook_id]


async def _merge_present(days: _Days, portion: list[RawFrames], books: Mapping[int, _Book]) -> None:
    """Readings of messages that the present contents decoded: the frames still say what is stored."""
    rows, shown = await _decoded(days, portion, books)
    await _merge(days, shown, rows)


async def _merge_past(days: _Days, portion: list[RawFrames], books: Mapping[int, _Book]) -> None:
    """Readings of messages that another content decoded: as they are stored; the frames say who counted."""
    _, shown = await _decoded(days, portion, books)
    stored = await stored_rows.of_messages(
        days.conn,
        raw_frames.keys_of(portion),
        list(books),
        since_us=portion[0].t0_us,
        until_us=portion[-1].t0_us + _LONGEST // timedelta(microseconds=1),
    )
    rows = stored.rows
    told: dict[tuple[int, int], list[int]] = {}
    for message, t_us, source in zip(
        shown.message.tolist(), shown.t_us.tolist(), shown.source.tolist(), strict=True
    ):
        told.setdefault((message, t_us), []).append(source)
    mine = readings.counted(rows, days.lexicon)
    sources = np.zeros(len(rows), dtype=np.int16)
    for one in set(rows.message[mine].tolist()):
        here = rows.message == one
        sources[here] = _told(stored, _book(portion[one], books), days.lexicon)[here]
    for place in mine[stored.source[mine] == NO_SOURCE].tolist():
        message = int(rows.message[place])
        waiting = told.get((message, int(rows.t_us[place])))
        sources[place] = waiting.pop(0) if waiting else _book(portion[message], books).untold_source
    await _merge_rows(days, rows, sources)


async def _decoded(
    days: _Days, portion: list[RawFrames], books: Mapping[int, _Book]
) -> tuple[SignalRows, OdometerSamples]:
    """All values by the present contents, and the odometers among them that frames have."""
    contents = [_book(one, books).codebook for one in portion]
    batch = stored_messages.batch(days.vehicle, portion, contents, days.lexicon)
    decoded = await asyncio.to_thread(stored_messages.decode, batch, days.lexicon)
    shown = decoded.odometer
    mine = (shown.source == odometer.CAN) | (shown.source >= odometer.J1939_VD)
    return decoded.rows, OdometerSamples(
        shown.message[mine], shown.t_us[mine], shown.source[mine], shown.km[mine]
    )


async def _merge_rows(days: _Days, rows: SignalRows, sources: NDArray[np.int16] | None) -> None:
    """Readings out of segments, of a source each; None: of the T-Box's own."""
    if not len(rows):
        return
    kinds = ["signals"] * (int(rows.message[-1]) + 1)
    shown = readings.of_rows(rows, kinds, days.lexicon)
    if sources is not None:
        mine = readings.counted(rows, days.lexicon)
        shown = OdometerSamples(shown.message, shown.t_us, sources[mine], shown.km)
    await _merge(days, shown, rows)


async def _merge(days: _Days, shown: OdometerSamples, rows: SignalRows) -> None:
    if not len(shown):
        return
    messages_n = int(max(shown.message.max(), rows.message[-1])) + 1
    found = await asyncio.to_thread(
        odometer_days.odometer_days,
        shown,
        rows,
        days.lexicon.daily.speed,
        np.full(messages_n, days.vehicle.id, dtype=np.int64),
        np.zeros(messages_n, dtype=np.int64),
        [days.lexicon.zone(days.vehicle.tz)],
    )
    for day in range((days.first - _EPOCH).days, (days.last - _EPOCH).days + 1):
        mine = found.day == day
        part = OdometerDays(**{one.name: getattr(found, one.name)[mine] for one in fields(OdometerDays)})
        await odometers.merge(days.conn, part, known_at=days.known.get(day, days.now))
