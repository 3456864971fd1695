"""Random signal files for the tests, and cantools as the judge of what their frames mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from cantools.database import load_string
from cantools.database.can import Database
from cantools.database.errors import DecodeError
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from decoders import codebook
from decoders.codebook import Codebook
from decoders.field import Field, Form
from decoders.j1939 import pgn
from tests.strategies import FD_LENGTHS
from vehicle.signal import Catalogue, Signal, SignalKind
from vehicle.units import Unit

SCALES = ("1", "0.125", "0.1", "0.01", "0.05", "2", "-0.5", "1e-07", "0.00390625", "3.3")
OFFSETS = ("0", "-40", "-273", "1000", "-0.05", "0.1")


@dataclass(frozen=True)
class Drawn:
    """A signal file, the codebook made of it, and whose number each signal has."""

    text: str
    codebook: Codebook
    names: dict[tuple[str, str], int]
    database: Database

    def expected(self, wire_id: int, payload: bytes) -> dict[int, float] | None:
        """What cantools makes of a frame, by signal number; None where it refuses the multiplexer's value."""
        message = next(one for one in self.database.messages if wire_id_of(one) == wire_id)
        try:
            values = message.decode(payload, decode_choices=False, allow_truncated=True)
        except DecodeError:
            return None
        return {
            self.names[message.name, signal]: float(cast("float", value))
            for signal, value in cast("dict[str, object]", values).items()
        }


def wire_id_of(message: object) -> int:
    """The identifier of a cantools message as on the wire."""
    frame_id, is_extended = message.frame_id, message.is_extended_frame  # type: ignore[attr-defined]  # untyped
    return int(frame_id) | 0x8000_0000 if is_extended else int(frame_id)


def plain_catalogue(n: int, unit: Unit = Unit.NONE) -> Catalogue:
    """Signals 1 to n without limits."""
    signals = tuple(Signal(k, f"Vehicle.S{k}", unit, SignalKind.GAUGE) for k in range(1, n + 1))
    return Catalogue(signals, {one.path: one for one in signals}, {one.number: one for one in signals})


def load(text: str, *, name: str = "drawn", bus: str = "can", unit: str = "") -> Drawn:
    """A codebook that maps every signal of a file; a unit is one of temperature, and that of every other."""
    database = cast("Database", load_string(text, database_format="dbc", sort_signals=None))
    pairs = [(message.name, signal.name) for message in database.messages for signal in message.signals]
    names = {pair: number for number, pair in enumerate(pairs, start=1)}
    entries = "".join(
        f'[[map]]\nmessage = "{message}"\nsignal = "{signal}"\npath = "Vehicle.S{number}"\n'
        f'unit = "{unit and (unit if number % 2 else "celsius")}"\n'
        for (message, signal), number in names.items()
    )
    mapping = f'[codebook]\nname = "{name}"\nbus = "{bus}"\n\n{entries}'
    catalogue = plain_catalogue(len(pairs), Unit.CELSIUS if unit else Unit.NONE)
    book = codebook.load(name, {f"{name}.dbc": text}, mapping, catalogue)
    return Drawn(text, book, names, database)


def dbc(messages: Sequence[str], floats: Sequence[str] = ()) -> str:
    """A signal file out of its `BO_` blocks and its `SIG_VALTYPE_` lines."""
    return 'VERSION ""\n\nBU_: X\n\n' + "\n".join(messages) + "\n" + "\n".join(floats) + "\n"


def _bits(start: int, length: int, *, is_big_endian: bool) -> set[int]:
    """Bit numbers a field covers, counted from the payload's first byte's least significant bit."""
    if not is_big_endian:
        return set(range(start, start + length))
    first = 8 * (start // 8) + 7 - start % 8
    return {8 * (bit // 8) + 7 - bit % 8 for bit in range(first, first + length)}


@dataclass
class Block:
    """A message as it grows: its bits that are taken, its lines, and those that stand behind all messages."""

    message_id: int
    name: str
    payload_bits: int
    lines: list[str]
    behind: list[str]
    has_limits: bool

    def text(self) -> str:
        head = f"BO_ {self.message_id} {self.name}: {self.payload_bits // 8} X"
        return "\n".join([head, *self.lines]) + "\n"


LIMITS = ("[0|0]", "[0|0]", "[0|100]", "[-40|210]", "[0|250]", "[-1000|3e+9]")


@st.composite
def add_signal(draw: DrawFn, block: Block, name: str, taken: set[int], mux: str = "") -> bool:
    """One `SG_` line, with its `SIG_VALTYPE_` line; nothing where it does not fit."""
    kind = draw(st.sampled_from(("unsigned", "unsigned", "signed", "float", "double")))
    length = {"float": 32, "double": 64}.get(kind) or draw(st.integers(1, min(64, block.payload_bits)))
    is_big_endian = draw(st.booleans())
    start = draw(st.integers(0, block.payload_bits - 1))
    bits = _bits(start, length, is_big_endian=is_big_endian)
    if bits & taken or max(bits) >= block.payload_bits:
        return False
    taken |= bits
    order, sign = "0" if is_big_endian else "1", "+" if kind == "unsigned" else "-"
    scale, offset = draw(st.sampled_from(SCALES)), draw(st.sampled_from(OFFSETS))
    limits = draw(st.sampled_from(LIMITS)) if block.has_limits else "[0|0]"
    block.lines.append(f' SG_ {name} {mux}: {start}|{length}@{order}{sign} ({scale},{offset}) {limits} "" X')
    if kind in ("float", "double"):
        block.behind.append(f"SIG_VALTYPE_ {block.message_id} {name} : {1 if kind == 'float' else 2};")
    return True


@st.composite
def add_selector(draw: DrawFn, block: Block, name: str, taken: set[int], mux: str = "M") -> int:
    """A multiplexer of some bits, which are returned; 0 where none fits."""
    width = draw(st.integers(1, 8))
    is_big_endian = draw(st.booleans())
    start = draw(st.just(0 if not is_big_endian else 7) | st.integers(0, block.payload_bits - 1))
    bits = _bits(start, width, is_big_endian=is_big_endian)
    if bits & taken or max(bits) >= block.payload_bits:
        return 0
    taken |= bits
    order = "0" if is_big_endian else "1"
    block.lines.append(f' SG_ {name} {mux} : {start}|{width}@{order}+ (1,0) [0|0] "" X')
    return width


@st.composite
def ranges(draw: DrawFn, width: int) -> list[tuple[int, int]]:
    """Some values of a multiplexer."""
    top = 2**width - 1
    pairs = st.lists(st.integers(0, top), min_size=2, max_size=2).map(lambda pair: (min(pair), max(pair)))
    return draw(st.lists(pairs, min_size=1, max_size=3))


@st.composite
def add_simple_multiplexing(draw: DrawFn, block: Block, taken: set[int]) -> None:
    """Signals at single values of one multiplexer."""
    width = draw(add_selector(block, "Mux", taken))
    values = draw(st.lists(st.integers(0, 2**width - 1), unique=True, max_size=3)) if width else []
    for value in values:
        there = set(taken)
        for k in range(2):
            draw(add_signal(block, f"M{value}_{k}", there, f"m{value} "))


@st.composite
def add_extended_multiplexing(draw: DrawFn, block: Block, taken: set[int]) -> None:
    """Signals at ranges of a multiplexer's values, and at ranges of one that is itself inside another."""

    def depends(name: str, on: str, width: int) -> None:
        drawn = ", ".join(f"{low}-{high}" for low, high in draw(ranges(width)))
        block.behind.append(f"SG_MUL_VAL_ {block.message_id} {name} {on} {drawn};")

    outer = draw(add_selector(block, "Mux", taken))
    inner = draw(add_selector(block, "Inner", taken, "m0M")) if outer else 0
    if inner:
        depends("Inner", "Mux", outer)
    for name, width in (("Mux", outer), ("Inner", inner)):
        for k in range(3 if width else 0):
            if draw(add_signal(block, f"{name}{k}", taken, "m0 ")):
                depends(f"{name}{k}", name, width)


@st.composite
def message_blocks(draw: DrawFn, name: str, message_id: int, *, has_limits: bool) -> Block:
    """One message with up to twelve signals, some of them multiplexed."""
    length = draw(st.integers(1, 8) | st.sampled_from(FD_LENGTHS))
    block = Block(message_id, name, 8 * length, [], [], has_limits)
    taken: set[int] = set()
    for k in range(draw(st.integers(0, 5))):
        draw(add_signal(block, f"C{k}", taken))
    kind = draw(st.sampled_from(("plain", "simple", "extended")))
    if kind == "simple":
        draw(add_simple_multiplexing(block, taken))
    elif kind == "extended":
        draw(add_extended_multiplexing(block, taken))
    return block


def _group(wire_id: int) -> int:
    """What tells an identifier apart in a J1939 codebook."""
    return pgn(wire_id & 0x1FFF_FFFF) | 0x8000_0000 if wire_id & 0x8000_0000 else wire_id


@st.composite
def databases(draw: DrawFn, *, has_limits: bool = False) -> Drawn:
    """Signal files of one to four messages with 11- and 29-bit identifiers.

    Those with limits are J1939's and are converted: units and what is no measurement differ from cantools.
    """
    extended = st.integers(0, 0x1FFF_FFFF).map(lambda number: number | 0x8000_0000)
    one_id = st.integers(0, 0x7FF) | extended
    ids = draw(st.lists(one_id, min_size=1, max_size=4, unique_by=_group if has_limits else int))
    blocks = [
        draw(message_blocks(f"MSG{k}", message_id, has_limits=has_limits)) for k, message_id in enumerate(ids)
    ]
    text = dbc([block.text() for block in blocks], [line for block in blocks for line in block.behind])
    return load(text, bus="j1939", unit="fahrenheit") if has_limits else load(text)


def field(start: int, length: int) -> Field:
    """A little-endian unsigned field."""
    return Field(start, length, is_big_endian=False, form=Form.UNSIGNED)
