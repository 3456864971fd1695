"""SAE J1939-73 lists beside DM1, and what ECUs of J1939-71 say about themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from decoders import dm1, j1939
from decoders.dm1 import DTC_BYTES, LAMP_BYTES, Dm1, ecu_name
from decoders.identity import Identity, IdentityKind, readable
from decoders.j1939 import TransportMessage
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

    It is no report about active codes: DM1 tells those, every second, and a code that is absent there is not
    active whatever stands here.
    """

    kind: ListKind
    message: int
    """Index of the message it came in."""
    at_us: int
    ecu: str
    content: Dm1


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
