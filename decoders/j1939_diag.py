"""SAE J1939-73 lists beside DM1, and what ECUs of J1939-71 say about themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np

from decoders import dm1, j1939
from decoders.dm1 import DTC_BYTES, LAMP_BYTES, Dm1, ecu_name
from decoders.identity import Identity, IdentityKind, readable
from decoders.j1939 import TransportMessage
from vehicle.dtc import DtcClear, DtcReport, DtcStandard, DtcStatus
from vehicle.frame import FrameBatch


class ListKind(IntEnum):
    """A list of codes in the layout of DM1, by its parameter group."""

    PREVIOUSLY_ACTIVE = 0xFECB
    """DM2."""
    PENDING = 0xFECF
    """DM6: emission-related, found in this drive or the one before."""
    EMISSION_ACTIVE = 0xFED4
    """DM12: the emission-related ones among the active, with the lamp on."""
    EMISSION_PREVIOUSLY_ACTIVE = 0xFDB5
    """DM23: emission-related, the lamp was on for them."""


@dataclass(frozen=True, slots=True)
class CodeList:
    """One list of one ECU.

    It tells nothing about active codes unless it lists them: DM1 tells those, every second, and a code that
    is absent there is not active whatever stands here.
    """

    kind: ListKind
    message: int
    """Index of the message it came in."""
    at_us: int
    ecu: str
    content: Dm1


_SCOPES: Final = {
    ListKind.PREVIOUSLY_ACTIVE: (DtcStatus.CONFIRMED, True),
    ListKind.PENDING: (DtcStatus.PENDING, True),
    ListKind.EMISSION_ACTIVE: (DtcStatus.TEST_FAILED, False),
    ListKind.EMISSION_PREVIOUSLY_ACTIVE: (DtcStatus.CONFIRMED, False),
}
"""What each list tells about a code, and whether it names all such codes of its ECU."""
ACKNOWLEDGEMENT: Final = 0xE800
_CLEARS: Final = {
    0xFED3: DtcStatus.TEST_FAILED | DtcStatus.PENDING,
    0xFECC: DtcStatus.CONFIRMED,
}
"""Groups that a tester asks for to clear codes: DM11 the active ones, DM3 those that were."""
_ACCEPTED: Final = 0
VIN: Final = 0xFEEC
COMPONENT: Final = 0xFEEB
SOFTWARE: Final = 0xFEDA
_DELIMITER: Final = b"*"
_KINDS: Final = {
    VIN: IdentityKind.VIN,
    COMPONENT: IdentityKind.COMPONENT,
    SOFTWARE: IdentityKind.SOFTWARE,
}


@dataclass(frozen=True, slots=True, order=True)
class _Payload:
    """A payload of one parameter group, however it came."""

    message: int
    t_us: int
    pgn: int
    source_address: int
    data: bytes


def code_lists(batch: FrameBatch, transported: Sequence[TransportMessage]) -> list[CodeList]:
    """DM2, DM6, DM12 and DM23 of ONE vehicle, by message and time.

    Payloads too short for one code say nothing.
    """
    least = LAMP_BYTES + DTC_BYTES
    return [
        CodeList(
            kind=ListKind(one.pgn),
            message=one.message,
            at_us=one.t_us,
            ecu=ecu_name(one.source_address),
            content=dm1.parse(one.data, one.source_address),
        )
        for one in sorted(_payloads(batch, transported, list(ListKind)))
        if len(one.data) >= least
    ]


def reports(lists: Sequence[CodeList]) -> list[DtcReport]:
    """The same lists as reports, each about its own status bits only.

    A lamp is told by the lists of active codes; those of others carry it, but it is not lit for them.
    """
    found = []
    for one in lists:
        scope, complete = _SCOPES[one.kind]
        is_active = scope is DtcStatus.TEST_FAILED
        status = None if is_active else scope
        found.append(
            DtcReport(
                message=one.message,
                at_us=one.at_us,
                standard=DtcStandard.J1939,
                ecu=one.ecu,
                complete=complete,
                readings=tuple(replace(reading, status=status) for reading in one.content.readings),
                mil=one.content.mil_is_on if is_active else None,
                scope=scope,
            )
        )
    return found


def clears(batch: FrameBatch) -> list[DtcClear]:
    """What ECUs of ONE vehicle did at a tester's DM11 or DM3: their positive acknowledgements (J1939-21)."""
    group = j1939.pgn(batch.can_id)
    frames = np.flatnonzero(batch.is_extended & (group == ACKNOWLEDGEMENT) & (batch.length == 8))
    found = []
    for frame in frames.tolist():
        data = batch.data[frame, :8].tobytes()
        scope = _CLEARS.get(int.from_bytes(data[5:8], "little"))
        if data[0] == _ACCEPTED and scope is not None:
            found.append(
                DtcClear(
                    message=int(batch.message[frame]),
                    at_us=int(batch.t_us[frame]),
                    standard=DtcStandard.J1939,
                    ecu=ecu_name(int(batch.can_id[frame]) & 0xFF),
                    scope=scope,
                )
            )
    return found


def identities(batch: FrameBatch, transported: Sequence[TransportMessage]) -> list[Identity]:
    """VIN (PGN 65260), component (65259) and software (65242) identifications of ONE vehicle, by time.

    Texts end with `*`; what is empty between two of them is an empty text, filling behind the last is none.
    """
    return [
        Identity(one.message, one.t_us, ecu_name(one.source_address), _KINDS[one.pgn], _texts(one))
        for one in sorted(_payloads(batch, transported, list(_KINDS)))
        if one.data.strip(b"\xff")
    ]


def _payloads(
    batch: FrameBatch, transported: Sequence[TransportMessage], groups: Sequence[int]
) -> Iterator[_Payload]:
    """Payloads of some parameter groups, out of single frames and transported ones."""
    found = j1939.pgn(batch.can_id)
    for frame in np.flatnonzero(batch.is_extended & np.isin(found, groups)).tolist():
        yield _Payload(
            message=int(batch.message[frame]),
            t_us=int(batch.t_us[frame]),
            pgn=int(found[frame]),
            source_address=int(batch.can_id[frame]) & 0xFF,
            data=batch.data[frame, : batch.length[frame]].tobytes(),
        )
    for one in transported:
        if one.pgn in groups:
            yield _Payload(one.message, one.t_us, one.pgn, one.source_address, one.data)


def _texts(one: _Payload) -> tuple[str, ...]:
    """Texts of a payload; software begins with their number, and a VIN may do without its delimiter."""
    data = one.data[1:] if one.pgn == SOFTWARE else one.data
    texts = data.split(_DELIMITER)
    if len(texts) > 1 and not texts[-1].strip(b"\x00\xff "):
        texts.pop()
    if one.pgn == SOFTWARE:
        texts = texts[: one.data[0]]
    return tuple(readable(text) for text in texts)
