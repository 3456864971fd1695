"""Diagnostic answers of OBD-II and UDS to values, fault reports, clears and identities."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from decoders import dids, obd, obd_codes, uds, uds_dtc
from decoders.addressing import Endpoint, ecu_name
from decoders.dids import OBD_DIDS, DidCodebook, DidValues, Record
from decoders.identity import Identity
from decoders.isotp import IsoTpMessage
from decoders.message import DiagMessage
from decoders.obd_codes import CodeList, FreezeFrame, Lamp
from decoders.uds_dtc import DtcDetail, SubFunction
from vehicle.dtc import ALL_GROUPS, DtcClear, DtcReading, DtcReport, DtcStandard
from vehicle.errors import DecodeError
from vehicle.frame import SignalRows
from vehicle.signal import Catalogue


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer of one ECU, however it came."""

    message: int
    """Index of the message in its batch; rising."""
    t_us: int
    ecu: str
    payload: bytes
    request: bytes | None = None


@dataclass(frozen=True, slots=True)
class KeptDetail:
    """What an ECU stored with a code, as bytes."""

    message: int
    at_us: int
    ecu: str
    detail: DtcDetail


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """What the answers of a batch say."""

    rows: SignalRows
    reports: list[DtcReport]
    """By message and time."""
    clears: list[DtcClear]
    identities: list[Identity]
    details: list[KeptDetail]
    refused: Mapping[tuple[int, int], int]
    """Service and negative response code, to number; "pending" is no refusal."""
    unread: list[tuple[int, DecodeError]]
    """Position of the answer among those given, and what is wrong with it."""
    unknown_dids: Mapping[int, int]
    """Identifiers that no file defines, to number; PIDs from 0xF400."""
    short_records: int
    no_measurement: int
    out_of_range: int


def of_message(message: DiagMessage, index: int) -> list[Heard]:
    """The answers of a T-Box's message, which is number `index` of its batch."""
    t0_us = message.envelope.t0_us
    return [Heard(index, t0_us + one.dt_us, one.ecu, one.payload, one.request) for one in message.answers]


def of_isotp(messages: Sequence[IsoTpMessage], names: Mapping[Endpoint, str] | None = None) -> list[Heard]:
    """The answers among payloads heard on a bus; ECUs that have no name are called by their identifiers."""
    known = names or {}
    return [
        Heard(one.message, one.t_us, known.get(one.endpoint) or ecu_name(one.endpoint), one.data, one.request)
        for one in messages
        if one.data[0] & uds.IS_ANSWER
    ]


def read(answers: Sequence[Heard], book: DidCodebook, catalogue: Catalogue) -> Diagnosed:
    """What answers say, those of a message being of ONE vehicle. A bad answer harms no other.

    Values of `rows` are those of now; what was frozen with a code stands in the code's reading.
    """
    reader = _Reader(book)
    for place, one in enumerate(answers):
        try:
            reader.read(one)
        except DecodeError as error:
            reader.unread.append((place, error))
    return reader.diagnosed(catalogue)


def _cleared(one: Heard, answer: uds.Cleared) -> list[DtcClear]:
    """A clear by UDS; one of everything takes along what the same ECU tells by OBD-II."""
    is_all = answer.group in (None, ALL_GROUPS)
    standards = (DtcStandard.UDS, DtcStandard.J2012) if is_all else (DtcStandard.UDS,)
    return [DtcClear(one.message, one.t_us, standard, one.ecu, answer.group) for standard in standards]


_Owner = tuple[int, str, int]
"""Message, ECU and number of a frozen frame; or, negative, of a snapshot's report."""
_LAMP_BIT: Final = 0x80


class _Reader:
    """Sorts answers by what they are about."""

    def __init__(self, book: DidCodebook) -> None:
        self.book = book
        self.live: list[Record] = []
        self.frozen: list[Record] = []
        self.owners: list[_Owner] = []
        """Of each frozen record."""
        self.frozen_codes: dict[_Owner, int] = {}
        self.lists: list[CodeList] = []
        self.lamps: list[Lamp] = []
        self.infos: list[obd.Info] = []
        self.reports: list[DtcReport] = []
        self.snapshots: dict[_Owner, int] = {}
        """To the report whose one reading it belongs to."""
        self.clears: list[DtcClear] = []
        self.details: list[KeptDetail] = []
        self.refused: Counter[tuple[int, int]] = Counter()
        self.unread: list[tuple[int, DecodeError]] = []
        self.unknown: Counter[int] = Counter()

    def read(self, one: Heard) -> None:
        """One answer. Raises `DecodeError`."""
        if obd.is_answer(one.payload):
            self._obd(one, obd.parse_response(one.payload, self.book, ecu=one.ecu))
            return

        def size_of(did: int) -> int | None:
            return self.book.size_bytes(one.ecu, did)

        self._uds(one, uds.parse_response(one.payload, request=one.request, size_of=size_of))

    def _obd(self, one: Heard, answer: obd.Answer) -> None:
        if isinstance(answer, obd.Pids):
            self._pids(one, answer)
        elif isinstance(answer, obd.Codes):
            self.lists.append(CodeList(one.message, one.t_us, one.ecu, answer))
        elif isinstance(answer, obd.InfoPart):
            self.infos.append(obd.Info(one.message, one.t_us, one.ecu, answer))
        else:
            self.clears.append(DtcClear(one.message, one.t_us, DtcStandard.J2012, one.ecu))

    def _pids(self, one: Heard, answer: obd.Pids) -> None:
        if answer.unknown is not None:
            self.unknown[OBD_DIDS | answer.unknown] += 1
        for pid, data in answer.records:
            record = Record(one.message, one.t_us, one.ecu, OBD_DIDS | pid, data)
            if answer.frame is None:
                self.live.append(record)
                if pid == obd.MONITOR_STATUS and data:
                    self.lamps.append(Lamp(one.message, one.t_us, one.ecu, bool(data[0] & _LAMP_BIT)))
                continue
            owner = (one.message, one.ecu, answer.frame)
            self.frozen.append(record)
            self.owners.append(owner)
            if pid == obd.FREEZE_DTC and len(data) == 2 and any(data):
                self.frozen_codes[owner] = int.from_bytes(data, "big")

    def _uds(self, one: Heard, answer: uds.Answer) -> None:
        if isinstance(answer, uds.Negative):
            if not answer.is_pending:
                self.refused[answer.service, answer.code] += 1
        elif isinstance(answer, uds.Data):
            self.live += self._records(one, answer.data)
        elif isinstance(answer, uds.Cleared):
            self.clears += _cleared(one, answer)
        elif isinstance(answer, uds_dtc.DtcList | DtcDetail):
            self.reports.append(
                uds_dtc.report(answer, message=one.message, at_us=one.t_us, ecu=one.ecu, request=one.request)
            )
            if isinstance(answer, DtcDetail):
                self._detail(one, answer)

    def _detail(self, one: Heard, detail: DtcDetail) -> None:
        """Keep the bytes; of a snapshot's first record, read what the files of identifiers define."""
        self.details.append(KeptDetail(one.message, one.t_us, one.ecu, detail))
        if detail.sub_function is SubFunction.SNAPSHOT_BY_DTC and detail.records:
            owner = (one.message, one.ecu, -len(self.reports))
            self.snapshots[owner] = len(self.reports) - 1
            records = self._records(one, detail.records[0].data[1:])
            self.frozen += records
            self.owners += [owner] * len(records)

    def _records(self, one: Heard, data: bytes) -> list[Record]:
        found = dids.split(data, one.ecu, self.book)
        if found.unknown is not None:
            self.unknown[found.unknown] += 1
        return [Record(one.message, one.t_us, one.ecu, did, record) for did, record in found.records]

    def diagnosed(self, catalogue: Catalogue) -> Diagnosed:
        """What all answers together say."""
        now = dids.decode(self.live, self.book)
        then = dids.decode(self.frozen, self.book)
        values = self._values(then, catalogue)
        for owner, place in self.snapshots.items():
            report = self.reports[place]
            readings: tuple[DtcReading, ...] = tuple(
                replace(reading, freeze_frame=values.get(owner, {})) for reading in report.readings
            )
            self.reports[place] = replace(report, readings=readings)
        frames = [
            FreezeFrame(message, ecu, number, self.frozen_codes.get((message, ecu, number)), frozen)
            for (message, ecu, number), frozen in values.items()
            if number >= 0
        ]
        reports = self.reports + obd_codes.reports(self.lists, self.lamps, frames, self.clears)
        return Diagnosed(
            rows=now.rows(self.live),
            reports=sorted(reports, key=lambda one: (one.message, one.at_us)),
            clears=self.clears,
            identities=dids.identities(self.live, self.book) + obd.identities(self.infos),
            details=self.details,
            refused=dict(self.refused),
            unread=self.unread,
            unknown_dids=dict(self.unknown),
            short_records=now.short_records + then.short_records,
            no_measurement=now.no_measurement + then.no_measurement,
            out_of_range=now.out_of_range + then.out_of_range,
        )

    def _values(self, then: DidValues, catalogue: Catalogue) -> dict[_Owner, dict[str, float]]:
        """What was frozen, by its owner and path."""
        found: dict[_Owner, dict[str, float]] = {}
        for ordinal, number, value in zip(
            then.record.tolist(), then.signal.tolist(), then.value.tolist(), strict=True
        ):
            found.setdefault(self.owners[ordinal], {})[catalogue.by_number[number].path] = value
        return found
