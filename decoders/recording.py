"""A capture's frames to columns, portion by portion, with what spans many frames put together on the way."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders import can, dm1, isotp, j1939
from decoders.addressing import Addressing
from decoders.columns import Columns
from decoders.frames import take
from decoders.plan import EXTENDED
from decoders.verbatim import FileBook
from vehicle.dtc import DtcReport
from vehicle.frame import FrameBatch

_PAYLOAD_BYTES: Final = 64
"""What a codebook reads of a payload."""
_CLASSIC_BYTES: Final = 8
_PRIORITY: Final = 6
_SHARED_PF: Final = 0xF000
"""Groups below it are sent to one address, which stands in the identifier."""


@dataclass(slots=True)
class Tally:
    """What was found, and what gave no values."""

    frames: int = 0
    payloads: int = 0
    """Put together from several frames."""
    short_frames: int = 0
    no_measurement: int = 0
    out_of_range: int = 0
    unknown_ids: Counter[int] = field(default_factory=Counter)
    """Identifier as on the wire to frames of no message."""
    lost: Counter[str] = field(default_factory=Counter)
    """Transported payloads and frames that could not be used, by reason."""
    first_us: int | None = None
    last_us: int | None = None


@dataclass(slots=True)
class FaultLists:
    """DM1 lists by ECU: how often each was said."""

    said: dict[tuple[str, tuple[tuple[str, int | None], ...], bool | None], int] = field(default_factory=dict)
    """ECU, codes with occurrences, and malfunction lamp, to number of reports."""

    def add(self, reports: Iterable[DtcReport]) -> None:
        """Count reports."""
        for one in reports:
            codes = tuple((reading.dtc.code, reading.occurrences) for reading in one.readings)
            key = (one.ecu, codes, one.mil)
            self.said[key] = self.said.get(key, 0) + 1


@dataclass(slots=True)
class Recording:
    """Decodes the frames of one vehicle, in order of time, batch after batch."""

    book: FileBook
    tally: Tally = field(default_factory=Tally)
    faults: FaultLists = field(default_factory=FaultLists)
    _j1939: dict[int, j1939.Carry] = field(default_factory=dict)
    """By bus."""
    _isotp: isotp.Carry = field(default_factory=isotp.Carry)

    def decode(self, batch: FrameBatch) -> Iterator[tuple[FrameBatch, Columns]]:
        """The values of a batch, and of the payloads that end in it."""
        if len(batch) == 0:
            return
        self._count(batch)
        if self.book.codebook.matches_pgn:
            yield self._columns(batch)
            yield from self._groups(batch)
            return
        if not self.book.transported:
            yield self._columns(batch)
            return
        addressing = Addressing(normal=frozenset(self.book.transported), with_obd=False)
        parts = addressing.carries(batch) & (batch.length <= _CLASSIC_BYTES)
        if not parts.any():
            yield self._columns(batch)
            return
        yield self._columns(take(batch, ~parts))
        yield from self._payloads(take(batch, parts), addressing)

    def close(self) -> None:
        """Count as lost what the last frames left unfinished."""
        unfinished_n = len(self._isotp.sessions) + sum(len(one.sessions) for one in self._j1939.values())
        if unfinished_n:
            self.tally.lost["unfinished"] += unfinished_n
        self._isotp, self._j1939 = isotp.Carry(), {}

    def _count(self, batch: FrameBatch) -> None:
        self.tally.frames += len(batch)
        first, last = int(batch.t_us.min()), int(batch.t_us.max())
        known = [one for one in (self.tally.first_us, self.tally.last_us) if one is not None]
        self.tally.first_us, self.tally.last_us = min([first, *known]), max([last, *known])

    def _columns(self, batch: FrameBatch) -> tuple[FrameBatch, Columns]:
        found = can.columns(batch, self.book.codebook)
        self.tally.short_frames += found.short_frames
        self.tally.no_measurement += found.no_measurement
        self.tally.out_of_range += found.out_of_range
        if len(found.unknown):
            by_pgn = self.book.codebook.matches_pgn
            self.tally.unknown_ids.update(can.unknown_ids(batch, found.unknown, by_pgn=by_pgn))
        return batch, found

    def _groups(self, batch: FrameBatch) -> Iterator[tuple[FrameBatch, Columns]]:
        """J1939-21: groups of more than eight bytes."""
        buses = np.unique(batch.bus).tolist()
        for bus in buses:
            here = batch if len(buses) == 1 else take(batch, batch.bus == bus)
            done = j1939.reassemble(here, self._j1939.get(bus, j1939.Carry()))
            self._j1939[bus] = done.carry
            self.tally.lost.update(done.lost)
            self.tally.payloads += len(done.messages)
            self.faults.add(dm1.reports(here, done.messages))
            others = [one for one in done.messages if one.pgn != j1939.DM1]
            if others:
                yield self._columns(
                    _batch(
                        [one.t_us for one in others],
                        [EXTENDED | _identifier(one) for one in others],
                        [bus] * len(others),
                        [one.data for one in others],
                    )
                )

    def _payloads(self, batch: FrameBatch, addressing: Addressing) -> Iterator[tuple[FrameBatch, Columns]]:
        """ISO 15765-2: the payloads of diagnostic answers."""
        done = isotp.reassemble(batch, self._isotp, addressing=addressing)
        self._isotp = done.carry
        self.tally.lost.update(done.lost)
        self.tally.payloads += len(done.messages)
        if done.messages:
            yield self._columns(
                _batch(
                    [one.t_us for one in done.messages],
                    [one.wire_id for one in done.messages],
                    [one.bus for one in done.messages],
                    [
                        bytes([len(one.data) & 0xFF])[: self.book.transported[one.wire_id]] + one.data
                        for one in done.messages
                    ],
                )
            )


def _identifier(one: j1939.TransportMessage) -> int:
    """What a single frame of this group would have had as its identifier."""
    group = one.pgn | (one.destination_address if one.pgn & 0xFF00 < _SHARED_PF else 0)
    return _PRIORITY << 26 | group << 8 | one.source_address


def _batch(t_us: list[int], wire_id: list[int], bus: list[int], payloads: list[bytes]) -> FrameBatch:
    """Payloads as if each had come in one frame, as far as one goes."""
    ids = np.array(wire_id, np.uint32)
    data = np.zeros((len(payloads), _PAYLOAD_BYTES), np.uint8)
    for row, payload in enumerate(payloads):
        data[row, : len(payload)] = np.frombuffer(payload[:_PAYLOAD_BYTES], np.uint8)
    length: NDArray[np.uint8] = np.array([min(len(one), _PAYLOAD_BYTES) for one in payloads], np.uint8)
    return FrameBatch(
        message=np.zeros(len(ids), np.int32),
        t_us=np.array(t_us, np.int64),
        can_id=ids & np.uint32(0x1FFF_FFFF),
        is_extended=ids >= EXTENDED,
        bus=np.array(bus, np.uint8),
        length=length,
        data=data,
    )
