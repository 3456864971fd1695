"""Rules, frames and conditions for the tests of the rule engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from rules.condition import compile_condition
from rules.features import TABLES, conform, schema
from rules.rule import Rule
from rules.span import parse_span
from rules.words import placeholders
from vehicle.trigger import Severity, TriggerType

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)


def rule(
    when: str,
    *,
    name: str = "a-rule",
    on: str = "vehicle",
    clear: str | None = None,
    hold: str | None = None,
    keep: str | None = None,
    version: str = "1",
    say: str = "",
) -> Rule:
    table = TABLES[on]
    return Rule(
        id=name,
        on=on,
        version=version,
        when=when,
        clear=clear,
        severity=Severity.SOON,
        trigger=TriggerType.WEAR,
        job="check",
        source="a test",
        say={"zh": say, "en": say},
        placeholders=tuple(place.name for place in placeholders(say)),
        lead_d=(),
        hold=None if hold is None else parse_span(hold, table),
        keep=None if keep is None else parse_span(keep, table),
        opens=compile_condition(when, table),
        clears=None if clear is None else compile_condition(clear, table),
    )


def frame(rows: Sequence[Mapping[str, Any]], on: str = "vehicle") -> pl.DataFrame:
    """Rows with `day`, optionally `vehicle_id`, `subject`, `occasion`, and any features."""
    wanted = schema(on)
    filled = [
        {
            **dict.fromkeys(wanted),
            "vehicle_id": 1,
            "subject": "",
            "occasion": "",
            **{key: value for key, value in row.items() if key != "day"},
            "at": DAY_0 + timedelta(days=row["day"]),
        }
        for row in rows
    ]
    return conform(on, pl.DataFrame(filled, schema=wanted))


def day(at: datetime | None) -> float | None:
    return None if at is None else (at - DAY_0) / timedelta(days=1)


@dataclass(frozen=True)
class Spoken:
    """A condition in SQL, and the same as a tree that the tests' own three-valued logic evaluates."""

    sql: str
    tree: tuple[Any, ...]


NUMBERS = ("rest_v", "ambient_degc", "visits_n")
SMALL = st.sampled_from([-2, -1, 0, 1, 2, 0.5])
OPERATORS = ("<", "<=", ">", ">=", "=", "<>")


def _compared(left: Spoken, op: str, right: Spoken) -> Spoken:
    return Spoken(f"{left.sql} {op} {right.sql}", (op, left.tree, right.tree))


def _between(column: Spoken, low: float, high: float) -> Spoken:
    return Spoken(
        f"{column.sql} between {low} and {high}",
        ("and", (">=", column.tree, low), ("<=", column.tree, high)),
    )


def _listed(column: Spoken, values: list[float]) -> Spoken:
    return Spoken(f"{column.sql} in ({', '.join(map(str, values))})", ("in", column.tree, *values))


def _joined(left: Spoken, op: str, right: Spoken) -> Spoken:
    return Spoken(f"({left.sql} {op} {right.sql})", (op, left.tree, right.tree))


def _negated(inner: Spoken) -> Spoken:
    return Spoken(f"not ({inner.sql})", ("not", inner.tree))


def _reckoned(left: Spoken, op: str, right: Spoken) -> Spoken:
    return Spoken(f"({left.sql} {op} {right.sql})", (op, left.tree, right.tree))


columns = st.sampled_from(NUMBERS).map(lambda name: Spoken(name, ("column", name)))
literals = SMALL.map(lambda value: Spoken(str(value), ("value", value)))
reckonings = st.builds(_reckoned, columns, st.sampled_from("+-*/"), columns | literals)
texts = st.builds(
    lambda op, value: Spoken(f"climate {op} '{value}'", (op, ("column", "climate"), ("value", value))),
    st.sampled_from(["=", "<>"]),
    st.sampled_from(["cold", "mild"]),
)
comparisons = (
    st.builds(_compared, columns | reckonings, st.sampled_from(OPERATORS), literals | columns)
    | st.builds(_between, columns, SMALL, SMALL)
    | st.builds(_listed, columns, st.lists(SMALL, min_size=1, max_size=3))
    | texts
)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        st.builds(_joined, inner, st.sampled_from(["and", "or"]), inner) | st.builds(_negated, inner)
    ),
    max_leaves=5,
)
"""Conditions that never ask whether something is known."""

values = st.fixed_dictionaries(
    {
        "rest_v": st.none() | st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, float("nan"), float("inf")]),
        "ambient_degc": st.none() | st.sampled_from([-1.0, 0.0, 1.0, 2.0]),
        "visits_n": st.none() | st.integers(-1, 2),
        "climate": st.none() | st.sampled_from(["cold", "mild"]),
    }
)


def truth(tree: Any, row: Mapping[str, Any]) -> Any:
    """A tree's value by hand: True, False, or None for unknown; numbers that are not finite are unknown."""
    match tree:
        case ("column", name):
            return _finite(row[name])
        case ("value", value):
            return value
        case ("not", inner):
            value = truth(inner, row)
            return None if value is None else not value
        case ("and" | "or" as op, left, right):
            return _junction(op, truth(left, row), truth(right, row))
        case ("in", column, *listed):
            value = truth(column, row)
            return None if value is None else value in listed
        case (op, left, right):
            return _binary(op, truth(left, row), truth(right, row))
    return tree


def _junction(op: str, left: Any, right: Any) -> bool | None:
    settles = op == "or"
    if settles in (left, right):
        return settles
    return None if None in (left, right) else not settles


def _binary(op: str, left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    if op == "/" and right == 0:
        return None
    ways = {
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
        "=": lambda: left == right,
        "<>": lambda: left != right,
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left / right,
    }
    return ways[op]()


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value
