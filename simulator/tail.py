"""Live frames: the last seconds of a petrol car's last day as it rolls to its parking place.

The T-Box passes every identifier on ten times a second at most. Codebook and values are those of the
day's `signals`, so that both ways into the system must say the same.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

import dbc
from decoders.envelope import Message
from simulator.days import Life
from simulator.frames import Frame, FrameEncoder, can_message
from simulator.tbox import LIVE_BOOT, end_us, envelope

TAIL_S: Final = 10
CODEBOOK: Final = "odo_petrol"
_TENTH_US: Final = 100_000
_WHEELS: Final = ("FrontLeft", "FrontRight", "RearLeft", "RearRight")


class PetrolTail:
    """Encodes the end of a petrol car's day; the others send none."""

    def __init__(self) -> None:
        self._encoder = FrameEncoder(dbc.read("odo_petrol.dbc"))

    def __call__(self, life: Life, day: int) -> Iterator[Message]:
        """One `can` message that ends with the day's last arrival, in a boot of its own."""
        if life.vehicle.model.is_petrol:
            t0_us = end_us(life, day) - TAIL_S * 1_000_000
            head = envelope(life, day, LIVE_BOOT, 0, t0_us)
            yield can_message(head, self._frames(life, day, t0_us), CODEBOOK)

    def _frames(self, life: Life, day: int, t0_us: int) -> Iterator[Frame]:
        for tenth in range(TAIL_S * 10):
            at_us = t0_us + tenth * _TENTH_US
            for name, values in _fast(life, day, tenth).items():
                yield self._at(at_us, name, values)
            if tenth % 10 == 0:
                for name, values in _slow(life, day, tenth // 10).items():
                    yield self._at(at_us, name, values)

    def _at(self, t_us: int, name: str, values: Mapping[str, float]) -> Frame:
        return self._encoder.encode(name, values)._replace(t_us=t_us)


def _fast(life: Life, day: int, tenth: int) -> dict[str, dict[str, float]]:
    """What changes within a second: it brakes from 28 km/h and idles the last two seconds."""
    speed_kmh = max(0.0, 28.0 * (1.0 - tenth / (TAIL_S * 8.0)))
    idle_rpm = 720.0 + 10.0 * (tenth % 3)
    return {
        "ENGINE_1": {
            "EngineSpeed": idle_rpm + 28.0 * speed_kmh,
            "EngineTorque": 18.0,
            "ThrottlePosition": 4.0,
            "EngineState": 2,
            "EngineCounter": tenth % 16,
        },
        "SPEED_1": {"VehicleSpeed": speed_kmh, "YawRate": 0.0, "BrakePedal": float(speed_kmh > 0.0)},
        "ENGINE_TEMPS": {
            "CoolantTemperature": float(life.coolant_degc[day]),
            "OilTemperature": float(life.coolant_degc[day]) + 4.0,
            "IntakeAirTemperature": _evening_degc(life, day) + 12.0,
        },
    }


def _slow(life: Life, day: int, second: int) -> dict[str, dict[str, float]]:
    """What is sent every second. Nothing is cranked here: both voltages of a start read 0, no measurement."""
    wheel = second % 4
    pressure_kpa = 236.0 + 0.8 * (_evening_degc(life, day) - 20.0)
    every = {
        "ODOMETER": {"Odometer": float(life.last_km[day]), "TripDistance": float(life.used.km[day])},
        "BATTERY_12V": {"BatteryVoltage": 14.2},
        "STARTS": {"EngineStarts": float(life.starts_total[day])},
        "AMBIENT": {"AmbientTemperature": _evening_degc(life, day)},
        "TYRES": {"Wheel": float(wheel), f"Pressure{_WHEELS[wheel]}": pressure_kpa},
        "FUEL": {"FuelLevel": _fuel_pct(life, day)},
    }
    if second == 0:
        every["OIL_LIFE"] = {"OilLifeRemaining": float(life.oil_life_pct[day]), "OilLevel": 80.0}
        every["HOURS"] = {"EngineHours": float(life.engine_h[day])}
    return every


def _evening_degc(life: Life, day: int) -> float:
    return float(life.dawn_degc[day] + np.floor((life.noon_degc[day] - life.dawn_degc[day]) / 3.0))


def _fuel_pct(life: Life, day: int) -> float:
    """The tank is filled up whenever it is down to an eighth."""
    model = life.vehicle.model
    burnt_l = float(life.last_km[day]) * model.litre_per_100km / 100.0
    return 100.0 * (1.0 - 0.875 * (burnt_l / (model.tank_l * 0.875) % 1.0))
