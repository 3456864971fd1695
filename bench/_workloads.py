"""Signal files and frames for benchmarks of decoding, all made up: several kinds of 60 messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from cantools.database import load_string
from cantools.database.can import Database
from numpy.typing import NDArray

from decoders import codebook
from decoders.codebook import Codebook
from decoders.frames import take
from decoders.kernel import Kernel
from decoders.message import CanMessage, Envelope
from vehicle.frame import FrameBatch
from vehicle.signal import Catalogue, Signal, SignalKind
from vehicle.units import Unit
from vehicle.vin import Vin

MESSAGES: Final = 60
FIRST_ID: Final = 0x100
SCALES: Final = (("1", "0"), ("0.1", "0"), ("0.125", "0"), ("0.5", "-40"))
KINDS: Final = ("mixed", "big-endian", "multiplexed", "float", "CAN FD")
LENGTHS: Final[Mapping[str, tuple[int, ...]]] = {
    "mixed": (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 10, 12),
    "big-endian": (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 10, 12),
    "multiplexed": (1, 1, 2, 2, 4, 4, 8, 8, 12, 14),
    "float": (32, 8, 8, 16),
    "CAN FD": (*range(1, 17), 1, 1, 2, 4, 8, 8, 32, 32, 64, 64),
}
"""Bits of the signals in one frame of each kind, which are shuffled."""


@dataclass(frozen=True)
class Work:
    """A signal file, its codebook, and frames of all its messages at the rates that messages have."""

    kind: str
    text: str
    database: Database
    book: Codebook
    ids: NDArray[np.uint32]
    data: NDArray[np.uint8]
    signals_per_frame: float

    @property
    def pairs(self) -> list[tuple[int, bytes]]:
        """Identifier and payload of the first frames, for cantools."""
        size = 64 if self.kind == "CAN FD" else 8
        return [
            (can_id, row[:size].tobytes())
            for can_id, row in zip(self.ids[:2_000].tolist(), self.data[:2_000], strict=True)
        ]

    def batches(self, frames: int) -> list[FrameBatch]:
        """All frames, so many at a time, each batch as one message holds them."""
        n = len(self.ids)
        whole = FrameBatch(
            message=np.zeros(n, np.int32),
            t_us=np.arange(n, dtype=np.int64) * 1_000,
            can_id=self.ids,
            is_extended=np.zeros(n, np.bool_),
            bus=np.zeros(n, np.uint8),
            length=np.full(n, self.data.shape[1], np.uint8),
            data=self.data,
        )
        return [take(whole, slice(start, start + frames)) for start in range(0, n, frames)]

    def messages(self, count: int, frames: int) -> list[CanMessage]:
        """So many messages of so many frames each."""
        sent = []
        for seq in range(count):
            these = slice(seq * frames, (seq + 1) * frames)
            t0_us = 1_795_219_200_000_000 + seq
            sent.append(
                CanMessage(
                    Envelope(Vin("A0DC0000000000001"), 1, seq, t0_us, ack=True, resent=False),
                    dt_us=np.arange(frames, dtype=np.uint32) * 1_000,
                    can_id=self.ids[these],
                    bus=np.zeros(frames, np.uint8),
                    length=np.full(frames, self.data.shape[1], np.uint8),
                    data=self.data[these].reshape(-1),
                )
            )
        return sent


def work(kind: str, frames: int, kernel: Kernel | None) -> Work:
    """The frames of one kind; the same every time."""
    rng = np.random.default_rng(1)
    text = signal_file(kind, rng)
    database = load_string(text, database_format="dbc", sort_signals=None)
    assert isinstance(database, Database)
    rates = rng.choice([1 / 10, 1 / 20, 1 / 100, 1 / 1000], MESSAGES) + 0.01
    ids = (FIRST_ID + rng.choice(MESSAGES, frames, p=rates / rates.sum())).astype(np.uint32)
    data = rng.integers(0, 256, (frames, 64 if kind == "CAN FD" else 8), dtype=np.uint8)
    if kind == "multiplexed":
        data[:, 0] &= 0x03
    book = _book(text, database, kernel)
    per_frame = len(LENGTHS[kind]) + (kind == "multiplexed")
    return Work(kind, text, database, book, ids, data, per_frame)


def signal_file(kind: str, rng: np.random.Generator) -> str:
    """60 messages of a kind; of the mixed ones every fourth is big-endian."""
    blocks, behind = [], []
    for number in range(MESSAGES):
        is_big = kind == "big-endian" or (kind == "mixed" and number % 4 == 3)
        name = f"M{number}"
        lines = [f"BO_ {FIRST_ID + number} {name}: {64 if kind == 'CAN FD' else 8} X"]
        if kind == "multiplexed":
            lines.append(' SG_ Mux M : 0|8@1+ (1,0) [0|0] "" X')
            for value in range(4):
                lines += _signals(kind, rng, 8, is_big=is_big, mux=f"m{value} ", suffix=f"_{value}")
        else:
            lines += _signals(kind, rng, 0, is_big=is_big)
        blocks.append("\n".join(lines) + "\n")
        if kind == "float":
            behind += [f"SIG_VALTYPE_ {FIRST_ID + number} {_float(lines)} : 1;"]
    return 'VERSION ""\n\nBU_: X\n\n' + "\n".join(blocks) + "\n" + "\n".join(behind) + "\n"


def _signals(
    kind: str, rng: np.random.Generator, start: int, *, is_big: bool, mux: str = "", suffix: str = ""
) -> list[str]:
    lines = []
    for k, bits in enumerate(rng.permutation(LENGTHS[kind]).tolist()):
        first = 8 * (start // 8) + 7 - start % 8 if is_big else start
        scale, offset = SCALES[int(rng.integers(4))]
        order, sign = "0" if is_big else "1", "-" if k % 4 == 1 or bits == 32 else "+"
        name = f"S{k}{suffix}"
        lines.append(f' SG_ {name} {mux}: {first}|{bits}@{order}{sign} ({scale},{offset}) [0|0] "" X')
        start += bits
    return lines


def _float(lines: list[str]) -> str:
    """The name of the signal that has 32 bits."""
    return next(line.split()[1] for line in lines if "|32@" in line)


def _book(text: str, database: Database, kernel: Kernel | None) -> Codebook:
    """A codebook that maps every signal."""
    names = [(message.name, signal.name) for message in database.messages for signal in message.signals]
    signals = tuple(Signal(k, f"Vehicle.S{k}", Unit.NONE, SignalKind.GAUGE) for k in range(1, len(names) + 1))
    catalogue = Catalogue(signals, {one.path: one for one in signals}, {one.number: one for one in signals})
    mapping = '[codebook]\nname = "bench"\nbus = "can"\n' + "".join(
        f'[[map]]\nmessage = "{message}"\nsignal = "{signal}"\npath = "Vehicle.S{k}"\nunit = ""\n'
        for k, (message, signal) in enumerate(names, start=1)
    )
    return codebook.load("bench", {"bench.dbc": text}, mapping, catalogue, kernel)


def decoded(database: Database, can_id: int, payload: bytes) -> Mapping[str, Any]:
    """One frame by cantools."""
    values = database.decode_message(can_id, payload, decode_choices=False)
    assert isinstance(values, dict)
    return values
