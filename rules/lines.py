"""Where in a TOML text a key stands; tomllib tells the values only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Path = tuple[str | int, ...]
"""Keys from the top; the n-th table of an array of tables by its index, from 0."""

_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]*\")((?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\s\"-]+?)\s*\]\]?\s*(?:#.*)?")
_TEXT_FENCES: Final = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one text's keys and table headers."""

    line_of: Mapping[Path, int]

    @classmethod
    def of(cls, text: str) -> "Lines":
        """Scan a text that tomllib accepts; keys inside multi-line texts are left out."""
        found: dict[Path, int] = {(): 1}
        section: Path = ()
        fence = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if not fence:
                section = _note(line, number, section, found)
            fence = _fence_after(line, fence)
        return cls(found)

    def find(self, *path: str | int) -> int:
        """The line of a path, or of the nearest of its parents that has one."""
        while path not in self.line_of:
            path = path[:-1]
        return self.line_of[path]


def _note(line: str, number: int, section: Path, found: dict[Path, int]) -> Path:
    """Note the key or header of a line; the section that the next line belongs to."""
    if header := _HEADER.fullmatch(line):
        names: Path = tuple(part.strip().strip('"') for part in header[2].split("."))
        if header[1] == "[[":
            index = 0
            while (*names, index) in found:
                index += 1
            names = (*names, index)
        found.setdefault(names, number)
        return names
    if key := _KEY.match(line):
        names = (key[1].strip('"'), *(part.strip() for part in key[2].split(".")[1:]))
        found.setdefault((*section, *names), number)
        found.setdefault((*section, names[0]), number)
    return section


def _fence_after(line: str, fence: str) -> str:
    """The multi-line quote that is open behind a line."""
    place = 0
    while True:
        if fence:
            place = line.find(fence, place)
            if place < 0:
                return fence
            fence, place = "", place + 3
        else:
            places = [(line.find(mark, place), mark) for mark in _TEXT_FENCES]
            opening = min(((at, mark) for at, mark in places if at >= 0), default=None)
            if opening is None:
                return ""
            place, fence = opening[0] + 3, opening[1]
