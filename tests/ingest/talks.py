"""Vehicles that a tester talks with: their frames, their answers, and the books that read them."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import dbc
from decoders import diagnostics
from decoders.message import CanMessage, DiagAnswer, DiagMessage
from ingest.delivery import Delivery
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from store.pool import Connection
from tests.decoders.isotp_frames import segments
from tests.ingest.senders import T0_US, can, deliver, envelope
from tests.strategies import Frame
from vehicle.vin import Vin

GOLDEN: Final = Path(__file__).parents[1] / "golden/diag"
SOC: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
INDOOR: Final = "Vehicle.Cabin.HVAC.AmbientAirTemperature"
OUTDOOR: Final = "Vehicle.Exterior.AirTemperature"
SPEED: Final = "Vehicle.Speed"
MANIFEST: Final = """
[[diagnostics]]
name = "kona"
files = ["kona.toml"]
[[diagnostics.ecu]]
answer = 0x7BB
request = 0x7B3
[[diagnostics.ecu]]
answer = 0x612
request = 0x6F1
answer_address = 0xF1
request_address = 0x12
name = "dash"
[[diagnostics.ecu]]
answer = 0x18DAF1D0
name = "wide"

[[model]]
model = "Kona"
diagnostics = "kona"
"""


def kona_line(line: Line) -> Line:
    """A line that knows the Kona's identifiers, and which of its frames are conversations."""
    texts = {name: (GOLDEN / name).read_text(encoding="utf-8") for name in ("kona.toml",)}
    texts |= {name: dbc.read(name) for name in diagnostics.STANDARD_FILES}
    lexicon = line.lexicon
    books = diagnostics.load(MANIFEST, texts, lexicon.catalogue)
    return Line(Lexicon.of(lexicon.catalogue, lexicon.codebooks, lexicon.dtc_table, books), line.seal)


def frames_message(
    of: Vin, seq: int, frames: Sequence[Frame], *, codebook: str | None = None, boot: int = 1
) -> CanMessage:
    """Frames with their own moments."""
    t0_us = frames[0].t_us
    told = [(one.t_us - t0_us, one.wire_id, one.payload) for one in frames]
    return can(of, seq, told, t0_us=T0_US + t0_us, codebook=codebook, boot=boot)


def cut(of: Vin, frames: Sequence[Frame], n: int, *, codebook: str | None = None) -> list[Delivery]:
    """A stream of frames as messages of n, from `T0_US` on."""
    frames = [replace(one, t_us=one.t_us - frames[0].t_us) for one in frames]
    parts = [frames[start : start + n] for start in range(0, len(frames), n)]
    return [deliver(frames_message(of, seq, part, codebook=codebook)) for seq, part in enumerate(parts)]


def talk(*payloads: tuple[int, str], start_us: int = 0, step_us: int = 100_000) -> list[Frame]:
    """Payloads one behind the other, as (identifier, hexadecimal)."""
    at = itertools.count(start_us, step_us)
    return [
        frame
        for can_id, text in payloads
        for frame in segments(can_id, bytes.fromhex(text), start_us=next(at))
    ]


def diag(
    of: Vin, seq: int, *payloads: tuple[str, str], ecu: str = "7e8", t0_us: int = T0_US, boot: int = 1
) -> DiagMessage:
    """Answers as (payload, request), both in hexadecimal, a millisecond apart."""
    told = tuple(
        DiagAnswer(k * 1000, ecu, bytes.fromhex(payload), bytes.fromhex(request) or None)
        for k, (payload, request) in enumerate(payloads)
    )
    return DiagMessage(envelope(of, seq, boot=boot, t0_us=t0_us), told)


async def registered(conn: Connection, of: Vin, model: str) -> None:
    await conn.execute("insert into vehicle (vin, model) values (%s, %s)", [of, model])


async def observed(conn: Connection) -> list[tuple[Any, ...]]:
    """Every stored value with its moment, whatever row it stands in."""
    cur = await conn.execute("select path, at, value, seq from observation order by path, at, value, seq")
    return await cur.fetchall()


async def values_of(conn: Connection, path: str) -> list[float]:
    cur = await conn.execute("select value from observation where path = %s order by at", [path])
    return [row[0] for row in await cur.fetchall()]


async def faults(conn: Connection) -> list[tuple[Any, ...]]:
    """Code, episode, status, end and lamp of every fault."""
    cur = await conn.execute(
        "select ecu, code, episode, confirmed, status, ended_why, mil from fault order by 1, 2, 3"
    )
    return await cur.fetchall()


def batches(deliveries: Iterable[Delivery], size: int) -> list[list[Delivery]]:
    given = list(deliveries)
    return [given[start : start + size] for start in range(0, len(given), size)]
