from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.condition import compile_condition
from rules.features import TABLES
from rules.tree import MAX_CHARACTERS, ConditionError
from tests.rules.strategies import Spoken, conditions, frame, truth, values


def run(text: str, row: dict[str, Any], on: str = "vehicle") -> bool | None:
    condition = compile_condition(text, TABLES[on])
    found: bool | None = frame([{"day": 0, **row}], on).select(condition.expr).item()
    return found


def refusal(text: str, on: str = "vehicle") -> str:
    with pytest.raises(ConditionError) as refused:
        compile_condition(text, TABLES[on])
    return str(refused.value)


@settings(max_examples=100, deadline=None)
@given(conditions, values)
def test_a_condition_means_what_three_valued_logic_says(spoken: Spoken, row: dict[str, Any]) -> None:
    assert run(spoken.sql, row) == truth(spoken.tree, row)


@settings(max_examples=100, deadline=None)
@given(conditions, values, values)
def test_what_is_known_of_a_condition_stays_when_the_unknown_becomes_known(
    spoken: Spoken, row: dict[str, Any], more: dict[str, Any]
) -> None:
    known = run(spoken.sql, row)
    filled = {name: more[name] if value is None else value for name, value in row.items()}
    if known is not None:
        assert run(spoken.sql, filled) == known


@settings(max_examples=30, deadline=None)
@given(conditions)
def test_nothing_known_decides_nothing(spoken: Spoken) -> None:
    assert run(spoken.sql, {}) is None


@settings(max_examples=200, deadline=None)
@given(st.text("acrst_0123456789. <>=()+-*/'%,;nodulikewabsme", max_size=40))
def test_any_text_is_a_condition_or_is_refused_with_a_reason(text: str) -> None:
    try:
        problems: tuple[str, ...] = ()
        compile_condition(text, TABLES["vehicle"])
    except ConditionError as error:
        problems = error.problems
    assert all(problems)


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("rest_v / visits_n > 1", {"rest_v": 12.0, "visits_n": 0}, None),
        ("visits_n / 2 > 0.4", {"visits_n": 1}, True),
        ("rest_v < 12.1", {"rest_v": 12.1}, False),
        ("rest_v = 0.1", {"rest_v": 0.1}, True),
        ("rest_v is null", {}, True),
        ("rest_v is null", {"rest_v": float("nan")}, True),
        ("coalesce(rest_v, 0) = 0", {}, True),
        ("least(rest_v, ambient_degc) < 5", {"rest_v": 1.0}, None),
        ("greatest(rest_v, 3) = 3", {"rest_v": 1.0}, True),
        ("abs(crank_rel_v) > 0.5", {"crank_rel_v": -0.6}, True),
        ("-crank_rel_v > 0.5", {"crank_rel_v": -0.6}, True),
        ("climate not in ('cold', 'mild')", {}, None),
        ("climate not in ('cold', 'mild')", {"climate": "cold"}, False),
        ("odometer_km * 1e308 > 1", {"odometer_km": 1e300}, None),
        ("rest_v not between 11 and 12", {"rest_v": 12.5}, True),
    ],
)
def test_conditions_by_example(text: str, row: dict[str, Any], expected: Any) -> None:
    assert run(text, row) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mil and status = 'active'", True),
        ("mil is true", True),
        ("not mil", False),
        ("code like 'P03%' and code like '%01' and code like '%30%'", True),
        ("code not like 'P04%'", True),
        ("coalesce(recurred, false) = false", True),
    ],
)
def test_flags_and_texts_are_conditions_too(text: str, expected: Any) -> None:
    assert run(text, {"mil": True, "status": "active", "code": "P0301"}, "fault") is expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("crank_rel > 1", "no column 'crank_rel' (did you mean 'crank_rel_v'?)"),
        ("vehicle_id > 1", "no column 'vehicle_id'"),
        ("rest_v > '12'", "rest_v is a number and is compared with '12', a text"),
        ("climate > 'cold'", "it has no order"),
        ("climate = 'colt'", "climate is never 'colt' (did you mean 'cold'?)"),
        ("climate in ('cold', 'wet')", "climate is never 'wet'"),
        ("rest_v in ('a')", "the list in (…) holds something else"),
        ("rest_v", "'rest_v' is a number"),
        ("not rest_v", "rest_v is a number"),
        ("1 < 2", "reads no column"),
        ("rest_v > 1 or 1 < 2", "settles the `or` by itself"),
        ("rest_v > 1 or true", "settles the `or` by itself"),
        ("rest_v = null", "write `is null`"),
        ("rest_v < odometer_km < 3", "compared with 3"),
        ("rest_v > 'a' + 1", "arithmetic needs numbers"),
        ("coalesce(climate, 0) = 0", "values of one kind"),
        ("sum(rest_v) > 1", "an aggregate"),
        ("count(*) > 1", "an aggregate"),
        ("rest_v > any(select 1)", "not allowed"),
        ("row_number() over (order by rest_v) > 1", "a window"),
        ("lag(rest_v) over (order by rest_v) > 1", "a window"),
        ("cast(rest_v as int) > 1", "a cast"),
        ("rest_v::int > 1", "a cast"),
        ("not cast(rest_v as boolean)", "a cast"),
        ("climate || 'x' = 'y'", "a cast"),
        ("rest_v > current_date", "a date, time or list"),
        ("now() > rest_v", "a date, time or list"),
        ("climate ~ 'c.*'", "a pattern other than"),
        ("climate ilike 'c%'", "a pattern other than"),
        ("climate like 'c_l%'", "a pattern other than"),
        ("case when rest_v > 1 then true else false end", "case, if or nullif"),
        ("rest_v is distinct from 1", "use is null"),
        ("rest_v % 2 = 1", "the operator Rem"),
        ("round(rest_v) > 1", "the function Round"),
        ("other.rest_v > 1", "write the column's name alone"),
        ("rest_v > 1 as warm", "a name (as …)"),
        ("rest_v > 1e999", "beyond what 64 bits hold"),
        ("rest_v > 1 and", "not an SQL condition"),
        ("rest_v > 1; drop table vehicle", "not an SQL condition"),
        ("*", "not an SQL condition"),
        ("(" * 400 + "rest_v > 1" + ")" * 400, "not an SQL condition"),
        ("rest_v > 1" + " and rest_v > 1" * 100, f"at most {MAX_CHARACTERS} characters"),
    ],
)
def test_what_may_not_run_is_refused_with_the_reason(text: str, reason: str) -> None:
    assert reason in refusal(text)


def test_all_problems_of_a_condition_are_told_at_once() -> None:
    with pytest.raises(ConditionError) as refused:
        compile_condition("crank_rel > 1 and rest_v > 'a' and climate = 'wet'", TABLES["vehicle"])
    assert len(refused.value.problems) == 3
