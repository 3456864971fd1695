"""Layouts: data units as tables of fields, read and written by one engine.

A count that is a sentinel carries nothing behind it. What is read is written back byte for byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Protocol

from decoders.gbt32960.fields import WORD, Fixed, Mark, Missing, Number, Series, Value, sentinel
from vehicle.errors import TruncatedPayloadError, WrongLengthError, WrongTypeError


@dataclass(frozen=True, slots=True)
class Record:
    """What one data unit, or one entry of a list in it, says."""

    values: dict[str, Value] = field(default_factory=dict)
    """By field name; absent where there is no measurement."""
    missing: dict[str, Missing] = field(default_factory=dict)
    """Why the others are absent; also lists and series whose count is a sentinel."""
    groups: dict[str, tuple["Record", ...]] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """A measured number; None where there is none."""
        value = self.values.get(name)
        return value if isinstance(value, float) else None

    def word(self, name: str) -> str | None:
        """A state's word; None where there is none."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def bits(self, name: str) -> int | None:
        """A bit field; None where it means nothing."""
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def octets(self, name: str) -> bytes | None:
        """Raw bytes; None where there are none."""
        value = self.values.get(name)
        return value if isinstance(value, bytes) else None

    def walk(self) -> Iterator["Record"]:
        """This record and all entries of its lists, theirs too."""
        yield self
        for group in self.groups.values():
            for one in group:
                yield from one.walk()


class Part(Protocol):
    """Something a layout is made of."""

    def read_into(self, record: Record, data: bytes, at: int, what: str) -> int:
        """Read from a place in the bytes; returns where it ends. Raises `DecodeError`, which names `what`."""

    def write_from(self, record: Record) -> bytes:
        """The bytes of what a record says. Raises `WrongTypeError`."""


@dataclass(frozen=True)
class Run:
    """Neighbouring fields of fixed size."""

    fields: tuple[Fixed, ...]
    struct: Struct = field(init=False, repr=False, compare=False)
    steps: tuple[tuple[str, int, int, int, int, Fixed], ...] = field(init=False, repr=False, compare=False)
    """Name, last valid raw value, zero, times and per of a number; other fields have -1 as the last valid."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "struct", Struct(">" + "".join(one.format for one in self.fields)))
        steps = tuple(
            (one.name, one.last_valid, one.zero, one.times, one.per, one)
            if isinstance(one, Number)
            else (one.name, -1, 0, 1, 1, one)
            for one in self.fields
        )
        object.__setattr__(self, "steps", steps)

    def read_into(self, record: Record, data: bytes, at: int, what: str) -> int:
        """See `Part`."""
        end = at + self.struct.size
        if len(data) < end:
            raise _short(what, at, needed_bytes=self.struct.size, data=data)
        values = record.values
        raws = self.struct.unpack_from(data, at)
        for (name, last, zero, times, per, one), raw in zip(self.steps, raws, strict=True):
            if raw <= last:  # nearly all fields, and `Number.read` in place
                values[name] = (raw - zero) * times / per
                continue
            value = one.read(raw)
            if isinstance(value, Missing):
                record.missing[name] = value
            elif name:
                values[name] = value
        return end

    def write_from(self, record: Record) -> bytes:
        """See `Part`."""
        return self.struct.pack(*(_raw(one, record) for one in self.fields))


def _short(what: str, at: int, *, needed_bytes: int, data: bytes) -> TruncatedPayloadError:
    return TruncatedPayloadError(
        f"{what} at byte {at}", needed_bytes=needed_bytes, got_bytes=max(len(data) - at, 0)
    )


def _raw(one: Fixed, record: Record) -> int:
    if isinstance(one, Mark):
        return one.raw
    if one.name in record.values:
        return one.write(record.values[one.name])
    if one.name in record.missing:
        return record.missing[one.name].raw
    raise WrongTypeError(f"{one.name} is given, or said to be missing; got neither")


def _count(name: str, size: int, record: Record, data: bytes, at: int, what: str) -> int:
    """How many follow; 0 for a sentinel, which is noted."""
    if len(data) < at + size:
        raise _short(f"{what}, the number of {name},", at, needed_bytes=size, data=data)
    raw = int.from_bytes(data[at : at + size], "big")
    why = sentinel(raw, size)
    if why is None:
        return raw
    record.missing[name] = Missing(why, raw)
    return 0


def _counted(name: str, size: int, n: int, record: Record) -> bytes:
    """The count of `n` entries, or the sentinel that stands for it."""
    if name in record.missing and not n:
        return record.missing[name].raw.to_bytes(size, "big")
    if n >> 8 * size or sentinel(n, size):
        raise WrongTypeError(f"there are at most {(1 << 8 * size) - 3} {name}, got {n}")
    return n.to_bytes(size, "big")


@dataclass(frozen=True)
class Many:
    """A list of equal numbers behind its count."""

    element: Number
    """Its name is the series'."""
    count_size: int

    def read_into(self, record: Record, data: bytes, at: int, what: str) -> int:
        """See `Part`."""
        name = self.element.name
        n = _count(name, self.count_size, record, data, at, what)
        start = at + self.count_size
        end = start + n * self.element.size
        if len(data) < end:
            raise _short(f"{what}, {n} {name},", start, needed_bytes=end - start, data=data)
        record.series[name] = Series(self.element, data[start:end])
        return end

    def write_from(self, record: Record) -> bytes:
        """See `Part`."""
        series = record.series[self.element.name]
        return _counted(self.element.name, self.count_size, len(series), record) + series.raw


@dataclass(frozen=True)
class Octets:
    """Bytes of nobody's business here, behind their length."""

    name: str
    count_size: int

    def read_into(self, record: Record, data: bytes, at: int, what: str) -> int:
        """See `Part`."""
        n = _count(self.name, self.count_size, record, data, at, what)
        start = at + self.count_size
        if len(data) < start + n:
            raise _short(f"{what}, {self.name},", start, needed_bytes=n, data=data)
        record.values[self.name] = data[start : start + n]
        return start + n

    def write_from(self, record: Record) -> bytes:
        """See `Part`."""
        octets = record.octets(self.name)
        if octets is None:
            raise WrongTypeError(f"{self.name} is bytes, got none")
        return _counted(self.name, self.count_size, len(octets), record) + octets


@dataclass(frozen=True)
class Length:
    """A length in a word that is always the same; another one means another layout."""

    n: int

    def read_into(self, record: Record, data: bytes, at: int, what: str) -> int:
        """See `Part`."""
        told = _count("bytes", WORD, record, data, at, what)
        if told != self.n:
            raise WrongLengthError(f"{what} at byte {at} has {self.n} bytes, its length says {told}")
        return at + WORD

    def write_from(self, record: Record) -> bytes:  # noqa: ARG002 - the same for all
        """See `Part`."""
        return self.n.to_bytes(WORD, "big")


@dataclass(frozen=True)
class Group:
    """A list of records behind its count, or of a fixed number of them."""

    name: str
    entry: "Layout"
    count_size: int = 0
    """Bytes of the count; 0 where the number is fixed."""
    fixed_n: int = 0

    def read_into(self, record: Record, data: bytes, at: int, what: str) -> int:
        """See `Part`."""
        n = self.fixed_n
        if self.count_size:
            n = _count(self.name, self.count_size, record, data, at, what)
            at += self.count_size
        entries = []
        for _ in range(n):
            entry, at = self.entry.read(data, at, what)
            entries.append(entry)
        record.groups[self.name] = tuple(entries)
        return at

    def write_from(self, record: Record) -> bytes:
        """See `Part`."""
        entries = record.groups[self.name]
        if not self.count_size and len(entries) != self.fixed_n:
            raise WrongTypeError(f"there are {self.fixed_n} {self.name}, got {len(entries)}")
        count = _counted(self.name, self.count_size, len(entries), record) if self.count_size else b""
        return count + b"".join(self.entry.write(entry) for entry in entries)


@dataclass(frozen=True)
class Layout:
    """The parts of a record, in order."""

    parts: tuple[Part, ...]

    def read(self, data: bytes, at: int, what: str) -> tuple[Record, int]:
        """The record at a place in the bytes, and where it ends. Raises `DecodeError`, which names `what`."""
        record = Record({}, {}, {}, {})  # named defaults cost twice as much
        for part in self.parts:
            at = part.read_into(record, data, at, what)
        return record, at

    def write(self, record: Record) -> bytes:
        """The bytes of a record. Raises `WrongTypeError`."""
        return b"".join(part.write_from(record) for part in self.parts)


def layout(*items: Fixed | Many | Octets | Length | Group) -> Layout:
    """A layout of these fields and lists; neighbouring fields are read at once."""
    parts: list[Part] = []
    run: list[Fixed] = []
    for item in items:
        if isinstance(item, Fixed):
            run.append(item)
            continue
        if run:
            parts.append(Run(tuple(run)))
            run = []
        parts.append(item)
    if run:
        parts.append(Run(tuple(run)))
    return Layout(tuple(parts))


@dataclass(frozen=True)
class Unit:
    """A data unit's table: its number, its name, what is in it."""

    number: int
    name: str
    layout: Layout
    table: str
    """The table of the standard."""
    source: str
    """What the table here was made from."""


def by_number(units: Sequence[Unit]) -> dict[int, Unit]:
    """Units by the byte that announces them."""
    return {unit.number: unit for unit in units}
