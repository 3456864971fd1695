"""J1939 transport across messages: sessions that one message leaves open go on in the next.

What a message's frames say depends on the sessions that were open before it, so its neighbours by sequence
number matter, not the order of arrival: when a message comes late, the stored ones behind it are read
again from their raw frames, as long as that changes something. The same messages in any order end
in the same reports.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from decoders import dm1, frames, j1939
from decoders.j1939 import Carry, TransportMessage
from decoders.message import CanMessage, Envelope
from ingest.admitted import Admitted
from store import raw_frames, transport
from store.pool import Connection
from store.raw_frames import RawFrames
from store.transport import Chain, ChainLink
from vehicle.dtc import DtcReport
from vehicle.frame import FrameBatch
from vehicle.vin import Vin

MessageKey = tuple[int, int, int, int]
"""Vehicle, boot, life, sequence number."""


@dataclass(slots=True)
class Heard:
    """What ECUs reported in DM1, per message."""

    reports: dict[MessageKey, list[DtcReport]] = field(default_factory=dict)
    rejoined: list[MessageKey] = field(default_factory=list)
    """Messages stored earlier whose reports must be replaced by these."""
    lost: Counter[str] = field(default_factory=Counter)
    """Transport sessions and packets that came to nothing, by reason."""


async def listen(conn: Connection, batch: Admitted, joined: FrameBatch) -> Heard:
    """Follow the transport sessions of the batch's J1939 frames (by message and time), and read its DM1.

    The batch must be in the ledger already.
    """
    walk = _Walk(batch, joined)
    if walk.parts:
        for chain in _grouped(await transport.around(conn, _chains(walk.parts))):
            await walk.follow(conn, chain)
        await transport.keep(conn, walk.changed)
        for report in dm1.reports(joined, walk.transported):
            key = batch.key(report.message)
            walk.heard.reports.setdefault(key, []).append(report)
    return walk.heard


class _Walk:
    """One batch's way along the T-Box starts it belongs to."""

    def __init__(self, batch: Admitted, joined: FrameBatch) -> None:
        self.joined = joined
        numbers = [
            number
            for number, one in enumerate(batch.messages)
            if one.codebook is not None and one.codebook.matches_pgn
        ]
        starts = np.searchsorted(joined.message, numbers, side="left").tolist()
        ends = np.searchsorted(joined.message, numbers, side="right").tolist()
        self.parts = {
            batch.key(number): slice(start, end)
            for number, start, end in zip(numbers, starts, ends, strict=True)
        }
        """The batch's messages, and where their frames lie."""
        self.transports_before = np.concatenate([[0], np.cumsum(_is_transport(joined))])
        """Number of transport frames before each frame."""
        self.transported: list[TransportMessage] = []
        self.changed: list[ChainLink] = []
        self.heard = Heard()

    async def follow(self, conn: Connection, chain: list[ChainLink]) -> None:
        """Walk one T-Box start in sequence.

        `before` is what the next stored message was read with when it came, `now` what it should have
        been read with; as soon as they are the same, the rest is right as it is.
        """
        before = now = b""
        waiting = list(reversed(chain))
        while waiting:
            link = waiting.pop()
            key = (link.vehicle_id, link.boot, link.life, link.seq)
            stored = link.carry or b""
            if key in self.parts:
                now = self._read(self.parts[key], now)
            elif before != now and (again := await _raw(conn, link)) is not None:
                now, before = self._read_again(key, again, now), stored
            else:
                before = now = stored
            if now != stored:
                self.changed.append(replace(link, carry=now or None))
            if not waiting and before != now:
                following = await transport.after(conn, link)
                waiting += [] if following is None else [following]

    def _read(self, part: slice, carry: bytes) -> bytes:
        """Put one message's frames together with what was open; returns what is open after it."""
        transports = self.transports_before[part.stop] - self.transports_before[part.start]
        if not carry and not transports:
            return carry
        found = j1939.reassemble(frames.take(self.joined, part), Carry.load(carry))
        self.heard.lost.update(found.lost)
        self.transported += found.messages
        return found.carry.dump()

    def _read_again(self, key: MessageKey, part: FrameBatch, carry: bytes) -> bytes:
        found = j1939.reassemble(part, Carry.load(carry))
        self.heard.rejoined.append(key)
        self.heard.reports[key] = dm1.reports(part, found.messages)
        return found.carry.dump()


def _is_transport(joined: FrameBatch) -> NDArray[np.bool_]:
    group = j1939.pgn(joined.can_id)
    return joined.is_extended & np.isin(group, (j1939.TP_CM, j1939.TP_DT))


def _chains(keys: Iterable[MessageKey]) -> list[Chain]:
    seqs: dict[tuple[int, int, int], list[int]] = {}
    for vehicle_id, boot, life, seq in keys:
        seqs.setdefault((vehicle_id, boot, life), []).append(seq)
    return [Chain(*start, min(mine), max(mine)) for start, mine in sorted(seqs.items())]


def _grouped(links: Iterable[ChainLink]) -> list[list[ChainLink]]:
    chains: dict[tuple[int, int, int], list[ChainLink]] = {}
    for link in links:
        chains.setdefault((link.vehicle_id, link.boot, link.life), []).append(link)
    return list(chains.values())


async def _raw(conn: Connection, link: ChainLink) -> FrameBatch | None:
    stored = await raw_frames.of_message(
        conn,
        vehicle_id=link.vehicle_id,
        t0_us=link.t0_us,
        boot=link.boot,
        life=link.life,
        seq=link.seq,
    )
    return None if stored is None else _frames(stored)


def _frames(stored: RawFrames) -> FrameBatch:
    """The frames of a stored message, by time."""
    message = CanMessage(
        envelope=Envelope(Vin(""), stored.boot, stored.seq, stored.t0_us, ack=False, resent=False),
        dt_us=np.frombuffer(stored.dt_us, "<u4"),
        can_id=np.frombuffer(stored.can_id, "<u4"),
        bus=np.frombuffer(stored.bus, np.uint8),
        length=np.frombuffer(stored.length, np.uint8),
        data=np.frombuffer(stored.data, np.uint8),
    )
    joined = frames.join([message], [0])
    return frames.take(joined, np.argsort(joined.t_us, kind="stable"))
