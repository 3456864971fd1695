"""How fast frames become rows, against cantools in the same run: one JSON line.

A generated signal file of 60 messages with 12 signals each; random payloads; every signal mapped. Contenders
run in turn, a warm-up round and then nine; ratios are medians of the rounds' ratios.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from cantools.database import load_string
from cantools.database.can import Database

from decoders import can, codebook, envelope, frames
from decoders.codebook import Codebook
from decoders.envelope import CanMessage, Envelope
from vehicle.signal import Catalogue, Signal, SignalKind
from vehicle.units import Unit
from vehicle.vin import Vin

ROUNDS: Final = 9
FRAMES_OF_CANTOOLS: Final = 2_000
MESSAGE_FRAMES: Final = 50
LENGTHS: Final = (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 10, 12)
"""Bits of the signals in one message, in shuffled order: 64."""


@dataclass(frozen=True)
class Work:
    """The signal file, the codebook of it, and messages of 50 frames."""

    database: Database
    book: Codebook
    messages: list[CanMessage]
    pairs: list[tuple[int, bytes]]
    """Identifier and payload of every frame, for cantools."""


def signal_file(rng: np.random.Generator) -> str:
    """60 messages; every fourth is big-endian."""
    blocks = []
    for number in range(60):
        lines = [f"BO_ {0x100 + number} M{number}: 8 X"]
        start = 0
        for k, bits in enumerate(rng.permutation(LENGTHS).tolist()):
            first = 8 * (start // 8) + 7 - start % 8 if number % 4 == 3 else start
            scale, offset = [("1", "0"), ("0.1", "0"), ("0.125", "0"), ("0.5", "-40")][int(rng.integers(4))]
            order = 0 if number % 4 == 3 else 1
            lines.append(f' SG_ S{k} : {first}|{bits}@{order}+ ({scale},{offset}) [0|0] "" X')
            start += bits
        blocks.append("\n".join(lines) + "\n")
    return 'VERSION ""\n\nBU_: X\n\n' + "\n".join(blocks)


def work(messages: int) -> Work:
    """What all contenders decode."""
    rng = np.random.default_rng(1)
    text = signal_file(rng)
    database = load_string(text, database_format="dbc", sort_signals=None)
    assert isinstance(database, Database)
    names = [(message.name, signal.name) for message in database.messages for signal in message.signals]
    signals = tuple(Signal(k, f"Vehicle.S{k}", Unit.NONE, SignalKind.GAUGE) for k in range(1, len(names) + 1))
    catalogue = Catalogue(signals, {one.path: one for one in signals}, {one.number: one for one in signals})
    mapping = '[codebook]\nname = "bench"\nbus = "can"\n' + "".join(
        f'[[map]]\nmessage = "{message}"\nsignal = "{signal}"\npath = "Vehicle.S{k}"\nunit = ""\n'
        for k, (message, signal) in enumerate(names, start=1)
    )
    book = codebook.load("bench", {"bench.dbc": text}, mapping, catalogue)
    n = messages * MESSAGE_FRAMES
    rates = rng.choice([1 / 10, 1 / 20, 1 / 100, 1 / 1000], 60) + 0.01
    ids = (0x100 + rng.choice(60, n, p=rates / rates.sum())).astype(np.uint32)
    data = rng.integers(0, 256, (n, 8), dtype=np.uint8)
    sent = [
        CanMessage(
            envelope=Envelope(
                Vin("A0DC0000000000001"), 1, k, 1_795_219_200_000_000 + k, ack=True, resent=False
            ),
            dt_us=np.arange(MESSAGE_FRAMES, dtype=np.uint32) * 1000,
            can_id=ids[k * MESSAGE_FRAMES : (k + 1) * MESSAGE_FRAMES],
            bus=np.zeros(MESSAGE_FRAMES, np.uint8),
            length=np.full(MESSAGE_FRAMES, 8, np.uint8),
            data=data[k * MESSAGE_FRAMES : (k + 1) * MESSAGE_FRAMES].reshape(-1),
        )
        for k in range(messages)
    ]
    return Work(database, book, sent, list(zip(ids.tolist(), [row.tobytes() for row in data], strict=True)))


def check_equal(one: Work) -> None:
    """The same values from both, or there is nothing to compare."""
    batch = frames.join(one.messages[:2], [0, 1])
    ours = np.sort(can.decode(batch, one.book).rows.value)
    theirs = [
        float(str(value))
        for can_id, payload in one.pairs[: len(batch)]
        for value in decoded(one.database, can_id, payload).values()
    ]
    assert np.allclose(ours, np.sort(theirs), rtol=1e-15)


def decoded(database: Database, can_id: int, payload: bytes) -> Mapping[str, Any]:
    """One frame by cantools."""
    values = database.decode_message(can_id, payload, decode_choices=False)
    assert isinstance(values, dict)
    return values


def contenders(one: Work) -> dict[str, tuple[Callable[[], object], int]]:
    """What is timed, and how many frames each run of it decodes."""
    hundred = frames.join(one.messages[:100], range(100))
    single = [frames.join([message], [0]) for message in one.messages[:40]]
    bodies = [envelope.encode(message) for message in one.messages[:100]]

    def cantools() -> None:
        for can_id, payload in one.pairs[:FRAMES_OF_CANTOOLS]:
            one.database.decode_message(can_id, payload, decode_choices=False)

    def one_at_a_time() -> None:
        for batch in single:
            can.decode(batch, one.book)

    def from_bodies() -> object:
        received = [envelope.decode("can", body) for body in bodies]
        messages = [message for message in received if isinstance(message, CanMessage)]
        return can.decode(frames.join(messages, range(100)), one.book)

    return {
        "cantools": (cantools, FRAMES_OF_CANTOOLS),
        "5,000 frames at a time": (lambda: can.decode(hundred, one.book), 5_000),
        "one message of 50 frames": (one_at_a_time, 40 * MESSAGE_FRAMES),
        "bodies of 100 messages of 50 frames": (from_bodies, 5_000),
    }


def speeds(one: Work) -> dict[str, list[float]]:
    """Frames per second of each contender in each round."""
    found: dict[str, list[float]] = {}
    for round_number in range(ROUNDS + 1):
        for name, (run, n) in contenders(one).items():
            start = time.perf_counter()
            run()
            if round_number:
                found.setdefault(name, []).append(n / (time.perf_counter() - start))
    return found


def main() -> None:
    """Print the line."""
    np.ones(
        4_000_000
    )  # freed at once: from then on malloc keeps memory, as in any process that runs for a while
    one = work(messages=100)
    check_equal(one)
    found = speeds(one)
    floors = {
        "5,000 frames at a time": (6.0, 10.0),
        "one message of 50 frames": (2.0, 4.0),
        "bodies of 100 messages of 50 frames": (4.0, 8.0),
    }
    checks = []
    for name, (floor, target) in floors.items():
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(found[name], found["cantools"], strict=True)
        )
        checks.append(
            {
                "name": f"{name}, against cantools",
                "value": round(ratio, 2),
                "unit": "x",
                "floor": floor,
                "target": target,
                "better": "higher",
                "ok": ratio >= floor,
            }
        )
    figures = {f"{name}, frames/s": round(statistics.median(rates)) for name, rates in found.items()}
    print(json.dumps({"bench": "decode", "checks": checks, "figures": figures}))


if __name__ == "__main__":
    main()
