"""The fleet of the ingest benchmark and what it sends: all made up, the same every time but for the date."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench._workloads import FIRST_ID, MESSAGES
from vehicle.vin import Vin

FRAMES: Final = 50
"""Of one `can` message: a second of a bus."""
_FRAME_US: Final = 20_000
_SECOND_US: Final = 1_000_000
MODEL: Final = "Bench"
PATHS: Final = (
    "Vehicle.Speed",
    "Vehicle.TraveledDistance",
    "Vehicle.Powertrain.CombustionEngine.Speed",
    "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature",
    "Vehicle.Exterior.AirTemperature",
    "Vehicle.LowVoltageBattery.CurrentVoltage",
    "Vehicle.Powertrain.FuelSystem.RelativeLevel",
    "Vehicle.OBD.EngineLoad",
    "Vehicle.OBD.IntakeTemp",
    "Vehicle.X-Odo.FuelRate",
)
"""What the small messages carry, one value each."""
NORMAL: Final = (
    (72.0, 0.0), (0.0, 0.0), (2000.0, 200.0), (90.0, 2.0), (12.0, 1.0),
    (13.9, 0.1), (60.0, 1.0), (40.0, 5.0), (25.0, 2.0), (6.0, 0.5),
)  # fmt: skip
"""Mean and deviation of each; the odometer is worked out."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some seconds of a fleet's life, of which each vehicle sends a message."""

    boot: int
    since_us: int
    """Microseconds since 1970 UTC."""
    vehicles: int
    seconds: int
    first: int = 0
    """Number of the first vehicle."""

    @property
    def messages(self) -> int:
        """Of all vehicles."""
        return self.vehicles * self.seconds

    def heads(self) -> Iterator[tuple[str, Vin, int, int]]:
        """Topic without its kind, VIN, sequence number and beginning of each message, second by second."""
        vins = [vin(number) for number in range(self.first, self.first + self.vehicles)]
        for second in range(self.seconds):
            t0_us = self.since_us + second * _SECOND_US
            for one in vins:
                yield f"tbox/v1/{one}/up/", one, second, t0_us


def vin(number: int) -> Vin:
    """Of vehicle `number`."""
    return Vin(f"A0DC{number:013}")


def can_messages(part: Part, *, noise: bool = False, ack: bool = False) -> Iterator[tuple[str, bytes]]:
    """Topics and bodies of `can` messages, in MessagePack."""
    ids, data = _frames(part, noise=noise)
    dt_us = (np.arange(FRAMES, dtype="<u4") * np.uint32(_FRAME_US)).tobytes()
    length = bytes([8]) * FRAMES
    encode = msgspec.msgpack.Encoder().encode
    for number, (topic, name, seq, t0_us) in enumerate(part.heads()):
        these = slice(number * FRAMES, (number + 1) * FRAMES)
        body = {
            "v": 1,
            "vin": name,
            "boot": part.boot,
            "seq": seq,
            "t0_us": t0_us,
            "ack": ack,
            "resent": False,
            "dt_us": dt_us,
            "id": ids[these].tobytes(),
            "len": length,
            "data": data[these].tobytes(),
        }
        yield topic + "can", encode(body)


def _frames(part: Part, *, noise: bool) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Identifiers and payloads, by message.

    Identifiers come at the rates that messages have. One byte of eight has changed since the vehicle's last
    frame of the same identifier; all of them, where `noise` is wanted.
    """
    n = part.messages * FRAMES
    rng = np.random.default_rng(part.boot)
    rates = np.random.default_rng(1).choice([1 / 10, 1 / 20, 1 / 100, 1 / 1000], MESSAGES) + 0.01
    ids = rng.choice(MESSAGES, n, p=rates / rates.sum()).astype(np.int64)
    if noise:
        return (FIRST_ID + ids).astype("<u4"), rng.integers(0, 1 << 64, n, dtype=np.uint64)
    sender = np.tile(np.repeat(np.arange(part.vehicles), FRAMES), part.seconds)
    order = np.argsort(sender * MESSAGES + ids, kind="stable")
    change = rng.integers(1, 256, n, dtype=np.uint64) << (8 * rng.integers(0, 8, n, dtype=np.uint64))
    first = np.diff((sender * MESSAGES + ids)[order], prepend=-1) != 0
    change[first] = rng.integers(0, 1 << 64, np.count_nonzero(first), dtype=np.uint64)
    data = np.empty(n, np.uint64)
    data[order] = np.bitwise_xor.accumulate(change)
    return (FIRST_ID + ids).astype("<u4"), data


def json_messages(part: Part, *, ack: bool = False) -> Iterator[tuple[str, bytes]]:
    """Topics and bodies of `signals` messages of ten signals with a value each, in JSON.

    The vehicles drive at a steady 72 km/h, so that odometers rise as they should.
    """
    rng = np.random.default_rng(part.boot)
    middle, spread = np.array(NORMAL).T
    values = rng.normal(0, 1, (part.messages, len(PATHS))) * spread + middle
    second = np.repeat(np.arange(part.seconds), part.vehicles)
    values[:, 1] = 20.0 * second + part.since_us % (1 << 40) / 50_000 + 1e6
    rows = np.round(values, 1).tolist()
    signals = ",".join(f'"{path}":{{"dt_us":[0],"value":[%s]}}' for path in PATHS)
    word = "true" if ack else "false"
    text = (
        f'{{"v":1,"vin":"%s","boot":{part.boot},"seq":%s,"t0_us":%s,"ack":{word},"resent":false,'
        f'"signals":{{{signals}}}}}'
    )
    for (topic, name, seq, t0_us), row in zip(part.heads(), rows, strict=True):
        yield topic + "signals", (text % (name, seq, t0_us, *row)).encode()
