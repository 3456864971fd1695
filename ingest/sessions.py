"""Transport across messages: what one message leaves open goes on in the next (J1939-21, ISO 15765-2).

What a message's frames say depends on what was open before it, so its neighbours by sequence number matter,
not the order of arrival: when a message comes late, the stored ones behind it are read again from their raw
frames, as long as that changes something. Over a missing message nothing goes on: frames are missing, and
what lies on both sides could be put together to something that was never sent. So a message that comes late
only adds payloads and never takes one back, and the same messages in any order end in the same rows.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders import frames, isotp, isotp_carry, j1939
from decoders.diagnostics import Diagnostics
from decoders.isotp import IsoTpMessage
from decoders.j1939 import Carry, TransportMessage
from decoders.message import CanMessage, Envelope
from ingest.admitted import Admitted, Decoded
from ingest.heard import Heard, Part, again, collected
from ingest.lexicon import Lexicon
from store import codebooks, raw_frames, transport
from store.pool import Connection
from store.raw_frames import RawFrames
from store.transport import Chain, ChainLink, Start
from vehicle.frame import FrameBatch
from vehicle.vin import Vin

Open = tuple[bytes, bytes]
"""What a message leaves open: J1939 transfers, ISO-TP payloads and requests."""
_NOTHING: Open = (b"", b"")


async def listen(conn: Connection, batch: Admitted, decoded: Decoded, lexicon: Lexicon) -> Heard:
    """Follow the transports of the batch's frames, and read what was carried.

    The batch must be in the ledger already.
    """
    walk = _Walk(batch, decoded, lexicon)
    starts = _starts(batch)
    quiet = starts.keys() - walk.telling_starts
    active = walk.telling_starts | await transport.unfinished(conn, quiet)
    chains = [Chain(*start, starts[start][0], starts[start][-1]) for start in sorted(active)]
    for chain in _grouped(await transport.around(conn, chains)):
        first = chain[0]
        await walk.follow(conn, chain, starts[first.vehicle_id, first.boot, first.life])
    await transport.keep(conn, walk.changed)
    return collected(batch, decoded, lexicon, walk.heard, walk.transported, walk.payloads)


@dataclass(frozen=True, slots=True)
class _Own:
    """A message of the batch, and where its frames lie."""

    number: int
    joined: FrameBatch
    frames: slice
    in_time: bool

    def part(self) -> FrameBatch:
        """Its frames by time."""
        part = frames.take(self.joined, self.frames)
        return part if self.in_time else frames.take(part, np.argsort(part.t_us, kind="stable"))


class _Walk:
    """One batch's way along the T-Box starts it belongs to."""

    def __init__(self, batch: Admitted, decoded: Decoded, lexicon: Lexicon) -> None:
        self.batch = batch
        self.lexicon = lexicon
        self.of_vehicle = {one.vehicle.id: one for one in batch.messages}
        self.own = {
            batch.key(number): _Own(number, joined, place, joined is decoded.j1939)
            for number, (joined, place) in decoded.frames.items()
        }
        self.transports = _transports(decoded.j1939)
        """Messages that have J1939 transport frames."""
        self.talking = decoded.talking
        """Messages that have diagnostic frames."""
        self.telling_starts = {batch.key(number)[:3] for number in self.transports | self.talking}
        self.transported: list[TransportMessage] = []
        self.payloads: list[tuple[Diagnostics, list[IsoTpMessage]]] = []
        self.changed: list[ChainLink] = []
        self.heard = Heard()

    async def follow(self, conn: Connection, chain: list[ChainLink], new: list[int]) -> None:
        """Walk one T-Box start in sequence; `new` are the batch's numbers in it, rising.

        A stored message was read with what its neighbour left open, or with nothing while that or anything
        between them was missing. As soon as that is what it would be read with now, it is right as it is.
        """
        waiting = list(reversed(chain))
        now, was, before = _NOTHING, _NOTHING, None
        while waiting:
            link = waiting.pop()
            key = (link.vehicle_id, link.boot, link.life, link.seq)
            stored = (link.carry or b"", link.isotp or b"")
            read_with = was if link.follows and not _any_between(new, before, link.seq) else _NOTHING
            arrives = now if link.follows else _NOTHING
            if key in self.own:
                now = self._read(self.own[key], arrives)
            elif before is not None and arrives != read_with:
                now = await self._read_again(conn, link, read_with, arrives, stored)
            else:
                now = stored
            if now != stored:
                self.changed.append(replace(link, carry=now[0] or None, isotp=now[1] or None))
            if not waiting and key not in self.own and now != stored:
                following = await transport.after(conn, link)
                waiting += [] if following is None else [following]
            was, before = stored, link.seq

    def _read(self, own: _Own, carry: Open) -> Open:
        """Put one message's frames together with what was open; returns what is open after it."""
        transfers, conversations = carry
        part: FrameBatch | None = None
        if transfers or own.number in self.transports:
            part = own.part()
            found = j1939.reassemble(part, Carry.load(transfers))
            self.heard.lost.update(found.lost)
            self.transported += found.messages
            transfers = found.carry.dump()
        by = self.batch.messages[own.number].diagnostics
        if by is not None and (conversations or own.number in self.talking):
            heard = _conversations(part or own.part(), conversations, by)
            self.heard.lost_conversations.update(heard.lost)
            self.heard.payloads_n += len(heard.messages)
            self.payloads.append((by, heard.messages))
            conversations = heard.carry.dump()
        return (transfers, conversations)

    async def _read_again(
        self, conn: Connection, link: ChainLink, before: Open, carry: Open, stored: Open
    ) -> Open:
        """Read a stored message with what is open now; where its frames are gone it stays as it is."""
        kept = await raw_frames.of_message(
            conn, vehicle_id=link.vehicle_id, t0_us=link.t0_us, boot=link.boot, life=link.life, seq=link.seq
        )
        if kept is None:
            return stored
        number = len(self.batch) + len(self.heard.again)
        part = _frames(kept, number)
        asking = self.of_vehicle[link.vehicle_id]
        transfers, conversations = carry
        transported: list[TransportMessage] = []
        speaks_j1939 = await self._speaks_j1939(conn, kept)
        if speaks_j1939:
            found = j1939.reassemble(part, Carry.load(transfers))
            transported, transfers = found.messages, found.carry.dump()
        by = self.lexicon.listening(asking.vehicle)
        was: list[IsoTpMessage] = []
        payloads: list[IsoTpMessage] = []
        if by is not None:
            was = _conversations(part, before[1], by).messages
            heard = _conversations(part, conversations, by)
            payloads, conversations = heard.messages, heard.carry.dump()
        key = (link.vehicle_id, link.boot, link.life, link.seq)
        self.heard.again.append(
            again(
                Part(key, number, part, speaks_j1939=speaks_j1939, diagnostics=by),
                transported,
                payloads,
                was,
                self.lexicon,
            )
        )
        return (transfers, conversations)

    async def _speaks_j1939(self, conn: Connection, kept: RawFrames) -> bool:
        if kept.codebook_id is None:
            return False
        name = (await codebooks.names(conn, [kept.codebook_id])).get(kept.codebook_id)
        book = None if name is None else self.lexicon.codebooks.codebooks.get(name)
        return book is not None and book.matches_pgn


def _conversations(part: FrameBatch, carry: bytes, by: Diagnostics) -> isotp.Reassembled:
    return isotp.reassemble(part, isotp_carry.Carry.load(carry), addressing=by.addressing)


def _any_between(numbers: list[int], before: int | None, last: int) -> bool:
    """Whether the batch has a message from `before` on, itself included, and below `last`."""
    if before is None:
        return False
    place = bisect_right(numbers, before - 1)
    return place < len(numbers) and numbers[place] < last


def _transports(joined: FrameBatch) -> set[int]:
    group = (joined.can_id >> 16) & 0x3FF
    is_transport: NDArray[np.bool_] = joined.is_extended & (
        (group == j1939.TP_CM >> 8) | (group == j1939.TP_DT >> 8)
    )
    return set(np.unique(joined.message[is_transport]).tolist())


def _starts(batch: Admitted) -> dict[Start, list[int]]:
    """The T-Box starts of a batch, with the sequence numbers it brings to each, rising."""
    keys = batch.keys
    columns = (keys.vehicle_id.tolist(), keys.boot.tolist(), keys.life.tolist(), keys.seq.tolist())
    starts: dict[Start, list[int]] = {}
    for number, (vehicle_id, boot, life, seq) in enumerate(zip(*columns, strict=True)):
        if batch.messages[number].arrived.message.kind != "gbt32960":  # has no sequence numbers
            starts.setdefault((vehicle_id, boot, life), []).append(seq)
    return {start: sorted(numbers) for start, numbers in starts.items()}


def _grouped(links: Iterable[ChainLink]) -> list[list[ChainLink]]:
    chains: dict[Start, list[ChainLink]] = {}
    for link in links:
        chains.setdefault((link.vehicle_id, link.boot, link.life), []).append(link)
    return list(chains.values())


def _frames(stored: RawFrames, number: int) -> FrameBatch:
    """The frames of a stored message, by time."""
    message = CanMessage(
        envelope=Envelope(Vin(""), stored.boot, stored.seq, stored.t0_us, ack=False, resent=False),
        dt_us=np.frombuffer(stored.dt_us, "<u4"),
        can_id=np.frombuffer(stored.can_id, "<u4"),
        bus=np.frombuffer(stored.bus, np.uint8),
        length=np.frombuffer(stored.length, np.uint8),
        data=np.frombuffer(stored.data, np.uint8),
    )
    joined = frames.join([message], [number])
    return frames.take(joined, np.argsort(joined.t_us, kind="stable"))
