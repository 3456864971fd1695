"""A maker's own fault codes: a CSV file laid over the table that ships with this version.

docs/diagnostics.md describes the columns.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final

from vehicle.dtc import Dtc, DtcStandard
from vehicle.dtc_table import Drivability, DtcMeaning, DtcTable, Key
from vehicle.errors import CatalogueError
from vehicle.trigger import Severity

_NEEDED: Final = ("code", "severity", "zh", "en")
_OPTIONAL: Final = ("standard", "family", "drivability", "advice_zh", "advice_en")
MAX_TEXT: Final = 500
"""Characters in one cell."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with one row, which is left out."""

    line: int
    """Of the file; the header is line 1."""
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """The table with the maker's rows, and the rows that are not in it."""

    table: DtcTable
    taken: int
    """Rows that hold now."""
    problems: tuple[RowProblem, ...]


def overlay(table: DtcTable, text: str, *, where: str = "codes.csv") -> Overlay:
    """Lay a maker's rows over a table: where both know a code, the maker's words hold.

    What a row leaves empty is taken from the table, or from its severity. A bad row is reported and harms no
    other. Raises `CatalogueError` for a file without the columns that are needed.
    """
    reader = csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    by_key: dict[Key, DtcMeaning] = dict(table.by_key)
    first: dict[Key, int] = {}
    problems: list[RowProblem] = []
    try:
        _check_header(reader.fieldnames or [], where)
        for row in reader:
            cells = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
            if not any(cells.values()) and None not in row:
                continue
            wrong = list(_problems(cells))
            if None in row:
                wrong.append("more cells than the header has")
            key = None if wrong else _key(cells)
            if key is not None and first.setdefault(key, reader.line_num) != reader.line_num:
                wrong.append(f"stands in line {first[key]} already")
            if key is None or wrong:
                found = (RowProblem(reader.line_num, cells.get("code", ""), one) for one in wrong)
                problems.extend(found)
            else:
                by_key[key] = _meaning(cells, table.by_key.get(key) or table.by_key.get(_without_ftb(key)))
    except csv.Error as error:
        raise CatalogueError(f"{where}:{reader.reader.line_num}: {error}") from error
    return Overlay(DtcTable(by_key), len(first), tuple(problems))


def laid_over(table: DtcTable, rows: Iterable[Mapping[str, str]]) -> DtcTable:
    """The table with rows over it that were checked before; an empty cell is left to the table."""
    by_key: dict[Key, DtcMeaning] = dict(table.by_key)
    for cells in rows:
        key = _key(cells)
        by_key[key] = _meaning(cells, table.by_key.get(key) or table.by_key.get(_without_ftb(key)))
    return DtcTable(by_key)


def _check_header(given: Sequence[str], where: str) -> None:
    for name in _NEEDED:
        if name not in given:
            raise CatalogueError(
                f"{where}:1: a column {name!r} is needed, got {', '.join(given) or 'nothing'}"
            )
    for name in given:
        if name not in (*_NEEDED, *_OPTIONAL):
            raise CatalogueError(f"{where}:1: no column is called {name!r}")
        if given.count(name) > 1:
            raise CatalogueError(f"{where}:1: column {name!r} stands twice")


_J2012: Final = re.compile(r"[PCBU][0-3][0-9A-F]{3}(-[0-9A-F]{2})?")
_J1939: Final = re.compile(r"SPN (0|[1-9][0-9]{0,5}) FMI (0|[1-9][0-9]?)")
FAMILY: Final = re.compile(r"[a-z][a-z0-9_]*")
_LAST_SPN: Final = 0x7FFFF
_LAST_FMI: Final = 31


def _problems(cells: Mapping[str, str]) -> Iterator[str]:
    standard = cells.get("standard") or standard_of(cells["code"])
    if standard not in set(DtcStandard):
        yield f"standard is one of {', '.join(DtcStandard)}, got {standard!r}"
    elif not is_spelled(cells["code"].upper(), DtcStandard(standard)):
        yield f"a code is spelled P0301, P0301-11 or SPN 980 FMI 9, got {cells['code']!r}"
    for name, allowed in (("severity", Severity), ("drivability", Drivability)):
        given = cells.get(name, "")
        if (given or name == "severity") and given not in set(allowed):
            yield f"{name} is one of {', '.join(allowed)}, got {given!r}"
    if cells.get("family") and not FAMILY.fullmatch(cells["family"]):
        yield f"family is one word in lower case, got {cells['family']!r}"
    for name in ("zh", "en"):
        if not cells[name]:
            yield f"{name} is empty"
    for name, cell in cells.items():
        if len(cell) > MAX_TEXT:
            yield f"{name} has at most {MAX_TEXT} characters, got {len(cell)}"


def standard_of(code: str) -> str:
    """Whose code it is by its spelling, where nobody says."""
    return DtcStandard.J1939 if code.upper().startswith("SPN ") else DtcStandard.J2012


def is_spelled(code: str, standard: DtcStandard) -> bool:
    """Whether a code, in upper case, is one of the standard's."""
    if standard is DtcStandard.GBT32960:
        return bool(code)
    if standard is not DtcStandard.J1939:
        return _J2012.fullmatch(code) is not None
    shape = _J1939.fullmatch(code)
    return shape is not None and int(shape[1]) <= _LAST_SPN and int(shape[2]) <= _LAST_FMI


def spellings(dtc: Dtc) -> set[str]:
    """As what a code can stand in a maker's list: itself, with its failure type, or by SPN and FMI."""
    code = dtc.code.upper()
    found = {code}
    if dtc.ftb is not None:
        found.add(f"{code}-{dtc.ftb:02X}")
    if dtc.spn is not None and dtc.fmi is not None:
        found.add(f"SPN {dtc.spn} FMI {dtc.fmi}")
    return found


def _key(cells: Mapping[str, str]) -> Key:
    code = cells["code"].upper()
    shape = _J1939.fullmatch(code)
    return (code,) if shape is None else (int(shape[1]), int(shape[2]))


def _without_ftb(key: Key) -> Key:
    """The code itself, where a key is one with its failure type byte."""
    return (key[0].partition("-")[0],) if len(key) == 1 else key


_DRIVABILITY: Final = {
    Severity.INFO: Drivability.NORMAL,
    Severity.SOON: Drivability.REDUCED,
    Severity.URGENT: Drivability.LIMITED,
    Severity.STOP: Drivability.NONE,
}
_ADVICE: Final = {
    Severity.INFO: ("下次进店时检查", "Check it at the next visit"),
    Severity.SOON: ("近期预约检查", "Have it checked at one of the next visits"),
    Severity.URGENT: ("尽快进店检查", "Have it checked soon"),
    Severity.STOP: ("立即停车，联系救援", "Stop, call for help"),
}


def _meaning(cells: Mapping[str, str], known: DtcMeaning | None) -> DtcMeaning:
    """What the row says, and for what it leaves empty what was known, or what its severity implies."""
    severity = Severity(cells["severity"])
    same = known if known is not None and known.severity is severity else None
    advice_zh, advice_en = _ADVICE[severity] if same is None else (same.advice_zh, same.advice_en)
    implied = _DRIVABILITY[severity] if same is None else same.drivability
    return DtcMeaning(
        severity=severity,
        family=cells.get("family") or (known.family if known is not None else "maker"),
        drivability=Drivability(cells["drivability"]) if cells.get("drivability") else implied,
        zh=cells["zh"],
        en=cells["en"],
        advice_zh=cells.get("advice_zh") or advice_zh,
        advice_en=cells.get("advice_en") or advice_en,
    )
