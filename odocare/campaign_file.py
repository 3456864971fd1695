"""Campaign files: a TOML with the campaign's fields and its VINs, or a CSV with a column of VINs."""

import csv
import io
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from odocare.csv_file import separated_otherwise
from odocare.import_rows import shown
from store.campaigns import Campaign
from vehicle.errors import DecodeError, ImportFileError
from vehicle.vin import Vin, has_valid_check_digit, parse_vin

TEXTS: Final = ("title_zh", "title_en", "remedy_zh", "remedy_en", "source")
FLAGS: Final = ("do_not_drive", "parts_ready")
DATES: Final = ("opened_on", "closed_on")
FIELDS: Final = frozenset({"id", *TEXTS, *FLAGS, *DATES})
NEEDED: Final = ("title_zh", "title_en", "opened_on", "source")
"""What a campaign that is new here cannot do without."""
COLUMN: Final = "vin"
_VIN: Final = "17 characters of A-Z without I, O, Q and 0-9"


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One VIN that was not taken."""

    row: int
    """Line of a CSV, or place in the list of a TOML; from 1."""
    message: str


@dataclass(frozen=True, slots=True)
class VinList:
    """The VINs of a file, each once, in its order."""

    vins: tuple[Vin, ...]
    duplicates: int
    bad_check_digits: int
    """Taken all the same: the digit is not used everywhere."""
    problems: tuple[RowProblem, ...]


def read_toml(text: str, *, where: str) -> tuple[dict[str, Any], VinList]:
    """Fields and VINs of a campaign's TOML. Raises `ImportFileError`."""
    try:
        fields = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of any length, lists of any depth
        raise ImportFileError(f"{where}: {error}") from error
    vins = fields.pop("vins", None)
    if not isinstance(vins, list):
        raise ImportFileError(f"{where}: `vins` must be a list of VINs, got {type(vins).__name__}")
    return fields, vin_list(enumerate((str(vin) for vin in vins), start=1))


def read_csv(text: str, *, where: str) -> VinList:
    """The VINs of a CSV with a header that has a column `vin`. Raises `ImportFileError`."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        names = [(name or "").strip().lower() for name in rows.fieldnames or ()]
    except csv.Error as error:
        raise ImportFileError(f"{where}, line {rows.line_num}: {error}") from error
    if len(names) == 1 and (word := separated_otherwise(names[0])):
        raise ImportFileError(f"{where}: columns must be separated by commas, found {word}")
    if names.count(COLUMN) != 1:
        raise ImportFileError(f"{where}: one column {COLUMN!r} expected, the header has {names}")
    rows.fieldnames = names
    try:
        return vin_list((rows.line_num, (row.get(COLUMN) or "").strip()) for row in rows if any(row.values()))
    except csv.Error as error:
        raise ImportFileError(f"{where}, line {rows.line_num}: {error}") from error


def vin_list(rows: Iterable[tuple[int, str]]) -> VinList:
    """Check each VIN by itself; a bad one is a problem of its row, a second one is counted."""
    seen: dict[Vin, int] = {}
    problems, duplicates = [], 0
    for row, text in rows:
        try:
            vin = parse_vin(text)
        except DecodeError:
            problems.append(RowProblem(row, f"expected {_VIN}, came {shown(text)}"))
            continue
        duplicates += vin in seen
        seen.setdefault(vin, row)
    bad = sum(not has_valid_check_digit(vin) for vin in seen)
    return VinList(tuple(seen), duplicates, bad, tuple(problems))


def campaign(fields: Mapping[str, Any], known: Campaign | None, *, where: str) -> Campaign:
    """A campaign out of given fields; what is not given is kept from `known`, or has its default.

    Raises `ImportFileError` with everything that is wrong.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    problems = [f"unknown field {name!r}" for name in sorted(given.keys() - FIELDS)]
    problems += [f"{name} must be {kind}, got {given[name]!r}" for name, kind in _mistyped(given)]
    problems += [
        f"{name} must be a text without zero bytes, got {text!r}"
        for name, text in given.items()
        if isinstance(text, str) and "\0" in text
    ]
    if not given.get("id"):
        problems.append("id is missing")
    elif known is None:
        problems += [f"{name} is missing" for name in NEEDED if not given.get(name)]
    if problems:
        raise ImportFileError(f"{where}: " + "; ".join(problems))
    base: dict[str, Any] = {
        "remedy_zh": "",
        "remedy_en": "",
        "do_not_drive": False,
        "parts_ready": True,
        "closed_on": None,
    }
    if known is not None:
        base = {name: getattr(known, name) for name in Campaign.__slots__}
    found = Campaign(**{**base, **given})
    if found.closed_on is not None and found.closed_on < found.opened_on:
        raise ImportFileError(f"{where}: closed_on {found.closed_on} lies before opened_on {found.opened_on}")
    return found


def _mistyped(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    kinds: dict[str, tuple[type, str]] = dict.fromkeys(("id", *TEXTS), (str, "a text"))
    kinds |= dict.fromkeys(FLAGS, (bool, "true or false"))
    kinds |= dict.fromkeys(DATES, (date, "a date such as 2026-11-21"))
    return [
        (name, spelled)
        for name, (kind, spelled) in kinds.items()
        if name in given and type(given[name]) is not kind  # a datetime is a date, True is an int
    ]
