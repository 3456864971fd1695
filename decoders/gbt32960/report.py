"""Real-time and re-issued reports (7.2): a time, then data units one behind the other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from decoders.gbt32960 import clock, units_2016, units_2025
from decoders.gbt32960.fields import WORD, Why
from decoders.gbt32960.layout import Octets, Record, Unit, layout
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.words import Command, Edition
from vehicle.errors import UnknownCommandError, UnknownUnitError, WrongLengthError, WrongTypeError

UNITS: Final[Mapping[Edition, Mapping[int, Unit]]] = {
    Edition.GBT_2016: units_2016.UNITS,
    Edition.GBT_2025: units_2025.UNITS,
}
SIGNATURE: Final = units_2025.SIGNATURE.number
CUSTOM: Final = layout(Octets("data", WORD))
FIRST_CUSTOM: Final = 0x80
LAST_CUSTOM: Final = 0xFE


@dataclass(frozen=True, slots=True)
class Extension:
    """Custom units (0x80 to 0xFE) whose layout somebody has published, by their number."""

    name: str
    units: Mapping[int, Unit] = field(repr=False)

    def __post_init__(self) -> None:
        for number in self.units:
            if not FIRST_CUSTOM <= number <= LAST_CUSTOM:
                raise WrongTypeError(f"custom units are 0x80 to 0xFE, {self.name} has 0x{number:02X}")


class Entry(NamedTuple):
    """One data unit of a report."""

    number: int
    name: str
    """`custom` for a unit whose bytes nobody has explained; they are its field `data`."""
    record: Record


@dataclass(frozen=True, slots=True)
class Report:
    """What a vehicle said about itself at one moment."""

    edition: Edition
    at_us: int
    """Microseconds since 1970 UTC."""
    entries: tuple[Entry, ...]
    """In the packet's order."""
    is_reissued: bool = False

    def last(self, name: str) -> Record | None:
        """The last unit of a name; None where there is none."""
        found = None
        for entry in self.entries:
            if entry.name == name:
                found = entry.record
        return found

    def all(self, name: str) -> list[Record]:
        """All units of a name."""
        return [entry.record for entry in self.entries if entry.name == name]

    def missing_n(self) -> tuple[int, int]:
        """How many fields and elements of series are sentinels, and how many hold reserved values."""
        sentinels = reserved = 0
        for entry in self.entries:
            for record in entry.record.walk():
                for missing in record.missing.values():
                    is_reserved = missing.why is Why.OUT_OF_RANGE
                    reserved += is_reserved
                    sentinels += not is_reserved
                for series in record.series.values():
                    these, those = series.missing_n()
                    sentinels += these
                    reserved += those
        return sentinels, reserved


class Span(NamedTuple):
    """Where a data unit stands in a body, from its number to its end."""

    entry: Entry
    start: int
    end: int


def decode(packet: Packet, extension: Extension | None = None) -> Report:
    """The report of a packet with command 02 or 03. Raises `DecodeError`; nothing is half read."""
    if packet.command not in (Command.REPORT, Command.REISSUE) or not packet.is_command:
        raise UnknownCommandError(
            f"reports are commands 02 and 03, got {packet.command:02X} with flag {packet.flag:02X}"
        )
    body = packet.plain()
    return Report(
        edition=packet.edition,
        at_us=clock.read(body),
        entries=tuple(span.entry for span in spans(packet.edition, body, extension)),
        is_reissued=packet.command == Command.REISSUE,
    )


def spans(edition: Edition, body: bytes, extension: Extension | None = None) -> Iterator[Span]:
    """The data units of a report's body, in order. Raises `DecodeError` at the first that cannot be read."""
    units = UNITS[edition]
    custom = {} if extension is None else extension.units
    at = clock.TIME_BYTES
    while at < len(body):
        number = body[at]
        unit = units.get(number) or custom.get(number)
        if unit is not None:
            name, parts = unit.name, unit.layout
        elif FIRST_CUSTOM <= number <= LAST_CUSTOM:
            name, parts = "custom", CUSTOM
        else:
            raise UnknownUnitError(
                f"data units of {edition.year} are {_listed(units)} and 80-FE, got {number:02X} at byte {at}"
            )
        record, end = parts.read(body, at + 1, name)
        yield Span(Entry(number, name, record), at, end)
        if number == SIGNATURE and end < len(body):
            raise WrongLengthError(f"a signature is the last unit, {len(body) - end} bytes stand behind it")
        at = end


def _listed(units: Mapping[int, Unit]) -> str:
    return ", ".join(f"{number:02X}" for number in sorted(units))


def encode(report: Report, extension: Extension | None = None) -> bytes:
    """The body of a report, which `decode` reads back to an equal one. Raises `DecodeError`."""
    units = UNITS[report.edition]
    custom = {} if extension is None else extension.units
    body = [clock.write(report.at_us)]
    for entry in report.entries:
        unit = units.get(entry.number) or custom.get(entry.number)
        if unit is None and entry.name != "custom":
            raise UnknownUnitError(f"{report.edition.year} has no unit {entry.number:02X} ({entry.name})")
        parts = CUSTOM if unit is None else unit.layout
        body += [bytes((entry.number,)), parts.write(entry.record)]
    return b"".join(body)


def without_position(packet: Packet, extension: Extension | None = None) -> Packet:
    """The same packet without its position units, for a vehicle whose position nobody may keep.

    A signature in it stays and no longer fits. Custom units stay: what is in them only their maker knows.
    Raises `DecodeError`.
    """
    body = packet.plain()
    cuts = [
        (span.start, span.end)
        for span in spans(packet.edition, body, extension)
        if span.entry.name == "position"
    ]
    kept = []
    at = 0
    for start, end in cuts:
        kept.append(body[at:start])
        at = end
    kept.append(body[at:])
    return Packet(
        packet.edition, packet.command, packet.flag, packet.identifier, packet.encryption, b"".join(kept)
    )
