"""What the tables of both editions have in common.

The text of the standard is not at hand. Every table says in its source which public implementations it was
made from; `[U]` marks what rests on them alone, and `fixtures` what real packets confirm.
"""

from typing import Final

from decoders.gbt32960.fields import BYTE, DWORD, WORD, Bits, Number, State

RTM_CON: Final = "rtm_con (beidouchangxi)"
GO: Final = "gb32960 for Go (sunsky74@09546b9)"
JAVA: Final = "MyFramework (baichangda@1f29a4c)"
NODE: Final = "protocol-32960 (36node, terryhart@3c3ceb4)"
EMQX: Final = "emqx_gateway_gbt32960 (emqx@e002d8b)"

VEHICLE_STATE: Final = State("state", {1: "on", 2: "off", 3: "other"})
CHARGING: Final = State("charging", {1: "parked", 2: "driving", 3: "not_charging", 4: "complete"})
DRIVE_MODE: Final = State("drive_mode", {1: "electric", 2: "hybrid", 3: "fuel"})
DCDC: Final = State("dcdc", {1: "on", 2: "off"})
MOTOR_STATE: Final = State("state", {1: "consuming", 2: "generating", 3: "off", 4: "ready"})
DATUM: Final = State("datum", {1: "wgs84", 2: "gcj02", 3: "other"})

TRAVELED: Final = Number("traveled_m", DWORD, times=100, last=9_999_999)
"""0.1 km in one count."""
SPEED: Final = Number("speed_kmh", WORD, per=10, last=2_200)
SOC: Final = Number("soc_pct", BYTE, last=100)

POSITION_STATUS: Final = Bits("status", BYTE)
"""Bit 0: no fix, what follows is the last one; bit 1: south; bit 2: west."""
LONGITUDE: Final = Number("longitude_deg", DWORD, per=1_000_000, last=180_000_000)
LATITUDE: Final = Number("latitude_deg", DWORD, per=1_000_000, last=90_000_000)
"""Magnitudes; the status has the signs."""

FAULT_CODE: Final = Number("code", DWORD, last=(1 << 32) - 1)
"""A maker's own; all values are codes."""


def temperature(name: str, last: int | None = 250) -> Number:
    """One byte, 1 °C, from -40 °C."""
    return Number(name, BYTE, zero=40, last=last)


def voltage(name: str, last: int | None = None) -> Number:
    """One word, 0.1 V."""
    return Number(name, WORD, per=10, last=last)


def current(name: str, *, lowest_a: int, last: int | None = None) -> Number:
    """One word, 0.1 A, from `lowest_a`."""
    return Number(name, WORD, per=10, zero=-10 * lowest_a, last=last)


def cell_voltage(name: str, last: int | None = None) -> Number:
    """One word, 0.001 V."""
    return Number(name, WORD, per=1_000, last=last)


def ordinal(name: str, size: int = BYTE) -> Bits:
    """The number of a part."""
    return Bits(name, size)
