"""Diagnostic trouble codes of all standards in one shape."""

from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import Final


class DtcStandard(StrEnum):
    """Who defined the code."""

    J2012 = "j2012"
    UDS = "uds"
    J1939 = "j1939"
    GBT32960 = "gbt32960"


class DtcStatus(IntFlag):
    """The eight status bits of ISO 14229-1, D.2, and one that J1979 needs beside them."""

    TEST_FAILED = 0x01
    TEST_FAILED_THIS_CYCLE = 0x02
    PENDING = 0x04
    CONFIRMED = 0x08
    NOT_COMPLETED_SINCE_CLEAR = 0x10
    FAILED_SINCE_CLEAR = 0x20
    NOT_COMPLETED_THIS_CYCLE = 0x40
    WARNING_INDICATOR = 0x80
    PERMANENT = 0x100
    """Not of the byte: listed by service 0A of J1979, and so not to be cleared by a tester."""


BYTE: Final = DtcStatus(0xFF)
"""What a status byte tells."""
THERE: Final = DtcStatus.TEST_FAILED | DtcStatus.PENDING | DtcStatus.CONFIRMED | DtcStatus.PERMANENT
"""A code with none of these is not there."""
ALL_GROUPS: Final = 0xFFFFFF
"""A tester cleared every code of an ECU (ISO 14229-1, groupOfDTC)."""


@dataclass(frozen=True, slots=True)
class Dtc:
    """A fault code of one ECU, without its state."""

    standard: DtcStandard
    ecu: str
    """Name or address of the ECU that reports it; J1939 source addresses are spelled `sa-00`."""
    code: str
    """`P0301`, `SPN 980 FMI 9`, or the maker's number."""
    ftb: int | None = None
    """Failure type byte of UDS."""
    spn: int | None = None
    fmi: int | None = None


@dataclass(frozen=True, slots=True)
class DtcReading:
    """One code in one report."""

    dtc: Dtc
    status: DtcStatus | None = None
    """None where the standard has no status byte (J1939 DM1: active means confirmed)."""
    occurrences: int | None = None
    at_us: int | None = None
    """When the ECU saw it, microseconds since 1970 UTC; None: when it was reported."""
    freeze_frame: dict[str, float] = field(default_factory=dict)
    """VSS path to value at the fault's onset."""


@dataclass(frozen=True, slots=True)
class DtcReport:
    """What one ECU said about its codes at one moment."""

    message: int
    """Index of the message in its batch."""
    at_us: int
    standard: DtcStandard
    ecu: str
    complete: bool
    """True heals this ECU's codes that are absent from `readings`."""
    readings: tuple[DtcReading, ...]
    mil: bool | None = None
    """Malfunction indicator lamp; None where the report does not tell."""
    scope: DtcStatus | None = None
    """The status bits that it says everything about, where it is one of several lists (J1939-73 DM2, service
    03 of J1979): the others stay as they are. None: it tells everything."""


@dataclass(frozen=True, slots=True)
class DtcClear:
    """A tester cleared an ECU's codes."""

    message: int
    """Index of the message in its batch."""
    at_us: int
    standard: DtcStandard
    ecu: str
    group: int | None = None
    """What was cleared: `ALL_GROUPS`, or one code of three bytes; None: not known, which is taken as all."""
    scope: DtcStatus | None = None
    """Only these bits (J1939-73 DM3: previously active codes); None: all but permanent."""
