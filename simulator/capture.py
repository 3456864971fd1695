"""A recorded drive of a simulated light truck: two minutes of J1939 as candump writes them.

For demonstrations where no real capture is at hand: the truck idles, pulls away, drives and stops; its
engine reports four active codes, which need the transport protocol (BAM), and its total distance.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

import dbc
from decoders.envelope import EXTENDED
from simulator.frames import Frame, FrameEncoder
from vehicle.dtc import Dtc, DtcReading, DtcStandard

DURATION_S: Final = 120
STARTS_AT_US: Final = 1_767_225_600_000_000
"""2026-01-01 UTC; a replay moves it anyway."""
ENGINE: Final = 0x00
"""J1939 source address of the engine."""
STEP_US: Final = 20_000
ODOMETER_STEP_KM: Final = 0.125

_TP_CM_BAM: Final = 0x18ECFF00 | EXTENDED | ENGINE
_TP_DT: Final = 0x18EBFF00 | EXTENDED | ENGINE
_DM1_PGN: Final = 0xFECA
_BAM: Final = 32
_PACKET_BYTES: Final = 7
_PACKET_GAP_US: Final = 60_000
"""J1939-21 allows 50 to 200 ms between the packets of a broadcast."""
_LAMPS: Final = bytes([0b01_00_00_11, 0xFF])
"""Malfunction indicator on, stop and warning lamps off, protect lamp and flashing not available."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A drive and what a decoder must find in it."""

    frames: tuple[Frame, ...]
    odometer_km: float
    """Last total vehicle distance."""
    codes: tuple[DtcReading, ...]


def _code(spn: int, fmi: int, occurrences: int) -> DtcReading:
    dtc = Dtc(DtcStandard.J1939, f"sa-{ENGINE:02x}", f"SPN {spn} FMI {fmi}", spn=spn, fmi=fmi)
    return DtcReading(dtc, occurrences=occurrences)


CODES: Final = (_code(3251, 16, 4), _code(3216, 20, 2), _code(94, 18, 3), _code(639, 9, 12))


def record(seed: int) -> Recording:
    """A drive; the seed gives weather, load and how far the truck has come."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0xCA9,)))
    truck = _Truck(rng)
    encoder = FrameEncoder(dbc.read("j1939.dbc"))
    frames = [*truck.frames(encoder), *_code_broadcasts()]
    frames.sort(key=lambda frame: frame.t_us)
    return Recording(tuple(frames), truck.odometer_km[-1], CODES)


def write(recording: Recording, path: Path) -> int:
    """Write a recording as `candump -L` does, compressed if the name ends in .gz; the number of frames."""
    lines = (
        f"({(STARTS_AT_US + frame.t_us) // 1_000_000}.{frame.t_us % 1_000_000:06d}) can0 "
        f"{frame.can_id & ~EXTENDED:08X}#{frame.payload.hex().upper()}\n"
        for frame in recording.frames
    )
    text = "".join(lines).encode("ascii")
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return len(recording.frames)


class _Truck:
    """State of the truck at every step of the drive."""

    def __init__(self, rng: np.random.Generator) -> None:
        time_s = np.arange(DURATION_S * 1_000_000 // STEP_US) * STEP_US / 1e6
        corners_s = [0.0, 18.0, 45.0, 85.0, 108.0, DURATION_S]
        corners_kmh = [0.0, 0.0, 52.0, 66.0, 0.0, 0.0]
        self.time_s = time_s
        self.speed_kmh = np.interp(time_s, corners_s, corners_kmh)
        driven_km = np.cumsum(self.speed_kmh) * STEP_US / 3.6e9
        start_km = float(rng.integers(20_000, 90_000))
        self.exact_km = start_km + driven_km
        self.odometer_km = np.floor(self.exact_km / ODOMETER_STEP_KM) * ODOMETER_STEP_KM
        self.trip_km = np.floor(driven_km / ODOMETER_STEP_KM) * ODOMETER_STEP_KM
        self.ambient_degc = float(rng.integers(-4, 30))
        self.hours = start_km / 31.0
        gear_ratio = np.interp(self.speed_kmh, [0.0, 15.0, 30.0, 70.0], [90.0, 75.0, 42.0, 25.0])
        self.speed_rpm = np.maximum(650.0, self.speed_kmh * gear_ratio) + rng.normal(0.0, 3.0, len(time_s))
        accelerates = np.gradient(self.speed_kmh) > 1e-6
        self.load_pct = np.where(accelerates, 68.0, 16.0) + rng.normal(0.0, 2.0, len(time_s))
        self.coolant_degc = 78.0 + 9.0 * (1.0 - np.exp(-time_s / 60.0))

    def frames(self, encoder: FrameEncoder) -> Iterator[Frame]:
        """Fast groups at every step, engine and road at every fifth, the rest every second."""
        for step, time_s in enumerate(self.time_s):
            groups = {"EEC1": self._eec1(step)}
            if step % 5 == 1:
                groups |= self._tenths(step)
            if step % 50 == 2:
                groups |= self._seconds(step)
            for number, (name, values) in enumerate(groups.items()):
                frame = encoder.encode(name, values, source_address=ENGINE)
                yield frame._replace(t_us=round(time_s * 1e6) + number * 550)  # one frame takes 0.55 ms

    def _eec1(self, step: int) -> dict[str, float]:
        return {
            "EngineTorqueMode": 1,
            "DriversDemandTorque": round(self.load_pct[step]),
            "ActualEngineTorque": round(self.load_pct[step]) - 2,
            "EngineSpeed": float(self.speed_rpm[step]),
        }

    def _tenths(self, step: int) -> dict[str, dict[str, float]]:
        load_pct = float(np.clip(self.load_pct[step], 0.0, 100.0))
        pedal_pct = max(0.0, load_pct - 22.0)
        braking = self.time_s[step] > 85.0 and self.speed_kmh[step] > 0.0
        return {
            "EEC2": {"AcceleratorPedalPosition1": pedal_pct, "EngineLoadAtCurrentSpeed": load_pct},
            "CCVS1": {
                "ParkingBrakeSwitch": 0.0,
                "WheelBasedVehicleSpeed": float(self.speed_kmh[step]),
                "BrakeSwitch": float(braking),
            },
            "LFE1": {"EngineFuelRate": 0.9 + 0.16 * load_pct, "EngineThrottlePosition": pedal_pct},
        }

    def _seconds(self, step: int) -> dict[str, dict[str, float]]:
        coolant_degc = float(self.coolant_degc[step])
        return {
            "ET1": {"EngineCoolantTemperature": coolant_degc, "EngineOilTemperature1": coolant_degc + 6.0},
            "EFLP1": {"EngineOilPressure": 180.0 + 0.09 * float(self.speed_rpm[step])},
            "VD": {
                "TripDistance": float(self.trip_km[step]),
                "TotalVehicleDistance": float(self.odometer_km[step]),
            },
            "VDHR": {"HighResolutionTotalVehicleDistance": float(self.exact_km[step]) * 1000.0},
            "HOURS": {"EngineTotalHoursOfOperation": self.hours + float(self.time_s[step]) / 3600.0},
            "VEP1": {"BatteryPotential": 14.1, "KeyswitchBatteryPotential": 14.05},
            "AMB": {"AmbientAirTemperature": self.ambient_degc},
            "DD": {"FuelLevel1": 61.6},
            "AT1T1I": {"Aftertreatment1DefTankLevel": 44.0},
            "AT1S1": {"Aftertreatment1DpfSootLoad": 71.0},
        }


def _code_broadcasts() -> Iterator[Frame]:
    """DM1 once a second: an announcement and its packets."""
    payload = _LAMPS + b"".join(_dm1_bytes(code) for code in CODES)
    packets = [payload[k : k + _PACKET_BYTES] for k in range(0, len(payload), _PACKET_BYTES)]
    size = len(payload).to_bytes(2, "little")
    announcement = bytes([_BAM]) + size + bytes([len(packets), 0xFF]) + _DM1_PGN.to_bytes(3, "little")
    for second in range(DURATION_S - 1):
        t_us = second * 1_000_000 + 310_000
        yield Frame(t_us, _TP_CM_BAM, announcement)
        for number, packet in enumerate(packets, start=1):
            body = bytes([number]) + packet.ljust(_PACKET_BYTES, b"\xff")
            yield Frame(t_us + number * _PACKET_GAP_US, _TP_DT, body)


def _dm1_bytes(code: DtcReading) -> bytes:
    """SPN and FMI in version 4, conversion method 0, occurrences (SAE J1939-73)."""
    spn, fmi, occurrences = code.dtc.spn, code.dtc.fmi, code.occurrences
    assert spn is not None and fmi is not None and occurrences is not None  # noqa: PT018  # one fact: all given
    return bytes([spn & 0xFF, spn >> 8 & 0xFF, spn >> 16 << 5 | fmi, occurrences])
