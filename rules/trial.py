"""Tests inside a rule: rows of its table, and when it should open or close, or that it never should."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import polars as pl

from rules.engine import evaluate
from rules.feature import COUNT, FLAG, FLOAT, TEXT, Feature, FeatureTable
from rules.features import schema
from rules.finding import Finding
from rules.near import did_you_mean
from rules.rule import Rule, RuleBook

_DAY_0: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MOST_DAYS: Final = 100_000
_KEYS: Final = ("title", "rows", "opens_on_day", "closes_on_day", "never_opens")
_UNKNOWN: Final = "unknown"
"""Stands in a test for what was not measured, in columns of any type; TOML has no null."""
_KIND: Final = {FLOAT: "a number", COUNT: "a whole number", TEXT: "a text", FLAG: "true or false"}


@dataclass(frozen=True, slots=True)
class Trial:
    """One test of a rule."""

    title: str
    rows: tuple[Mapping[str, Any], ...]
    """Each with `day` and any features; `occasion` may be given. What a row leaves out, or says is
    "unknown", is unknown on it; what no row gives is not what the test is about, and the parts of a condition
    that only read such are met."""
    opens_on_day: float | None
    closes_on_day: float | None
    never_opens: bool


def read_trial(given: Mapping[str, Any], table: FeatureTable) -> tuple[Trial | None, list[tuple[str, str]]]:
    """A `[[test]]` as a trial, or what is wrong with it: the key, and why."""
    problems = [
        (key, f"a test has no key {key!r}{did_you_mean(key, _KEYS)}") for key in given if key not in _KEYS
    ]
    title, rows = given.get("title"), given.get("rows")
    if not isinstance(title, str) or not title.strip():
        problems.append(("title", "a test has a title: what it shows, as a sentence"))
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        problems.append(("rows", "a test has rows, as in rows = [{day = 0, …}, {day = 1, …}]"))
        rows = []
    for number, row in enumerate(rows, start=1):
        problems += [("rows", f"row {number}: {problem}") for problem in _row_problems(row, table)]
    days = [row["day"] for row in rows if _is_day(row.get("day"))]
    if any(later < earlier for earlier, later in pairwise(days)):
        problems.append(("rows", "the rows of a test rise by day"))
    problems += _expectation_problems(given)
    if problems:
        return None, problems
    return Trial(
        title=str(title),
        rows=tuple(rows),
        opens_on_day=given.get("opens_on_day"),
        closes_on_day=given.get("closes_on_day"),
        never_opens=given.get("never_opens", False),
    ), []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_day(value: object) -> bool:
    return isinstance(value, int | float) and _is_number(value) and abs(value) <= _MOST_DAYS


def _expectation_problems(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    days = [key for key in ("opens_on_day", "closes_on_day") if key in given]
    problems = [(key, f"{key} is a number") for key in days if not _is_day(given[key])]
    if "never_opens" in given and given["never_opens"] is not True:
        problems.append(("never_opens", "never_opens is true or left out"))
    if ("never_opens" in given) == bool(days):
        expected = "opens_on_day, closes_on_day or both, or else never_opens = true"
        problems.append(("title", f"a test expects {expected}"))
    return problems


def _row_problems(row: Mapping[str, Any], table: FeatureTable) -> list[str]:
    problems = [] if _is_day(row.get("day")) else ["a row of a test has a day, as in day = 0"]
    if not isinstance(row.get("occasion", ""), str):
        problems.append("occasion is a text")
    for name, value in row.items():
        if name in ("day", "occasion"):
            continue
        feature = table.of(name)
        if feature is None:
            hint = did_you_mean(name, [each.name for each in table.features])
            problems.append(f"table {table.name} has no column {name!r}{hint}")
        elif value == _UNKNOWN:
            continue
        elif not _fits(feature, value):
            problems.append(f"{name} is {_KIND[feature.dtype]}, got {value!r}")
        elif feature.choices and value not in feature.choices:
            hint = did_you_mean(value, feature.choices)
            problems.append(f"{name} is never {value!r}{hint}; it is one of {', '.join(feature.choices)}")
    return problems


def _fits(feature: Feature, value: object) -> bool:
    if feature.dtype == FLOAT:
        return _is_number(value)
    if feature.dtype == COUNT:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str if feature.dtype == TEXT else bool)


def failures(rule: Rule, trials: Sequence[Trial]) -> list[str | None]:
    """Per trial what went otherwise than expected, or None."""
    return [_run(_about(rule, trial), trial) for trial in trials]


def _about(rule: Rule, trial: Trial) -> Rule:
    """The rule as far as a test speaks of it."""
    names = {name for row in trial.rows for name in row}
    clears = None if rule.clears is None else rule.clears.about(names)
    return replace(rule, opens=rule.opens.about(names), clears=clears)


def _run(rule: Rule, trial: Trial) -> str | None:
    frame = _frame(rule, trial)
    found = evaluate(RuleBook((rule,), ()), {rule.on: frame}, carried=()).findings
    return _failure(rule, trial, frame, found)


def _frame(rule: Rule, trial: Trial) -> pl.DataFrame:
    wanted = schema(rule.on)
    rows = [
        {
            **dict.fromkeys(wanted),
            **{name: _cell(value, wanted.get(name)) for name, value in row.items()},
            "vehicle_id": 0,
            "subject": "",
            "occasion": row.get("occasion", ""),
            "at": _DAY_0 + timedelta(days=row["day"]),
        }
        for row in trial.rows
    ]
    return pl.DataFrame([{name: row[name] for name in wanted} for row in rows], schema=wanted)


def _cell(value: object, dtype: pl.DataType | None) -> object:
    if value == _UNKNOWN:
        return None
    return float(str(value)) if dtype == FLOAT else value


def _failure(rule: Rule, trial: Trial, frame: pl.DataFrame, found: Sequence[Finding]) -> str | None:
    first = found[0] if found else None
    opened = None if first is None else _day(first.opened_at)
    closed = None if first is None or first.closed_at is None else _day(first.closed_at)
    wrong = []
    if trial.never_opens and opened is not None:
        wrong.append(f"it should never open, it opened on day {opened:g}")
    if trial.opens_on_day is not None and opened != trial.opens_on_day:
        wrong.append(f"it should open on day {trial.opens_on_day:g}, it {_said('opened', opened)}")
    if trial.closes_on_day is not None and closed != trial.closes_on_day:
        wrong.append(f"it should close on day {trial.closes_on_day:g}, it {_said('closed', closed)}")
    if not wrong:
        return None
    return f"test {trial.title!r}: {'; '.join(wrong)} ({_course(rule, trial, frame)})"


def _day(at: datetime) -> float:
    return (at - _DAY_0) / timedelta(days=1)


def _said(verb: str, day: float | None) -> str:
    return f"never {verb}" if day is None else f"{verb} on day {day:g}"


def _course(rule: Rule, trial: Trial, frame: pl.DataFrame) -> str:
    """What `when`, and `clear` if there is one, made of each row."""
    word = {True: "true", False: "false", None: "unknown"}
    parts, silent = [], set()
    for name, condition in (("when", rule.opens), ("clear", rule.clears)):
        if condition is not None:
            values = frame.select(condition.expr).to_series().to_list()
            told = (
                f"day {row['day']:g} {word[value]}" for row, value in zip(trial.rows, values, strict=True)
            )
            parts.append(f"{name}: {', '.join(told)}")
            silent |= {column for column in condition.columns if not any(column in row for row in trial.rows)}
    if silent:
        parts.append(f"no row gives {', '.join(sorted(silent))}")
    return "; ".join(parts)
