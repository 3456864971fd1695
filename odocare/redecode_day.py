"""One day of a vehicle, decoded again from its stored frames, and what was stored of it exchanged."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from decoders import difference
from decoders.codebook import Codebook
from decoders.difference import Change
from ingest import admitted, newest, samples
from ingest.admitted import Admitted, Decoded
from ingest.lexicon import Lexicon
from odocare import rederiving, stored_messages
from odocare.rederiving import Exchanged
from store import exchange, latest, raw_frames, segments, stored_rows
from store.exchange import Span
from store.latest import Readings
from store.messages import MessageKeys
from store.pool import Connection
from store.raw_frames import RawFrames
from store.vehicles import VehicleRef
from vehicle.day import at_of
from vehicle.frame import SignalRows


@dataclass(slots=True)
class Found:
    """What decoding a day again has found."""

    messages_n: int = 0
    changed_n: int = 0
    """Messages that have other values now."""
    hidden_n: int = 0
    """Frames that turn out to carry a position which must not be stored."""
    changes: dict[int, Change] = field(default_factory=dict)
    """By `Signal.number`."""

    def add(self, changes: Mapping[int, Change]) -> None:
        """Count what became of some messages' signals."""
        for signal, change in changes.items():
            self.changes[signal] = self.changes.get(signal, Change()) + change


@dataclass(frozen=True, slots=True)
class Again:
    """With what a day is decoded again."""

    codebook: Codebook
    lexicon: Lexicon
    books: tuple[int, ...]
    """Stored numbers of the versions whose messages are decoded again."""
    book: int | None
    """Stored number of the codebook's own version; None: nothing is exchanged, only told."""
    now: datetime


async def decode_day(
    conn: Connection, vehicle: VehicleRef, since: datetime, until: datetime, again: Again
) -> Found:
    """Decode the messages that began from `since` until before `until`. Needs a transaction."""
    day = _Day(conn, vehicle, again)
    async for portion in raw_frames.spanning(conn, vehicle.id, since=since, until=until, books=again.books):
        await day.portion(portion)
    await day.derive()
    return day.found


class _Day:
    """A day on its way, a portion of its messages after the other."""

    def __init__(self, conn: Connection, vehicle: VehicleRef, again: Again) -> None:
        self._conn = conn
        self._vehicle = vehicle
        self._again = again
        self.found = Found()
        self._moments: list[int] = []
        """First and last of the values that were or are there, of messages that have other values now."""
        self._seen_us = 0
        self._readings: list[Readings] = []

    async def portion(self, portion: Sequence[RawFrames]) -> None:
        """Hold some messages against what is stored of them, and exchange it."""
        batch = stored_messages.batch(
            self._vehicle, portion, [self._again.codebook] * len(portion), self._again.lexicon
        )
        decoded = await asyncio.to_thread(stored_messages.decode, batch, self._again.lexicon)
        first_us, last_us = portion[0].t0_us, stored_messages.last_frame_us(batch)
        stored = await stored_rows.of_messages(
            self._conn, batch.keys, self._again.books, since_us=first_us, until_us=last_us
        )
        before = stored.rows
        found = await asyncio.to_thread(difference.compare, before, decoded.rows)
        self.found.messages_n += len(batch)
        self.found.changed_n += len(found.messages)
        self.found.hidden_n += sum(int(mask.sum()) for mask in decoded.hidden.values())
        self.found.add(found.by_signal)
        if self._again.book is not None:
            span = Span(at_of(first_us), at_of(last_us), self._again.books)
            await self._exchange(batch, before, decoded, found.messages, span, self._again.book)

    async def derive(self) -> None:
        """Write anew what follows from values that were exchanged."""
        if self._moments:
            exchanged = Exchanged(min(self._moments), max(self._moments), self._seen_us, self._readings)
            await rederiving.derive(
                self._conn, self._vehicle, exchanged, self._again.lexicon, now=self._again.now
            )

    async def _exchange(
        self,
        batch: Admitted,
        before: SignalRows,
        decoded: Decoded,
        changed: NDArray[np.int64],
        span: Span,
        book: int,
    ) -> None:
        is_changed = np.zeros(len(batch), dtype=np.bool_)
        is_changed[changed] = True
        after = samples.pick(decoded.rows, is_changed[decoded.rows.message])
        await exchange.drop_segments(self._conn, _some(batch.keys, changed), span)
        sheets = [one.kept(is_changed[one.rows.message]) for one in decoded.sheets]
        await segments.append(self._conn, batch.keys, [book] * len(batch), samples.empty(), sheets)
        await exchange.rename(self._conn, batch.keys, span, book=book)
        await self._hide(batch, decoded, span, book)
        for rows in (samples.pick(before, is_changed[before.message]), after):
            if len(rows):
                self._moments += (int(rows.t_us.min()), int(rows.t_us.max()))
        self._seen_us = max(self._seen_us, int(after.t_us.max(initial=0)))
        mine = newest.readings(batch, after, self._again.lexicon)
        self._readings = [latest.newest(latest.joined([*self._readings, mine]))]

    async def _hide(self, batch: Admitted, decoded: Decoded, span: Span, book: int) -> None:
        """Take out frames that turn out to carry positions which must not be stored."""
        if not decoded.hidden:
            return
        numbers = np.array(sorted(decoded.hidden), dtype=np.int64)
        left = admitted.raw_frames(batch, decoded, [book] * len(batch))
        await exchange.drop_frames(self._conn, _some(batch.keys, numbers), span)
        await raw_frames.append(self._conn, [left[number] for number in numbers.tolist()])


def _some(keys: MessageKeys, numbers: NDArray[np.int64]) -> MessageKeys:
    return MessageKeys(keys.vehicle_id[numbers], keys.boot[numbers], keys.life[numbers], keys.seq[numbers])
