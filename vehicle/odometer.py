"""Who counts a vehicle's kilometres: sources of odometer readings, and what each says on each local day."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WRITTEN: Final = -1
"""A workshop wrote it down."""
UNTOLD: Final = 0
"""Stored before sources were kept apart."""
SIGNALS: Final = 1
"""The T-Box's own `Vehicle.TraveledDistance`: what the instrument cluster shows."""
CAN: Final = 2
"""The cluster's message on the bus, by a codebook that is not J1939."""
GBT32960: Final = 3
"""Mileage of unit 01, 0.1 km."""
DIAGNOSTIC: Final = 4
"""UDS identifiers and OBD PID A6."""
HIGH_RESOLUTION: Final = 5
"""`Vehicle.X-Odo.HighResolutionDistance` that did not come as a J1939 frame."""
J1939_VD: Final = 256
"""Vehicle distance (PGN 65248, FEE0) of source address 0; those of the others follow."""
J1939_VDHR: Final = 512
"""High-resolution vehicle distance (PGN 65217, FEC1), likewise."""
_ADDRESSES: Final = 256
_CLUSTER: Final = 0x17
_TACHOGRAPH: Final = 0xEE
_NAMES: Final = {
    WRITTEN: "written",
    UNTOLD: "untold",
    SIGNALS: "signals",
    CAN: "can",
    GBT32960: "gbt32960",
    DIAGNOSTIC: "diagnostic",
    HIGH_RESOLUTION: "high-resolution",
}


def name(source: int) -> str:
    """What a source is called: `signals`, `gbt32960`, `fee0-17` (J1939: group and source address in hex)."""
    if source in _NAMES:
        return _NAMES[source]
    group = "fee0" if source < J1939_VDHR else "fec1"
    return f"{group}-{source % _ADDRESSES:02x}"


def rank(source: int) -> tuple[int, int]:
    """Order of trust, the best first: what the driver and the service book read comes before all others.

    The cluster; then the tachograph, which is calibrated by law; then engines, telematics and testers.
    """
    order = {SIGNALS: 0, CAN: 1, HIGH_RESOLUTION: 5, GBT32960: 6, DIAGNOSTIC: 7, UNTOLD: 8}
    if source in order:
        return order[source], 0
    address, is_fine = source % _ADDRESSES, source >= J1939_VDHR
    first = {_CLUSTER: 2, _TACHOGRAPH: 3}.get(address, 4)
    return first, 2 * address + int(is_fine)


@dataclass(frozen=True, slots=True)
class OdometerSamples:
    """Odometer readings of a batch as they came, arrays of length n, by message, source and time."""

    message: NDArray[np.int32]
    t_us: NDArray[np.int64]
    source: NDArray[np.int16]
    km: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.t_us)


@dataclass(frozen=True, slots=True)
class OdometerDays:
    """What each source showed on a local day: one row per vehicle, day and source, rising by all three.

    Kilometres as shown, without what half a second later was known to be a start-up glitch. Every column
    merges the same in any order; at equal kilometres the earlier moment stands for an extreme.
    """

    vehicle_id: NDArray[np.int64]
    day: NDArray[np.int32]
    source: NDArray[np.int16]
    first_km: NDArray[np.float64]
    first_us: NDArray[np.int64]
    last_km: NDArray[np.float64]
    last_us: NDArray[np.int64]
    low_km: NDArray[np.float64]
    low_us: NDArray[np.int64]
    high_km: NDArray[np.float64]
    high_us: NDArray[np.int64]
    within_m: NDArray[np.int64]
    """What the counter rose inside messages whose speed is known throughout."""
    speed_m: NDArray[np.int64]
    """The speed of the same messages, integrated."""
    readings_n: NDArray[np.int64]
    glitches_n: NDArray[np.int64]
    """Readings left out as start-up glitches."""
    glitch_us: NDArray[np.int64]
    """Moment of the first of them; 0 where there is none."""
    glitch_km: NDArray[np.float64]
    """What it showed, and"""
    settled_km: NDArray[np.float64]
    """what the counter showed half a second later; NaN where there is none."""

    def __len__(self) -> int:
        return len(self.day)
