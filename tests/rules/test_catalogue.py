from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odocare.wiring import rule_book, rule_texts
from rules.engine import evaluate
from rules.feature import COUNT, FLAG, TEXT
from rules.features import TABLES
from rules.finding import Value
from rules.rule import Rule, RuleBook
from rules.words import LANGUAGES, render
from tests.rules.strategies import frame

BOOK = rule_book()


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return BOOK


def test_every_shipped_rule_loads(book: RuleBook) -> None:
    assert book.problems == ()
    assert len(book.rules) == len(rule_texts())


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_every_rule_has_words_for_its_longest_values_and_for_none(rule: Rule) -> None:
    for language in LANGUAGES:
        for values in (_longest(rule), {}):
            said = render(rule, language, values, {})
            assert "{" not in said
            assert len(said) < 200


def _longest(rule: Rule) -> dict[str, Value]:
    longest: dict[str, Value] = {}
    for name in rule.evidence:
        feature = TABLES[rule.on].of(name)
        assert feature is not None
        by_type: dict[pl.DataType, Value] = {TEXT: "SPN 520192 FMI 31", FLAG: True, COUNT: 999_999}
        longest[name] = by_type.get(feature.dtype, -999_999.0)
    return longest


near = st.none() | st.sampled_from([-40.0, -1.0, 0.0, 1.0, 6.0, 7.0, 8.0, 15.0, 30.0, 31.0, 46.0])
items = st.fixed_dictionaries(
    {
        "occasion": st.sampled_from(["0", "1"]),
        "is_first": st.none() | st.booleans(),
        "due_in_p20_d": near,
        "overdue_d": st.none() | st.sampled_from([0.0, 1.0, 9.0]),
        "last_seen_age_d": st.none() | st.sampled_from([0.0, 30.0, 31.0]),
    }
)
faults = st.fixed_dictionaries(
    {
        "occasion": st.sampled_from(["1", "2"]),
        "status": st.sampled_from(["active", "pending", "stored", "permanent", "healed", "cleared"]),
        "severity": st.sampled_from(["info", "soon", "urgent", "stop"]),
        "mil": st.none() | st.booleans(),
    }
)
campaigns = st.fixed_dictionaries(
    {"state": st.sampled_from(["open", "remedied", "removed"]), "do_not_drive": st.booleans()}
)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.tuples(st.just("service_item"), st.lists(items, min_size=1, max_size=8)),
        st.tuples(st.just("fault"), st.lists(faults, min_size=1, max_size=8)),
        st.tuples(st.just("campaign"), st.lists(campaigns, min_size=1, max_size=8)),
    )
)
def test_one_reason_for_a_visit_is_never_told_by_two_rules(
    given_rows: tuple[str, list[dict[str, Any]]],
) -> None:
    table, rows = given_rows
    states = None
    for number, row in enumerate(rows):
        evaluation = evaluate(BOOK, {table: frame([{"day": number, "subject": "one", **row}], table)}, states)
        states = evaluation.states
        assert len([each for each in evaluation.findings if each.closed_at is None]) <= 1
