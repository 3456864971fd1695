"""Records of data identifiers to values: UDS 0x62, its snapshots, and the PIDs of OBD as DIDs from 0xF400."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders import can, did_file
from decoders.codebook import Codebook
from decoders.did_file import Did
from decoders.field import Field
from decoders.identity import Identity, readable
from decoders.plan import EXTENDED, MappedSignal, PlannedMessage, compile_plan
from vehicle.frame import FrameBatch, SignalRows
from vehicle.signal import Catalogue

OBD_DIDS: Final = 0xF400
"""Where the PIDs of J1979 stand among the data identifiers (ISO 14229-1, C.1)."""
DID_BYTES: Final = 2
WINDOW_BYTES: Final = 64
"""A record is read through windows of the widest frame that a plan reads, each beginning 32 bytes after the
one before: a value of at most 64 bits stands whole in one of them, however long the record is."""
_STEP_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Record:
    """The bytes behind one identifier in one answer."""

    message: int
    """Index of the message in its batch."""
    t_us: int
    ecu: str
    did: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Split:
    """An answer's identifiers and their bytes."""

    records: tuple[tuple[int, bytes], ...]
    """The last one may be shorter than its identifier says."""
    unknown: int | None = None
    """The identifier at which reading stopped, because nobody knows how long its record is."""
    rest: bytes = b""
    """What was not read, from behind that identifier."""


@dataclass(frozen=True, slots=True)
class DidValues:
    """Values of records, sorted by record and signal; and what gave none."""

    record: NDArray[np.int32]
    """Ordinal of the record, rising."""
    signal: NDArray[np.int16]
    """`Signal.number`."""
    value: NDArray[np.float64]
    """In the catalogue's unit."""
    unknown: dict[int, int] = field(default_factory=dict)
    """Identifiers that no file defines, to number of records."""
    short_records: int = 0
    """Shorter than their identifier says; the values that are there were read."""
    no_measurement: int = 0
    out_of_range: int = 0

    def rows(self, records: Sequence[Record]) -> SignalRows:
        """The values of these records in long form, by message, signal and time."""
        message = np.array([one.message for one in records], np.int32)[self.record]
        t_us = np.array([one.t_us for one in records], np.int64)[self.record]
        order = np.lexsort((t_us, self.signal, message))
        return SignalRows(message[order], t_us[order], self.signal[order], self.value[order])


@dataclass(frozen=True, slots=True)
class DidCodebook:
    """What the records of some vehicles' ECUs mean."""

    name: str
    version: str
    """SHA-256 of the files, in hex."""
    dids: Mapping[tuple[str | None, int], Did] = field(repr=False)
    windows: Mapping[tuple[str | None, int], tuple[tuple[int, int], ...]] = field(repr=False)
    """Identifier and first byte of each window of a DID's record."""
    codebook: Codebook = field(repr=False)
    """Every window as a message."""

    def key(self, ecu: str, did: int) -> tuple[str | None, int] | None:
        """The definition that holds for an ECU: its own, or the one for every ECU; None: there is none."""
        return next((key for key in ((ecu, did), (None, did)) if key in self.dids), None)

    def size_bytes(self, ecu: str, did: int) -> int | None:
        """How long a record is; None where that is not known or not always the same."""
        key = self.key(ecu, did)
        return None if key is None else self.dids[key].size_bytes


def load(name: str, files: Mapping[str, str], catalogue: Catalogue) -> DidCodebook:
    """A codebook out of files by name; what an earlier file defines holds before a later one.

    Raises `CodebookError` with all problems of a file, one per line, each naming file and line.
    """
    dids: dict[tuple[str | None, int], Did] = {}
    for file, text in files.items():
        for one in did_file.parse(text, catalogue, where=file):
            dids.setdefault((one.ecu, one.did), one)
    planned: list[PlannedMessage] = []
    windows: dict[tuple[str | None, int], tuple[tuple[int, int], ...]] = {}
    for key, one in dids.items():
        mine = _windows(one.signals)
        windows[key] = tuple((len(planned) + k, start) for k, start in enumerate(mine))
        for (can_id, _), signals in zip(windows[key], mine.values(), strict=True):
            needed_bytes = max(signal.field.needed_bytes for signal in signals)
            planned.append(PlannedMessage(EXTENDED | can_id, needed_bytes, tuple(signals)))
    version = hashlib.sha256(json.dumps(list(files.items()), ensure_ascii=False).encode()).hexdigest()
    plan = compile_plan(planned, by_pgn=False)
    return DidCodebook(
        name, version, dids, windows, Codebook(name, version, matches_pgn=False, warnings=(), plan=plan)
    )


def _windows(signals: Iterable[MappedSignal]) -> dict[int, list[MappedSignal]]:
    """Signals by the first byte of the window they stand in, with their place there."""
    found: dict[int, list[MappedSignal]] = {}
    for one in signals:
        at = one.field
        start = at.start // 8 // _STEP_BYTES * _STEP_BYTES
        moved = Field(at.start - 8 * start, at.bits, at.is_big_endian, at.form)
        found.setdefault(start, []).append(replace(one, field=moved))
    return found


def split(data: bytes, ecu: str, book: DidCodebook) -> Split:
    """The records of an answer's identifiers (ISO 14229-1, service 0x22), without its service byte.

    A record whose length nobody knows, and one that comes last, takes what is left. Behind an identifier that
    is not defined nothing can be told apart: that rest is kept.
    """
    records: list[tuple[int, bytes]] = []
    at = 0
    while len(data) - at > DID_BYTES:
        did = int.from_bytes(data[at : at + DID_BYTES], "big")
        at += DID_BYTES
        if book.key(ecu, did) is None:
            return Split(tuple(records), did, data[at:])
        size = book.size_bytes(ecu, did)
        end = len(data) if size is None else at + size
        records.append((did, data[at:end]))
        at = end
    return Split(tuple(records), rest=data[at:])


def decode(records: Sequence[Record], book: DidCodebook) -> DidValues:
    """The values of records, all at once."""
    unknown: Counter[int] = Counter()
    short = 0
    ordinals, can_ids, payloads = [], [], []
    for ordinal, one in enumerate(records):
        key = book.key(one.ecu, one.did)
        if key is None:
            unknown[one.did] += 1
            continue
        short += len(one.data) < (book.dids[key].size_bytes or 0)
        for can_id, start in book.windows[key]:
            ordinals.append(ordinal)
            can_ids.append(can_id)
            payloads.append(one.data[start : start + WINDOW_BYTES])
    n = len(ordinals)
    if n == 0:
        nothing = np.zeros(0, np.int32), np.zeros(0, np.int16), np.zeros(0, np.float64)
        return DidValues(*nothing, dict(unknown), short)
    data = b"".join(payload.ljust(WINDOW_BYTES, b"\0") for payload in payloads)
    batch = FrameBatch(
        message=np.array(ordinals, np.int32),
        t_us=np.zeros(n, np.int64),
        can_id=np.array(can_ids, np.uint32),
        is_extended=np.ones(n, np.bool_),
        bus=np.zeros(n, np.uint8),
        length=np.array([len(payload) for payload in payloads], np.uint8),
        data=np.frombuffer(data, np.uint8).reshape(n, WINDOW_BYTES),
    )
    found = can.decode(batch, book.codebook)
    return DidValues(
        record=found.rows.message,
        signal=found.rows.signal,
        value=found.rows.value,
        unknown=dict(unknown),
        short_records=short,
        no_measurement=found.no_measurement,
        out_of_range=found.out_of_range,
    )


def identities(records: Iterable[Record], book: DidCodebook) -> list[Identity]:
    """What ECUs said about themselves in those records that spell a text."""
    found = []
    for one in records:
        key = book.key(one.ecu, one.did)
        kind = None if key is None else book.dids[key].identity
        if kind is not None:
            found.append(Identity(one.message, one.t_us, one.ecu, kind, (readable(one.data),)))
    return found
