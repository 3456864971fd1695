"""The filters of the lists: read out of an address, and written into one."""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from store.worklist import Filters
from vehicle.errors import DecodeError
from vehicle.trigger import Severity, TriggerType
from vehicle.vin import parse_vin, tail

PAGE: Final = 50
"""Rows of one page."""
MOST_PAGES: Final = 400
WITHIN_D: Final = (7, 14, 30)
TYPES: Final = tuple(kind for kind in TriggerType if kind is not TriggerType.TRADE_IN)
"""What can be filtered by: the sales feed's triggers are not the workshop's business."""


@dataclass(frozen=True, slots=True)
class Query:
    """The filters of an address; what makes no sense there is left out rather than refused."""

    filters: Filters
    page: int = 1
    unregistered: bool = False
    """Of the list of vehicles: only those that nobody registered."""

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * PAGE

    def address(self, path: str = "/", **changes: str | int | None) -> str:
        """The shortest address of these filters, with some changed; a changed filter starts at page 1."""
        wanted: dict[str, str | int | None] = {
            "q": self.filters.text,
            "dealer": self.filters.dealer,
            "due": self.filters.within_d,
            "overdue": 1 if self.filters.overdue else None,
            "severity": self.filters.severity,
            "type": self.filters.type,
            "recall": 1 if self.filters.recall else None,
            "unregistered": 1 if self.unregistered else None,
            "page": self.page if not changes and self.page > 1 else None,
        }
        query = urlencode({name: value for name, value in {**wanted, **changes}.items() if value})
        return f"{path}?{query}" if query else path

    def without_vin(self) -> "Query | None":
        """The same search by a VIN's last six characters, where somebody searched by a whole VIN."""
        try:
            vin = parse_vin(self.filters.text or "")
        except DecodeError:
            return None
        return replace(self, filters=replace(self.filters, text=tail(vin)))


def read_query(params: QueryParams) -> Query:
    """The filters in an address."""
    within, severity, kind = params.get("due", ""), params.get("severity", ""), params.get("type", "")
    page = params.get("page", "")
    filters = Filters(
        dealer=_plain(params.get("dealer", "")),
        within_d=int(within) if within in {str(days) for days in WITHIN_D} else None,
        overdue=params.get("overdue") == "1",
        severity=Severity(severity) if severity in set(Severity) else None,
        type=TriggerType(kind) if kind in set(TYPES) else None,
        recall=params.get("recall") == "1",
        text=_plain(params.get("q", "")),
    )
    number = int(page) if page.isascii() and page.isdecimal() and len(page) < 6 else 1
    return Query(filters, min(max(number, 1), MOST_PAGES), params.get("unregistered") == "1")


def _plain(text: str) -> str | None:
    cleaned = "".join(char for char in text if char.isprintable()).strip()[:64]
    return cleaned or None
