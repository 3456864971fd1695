"""Reading rows of master data: cells into values, and what can be said of a row without the database."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from maintenance.parameters import DEFAULT
from odocare.csv_file import Row
from odocare.import_columns import COLUMNS, CellError, Kind
from vehicle import dtc_csv
from vehicle.dtc import DtcStandard
from vehicle.vin import check_digit, has_valid_check_digit

_NOTHING: Final = "nothing"
_MOST_SHOWN_CHARS: Final = 60
_PHONE: Final = re.compile(r"(\+?86)?1\d{10}")
_KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.DEALERS: ("code",),
    Kind.VEHICLES: ("vin",),
    Kind.PLANS: ("model", "market", "item"),
    Kind.VISITS: ("vin", "repair_order"),
    Kind.DTCS: ("code",),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about one cell of one row."""

    line: int
    column: str
    """Empty: the row as a whole."""
    expected: str
    came: str

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}" if self.column else f"line {self.line}"
        return f"{where}: expected {self.expected}, came {self.came}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row that could be read: a value per column of its kind, defaults where the file has none."""

    line: int
    values: dict[str, Any]

    def problem(self, column: str, expected: str) -> Problem:
        """A problem with this row's value of a column."""
        return Problem(self.line, column, expected, shown(self.values[column]))


def shown(value: object) -> str:
    """A value as it is told: quoted, shortened, dates and numbers plainly."""
    if value is None or value == "":
        return _NOTHING
    text = value if isinstance(value, str) else str(value)
    if len(text) > _MOST_SHOWN_CHARS:
        text = text[: _MOST_SHOWN_CHARS - 1] + "…"
    return repr(text) if isinstance(value, str) else text


def read(kind: Kind, row: Row, header: Sequence[str]) -> tuple[Entry | None, list[Problem]]:
    """The values of a row, or everything that is wrong with its cells."""
    if row.cells_n != len(header):
        return None, [Problem(row.line, "", f"{len(header)} cells as in the header", str(row.cells_n))]
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, column in COLUMNS[kind].items():
        cell = row.cells.get(name, "")
        if cell == "":
            values[name] = column.default
            if column.is_required:
                problems.append(Problem(row.line, name, "a value", _NOTHING))
            continue
        try:
            values[name] = column.read(cell)
        except CellError as error:
            problems.append(Problem(row.line, name, str(error), shown(cell)))
    return (None, problems) if problems else (Entry(row.line, values), [])


def key(kind: Kind, entry: Entry) -> tuple[object, ...]:
    """What names a row among all of its kind."""
    return tuple(entry.values[name] for name in _KEYS[kind])


def twice(kind: Kind, entry: Entry, first_line: int) -> Problem:
    """The row says again what an earlier line of the file has said."""
    names = " and ".join(_KEYS[kind])
    return Problem(
        entry.line, _KEYS[kind][-1], f"{names} once in a file", f"the same as in line {first_line}"
    )


def contradictions(kind: Kind, entry: Entry, today: date) -> list[Problem]:
    """What is wrong between the values of a row."""
    if kind is Kind.PLANS and entry.values["every_km"] is None and entry.values["every_d"] is None:
        return [entry.problem("every_km", "every_km or every_d, or both")]
    if kind is Kind.DTCS:
        return _misspelt(entry)
    if kind is not Kind.VEHICLES:
        return []
    built, delivered = entry.values["built_on"], entry.values["delivered_on"]
    problems = []
    if built is not None and built > today:
        problems.append(entry.problem("built_on", f"a day not after today, {today}"))
    if built is not None and delivered is not None and delivered < built:
        problems.append(entry.problem("delivered_on", f"a day not before built_on, {built}"))
    return problems


def _misspelt(entry: Entry) -> list[Problem]:
    code, standard = entry.values["code"], entry.values["standard"]
    if dtc_csv.is_spelled(code, DtcStandard(standard or dtc_csv.standard_of(code))):
        return []
    return [entry.problem("code", "P0301, P0301-11 or SPN 980 FMI 9")]


def doubts(kind: Kind, entry: Entry) -> list[Problem]:
    """What is allowed but hardly meant."""
    if kind is not Kind.VEHICLES:
        return []
    found = []
    vin, use_class = entry.values["vin"], entry.values["use_class"]
    if not has_valid_check_digit(vin):
        found.append(entry.problem("vin", f"check digit {check_digit(vin)} at position 9"))
    if DEFAULT.segments[DEFAULT.segment_of(use_class)].name != use_class:
        known = ", ".join(segment.name for segment in DEFAULT.segments)
        found.append(entry.problem("use_class", f"one of {known}; it counts as unknown"))
    if _PHONE.fullmatch(entry.values["owner_ref"] or ""):
        found.append(
            Problem(
                entry.line, "owner_ref", "the CRM's own key of the owner", "what looks like a phone number"
            )
        )
    return found
