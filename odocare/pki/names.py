"""Whom certificates are wanted for: VINs out of arguments and files, and names of our services."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from odocare.csv_file import read_text
from vehicle.errors import DecodeError, PkiError
from vehicle.vin import Vin, parse_vin

SERVICES: Final = ("ingest", "simulator")
"""Names in deploy/mosquitto/access.acl that are no vehicle's."""
_TOLD: Final = 10


def vins(words: Sequence[str], files: Sequence[Path]) -> list[Vin]:
    """All VINs, each once. Raises `PkiError` that names the first wrong ones with file and line."""
    found: dict[Vin, None] = {}
    problems = []
    for where, word in (*(("", word) for word in words), *(pair for file in files for pair in _column(file))):
        try:
            found[parse_vin(word)] = None
        except DecodeError as error:
            problems.append(f"{where}{error}")
    if problems:
        more = f"\n  and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
        told = "\n  ".join(problems[:_TOLD])
        raise PkiError(f"nothing was issued: {len(problems)} of the names are no VIN\n  {told}{more}")
    return list(found)


def service(name: str) -> str:
    """A service's name. Raises `PkiError`."""
    if name not in SERVICES:
        raise PkiError(f"a service is one of {', '.join(SERVICES)}, got {name!r}")
    return name


def _column(file: Path) -> Iterator[tuple[str, str]]:
    """Where and what: the column `vin` of a CSV file, or the lines of a file without that header."""
    text, _ = read_text(file)
    rows = csv.reader(text.splitlines())
    column = 0
    for cells in rows:
        header = [cell.strip().lower() for cell in cells]
        if rows.line_num == 1 and "vin" in header:
            column = header.index("vin")
        elif any(header):
            word = cells[column] if column < len(cells) else ""
            yield f"{file.name}, line {rows.line_num}: ", word
