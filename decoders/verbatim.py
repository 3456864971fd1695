"""Signal files read whole, in their own names and units, for captures that have no map."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cantools.database.can import Signal

from decoders.assembly import FRAME_BYTES, Mapped, planned
from decoders.codebook import Codebook
from decoders.enumeration import Piece
from decoders.kernel import Kernel
from decoders.meaning import FLOATS, meaning
from decoders.plan import EXTENDED, NEVER, MappedSignal, PlannedMessage, compile_plan
from decoders.remark import Remark
from decoders.signal_files.database import Database, Placed
from decoders.signal_files.layout import field_of
from vehicle.errors import CodebookError
from vehicle.signal import Catalogue, SignalKind
from vehicle.signal import Signal as CatalogueSignal
from vehicle.units import Unit

MAX_SIGNALS: Final = 32_767
"""Numbers of signals are int16."""
FD_SIZES: Final = frozenset((0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64))
_J1939: Final = "j1939"
_CLASSIC_BYTES: Final = 8
_WORD_BITS: Final = 64
_AS_IT_IS: Final = (1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Label:
    """How values of a signal are presented."""

    message: str
    signal: str
    """VSS path, or the signal file's own name."""
    unit: str
    texts: Mapping[float, str] = field(default_factory=dict)
    """What values are called."""


@dataclass(frozen=True, slots=True)
class FileBook:
    """A codebook for captures, and how what it reads is presented."""

    codebook: Codebook
    labels: Mapping[int, Label]
    """By `Signal.number`."""
    transported: Mapping[int, int] = field(default_factory=dict)
    """Identifiers as on the wire whose messages are longer than their frames (ISO 15765-2), to the bytes that
    the signal file counts before the payload: 1 where it counts the length's."""


@dataclass(frozen=True, slots=True)
class Options:
    """How signal files are to be read."""

    by_pgn: bool | None = None
    """29-bit identifiers by their J1939 group; None: where a file says so."""
    isotp: bool | None = None
    """Messages of more than 8 bytes are transported; None: those of a length that no frame has."""
    everything: bool = False
    """Keep values outside the file's range, and J1939's "error" and "not available"."""


def load(
    database: Database, name: str, options: Options, kernel: Kernel | None = None, *, version: str = ""
) -> FileBook:
    """All that signal files say. What cannot be read is left out, with a remark. Raises `CodebookError`."""
    placed = list(database.messages.values())
    by_pgn = options.by_pgn
    if by_pgn is None:
        by_pgn = any(found.message.protocol == _J1939 for found in placed)
    reading = _Reading(by_pgn=by_pgn, everything=options.everything)
    for found in placed:
        reading.add(found)
    if reading.number > MAX_SIGNALS:
        raise CodebookError(f"{name}: at most {MAX_SIGNALS} signals are read at once, got {reading.number}")
    plan = compile_plan(list(reading.messages.values()), by_pgn=by_pgn)
    codebook = Codebook(
        name=name,
        version=version,
        matches_pgn=by_pgn,
        warnings=(*database.remarks, *reading.remarks),
        plan=plan,
        reader=None if kernel is None else kernel.bind(plan),
    )
    return FileBook(codebook, reading.labels, {} if by_pgn else transported(placed, isotp=options.isotp))


def mapped(
    codebook: Codebook, catalogue: Catalogue, placed: Iterable[Placed] = (), *, isotp: bool | None = None
) -> FileBook:
    """A codebook with a map to the catalogue's paths and units; `placed` are its messages."""
    plan = codebook.plan
    owners = plan.owner.repeat(plan.rows.count).tolist()
    labels = {}
    for number, owner in zip(plan.number.tolist(), owners, strict=True):
        signal = catalogue.by_number[number]
        texts = plan.names.get(number, {})
        labels[number] = Label(plan.messages[owner], signal.path, signal.unit.value, texts)
    return FileBook(codebook, labels, {} if codebook.matches_pgn else transported(placed, isotp=isotp))


def transported(placed: Iterable[Placed], *, isotp: bool | None) -> dict[int, int]:
    """Of some messages those that come in several frames: identifier as on the wire to leading bytes."""
    found = {}
    for message in (one.message for one in placed):
        fits_no_frame = not message.is_fd and message.length not in FD_SIZES
        if message.length > _CLASSIC_BYTES and (fits_no_frame if isotp is None else isotp):
            wire_id = message.frame_id | (EXTENDED if message.is_extended_frame else 0)
            found[wire_id] = min([1, *(_first_byte(signal) for signal in message.signals)])
    return found


@dataclass(slots=True)
class _Reading:
    """Messages as they are planned."""

    by_pgn: bool
    everything: bool
    messages: dict[int, PlannedMessage] = field(default_factory=dict)
    labels: dict[int, Label] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    number: int = 0
    """The last one given."""

    def add(self, found: Placed) -> None:
        """One more message, but for what cannot be read of it."""
        signals = [
            signal for same in found.signals.values() for signal in same if self._is_readable(found, signal)
        ]
        problems: list[str] = []
        one = self._plan(found, signals, problems)
        if problems:
            for problem in problems:
                self._say(found, "left-out", f"{problem}; what is multiplexed is left out")
            signals = [signal for signal in signals if signal.multiplexer_signal is None]
            one = self._plan(found, signals, [])
        earlier = self.messages.get(one.key)
        if earlier is not None:
            what = (
                f"{found.message.name} is left out: it cannot be told from {earlier.name} by its identifier"
            )
            self._say(found, "left-out", what)
            for signal in one.signals:
                del self.labels[signal.number]
            return
        self.messages[one.key] = one

    def _plan(self, found: Placed, signals: Sequence[Signal], problems: list[str]) -> PlannedMessage:
        pieces = []
        for signal in signals:
            self.number += 1
            number = self.number
            wanted = CatalogueSignal(number, signal.name, Unit.NONE, SignalKind.GAUGE)
            one = meaning(signal, wanted, _AS_IT_IS, is_j1939=self.by_pgn)
            if self.everything:
                one = replace(one, last_valid=NEVER, minimum=-float("inf"), maximum=float("inf"))
            self.labels[number] = Label(found.message.name, signal.name, signal.unit or "", _texts(one))
            pieces.append(Mapped(signal, [Piece(one)]))
        return planned(found, pieces, problems, by_pgn=self.by_pgn)

    def _is_readable(self, found: Placed, signal: Signal) -> bool:
        last_byte = field_of(signal).needed_bytes
        what = found.doubtful.get(signal.name, "")
        if signal.is_float and signal.length not in FLOATS:
            what = f"a float has 32 or 64 bits, got {signal.length}"
        elif signal.length > _WORD_BITS:
            what = f"a number has at most {_WORD_BITS} bits, got {signal.length}"
        elif last_byte > FRAME_BYTES:
            what = f"the first {FRAME_BYTES} bytes are read, it ends in byte {last_byte}"
        elif signal.multiplexer_ids and not _can_come(found, signal):
            what = f"{signal.multiplexer_signal} has too few bits for {min(signal.multiplexer_ids)}"
        if what:
            self._say(
                found, "left-out", f"{found.message.name}.{signal.name} is left out: {what}", signal.name
            )
        return not what

    def _say(self, found: Placed, name: str, what: str, *names: str) -> None:
        line = found.file.line_of(found.message.name, *names)
        self.remarks.append(Remark(name, found.file.name, line, what))


def _can_come(found: Placed, signal: Signal) -> bool:
    """Whether a signal's multiplexer can have one of its values."""
    outer = found.signals.get(signal.multiplexer_signal or "", ())
    return not outer or any(0 <= one < 1 << outer[0].length for one in signal.multiplexer_ids or ())


def _texts(one: MappedSignal) -> Mapping[float, str]:
    return one.names or {}


def _first_byte(signal: Signal) -> int:
    """Of the payload; the start bit of both byte orders lies in it."""
    return int(signal.start) // 8
