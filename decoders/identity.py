"""What ECUs say about themselves: numbers and names, whatever protocol carried them."""

from dataclasses import dataclass
from enum import StrEnum


class IdentityKind(StrEnum):
    """What is spelled."""

    VIN = "vin"
    COMPONENT = "component"
    """Make, model, serial number and unit number (J1939-71, PGN 65259)."""
    PART_NUMBER = "part-number"
    SERIAL = "serial"
    SUPPLIER = "supplier"
    HARDWARE = "hardware"
    SOFTWARE = "software"
    CALIBRATION = "calibration"
    """Calibration identification, CALID (J1979, service 09)."""
    VERIFICATION = "verification"
    """Calibration verification number, CVN, in hexadecimal (J1979, service 09)."""
    ECU_NAME = "ecu-name"


@dataclass(frozen=True, slots=True)
class Identity:
    """One thing an ECU said about itself."""

    message: int
    """Index of the message in its batch."""
    at_us: int
    ecu: str
    kind: IdentityKind
    texts: tuple[str, ...]
    """As it was sent, without filling; a VIN is not checked."""


def readable(data: bytes) -> str:
    """Bytes as text without filling; in hexadecimal where they are none.

    Filling is zero anywhere, 0xFF and blanks at either end.
    """
    text = data.replace(b"\x00", b"").strip(b"\xff \t\r\n")
    if all(0x20 <= byte < 0x7F for byte in text):
        return text.decode("ascii")
    return data.hex().upper()
