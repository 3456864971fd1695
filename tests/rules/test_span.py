import pytest

from rules.features import TABLES
from rules.span import SpanUnit, parse_span
from vehicle.errors import RuleError


@pytest.mark.parametrize(
    ("text", "unit", "ticks"),
    [
        ("3 d", SpanUnit.DAYS, 3 * 86_400_000_000),
        ("0.5d", SpanUnit.DAYS, 43_200_000_000),
        ("3 starts", SpanUnit.STARTS, 3),
        ("200 km", SpanUnit.KM, 200_000_000),
    ],
)
def test_a_span_is_read_in_whole_ticks(text: str, unit: SpanUnit, ticks: int) -> None:
    span = parse_span(text, TABLES["vehicle"])
    assert (span.unit, span.ticks) == (unit, ticks)


@pytest.mark.parametrize(
    "text", ["3", "d", "3 days", "-3 d", "0 d", "1.5 starts", "3 d 2 d", "1e3 d", "3 D", ""]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        parse_span(text, TABLES["vehicle"])


@pytest.mark.parametrize("text", ["3 starts", "200 km"])
def test_only_tables_with_a_counter_count_it(text: str) -> None:
    with pytest.raises(RuleError, match="only days can be counted"):
        parse_span(text, TABLES["fault"])
