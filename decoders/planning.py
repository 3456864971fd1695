"""From signal files and a map to planned messages; every name, unit and layout is checked on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cantools.database.can import Signal

from decoders import enumeration
from decoders.assembly import FRAME_BYTES, Mapped, planned
from decoders.mapping import Map, MapEntry, did_you_mean
from decoders.meaning import FLOATS, meaning
from decoders.plan import PlannedMessage
from decoders.remark import Remark
from decoders.signal_files.database import Database, Placed
from decoders.signal_files.layout import field_of
from vehicle.errors import CatalogueError, CodebookError
from vehicle.signal import Catalogue
from vehicle.units import Unit, conversion, spelled

_WORD_BITS: Final = 64


@dataclass(slots=True)
class _Findings:
    """What there is to say about a map."""

    problems: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def plan_messages(
    database: Database, mapping: Map, catalogue: Catalogue
) -> tuple[list[PlannedMessage], tuple[Remark, ...]]:
    """The planned messages, and doubts. Raises `CodebookError` with all problems, one per line."""
    findings = _Findings()
    signals: dict[str, list[Mapped]] = {}
    for entry in mapping.entries:
        signals.setdefault(entry.message, []).extend(_mapped(entry, mapping, database, catalogue, findings))
    _refuse_doubles(mapping, findings)
    if not findings.problems:  # else the signal that has it may be the one that is wrong
        _refuse_unused_names(mapping, signals, findings)
    by_key: dict[int, tuple[str, PlannedMessage]] = {}
    for name, found in database.messages.items():
        one = planned(found, signals.get(name, []), findings.problems, by_pgn=mapping.is_j1939)
        other, earlier = by_key.get(one.key, (name, one))
        if earlier.signals and one.signals and other != name:
            findings.problems.append(
                f"{found.file.name}:{found.file.line_of(name)}: messages {other} and {name} cannot be told "
                "apart by their identifiers"
            )
        if one.signals or other == name:
            by_key[one.key] = (name, one)
    if findings.problems:
        raise CodebookError("\n".join(findings.problems))
    return [one for _, one in by_key.values()], tuple(findings.remarks)


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


def _refuse_unused_names(mapping: Map, signals: Mapping[str, list[Mapped]], findings: _Findings) -> None:
    """What the head calls invalid is the name of some value of some mapped signal."""
    mapped = (one.signal for each in signals.values() for one in each)
    known = {name for signal in mapped for name in enumeration.choices(signal).values()}
    for name in mapping.invalid:
        if name not in known:
            hint = did_you_mean(name, known)
            findings.problems.append(
                f"{mapping.where}:{mapping.invalid_line}: no mapped signal has a value named {name!r}{hint}"
            )


def _mapped(
    entry: MapEntry, mapping: Map, database: Database, catalogue: Catalogue, findings: _Findings
) -> list[Mapped]:
    """What an entry maps; nothing where something about it is wrong, which `findings` then says."""
    found = database.messages.get(entry.message)
    signals = () if found is None else found.signals.get(entry.signal, ())
    if found is None:
        why = database.left_out.get(entry.message)
        _refuse(findings, mapping, entry, "message", database.messages, why)
    elif not signals:
        why = database.left_out.get(f"{entry.message}.{entry.signal}")
        _refuse(findings, mapping, entry, "signal", found.signals, why)
    wanted = catalogue.by_path.get(entry.path)
    if wanted is None:
        _refuse(findings, mapping, entry, "path", catalogue.by_path)
    unit = Unit(entry.unit) if entry.unit in set(Unit) else None
    if unit is None:
        _refuse_unit(findings, mapping, entry)
    if found is None or not signals or wanted is None or unit is None:
        return []
    into = _conversion(entry, mapping, (found.file.name, signals[0].unit), (unit, wanted.unit), findings)
    is_readable = [_is_readable(entry, mapping, found, signal, findings) for signal in signals]
    if into is None or not all(is_readable):
        return []
    found_pieces = []
    for signal in signals:
        named = enumeration.named(entry, mapping, signal, findings.problems)
        if named is not None:
            plain = meaning(signal, wanted, into, is_j1939=mapping.is_j1939)
            limits = (wanted.lowest, wanted.highest)
            found_pieces.append(Mapped(signal, enumeration.pieces(signal, plain, named, limits)))
    return found_pieces


def _is_readable(entry: MapEntry, mapping: Map, found: Placed, signal: Signal, findings: _Findings) -> bool:
    """Whether frames can hold it as a number."""
    needed_bytes = field_of(signal).needed_bytes
    what = found.doubtful.get(signal.name, "")
    if signal.is_float and signal.length not in FLOATS:
        what = f"float {signal.name} has 32 or 64 bits, got {signal.length}"
    elif signal.length > _WORD_BITS:
        what = f"a number has at most {_WORD_BITS} bits, {signal.name} has {signal.length}"
    elif needed_bytes > FRAME_BYTES:
        what = f"a frame has at most {FRAME_BYTES} bytes, {signal.name} ends in byte {needed_bytes}"
    elif what:
        what = f"{entry.message}.{entry.signal} cannot be read: {what}"
    if what:
        findings.problems.append(f"{mapping.where}:{entry.lines['signal']}: {what}")
    return not what


def _conversion(
    entry: MapEntry,
    mapping: Map,
    written: tuple[str, str | None],
    units: tuple[Unit, Unit],
    findings: _Findings,
) -> tuple[float, float] | None:
    """Factor and shift into the catalogue's unit; `written` is the signal file and the unit it writes."""
    given, wanted = units
    line = entry.lines["unit"]
    file, text = written
    found = spelled(text or "")
    if found is not None and found != given:
        what = f"{entry.message}.{entry.signal} is in {text!r} in {file}, in {given.value!r} in the map"
        findings.remarks.append(Remark("unit-differs", mapping.where, line, what))
    try:
        return conversion(given, wanted)
    except CatalogueError as error:
        findings.problems.append(f"{mapping.where}:{line}: {entry.path} is in {wanted.value!r}: {error}")
        return None


def _refuse(
    findings: _Findings,
    mapping: Map,
    entry: MapEntry,
    key: str,
    known: Mapping[str, object] | list[str],
    why: str | None = None,
) -> None:
    word = getattr(entry, key)
    where = f"message {entry.message} has no" if key == "signal" else "no"
    hint = did_you_mean(word, known) if why is None else f"; it is left out, {why}"
    findings.problems.append(f"{mapping.where}:{entry.lines[key]}: {where} {key} {word!r}{hint}")


def _refuse_unit(findings: _Findings, mapping: Map, entry: MapEntry) -> None:
    meant = spelled(entry.unit)
    hint = (
        did_you_mean(entry.unit, [one.value for one in Unit])
        if meant is None
        else f"; did you mean {meant.value!r}?"
    )
    findings.problems.append(f"{mapping.where}:{entry.lines['unit']}: no unit {entry.unit!r}{hint}")
