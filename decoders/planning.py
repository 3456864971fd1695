"""From signal files and a map to planned messages; every name, unit and layout is checked on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cantools.database.can import Message, Signal

from decoders import j1939
from decoders.field import Field, Form
from decoders.mapping import Map, MapEntry, did_you_mean
from decoders.plan import EXTENDED, NEVER, Condition, MappedSignal, PlannedMessage, Selector
from vehicle.errors import CatalogueError, CodebookError
from vehicle.signal import Catalogue
from vehicle.signal import Signal as CatalogueSignal
from vehicle.units import Unit, conversion

_MAX_SELECTOR_BITS: Final = 32
_FLOATS: Final = {32: Form.FLOAT32, 64: Form.FLOAT64}
_SPELLINGS: Final = {
    "km": Unit.KILOMETER, "m": Unit.METER, "mi": Unit.MILE, "mile": Unit.MILE, "miles": Unit.MILE,
    "km/h": Unit.KM_PER_HOUR, "kph": Unit.KM_PER_HOUR, "kmh": Unit.KM_PER_HOUR, "mph": Unit.MILES_PER_HOUR,
    "degc": Unit.CELSIUS, "°c": Unit.CELSIUS, "deg c": Unit.CELSIUS, "c": Unit.CELSIUS,
    "degf": Unit.FAHRENHEIT, "°f": Unit.FAHRENHEIT, "deg f": Unit.FAHRENHEIT,
    "v": Unit.VOLT, "a": Unit.AMPERE, "kpa": Unit.KILOPASCAL, "bar": Unit.BAR, "%": Unit.PERCENT,
    "rpm": Unit.RPM, "1/min": Unit.RPM, "r/min": Unit.RPM, "kwh": Unit.KWH, "h": Unit.HOUR, "hr": Unit.HOUR,
    "s": Unit.SECOND, "l": Unit.LITER, "l/h": Unit.LITER_PER_HOUR, "nm": Unit.NEWTON_METER,
}  # fmt: skip
"""How signal files write units, in lower case; they have no rule for it."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A message, and the file it stands in."""

    file: str
    message: Message

    @property
    def place(self) -> str:
        """For a sentence about it."""
        return f"{self.file}: message {self.message.name}"


@dataclass(slots=True)
class _Findings:
    """What there is to say about a map."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def plan_messages(
    files: Mapping[str, Sequence[Message]], mapping: Map, catalogue: Catalogue
) -> tuple[list[PlannedMessage], tuple[str, ...]]:
    """The planned messages, and warnings. Raises `CodebookError` with all problems, one per line."""
    findings = _Findings()
    by_name = _by_name(files, findings)
    signals: dict[str, list[tuple[Signal, MappedSignal]]] = {}
    for entry in mapping.entries:
        mapped = _mapped(entry, mapping, by_name, catalogue, findings)
        if mapped is not None:
            signals.setdefault(entry.message, []).append(mapped)
    _refuse_doubles(mapping, findings)
    planned: dict[int, tuple[str, PlannedMessage]] = {}
    for name, found in by_name.items():
        one = _planned(found, signals.get(name, []), findings, by_pgn=mapping.is_j1939)
        other, earlier = planned.get(one.key, (name, one))
        if earlier.signals and one.signals and other != name:
            findings.problems.append(
                f"{found.file}: messages {other} and {name} cannot be told apart by their identifiers"
            )
        if one.signals or other == name:
            planned[one.key] = (name, one)
    if findings.problems:
        raise CodebookError("\n".join(findings.problems))
    return [one for _, one in planned.values()], tuple(findings.warnings)


def _by_name(files: Mapping[str, Sequence[Message]], findings: _Findings) -> dict[str, _Found]:
    by_name: dict[str, _Found] = {}
    for file, messages in files.items():
        for message in messages:
            if message.name in by_name:
                other = by_name[message.name].file
                findings.problems.append(f"{file}: message {message.name} stands in {other} too")
            by_name.setdefault(message.name, _Found(file, message))
    return by_name


def _refuse_doubles(mapping: Map, findings: _Findings) -> None:
    """One source per path, for two would mix in one series; and one path per signal."""
    first_line: dict[str, int] = {}
    for entry in mapping.entries:
        for word, key in ((entry.path, "path"), (f"{entry.message}.{entry.signal}", "signal")):
            line = entry.lines[key]
            if first_line.setdefault(word, line) != line:
                findings.problems.append(
                    f"{mapping.where}:{line}: {word} is mapped already, in line {first_line[word]}"
                )


def _mapped(
    entry: MapEntry,
    mapping: Map,
    by_name: Mapping[str, _Found],
    catalogue: Catalogue,
    findings: _Findings,
) -> tuple[Signal, MappedSignal] | None:
    """One mapped signal; None where something about it is wrong, which `findings` then says."""
    found = by_name.get(entry.message)
    signals = {} if found is None else {one.name: one for one in found.message.signals}
    signal = signals.get(entry.signal)
    if found is None:
        _refuse(findings, mapping, entry, "message", by_name)
    elif signal is None:
        _refuse(findings, mapping, entry, "signal", signals)
    wanted = catalogue.by_path.get(entry.path)
    if wanted is None:
        _refuse(findings, mapping, entry, "path", catalogue.by_path)
    unit = Unit(entry.unit) if entry.unit in set(Unit) else None
    if unit is None:
        _refuse(findings, mapping, entry, "unit", [str(one) for one in Unit])
    if found is None or signal is None or wanted is None or unit is None:
        return None
    if signal.is_float and signal.length not in _FLOATS:
        at = f"{mapping.where}:{entry.lines['signal']}"
        findings.problems.append(f"{at}: float {entry.signal} has 32 or 64 bits, got {signal.length}")
        return None
    into = _conversion(entry, mapping, (found.file, signal.unit), (unit, wanted.unit), findings)
    return None if into is None else (signal, _signal(signal, wanted, into, is_j1939=mapping.is_j1939))


def _conversion(
    entry: MapEntry,
    mapping: Map,
    written: tuple[str, str | None],
    units: tuple[Unit, Unit],
    findings: _Findings,
) -> tuple[float, float] | None:
    """Factor and shift into the catalogue's unit; `written` is the signal file and the unit it writes."""
    given, wanted = units
    place = f"{mapping.where}:{entry.lines['unit']}"
    file, text = written
    spelled = _SPELLINGS.get((text or "").strip().lower())
    if spelled is not None and spelled != given:
        findings.warnings.append(
            f"{place}: {entry.message}.{entry.signal} is in {text!r} in {file}, in {given.value!r} in the map"
        )
    try:
        return conversion(given, wanted)
    except CatalogueError as error:
        findings.problems.append(f"{place}: {entry.path} is in {wanted.value!r}: {error}")
        return None


def _refuse(
    findings: _Findings, mapping: Map, entry: MapEntry, key: str, known: Mapping[str, object] | list[str]
) -> None:
    word = getattr(entry, key)
    where = f"message {entry.message} has no" if key == "signal" else "no"
    hint = did_you_mean(word, known)
    findings.problems.append(f"{mapping.where}:{entry.lines[key]}: {where} {key} {word!r}{hint}")


def _signal(
    signal: Signal, wanted: CatalogueSignal, into: tuple[float, float], *, is_j1939: bool
) -> MappedSignal:
    factor, shift = into
    one = _field(signal)
    scale, offset = float(signal.scale), float(signal.offset)
    lowest, highest = wanted.lowest, wanted.highest
    if signal.minimum is not None and signal.maximum is not None and signal.maximum > signal.minimum:
        # files round their limits: half a step decides nothing but that
        slack = abs(scale) / 2 if one.form in (Form.UNSIGNED, Form.SIGNED) else 0.0
        lowest = max(lowest, (float(signal.minimum) - slack) * factor + shift)
        highest = min(highest, (float(signal.maximum) + slack) * factor + shift)
    return MappedSignal(
        field=one,
        scale=scale,
        offset=offset,
        factor=factor,
        shift=shift,
        last_valid=_last_valid(one) if is_j1939 else NEVER,
        minimum=lowest,
        maximum=highest,
        number=wanted.number,
        when=None,
        names=_names(signal, scale, offset, into),
    )


def _names(signal: Signal, scale: float, offset: float, into: tuple[float, float]) -> dict[float, str] | None:
    """The value table of a signal, by value in the catalogue's unit."""
    factor, shift = into
    if signal.conversion.choices is None:
        return None
    return {
        (float(raw) * scale + offset) * factor + shift: str(name)
        for raw, name in signal.conversion.choices.items()
    }


def _field(signal: Signal) -> Field:
    form = Form.SIGNED if signal.is_signed else Form.UNSIGNED
    if signal.is_float:
        form = _FLOATS[signal.length]
    return Field(signal.start, signal.length, signal.byte_order == "big_endian", form)


def _last_valid(one: Field) -> int:
    """The last raw value that is a measurement (SAE J1939-71, 5.1.4).

    Whole bytes: the topmost byte is at most 0xFA, above it stand indicators, error and not available.
    Other fields: all ones is not available, one less is error; a single bit has neither.
    """
    if one.form is not Form.UNSIGNED or one.bits == 1:
        return NEVER
    if one.bits % 8 == 0:
        return (0xFB << (one.bits - 8)) - 1
    return (1 << one.bits) - 3


def _planned(
    found: _Found,
    signals: Sequence[tuple[Signal, MappedSignal]],
    findings: _Findings,
    *,
    by_pgn: bool,
) -> PlannedMessage:
    message = found.message
    key = message.frame_id
    if message.is_extended_frame:
        key = EXTENDED | (j1939.pgn(key) if by_pgn else key)
    needed = _multiplexers(found, [signal for signal, _ in signals], findings)
    return PlannedMessage(
        key=key,
        length=message.length,
        signals=tuple(replace(mapped, when=_when(signal, needed)) for signal, mapped in signals),
        selectors=tuple(Selector(_field(one), _when(one, needed)) for one in needed.values()),
        name=message.name,
    )


def _multiplexers(found: _Found, signals: Sequence[Signal], findings: _Findings) -> dict[str, Signal]:
    """The multiplexers that these signals depend on by name, an outer one before those inside it."""
    by_name = {one.name: one for one in found.message.signals}
    needed: dict[str, Signal] = {}
    for signal in signals:
        chain: list[Signal] = []
        outer = signal.multiplexer_signal
        while outer is not None and outer not in needed:
            if outer not in by_name or by_name[outer] in chain:
                findings.problems.append(
                    f"{found.place}: multiplexer {outer} of {signal.name} does not exist"
                )
                return {}
            chain.append(by_name[outer])
            outer = chain[-1].multiplexer_signal
        needed |= {one.name: one for one in reversed(chain)}
    for one in needed.values():
        if one.length > _MAX_SELECTOR_BITS or one.is_float:
            findings.problems.append(
                f"{found.place}: multiplexer {one.name} is an integer of at most {_MAX_SELECTOR_BITS} bits"
            )
    return needed


def _when(signal: Signal, needed: Mapping[str, Signal]) -> Condition | None:
    """At which values of its multiplexer a signal is there."""
    if signal.multiplexer_signal is None or signal.multiplexer_signal not in needed:
        return None
    values = sorted(set(signal.multiplexer_ids or ()))
    starts = [value for value, before in zip(values, [None, *values], strict=False) if value - 1 != before]
    ends = [value for value, after in zip(values, [*values[1:], None], strict=True) if value + 1 != after]
    selector = list(needed).index(signal.multiplexer_signal)
    return Condition(selector, tuple(zip(starts, ends, strict=True)))
