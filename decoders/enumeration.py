"""Values that have names: which are no measurements, and which stand for numbers of the catalogue."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from cantools.database.can import Signal

from decoders.field import Form
from decoders.mapping import Map, MapEntry, did_you_mean
from decoders.plan import NEVER, MappedSignal

MAX_BITS: Final = 32
"""Of a field whose values are told apart one by one."""
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """What a map says about the raw values of a signal."""

    invalid: frozenset[int]
    numbers: Mapping[int, float] | None
    """Raw value to the catalogue's number; None: all raw values are measurements."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a signal means at some of its raw values."""

    mapped: MappedSignal
    bits: Ranges | None = None
    """The field's bits, as an unsigned number, at which it holds; None: at all."""


def choices(signal: Signal) -> dict[int, str]:
    """Raw value to name."""
    return {int(raw): str(name) for raw, name in (signal.conversion.choices or {}).items()}


def named(entry: MapEntry, mapping: Map, signal: Signal, problems: list[str]) -> Named | None:
    """What `invalid` and `values` mean for a signal; None where something about them is wrong."""
    before = len(problems)
    invalid = [raw for raw, name in choices(signal).items() if name in mapping.invalid]
    for word in entry.invalid:
        invalid += _raws(word, "invalid", entry, mapping, signal, problems)
    numbers = {
        raw: number
        for word, number in (entry.values or {}).items()
        for raw in _raws(word, "values", entry, mapping, signal, problems)
    }
    if entry.values is not None and (both := sorted(numbers.keys() & set(invalid))):
        where = f"{mapping.where}:{entry.lines['values']}"
        problems.append(f"{where}: raw value {both[0]} of {entry.signal} is a measurement and invalid")
    if (invalid or numbers) and (signal.is_float or signal.length > MAX_BITS):
        where = f"{mapping.where}:{entry.lines['signal']}"
        what = "a float" if signal.is_float else f"{signal.length} bits"
        problems.append(f"{where}: named values are integers of at most {MAX_BITS} bits, got {what}")
    if len(problems) > before:
        return None
    return Named(frozenset(invalid), None if entry.values is None else numbers)


def _raws(
    word: str | int, key: str, entry: MapEntry, mapping: Map, signal: Signal, problems: list[str]
) -> list[int]:
    """The raw values a word of the map stands for."""
    where = f"{mapping.where}:{entry.lines[key]}"
    names = choices(signal)
    found = [raw for raw, name in names.items() if name == word]
    if found:
        return found
    number = int(word) if isinstance(word, int) or word.lstrip("-").isdecimal() else None
    if number is None:
        hint = did_you_mean(str(word), names.values())
        problems.append(f"{where}: {entry.message}.{entry.signal} has no value named {word!r}{hint}")
        return []
    low, high = _raw_range(signal)
    if not low <= number <= high:
        problems.append(f"{where}: raw values of {entry.signal} are {low} to {high}, got {number}")
        return []
    return [number]


def _raw_range(signal: Signal) -> tuple[int, int]:
    if signal.is_signed:
        return -(1 << (signal.length - 1)), (1 << (signal.length - 1)) - 1
    return 0, (1 << signal.length) - 1


def pieces(signal: Signal, mapped: MappedSignal, named: Named, limits: tuple[float, float]) -> list[Piece]:
    """A signal by raw values; `limits` are the catalogue's."""
    if named.numbers is not None:
        return _numbered(signal, mapped, named.numbers, limits)
    if not named.invalid:
        return [Piece(mapped)]
    low, high = _raw_range(signal)
    first, last = low, high
    while last in named.invalid:
        last -= 1
    while first in named.invalid:
        first += 1
    if first > last:
        return [Piece(replace(mapped, minimum=1.0, maximum=-1.0))]
    if last < high and mapped.field.form is Form.UNSIGNED:
        mapped = replace(mapped, last_valid=min(mapped.last_valid, last))
    elif last < high:
        mapped = _limited(mapped, low, last)
    if first > low:
        mapped = _limited(mapped, first, last)
    inside = sorted(raw for raw in named.invalid if first < raw < last)
    if not inside:
        return [Piece(mapped)]
    starts, ends = [first, *(raw + 1 for raw in inside)], [*(raw - 1 for raw in inside), last]
    kept = [(start, end) for start, end in zip(starts, ends, strict=True) if start <= end]
    return [Piece(mapped, _as_bits(signal, kept))]


def _limited(mapped: MappedSignal, first: int, last: int) -> MappedSignal:
    """Only raw values from first to last are within limits."""
    ends = [
        ((raw * mapped.scale) + mapped.offset) * mapped.factor + mapped.shift
        for raw in (first - 0.5, last + 0.5)
    ]
    return replace(mapped, minimum=max(mapped.minimum, min(ends)), maximum=min(mapped.maximum, max(ends)))


def _numbered(
    signal: Signal, mapped: MappedSignal, numbers: Mapping[int, float], limits: tuple[float, float]
) -> list[Piece]:
    """One piece where numbers follow raw values in a straight line, else one per number."""
    names: dict[float, str] = {}
    known = choices(signal)
    for raw, number in sorted(numbers.items()):
        if raw in known:
            names[number] = f"{names[number]} / {known[raw]}" if number in names else known[raw]
    plain = replace(
        mapped,
        factor=1.0,
        shift=0.0,
        last_valid=NEVER,
        minimum=limits[0],
        maximum=limits[1],
        names=names or None,
    )
    line = _line(numbers)
    if line is not None:
        scale, offset = line
        return [Piece(replace(plain, scale=scale, offset=offset), _as_bits(signal, runs(numbers)))]
    found: dict[float, list[int]] = {}
    for raw, number in numbers.items():
        found.setdefault(number, []).append(raw)
    return [
        Piece(replace(plain, scale=0.0, offset=number), _as_bits(signal, runs(raws)))
        for number, raws in found.items()
    ]


def _line(numbers: Mapping[int, float]) -> tuple[float, float] | None:
    """Scale and offset that give these numbers exactly; None where there are none."""
    if not numbers:
        return None
    (x, y), *others = sorted(numbers.items())
    scale = Fraction(others[-1][1]) - Fraction(y) if others else Fraction(0)
    if others:
        scale /= others[-1][0] - x
    offset = Fraction(y) - scale * x
    a, b = float(scale), float(offset)
    return (a, b) if all(raw * a + b == number for raw, number in numbers.items()) else None


def runs(raws: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive raw values, as first and last."""
    first: int | None = None
    last = 0
    for raw in sorted(raws):
        if first is not None and raw != last + 1:
            yield first, last
            first = None
        first, last = (raw if first is None else first), raw
    if first is not None:
        yield first, last


def _as_bits(signal: Signal, ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Raw values as what the field's bits are as an unsigned number."""
    size = 1 << signal.length
    found: list[tuple[int, int]] = []
    for first, last in ranges:
        if first < 0 <= last:
            found += [(0, last), (first + size, size - 1)]
        else:
            found.append((first % size, last % size))
    return tuple(_joined(sorted(found)))


def _joined(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same values in ranges that do not touch."""
    first, last = ranges[0]
    for low, high in ranges[1:]:
        if low > last + 1:
            yield first, last
            first = low
        last = high
    yield first, last
