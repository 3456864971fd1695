"""UDS service 0x19 (ISO 14229-1, clause 12.3): fault codes with their status, snapshots and extended data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from decoders import dtc as spelling
from vehicle.dtc import Dtc, DtcReading, DtcReport, DtcStandard, DtcStatus
from vehicle.errors import TruncatedPayloadError, UnknownKindError


class SubFunction(IntEnum):
    """What was asked about fault codes."""

    COUNT_BY_STATUS = 0x01
    BY_STATUS = 0x02
    SNAPSHOT_BY_DTC = 0x04
    EXTENDED_DATA_BY_DTC = 0x06
    COUNT_BY_SEVERITY = 0x07
    BY_SEVERITY = 0x08
    SEVERITY_OF_DTC = 0x09
    SUPPORTED = 0x0A
    WWH_OBD_BY_STATUS = 0x42


class DtcFormat(IntEnum):
    """How the three bytes of a code are to be read (DTCFormatIdentifier)."""

    J2012_2006 = 0
    ISO_14229 = 1
    J1939_73 = 2
    ISO_11992_4 = 3
    J2012_WWH_OBD = 4


THERE: Final = DtcStatus.TEST_FAILED | DtcStatus.PENDING | DtcStatus.CONFIRMED
"""A code with none of these is not there."""
_CODE_BYTES: Final = 3


@dataclass(frozen=True, slots=True)
class DtcRecord:
    """One code as an ECU lists it."""

    code: int
    """Three bytes."""
    status: DtcStatus
    """Only bits that the ECU supports."""
    severity: int | None = None
    """ISO 14229-1, D.3: 0x20 maintenance only, 0x40 check at the next halt, 0x80 immediately; the bits below
    are the class of WWH-OBD."""
    functional_unit: int | None = None


@dataclass(frozen=True, slots=True)
class DtcCount:
    """How many codes match a mask."""

    availability: DtcStatus
    """Status bits that the ECU supports."""
    format: int
    """`DtcFormat`, or a number the standard reserves."""
    n: int


@dataclass(frozen=True, slots=True)
class DtcList:
    """Codes that match what was asked."""

    sub_function: SubFunction
    availability: DtcStatus
    dtcs: tuple[DtcRecord, ...]
    format: int | None = None
    """Where the sub-function tells."""


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A snapshot or extended data, as bytes."""

    number: int
    """0x00 to 0xFE; what it means is the maker's choice."""
    data: bytes
    """Of a snapshot: number of identifiers, then identifiers with their records. Where lengths are not known,
    the last record holds all that is left of the answer."""


@dataclass(frozen=True, slots=True)
class DtcDetail:
    """What was stored with one code."""

    sub_function: SubFunction
    code: int
    status: DtcStatus
    records: tuple[KeptRecord, ...]


DtcAnswer: TypeAlias = DtcCount | DtcList | DtcDetail
SizeOf: TypeAlias = Callable[[int], int | None]
"""Bytes of a DID's record; None where nobody knows."""


def parse(data: bytes, *, size_of: SizeOf | None = None) -> DtcAnswer:
    """An answer of service 0x19 without its service byte. Raises `DecodeError`."""
    if not data:
        raise TruncatedPayloadError("an answer about fault codes", needed_bytes=2, got_bytes=1)
    try:
        asked = SubFunction(data[0])
    except ValueError:
        raise UnknownKindError(f"sub-function 0x{data[0]:02X} of service 0x19 is not read here") from None
    body = data[1:]
    if asked in (SubFunction.COUNT_BY_STATUS, SubFunction.COUNT_BY_SEVERITY):
        _require(asked, body, 4)
        return DtcCount(DtcStatus(body[0]), body[1], int.from_bytes(body[2:4], "big"))
    if asked in (SubFunction.BY_STATUS, SubFunction.SUPPORTED):
        _require(asked, body, 1)
        return _list(asked, body[0], body[1:])
    if asked in (SubFunction.BY_SEVERITY, SubFunction.SEVERITY_OF_DTC):
        _require(asked, body, 1)
        return _list(asked, body[0], body[1:], before=2)
    if asked is SubFunction.WWH_OBD_BY_STATUS:
        _require(asked, body, 4)  # functional group, status and severity availability, format
        return _list(asked, body[1], body[4:], before=1, layout=body[3])
    _require(asked, body, _CODE_BYTES + 1)
    snapshots = asked is SubFunction.SNAPSHOT_BY_DTC
    return DtcDetail(
        sub_function=asked,
        code=int.from_bytes(body[:_CODE_BYTES], "big"),
        status=DtcStatus(body[_CODE_BYTES]),
        records=tuple(_snapshots(body[_CODE_BYTES + 1 :], size_of) if snapshots else _extended(body[4:])),
    )


def _require(asked: SubFunction, body: bytes, needed_bytes: int) -> None:
    if len(body) < needed_bytes:
        what = f"sub-function 0x{asked:02X}"
        raise TruncatedPayloadError(what, needed_bytes=needed_bytes, got_bytes=len(body))


def _list(
    asked: SubFunction, availability: int, body: bytes, *, before: int = 0, layout: int | None = None
) -> DtcList:
    """Codes of three bytes, each with `before` bytes of severity before it and the status behind it.

    Three zero bytes are no code but filling. Status bits that the ECU does not support mean nothing.
    """
    size = before + _CODE_BYTES + 1
    if len(body) % size:
        whole = -(-len(body) // size) * size
        what = f"the codes of sub-function 0x{asked:02X}"
        raise TruncatedPayloadError(what, needed_bytes=whole, got_bytes=len(body))
    rows = (body[at : at + size] for at in range(0, len(body), size))
    dtcs = tuple(
        DtcRecord(
            code=int.from_bytes(row[before:-1], "big"),
            status=DtcStatus(row[-1] & availability),
            severity=row[0] if before else None,
            functional_unit=row[1] if before == 2 else None,
        )
        for row in rows
        if any(row[before:-1])
    )
    return DtcList(asked, DtcStatus(availability), dtcs, layout)


def _snapshots(body: bytes, size_of: SizeOf | None) -> Iterator[KeptRecord]:
    """Records one behind the other: number, count of identifiers, identifiers with their data."""
    at = 0
    while at < len(body):
        if len(body) - at < 2:
            raise TruncatedPayloadError("a snapshot record", needed_bytes=2, got_bytes=len(body) - at)
        end = _snapshot_end(body, at, size_of)
        yield KeptRecord(body[at], body[at + 1 : end])
        at = end


def _snapshot_end(body: bytes, start: int, size_of: SizeOf | None) -> int:
    """Where a record ends: behind its last identifier, or with the answer where that is not known."""
    at = start + 2
    for _ in range(body[start + 1]):
        size = size_of(int.from_bytes(body[at : at + 2], "big")) if size_of and len(body) >= at + 2 else None
        if size is None:
            return len(body)
        at += 2 + size
        if at > len(body):
            needed, got = at - start, len(body) - start
            raise TruncatedPayloadError("a snapshot record", needed_bytes=needed, got_bytes=got)
    return at if body[start + 1] else len(body)


def _extended(body: bytes) -> Iterator[KeptRecord]:
    """Nothing in an answer tells how long a record of extended data is; one is what testers ask for."""
    if body:
        yield KeptRecord(body[0], body[1:])


def standard_of(layout: int | None) -> DtcStandard:
    """Who defined codes of a format: SAE J1939, or ISO 14229 on top of J2012."""
    return DtcStandard.J1939 if layout == DtcFormat.J1939_73 else DtcStandard.UDS


def dtc_of(code: int, ecu: str, layout: int | None = None) -> Dtc:
    """A code of three bytes as it is spelled here: J2012 with its failure type byte, or SPN and FMI."""
    if layout == DtcFormat.J1939_73:
        low, middle, high = code.to_bytes(3, "big")
        spn, fmi = low | middle << 8 | high >> 5 << 16, high & 0x1F
        return Dtc(DtcStandard.J1939, ecu, spelling.spell_j1939(spn, fmi), spn=spn, fmi=fmi)
    return Dtc(DtcStandard.UDS, ecu, spelling.spell(code >> 8), ftb=code & 0xFF)


def report(
    answer: DtcList | DtcDetail, *, message: int, at_us: int, ecu: str, request: bytes | None = None
) -> DtcReport:
    """What an answer says about an ECU's codes.

    It is complete, so that codes it does not name are healed, in two cases: sub-function 0x0A, which lists
    every code the ECU can report, and 0x02 whose request was heard and asked for each of testFailed, pending
    and confirmed that the ECU supports. A list by another mask leaves out codes that are there.
    """
    layout = None
    found: tuple[DtcRecord, ...]
    if isinstance(answer, DtcDetail):
        found = (DtcRecord(answer.code, answer.status),)
    else:
        found, layout = answer.dtcs, answer.format
    return DtcReport(
        message=message,
        at_us=at_us,
        standard=standard_of(layout),
        ecu=ecu,
        complete=isinstance(answer, DtcList) and _is_complete(answer, request),
        readings=tuple(DtcReading(dtc_of(one.code, ecu, layout), one.status) for one in found),
    )


def _is_complete(answer: DtcList, request: bytes | None) -> bool:
    supported = THERE & answer.availability
    if not supported:
        return False
    if answer.sub_function is SubFunction.SUPPORTED:
        return True
    is_asked = request is not None and len(request) >= 3 and request[0] == 0x19
    if answer.sub_function is not SubFunction.BY_STATUS or request is None or not is_asked:
        return False
    return request[1] & 0x7F == SubFunction.BY_STATUS and request[2] & supported == supported
