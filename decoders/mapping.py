"""A codebook's map: which signal of which message is which signal of the catalogue, in which unit."""

import difflib
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vehicle.errors import CodebookError

_CODEBOOK_KEYS: Final = ("name", "bus", "version", "origin", "invalid")
_ENTRY_TEXTS: Final = ("message", "signal", "path", "unit")
_ENTRY_KEYS: Final = (*_ENTRY_TEXTS, "invalid", "values")
_BUSES: Final = ("can", "j1939")
_LARGEST: Final = sys.float_info.max


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One mapped signal."""

    message: str
    signal: str
    path: str
    unit: str
    """Of the signal file's value, in VSS spelling."""
    lines: Mapping[str, int]
    """Key to its line in the map."""
    invalid: tuple[str | int, ...] = ()
    """Values that are no measurements, by their name in the signal file or as raw numbers."""
    values: Mapping[str, float] | None = None
    """Names in the signal file, or raw numbers, to the catalogue's numbers; others are no measurements."""


@dataclass(frozen=True, slots=True)
class Map:
    """A codebook's map as written; whether what it names exists is checked against the signal files."""

    where: str
    name: str
    is_j1939: bool
    entries: tuple[MapEntry, ...]
    invalid: tuple[str, ...] = ()
    """Names of values that are no measurements, in every signal that has a value of this name."""
    invalid_line: int = 1

    @classmethod
    def from_toml(cls, text: str, *, where: str) -> "Map":
        """Read `[codebook]` and `[[map]]`. Raises `CodebookError` with all problems, one per line."""
        try:
            tables = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # any digits, any depth
            raise CodebookError(f"{where}: {error}") from error
        problems = [
            f"{where}:1: unknown table {key!r}{did_you_mean(key, ('codebook', 'map'))}"
            for key in tables.keys() - {"codebook", "map"}
        ]
        head, entries = tables.get("codebook"), tables.get("map", [])
        if not isinstance(head, dict) or not _are_tables(entries):
            problems.append(f"{where}:1: a map has one table [codebook] and tables [[map]]")
            raise CodebookError("\n".join(problems))
        problems += _problems_of_head(head, where)
        invalid_line = _line_of_key(text, "invalid")
        starts = _starts(text)
        lines = [
            _key_lines(text, starts[k : k + 2], entry.keys()) if k < len(starts) else {}
            for k, entry in enumerate(entries)
        ]
        for entry, at in zip(entries, lines, strict=True):
            problems += _problems_of_entry(entry, at, where)
        if problems:
            raise CodebookError("\n".join(problems))
        return cls(
            where=where,
            name=head["name"],
            is_j1939=head["bus"] == "j1939",
            entries=tuple(_entry(entry, at) for entry, at in zip(entries, lines, strict=True)),
            invalid=tuple(head.get("invalid", ())),
            invalid_line=invalid_line,
        )


def _are_tables(entries: object) -> bool:
    return isinstance(entries, list) and all(isinstance(one, dict) for one in entries)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for the end of a sentence; empty where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _problems_of_head(head: Mapping[str, object], where: str) -> list[str]:
    problems = [
        f"{where}:1: [codebook] has no key {key!r}{did_you_mean(key, _CODEBOOK_KEYS)}"
        for key in sorted(head.keys() - set(_CODEBOOK_KEYS))
    ]
    if not isinstance(head.get("name"), str):
        problems.append(f"{where}:1: [codebook] needs a name")
    if head.get("bus") not in _BUSES:
        problems.append(f"{where}:1: bus is one of {', '.join(_BUSES)}, got {head.get('bus')!r}")
    names = head.get("invalid", [])
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        problems.append(f"{where}:1: [codebook] invalid is a list of names, got {names!r}")
    return problems


def _problems_of_entry(entry: Mapping[str, object], lines: Mapping[str, int], where: str) -> list[str]:
    problems = [
        f"{where}:{lines.get(key, 1)}: [[map]] has no key {key!r}{did_you_mean(key, _ENTRY_KEYS)}"
        for key in entry
        if key not in _ENTRY_KEYS
    ]
    problems += [
        f"{where}:{lines.get(key, lines.get('', 1))}: [[map]] needs {key} as a text"
        for key in _ENTRY_TEXTS
        if not isinstance(entry.get(key), str)
    ]
    invalid, values = entry.get("invalid", []), entry.get("values", {})
    if not isinstance(invalid, list) or not all(type(one) in (str, int) for one in invalid):
        at = lines.get("invalid", 1)
        problems.append(f"{where}:{at}: invalid is a list of names and raw numbers, got {invalid!r}")
    if (
        not isinstance(values, dict)
        or ("values" in entry and not values)
        or not all(_is_number(one) for one in values.values())
    ):
        at = lines.get("values", 1)
        problems.append(f"{where}:{at}: values is a table of names and their numbers, got {values!r}")
    return problems


def _is_number(value: object) -> bool:
    """Whether it is one that a float can hold."""
    return isinstance(value, (bool, int, float)) and -_LARGEST <= value <= _LARGEST


def _entry(entry: Mapping[str, Any], lines: Mapping[str, int]) -> MapEntry:
    values = entry.get("values")
    return MapEntry(
        **{key: entry[key] for key in _ENTRY_TEXTS},
        lines=lines,
        invalid=tuple(entry.get("invalid", ())),
        values=None if values is None else {name: float(number) for name, number in values.items()},
    )


_HEADER: Final = re.compile(r"^\s*\[\[\s*map\s*\]\]", re.MULTILINE)


def _starts(text: str) -> list[int]:
    """Where in the text each `[[map]]` begins."""
    return [found.start() for found in _HEADER.finditer(text)]


def _line_of_key(text: str, key: str) -> int:
    """Where a key of the head stands; 1 where it does not."""
    found = re.compile(rf"^\s*{key}\s*=", re.MULTILINE).search(text)
    return 1 if found is None else text.count("\n", 0, found.end()) + 1


def _key_lines(text: str, span: list[int], keys: Iterable[str]) -> dict[str, int]:
    """Line of each key of one entry; under the empty key, the entry's first line."""
    start, end = span[0], span[1] if len(span) > 1 else len(text)
    header = _HEADER.match(text, start)
    first = header.end() if header else start
    lines = {"": text.count("\n", 0, first) + 1}
    for key in keys:
        found = re.compile(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*=", re.MULTILINE).search(text, first, end)
        at = found.end() if found else first
        lines[key] = text.count("\n", 0, at) + 1
    return lines
