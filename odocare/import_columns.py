"""What stands in the columns of each kind of master data, and how a cell is read.

A cell that cannot be read says what was expected; docs/importing.md has the same for people.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vehicle import dtc_csv
from vehicle.dtc import DtcStandard
from vehicle.dtc_table import Drivability
from vehicle.errors import DecodeError
from vehicle.trigger import Severity
from vehicle.vin import Vin, parse_vin


class Kind(StrEnum):
    """What a file holds."""

    DEALERS = "dealers"
    VEHICLES = "vehicles"
    PLANS = "plans"
    VISITS = "visits"
    DTCS = "dtcs"


class CellError(ValueError):
    """A cell that cannot be read; the message is what was expected."""


Read = Callable[[str], Any]
MOST_KM: Final = 5_000_000.0
MOST_D: Final = 36_500
FIRST_YEAR, LAST_YEAR = 1950, 2099
"""Of dates: those of cars on the road, and contracts about them, lie between (invented)."""
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?")
_DATE: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a kind of file."""

    read: Read
    is_required: bool = False
    """The column and every cell of it; otherwise an empty cell is `default`."""
    default: object = None


def vin(cell: str) -> Vin:
    """Seventeen characters of ISO 3779; lower case is taken for upper."""
    try:
        return parse_vin(cell)
    except DecodeError:
        raise CellError("17 characters of A-Z without I, O, Q and 0-9") from None


def text(cell: str, *, most: int = 200) -> str:
    """Any words on one line."""
    if len(cell) > most or _CONTROL.search(cell):
        raise CellError(f"at most {most} characters on one line")
    return cell


def name(cell: str) -> str:
    """A machine's name for something."""
    if not _NAME.fullmatch(cell):
        raise CellError("a name of a-z, 0-9, '-', '_' and '.', at most 64 characters")
    return cell


def iccid(cell: str) -> str:
    """The number of a SIM card; a few have letters."""
    if not re.fullmatch(r"[0-9A-Za-z]{1,20}", cell):
        raise CellError("a SIM card's number of at most 20 digits")
    return cell.upper()


def market(cell: str) -> str:
    """A market's code, upper case."""
    if not re.fullmatch(r"[A-Za-z]{2,8}", cell):
        raise CellError("a market's code of 2 to 8 letters, such as CN")
    return cell.upper()


def zone(cell: str) -> str:
    """A name of the IANA time zone database."""
    try:
        ZoneInfo(cell)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CellError("a time zone such as Asia/Shanghai") from None
    return cell


def day(cell: str) -> date:
    """2026-03-01, also as 2026/3/1, 2026.3.1 and 2026年3月1日."""
    match = _DATE.fullmatch(cell)
    if match is None:
        raise CellError("a date such as 2026-03-01")
    return _date(match)


def moment(cell: str) -> datetime:
    """A date, or a date and a time; without an offset naive, in the vehicle's local time. A date is noon."""
    if match := _DATE.fullmatch(cell):
        on = _date(match)
        return datetime(on.year, on.month, on.day, 12)  # noqa: DTZ001 - the vehicle's zone is not known here
    try:
        at = datetime.fromisoformat(cell.replace("/", "-"))
    except ValueError:
        raise CellError("a date or a time such as 2026-03-01 14:30 or 2026-03-01T14:30:00+08:00") from None
    _require_year(at.year)
    return at if at.tzinfo is None else at.astimezone(UTC)


def _date(match: re.Match[str]) -> date:
    try:
        found = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise CellError("a date of the calendar") from None
    _require_year(found.year)
    return found


def _require_year(year: int) -> None:
    """PostgreSQL stores moments before year 1 in UTC, which Python cannot read back."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise CellError(f"a date from {FIRST_YEAR} to {LAST_YEAR}")


def kilometres(cell: str) -> float:
    """Kilometres above or equal to 0."""
    value = _number(cell)
    if not 0.0 <= value <= MOST_KM:
        raise CellError("kilometres, 0 to 5,000,000, without separators")
    return value


def interval_km(cell: str) -> float:
    """Kilometres above 0."""
    value = _number(cell)
    if not 0.0 < value <= MOST_KM:
        raise CellError("kilometres above 0, without separators")
    return value


def interval_d(cell: str) -> int:
    """Whole days above 0."""
    value = _number(cell)
    if not (0.0 < value <= MOST_D and value.is_integer()):
        raise CellError(f"whole days, 1 to {MOST_D}")
    return int(value)


def _number(cell: str) -> float:
    if not _NUMBER.fullmatch(cell):
        raise CellError("a number without separators and unit")
    return float(cell)


def items(cell: str) -> tuple[str, ...]:
    """Names separated by semicolons, Chinese ones too; each once, sorted."""
    return tuple(sorted({name(part.strip()) for part in re.split("[;；]", cell) if part.strip()}))


def finding(cell: str) -> str:
    """What the workshop found of what was predicted."""
    if cell not in ("confirmed", "not_found", "other_fault"):
        raise CellError("confirmed, not_found or other_fault")
    return cell


def code(cell: str) -> str:
    """A fault code, upper case; which standard's is another column's matter."""
    return text(cell.upper(), most=64)


def family(cell: str) -> str:
    """What a fault code is about."""
    if not dtc_csv.FAMILY.fullmatch(cell):
        raise CellError("one word in lower case, such as misfire")
    return cell


def one_of(allowed: type[StrEnum]) -> Read:
    """One of some words."""

    def read(cell: str) -> str:
        if cell not in set(allowed):
            raise CellError(f"one of {', '.join(allowed)}")
        return cell

    return read


def _sentence(cell: str) -> str:
    return text(cell, most=dtc_csv.MAX_TEXT)


def _needed(read: Read) -> Column:
    return Column(read, is_required=True)


COLUMNS: Final[Mapping[Kind, Mapping[str, Column]]] = MappingProxyType(
    {
        Kind.DEALERS: {
            "code": _needed(text),
            "name_zh": _needed(text),
            "name_en": _needed(text),
            "province": Column(text, default=""),
            "city": Column(text, default=""),
        },
        Kind.VEHICLES: {
            "vin": _needed(vin),
            "plate": Column(text),
            "model": _needed(text),
            "market": Column(market, default="CN"),
            "use_class": Column(name, default="unknown"),
            "fuel": Column(name, default="unknown"),
            "tz": Column(zone, default="Asia/Shanghai"),
            "built_on": Column(day),
            "delivered_on": Column(day),
            "dealer": Column(text),
            "owner_ref": Column(text),
            "iccid": Column(iccid),
        },
        Kind.PLANS: {
            "model": _needed(text),
            "market": Column(market, default="CN"),
            "item": _needed(name),
            "op_code": _needed(name),
            "name_zh": _needed(text),
            "name_en": _needed(text),
            "first_km": Column(interval_km),
            "first_d": Column(interval_d),
            "every_km": Column(interval_km),
            "every_d": Column(interval_d),
            "source": _needed(text),
        },
        Kind.VISITS: {
            "vin": _needed(vin),
            "visited_at": _needed(moment),
            "odometer_km": Column(kilometres),
            "dealer": Column(text),
            "repair_order": _needed(text),
            "items": Column(items, default=()),
            "finding": Column(finding),
        },
        Kind.DTCS: {
            "code": _needed(code),
            "severity": _needed(one_of(Severity)),
            "zh": _needed(_sentence),
            "en": _needed(_sentence),
            "standard": Column(one_of(DtcStandard)),
            "family": Column(family),
            "drivability": Column(one_of(Drivability)),
            "advice_zh": Column(_sentence),
            "advice_en": Column(_sentence),
        },
    }
)
"""Columns of each kind, in the order the documentation and the simulator write them."""
