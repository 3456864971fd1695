"""Spans: how long a condition must hold, in days of event time, engine starts or kilometres."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from rules.feature import FeatureTable
from vehicle.errors import RuleError


class SpanUnit(StrEnum):
    """What a span counts."""

    DAYS = "d"
    STARTS = "starts"
    KM = "km"


TICKS: Final[Mapping[SpanUnit, int]] = MappingProxyType(
    {SpanUnit.DAYS: 86_400_000_000, SpanUnit.STARTS: 1, SpanUnit.KM: 1_000_000}
)
"""Ticks of one unit: microseconds, starts, millimetres; whole, so that sums are exact in any order."""

COUNTER: Final[Mapping[SpanUnit, str]] = MappingProxyType(
    {SpanUnit.DAYS: "at", SpanUnit.STARTS: "starts_total_n", SpanUnit.KM: "odometer_km"}
)
"""The column of a feature frame that a span is counted on."""

_SHAPE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time, a number of starts, or a distance; above zero."""

    text: str
    unit: SpanUnit
    ticks: int
    """In ticks of the unit, see `TICKS`."""


def parse_span(text: str, table: FeatureTable) -> Span:
    """Read `3 d`, `3 starts` or `200 km` for rules over a table. Raises `RuleError`."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or shape[2] not in list(SpanUnit):
        raise RuleError(f"expected a number and a unit, as in '3 d', '3 starts' or '200 km', got {text!r}")
    unit = SpanUnit(shape[2])
    if unit is not SpanUnit.DAYS and table.of(COUNTER[unit]) is None:
        raise RuleError(
            f"{text!r}: table {table.name} has no column {COUNTER[unit]}, only days can be counted"
        )
    ticks = round(float(shape[1]) * TICKS[unit])
    if ticks == 0 or (unit is SpanUnit.STARTS and "." in shape[1]):
        raise RuleError(f"{text!r}: expected a number above 0, and whole starts")
    return Span(text=text.strip(), unit=unit, ticks=ticks)
