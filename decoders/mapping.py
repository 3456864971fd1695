"""A codebook's map: which signal of which message is which signal of the catalogue, in which unit."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from vehicle.errors import CodebookError

_CODEBOOK_KEYS: Final = {"name", "bus", "version", "origin"}
_ENTRY_KEYS: Final = ("message", "signal", "path", "unit")
_BUSES: Final = ("can", "j1939")


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


@dataclass(frozen=True, slots=True)
class Map:
    """A codebook's map as written; whether what it names exists is checked against the signal files."""

    where: str
    name: str
    is_j1939: bool
    entries: tuple[MapEntry, ...]

    @classmethod
    def from_toml(cls, text: str, *, where: str) -> "Map":
        """Read `[codebook]` and `[[map]]`. Raises `CodebookError` with all problems, one per line."""
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise CodebookError(f"{where}: {error}") from error
        problems = [
            f"{where}:1: unknown table {key!r}{did_you_mean(key, ('codebook', 'map'))}"
            for key in tables.keys() - {"codebook", "map"}
        ]
        head, entries = tables.get("codebook"), tables.get("map", [])
        if not isinstance(head, dict) or not isinstance(entries, list):
            problems.append(f"{where}:1: a map has one table [codebook] and tables [[map]]")
            raise CodebookError("\n".join(problems))
        problems += _problems_of_head(head, where)
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
            entries=tuple(
                MapEntry(**{key: entry[key] for key in _ENTRY_KEYS}, lines=at)
                for entry, at in zip(entries, lines, strict=True)
            ),
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for the end of a sentence; empty where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _problems_of_head(head: Mapping[str, object], where: str) -> list[str]:
    problems = [
        f"{where}:1: [codebook] has no key {key!r}{did_you_mean(key, _CODEBOOK_KEYS)}"
        for key in head.keys() - _CODEBOOK_KEYS
    ]
    if not isinstance(head.get("name"), str):
        problems.append(f"{where}:1: [codebook] needs a name")
    if head.get("bus") not in _BUSES:
        problems.append(f"{where}:1: bus is one of {', '.join(_BUSES)}, got {head.get('bus')!r}")
    return problems


def _problems_of_entry(entry: Mapping[str, object], lines: Mapping[str, int], where: str) -> list[str]:
    problems = [
        f"{where}:{lines.get(key, 1)}: [[map]] has no key {key!r}{did_you_mean(key, _ENTRY_KEYS)}"
        for key in entry
        if key not in _ENTRY_KEYS
    ]
    return problems + [
        f"{where}:{lines.get(key, lines.get('', 1))}: [[map]] needs {key} as a text"
        for key in _ENTRY_KEYS
        if not isinstance(entry.get(key), str)
    ]


_HEADER: Final = re.compile(r"^\s*\[\[\s*map\s*\]\]", re.MULTILINE)


def _starts(text: str) -> list[int]:
    """Where in the text each `[[map]]` begins."""
    return [found.start() for found in _HEADER.finditer(text)]


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
