"""OBD-II (SAE J1979 on CAN and, without counts, on older lines): what an answer says, as a value.

What PIDs mean stands in dbc/obd_pids.toml: PID 0x0C is read as data identifier 0xF40C.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Final, TypeAlias

from decoders.dids import OBD_DIDS, DidCodebook
from decoders.identity import Identity, IdentityKind, readable
from vehicle.errors import TruncatedPayloadError, UnknownKindError, WrongTypeError

IS_ANSWER: Final = 0x40
FREEZE_DTC: Final = 0x02
"""PID of the code that froze a frame."""
MONITOR_STATUS: Final = 0x01
"""PID of the lamp and the number of codes."""
_CURRENT: Final = 0x01
_FROZEN: Final = 0x02
_CLEAR: Final = 0x04
_VEHICLE: Final = 0x09
_VERIFICATION: Final = 0x06


class CodeKind(IntEnum):
    """Which codes a service lists."""

    CONFIRMED = 0x03
    PENDING = 0x07
    PERMANENT = 0x0A


@dataclass(frozen=True, slots=True)
class Pids:
    """Records of PIDs of service 01, or of one frozen frame of service 02."""

    frame: int | None
    """Number of the frozen frame; None: now."""
    records: tuple[tuple[int, bytes], ...]
    """The last one may be shorter than its PID says."""
    unknown: int | None = None
    """The PID at which reading stopped, because nobody knows how long its record is."""
    rest: bytes = b""
    """What was not read, from behind that PID."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Fault codes of one kind, two bytes each."""

    kind: CodeKind
    codes: tuple[int, ...]
    is_counted: bool
    """CAN: the answer says how many there are, and is all there is. Otherwise it is one of several that hold
    three codes each."""
    is_last: bool
    """No further answer has more codes."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A tester's command to clear the emission-related codes was carried out."""


@dataclass(frozen=True, slots=True)
class InfoPart:
    """Vehicle information of service 09, or a quarter of it."""

    info_type: int
    number: int
    """CAN: how many items there are. Older lines, and wherever there are four bytes: which part this is."""
    data: bytes


Answer: TypeAlias = Pids | Codes | Cleared | InfoPart


def parse_response(payload: bytes, book: DidCodebook, *, ecu: str = "") -> Answer:
    """What an answer of services 01, 02, 03, 04, 07, 09 and 0A says. Raises `DecodeError`."""
    if not payload:
        raise TruncatedPayloadError("an answer", needed_bytes=1, got_bytes=0)
    if not payload[0] & IS_ANSWER:
        raise WrongTypeError(f"an answer has bit 6 of its service set, got 0x{payload[0]:02X}")
    service, body = payload[0] & ~IS_ANSWER, payload[1:]
    if service == _CURRENT:
        return _pids(body, book, ecu)
    if service == _FROZEN:
        return _frozen(body, book, ecu)
    if service in set(CodeKind):
        return _codes(CodeKind(service), body)
    if service == _CLEAR:
        return Cleared()
    if service == _VEHICLE:
        if len(body) < 2:
            raise TruncatedPayloadError("vehicle information", needed_bytes=2, got_bytes=len(body))
        return InfoPart(body[0], body[1], body[2:])
    raise UnknownKindError(f"service 0x{service:02X} is not read here")


def is_answer(payload: bytes) -> bool:
    """Whether a payload begins like an answer of a service that is read here."""
    return bool(payload) and payload[0] - IS_ANSWER in _SERVICES


_SERVICES: Final = frozenset({_CURRENT, _FROZEN, _CLEAR, _VEHICLE, *CodeKind})


def _pids(body: bytes, book: DidCodebook, ecu: str) -> Pids:
    """PIDs and their records, one behind the other; lengths come from the table."""
    if len(body) < 2:
        raise TruncatedPayloadError("a PID with its record", needed_bytes=2, got_bytes=len(body))
    records: list[tuple[int, bytes]] = []
    at = 0
    while len(body) - at > 1:
        pid = body[at]
        size = book.size_bytes(ecu, OBD_DIDS | pid)
        at += 1
        if size is None:
            return Pids(None, tuple(records), pid, body[at:])
        records.append((pid, body[at : at + size]))
        at += size
    return Pids(None, tuple(records), rest=body[at:])


def _frozen(body: bytes, book: DidCodebook, ecu: str) -> Pids:
    """The same with the frame's number behind each PID; an answer is about one frame."""
    if len(body) < 3:
        raise TruncatedPayloadError("a frozen PID with its record", needed_bytes=3, got_bytes=len(body))
    frame = body[1]
    records: list[tuple[int, bytes]] = []
    at = 0
    while len(body) - at > 2 and body[at + 1] == frame:
        pid = body[at]
        size = book.size_bytes(ecu, OBD_DIDS | pid)
        at += 2
        if size is None:
            return Pids(frame, tuple(records), pid, body[at:])
        records.append((pid, body[at : at + size]))
        at += size
    return Pids(frame, tuple(records), rest=body[at:])


def _codes(kind: CodeKind, body: bytes) -> Codes:
    """Two bytes each; zero is filling. An odd number of bytes begins with the number of codes (CAN)."""
    if len(body) % 2 == 0:
        codes = _pairs(body)
        return Codes(kind, codes, is_counted=False, is_last=2 * len(codes) < len(body) or not body)
    n, listed = body[0], body[1:]
    if len(listed) < 2 * n:
        raise TruncatedPayloadError(f"{n} codes", needed_bytes=2 * n, got_bytes=len(listed))
    filling = listed[2 * n :]
    if filling.strip(filling[:1]):
        raise WrongTypeError(f"behind {n} codes comes nothing but filling, got {len(filling)} bytes more")
    return Codes(kind, _pairs(listed[: 2 * n]), is_counted=True, is_last=True)


def _pairs(listed: bytes) -> tuple[int, ...]:
    found = (int.from_bytes(listed[at : at + 2], "big") for at in range(0, len(listed), 2))
    return tuple(code for code in found if code)


def supported(pid: int, record: bytes) -> frozenset[int]:
    """The PIDs that a bitmap says are there: PID 0x00 tells of 0x01 to 0x20, first bit first.

    Raises `DecodeError` for a record that is none.
    """
    if pid % 0x20 or len(record) != 4:
        raise WrongTypeError(f"a bitmap is PID 00, 20, .. and 4 bytes, got PID {pid:02X} and {len(record)}")
    bits = int.from_bytes(record, "big")
    return frozenset(pid + 32 - bit for bit in range(32) if bits >> bit & 1)


@dataclass(frozen=True, slots=True)
class Info:
    """Vehicle information as it was heard."""

    message: int
    at_us: int
    ecu: str
    part: InfoPart


_KINDS: Final = {
    0x02: (IdentityKind.VIN, 17),
    0x04: (IdentityKind.CALIBRATION, 16),
    _VERIFICATION: (IdentityKind.VERIFICATION, 4),
    0x0A: (IdentityKind.ECU_NAME, 20),
}
"""Information types that spell something, and how many bytes one item has."""
_PART_BYTES: Final = 4


def identities(heard: Iterable[Info]) -> list[Identity]:
    """VIN, calibrations, their verification numbers and ECU names, by message and time.

    On older lines they come in parts of four bytes, which are put together where all of a message are there.
    """
    told: dict[tuple[int, str, int], list[Info]] = {}
    for one in heard:
        if one.part.info_type in _KINDS:
            told.setdefault((one.message, one.ecu, one.part.info_type), []).append(one)
    found = []
    for (message, ecu, info_type), mine in told.items():
        kind, size = _KINDS[info_type]
        is_text = kind is not IdentityKind.VERIFICATION
        for at_us, items in chain(_whole(mine, size), _joined(mine, size)):
            texts = tuple(readable(item) if is_text else item.hex().upper() for item in items)
            found.append(Identity(message, at_us, ecu, kind, texts))
    return sorted(found, key=lambda one: (one.message, one.at_us, one.ecu, one.kind))


def _whole(heard: list[Info], size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Answers that say how many items they have."""
    for one in heard:
        n, data = one.part.number, one.part.data
        if len(data) != _PART_BYTES and n and len(data) >= n * size:
            yield one.at_us, [data[k * size : (k + 1) * size] for k in range(n)]


def _joined(heard: list[Info], size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Answers of four bytes, in order of their numbers; filling makes items a multiple of four."""
    parts = {one.part.number: one for one in heard if len(one.part.data) == _PART_BYTES}
    data = b"".join(parts[number].part.data for number in sorted(parts))
    padded = -(-size // _PART_BYTES) * _PART_BYTES
    if data and sorted(parts) == list(range(1, len(parts) + 1)) and len(data) % padded == 0:
        items = [data[at : at + padded] for at in range(0, len(data), padded)]
        yield max(one.at_us for one in parts.values()), items
