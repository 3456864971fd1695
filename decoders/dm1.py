"""SAE J1939-73 DM1: active fault codes and lamps, in one frame or transported."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Final

import numpy as np

from decoders import j1939
from decoders.dtc import spell_j1939
from decoders.j1939 import TransportMessage
from vehicle.dtc import Dtc, DtcReading, DtcReport, DtcStandard, DtcStatus
from vehicle.errors import TruncatedPayloadError
from vehicle.frame import FrameBatch

LAMP_BYTES: Final = 2
DTC_BYTES: Final = 4
NO_DTC: Final = frozenset({0, 0x7FFFF})
"""SPNs that fill the place of a code where there is none."""
_COUNT_NOT_AVAILABLE: Final = 127


class Lamp(IntEnum):
    """State of one lamp, two bits."""

    OFF = 0
    ON = 1
    RESERVED = 2
    NOT_AVAILABLE = 3


@dataclass(frozen=True, slots=True)
class Dm1:
    """One DM1 payload; the flash byte is not kept."""

    mil: Lamp
    """Malfunction indicator: emissions."""
    red_stop: Lamp
    amber_warning: Lamp
    protect: Lamp
    readings: tuple[DtcReading, ...]

    @property
    def mil_is_on(self) -> bool | None:
        """None where the ECU does not tell."""
        return {Lamp.ON: True, Lamp.OFF: False}.get(self.mil)


def ecu_name(source_address: int) -> str:
    """How an ECU is called that has only an address: `sa-00`."""
    return f"sa-{source_address:02x}"


def parse(payload: bytes, source_address: int) -> Dm1:
    """Lamps and codes of a DM1 payload; what is left over behind the last whole code is filling.

    Raises `TruncatedPayloadError` for less than lamps and one code.
    """
    if len(payload) < LAMP_BYTES + DTC_BYTES:
        raise TruncatedPayloadError("DM1", needed_bytes=LAMP_BYTES + DTC_BYTES, got_bytes=len(payload))
    lamps = payload[0]
    ends = range(LAMP_BYTES + DTC_BYTES, len(payload) + 1, DTC_BYTES)
    found = (_reading(payload[end - DTC_BYTES : end], ecu_name(source_address)) for end in ends)
    return Dm1(
        mil=Lamp(lamps >> 6),
        red_stop=Lamp(lamps >> 4 & 3),
        amber_warning=Lamp(lamps >> 2 & 3),
        protect=Lamp(lamps & 3),
        readings=tuple(reading for reading in found if reading is not None),
    )


def _reading(code: bytes, ecu: str) -> DtcReading | None:
    """One code: SPN in 19 bits, FMI in 5, the conversion method's bit, occurrences in 7.

    With the conversion method's bit set the SPN is laid out in one of three older ways that cannot be told
    apart without knowing the ECU; only the FMI stands in the same place, so the code keeps its bytes.
    """
    spn = code[0] | code[1] << 8 | code[2] >> 5 << 16
    fmi = code[2] & 0x1F
    occurrences = code[3] & 0x7F
    if spn in NO_DTC:
        return None
    if code[3] & 0x80:
        name = f"CM1 {code[:3].hex().upper()} FMI {fmi}"
        dtc = Dtc(DtcStandard.J1939, ecu, name, fmi=fmi)
    else:
        dtc = Dtc(DtcStandard.J1939, ecu, spell_j1939(spn, fmi), spn=spn, fmi=fmi)
    return DtcReading(dtc, occurrences=None if occurrences == _COUNT_NOT_AVAILABLE else occurrences)


def reports(batch: FrameBatch, transported: Sequence[TransportMessage]) -> list[DtcReport]:
    """What the ECUs of ONE vehicle said about their active codes, by message and time; each is complete.

    Single frames come out of the batch, longer lists out of what was transported. Frames too short for
    one code say nothing.
    """
    is_dm1 = batch.is_extended & (j1939.pgn(batch.can_id) == j1939.DM1)
    frames = np.flatnonzero(is_dm1 & (batch.length >= LAMP_BYTES + DTC_BYTES))
    single = zip(
        batch.message[frames].tolist(),
        batch.t_us[frames].tolist(),
        j1939.source_address(batch.can_id[frames]).tolist(),
        (batch.data[frame, : batch.length[frame]].tobytes() for frame in frames),
        strict=True,
    )
    longer = (
        (one.message, one.t_us, one.source_address, one.data)
        for one in transported
        if one.pgn == j1939.DM1 and len(one.data) >= LAMP_BYTES + DTC_BYTES
    )
    heard = sorted(chain(single, longer), key=lambda one: one[:2])
    return [_report(message, t_us, parse(payload, sa), sa) for message, t_us, sa, payload in heard]


def _report(message: int, at_us: int, dm1: Dm1, source_address: int) -> DtcReport:
    return DtcReport(
        message=message,
        at_us=at_us,
        standard=DtcStandard.J1939,
        ecu=ecu_name(source_address),
        complete=True,
        readings=dm1.readings,
        mil=dm1.mil_is_on,
        scope=DtcStatus.TEST_FAILED,
    )
