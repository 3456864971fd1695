import json
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import CARRIED, Evaluation, evaluate
from rules.features import TABLES, FeatureFrameError
from rules.finding import Finding
from rules.rule import Rule, RuleBook
from rules.states import States
from tests.rules.strategies import Spoken, conditions, day, frame, rule, values

ALL = frozenset(TABLES)


def book(*rules: Rule) -> RuleBook:
    return RuleBook(tuple(sorted(rules, key=lambda each: each.id)), ())


def run(
    one: Rule, rows: list[dict[str, Any]], states: States | None = None, on: str = "vehicle"
) -> Evaluation:
    return evaluate(book(one), {on: frame(rows, on)}, states, carried=ALL)


def days(findings: list[Finding]) -> list[tuple[float | None, float | None]]:
    return [(day(each.opened_at), day(each.closed_at)) for each in findings]


def through_the_store(states: States) -> States:
    """States as JSON columns of table rule_state would give them back."""
    return States.load([(*row[:4], json.loads(json.dumps(row.state))) for row in states.dump()])


def low(*volts: float | None, **more: list[Any]) -> list[dict[str, Any]]:
    """One row a day of the vehicle table."""
    return [
        {"day": number, "rest_v": value, **{name: column[number] for name, column in more.items()}}
        for number, value in enumerate(volts)
    ]


def test_without_for_and_keep_a_finding_is_open_while_the_condition_is_true() -> None:
    found = run(rule("rest_v < 12"), low(13, 11, 11, 13, 11)).findings
    assert days(found) == [(1, 3), (4, None)]
    assert [each.occasion for each in found] == ["1", "2"]


def test_the_unknown_neither_opens_nor_closes() -> None:
    assert days(run(rule("rest_v < 12"), low(None, 11, None, None)).findings) == [(1, None)]
    assert run(rule("rest_v < 12"), low(None, None)).findings == []


def test_for_counts_event_time_and_not_rows() -> None:
    rows = [{"day": number, "rest_v": 11.0} for number in (0, 1, 3)]
    assert days(run(rule("rest_v < 12", hold="3 d"), rows).findings) == [(3, None)]


def test_false_resets_for_and_unknown_pauses_it() -> None:
    held = rule("rest_v < 12", hold="3 d")
    assert days(run(held, low(11, 11, 13, 11, 11, 11, 11)).findings) == [(6, None)]
    assert days(run(held, low(11, 11, 11, None, 11, 11)).findings) == [(5, None)]


def test_for_counts_starts() -> None:
    rows = low(11, 11, 11, 11, starts_total_n=[5, 6, None, 8])
    assert days(run(rule("rest_v < 12", hold="3 starts"), rows).findings) == [(3, None)]


def test_for_counts_kilometres_and_a_falling_odometer_adds_none() -> None:
    rows = low(11, 11, 11, 11, 11, odometer_km=[1000.1, 1100.1, 5.0, 104.9, 105.0])
    assert days(run(rule("rest_v < 12", hold="200 km"), rows).findings) == [(4, None)]


def test_kilometres_of_an_unknown_odometer_are_counted_from_the_last_row_that_knew_it() -> None:
    rows = low(11, 11, 11, odometer_km=[1000.0, None, 1200.0])
    assert days(run(rule("rest_v < 12", hold="200 km"), rows).findings) == [(2, None)]
    rows = low(13, 11, 11, odometer_km=[1000.0, None, 1200.0])
    assert run(rule("rest_v < 12", hold="200 km"), rows).findings == []


def test_clear_has_a_limit_of_its_own() -> None:
    found = run(rule("rest_v < 12", clear="rest_v > 12.4"), low(11.9, 12.2, 12.2, 12.5, 12.2)).findings
    assert days(found) == [(0, 3)]


def test_keep_counts_from_the_last_true_row() -> None:
    kept = rule("rest_v < 12", keep="2 d")
    assert days(run(kept, low(11, 13, 13, 13)).findings) == [(0, 2)]
    assert days(run(kept, low(11, 13, 11, 13, 13)).findings) == [(0, 4)]
    assert days(run(kept, low(11, 13, None, None, 13)).findings) == [(0, 4)]


def test_a_row_that_is_true_never_closes() -> None:
    assert days(run(rule("rest_v < 12", clear="rest_v < 13"), low(11, 11, 12.5)).findings) == [(0, 2)]


def test_another_occasion_closes_a_finding_and_begins_anew() -> None:
    one = rule("due_in_p20_d <= 30", on="service_item", keep="100 d")
    rows = [
        {"day": 0, "subject": "oil", "occasion": "1", "due_in_p20_d": 20.0},
        {"day": 1, "subject": "oil", "occasion": "2", "due_in_p20_d": 300.0},
        {"day": 300, "subject": "oil", "occasion": "2", "due_in_p20_d": 1.0},
        {"day": 301, "subject": "oil", "occasion": "3", "due_in_p20_d": 0.0},
    ]
    found = run(one, rows, on="service_item").findings
    assert days(found) == [(0, 1), (300, 301), (301, None)]
    assert [each.occasion for each in found] == ["1", "2", "3"]
    assert found[0].latest_values == {"due_in_p20_d": 20.0}
    first = run(one, rows[:1], on="service_item")
    rest = run(one, rows[1:2], first.states, on="service_item")
    assert days(rest.findings) == [(0, 1)]
    assert rest.states.dump() == []


def test_an_occasion_opened_again_is_one_finding_with_its_last_opening() -> None:
    one = rule("due_in_p20_d <= 30", on="service_item")
    rows = [
        {"day": number, "subject": "oil", "occasion": "1", "due_in_p20_d": left}
        for number, left in enumerate([29.0, 31.0, 30.0])
    ]
    assert days(run(one, rows, on="service_item").findings) == [(2, None)]


def test_a_finding_tells_the_values_that_made_it_fire_and_the_newest() -> None:
    one = rule("rest_v < 12", clear="ambient_degc > 5", say="{odometer_km} km")
    rows = low(13, 11.5, None, odometer_km=[1.0, 2.0, 3.0], visits_n=[1, 1, 1])
    (found,) = run(one, rows).findings
    assert found.values == {"rest_v": 11.5, "odometer_km": 2.0, "ambient_degc": None}
    assert found.latest_values == {"rest_v": None, "odometer_km": 3.0, "ambient_degc": None}
    assert (day(found.read_at), day(found.latest_at)) == (1, 2)


def test_another_version_keeps_the_finding_open_and_begins_the_hold_anew() -> None:
    opened = run(rule("rest_v < 12", hold="1 d", version="1"), low(11, 11)).states
    later = [{"day": 5, "rest_v": 11.0}]
    (found,) = run(rule("rest_v < 12", hold="9 d", version="2"), later, opened).findings
    assert (found.rule_version, day(found.opened_at), found.closed_at) == ("1", 1, None)
    held = run(rule("rest_v < 12", hold="3 d", version="1"), low(11, 11)).states
    assert run(rule("rest_v < 12", hold="3 d", version="2"), later, held).findings == []
    assert len(run(rule("rest_v < 12", hold="3 d", version="1"), later, held).findings) == 1


def test_what_nothing_new_is_known_of_stays_open() -> None:
    opened = run(rule("rest_v < 12"), low(11)).states
    others = {"vehicle": frame([{"day": 1, "vehicle_id": 2, "rest_v": 13.0}])}
    for rules, frames in (
        (book(), others),
        (book(rule("rest_v < 12")), {}),
        (book(rule("rest_v < 12")), others),
    ):
        again = evaluate(rules, frames, opened, carried=ALL)
        assert days(again.findings) == [(0, None)]
        assert again.states.dump() == opened.dump()


def test_the_whole_history_of_a_vehicle_needs_no_states() -> None:
    assert "vehicle" not in CARRIED
    rows = low(11, 11, 13)
    once = evaluate(book(rule("rest_v < 12")), {"vehicle": frame(rows)})
    assert once.states.dump() == []
    stale = run(rule("rest_v < 12"), low(11)).states
    assert evaluate(book(rule("rest_v < 12")), {"vehicle": frame(rows)}, stale).findings == once.findings


def test_a_subject_that_was_never_near_firing_is_not_remembered() -> None:
    assert run(rule("rest_v < 12", hold="3 d", keep="3 d"), low(13, None, 13)).states.dump() == []


def test_evaluating_the_same_moment_twice_changes_nothing() -> None:
    one = rule("rest_v < 12", hold="3 d", keep="3 d")
    first = run(one, low(11, 11, 13))
    again = run(one, low(11, 11, 13)[2:], first.states)
    assert again.states.dump() == first.states.dump()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (pl.DataFrame({"vehicle_id": [1]}), "missing"),
        (frame(low(1.0)).with_columns(extra=1), "unknown ['extra']"),
        (frame(low(1.0)).with_columns(rest_v=pl.lit("1")), "rest_v should be Float64, is String"),
        (frame(low(1.0)).with_columns(subject=pl.lit(None, pl.String)), "subject is null"),
    ],
)
def test_a_frame_of_another_shape_is_refused(wrong: pl.DataFrame, reason: str) -> None:
    with pytest.raises(FeatureFrameError) as refused:
        evaluate(book(rule("rest_v < 12")), {"vehicle": wrong})
    assert reason in str(refused.value)


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(FeatureFrameError):
        evaluate(book(), {"wheel": frame([])})


def test_empty_frames_give_no_findings() -> None:
    assert evaluate(book(rule("rest_v < 12")), {"vehicle": frame([])}).findings == []


spans = st.sampled_from([None, "1 d", "2 d", "3 starts", "2 km"])
rules = st.builds(
    lambda when, clear, hold, keep: rule(
        when.sql, clear=None if clear is None else clear.sql, hold=hold, keep=keep, say="{rest_v}"
    ),
    conditions,
    st.none() | conditions,
    spans,
    spans,
)
histories = st.lists(
    st.builds(
        lambda vehicle, row, starts, km: {
            **row,
            "vehicle_id": vehicle,
            "starts_total_n": starts,
            "odometer_km": km,
        },
        st.integers(1, 3),
        values,
        st.none() | st.integers(0, 6),
        st.none() | st.sampled_from([0.0, 0.3, 1.1, 2.4]),
    ),
    max_size=24,
).map(lambda rows: [{"day": number // 3, **row} for number, row in enumerate(rows)])


def as_set(findings: list[Finding]) -> set[tuple[Any, ...]]:
    return {
        (each.vehicle_id, each.occasion, each.opened_at, each.closed_at, repr(each.values))
        for each in findings
    }


@settings(max_examples=100, deadline=None)
@given(rules, histories, st.lists(st.integers(0, 9), max_size=3))
def test_a_history_at_once_equals_the_history_in_pieces(
    one: Rule, rows: list[dict[str, Any]], cuts: list[int]
) -> None:
    whole = run(one, rows)
    states, seen = States(), dict[tuple[int, str], Finding]()
    bounds = [0, *sorted(cuts), 99]
    for start, end in pairwise(bounds):
        piece = run(one, [row for row in rows if start <= row["day"] < end], through_the_store(states))
        states = piece.states
        seen |= {(each.vehicle_id, each.occasion): each for each in piece.findings}
    assert as_set(list(seen.values())) == as_set(whole.findings)
    assert states.dump() == whole.states.dump()


@settings(max_examples=50, deadline=None)
@given(rules, histories, st.randoms(use_true_random=False))
def test_the_order_of_vehicles_does_not_matter(one: Rule, rows: list[dict[str, Any]], random: Any) -> None:
    order = [1, 2, 3]
    random.shuffle(order)
    shuffled = [row for vehicle in order for row in rows if row["vehicle_id"] == vehicle]
    assert run(one, shuffled).findings == run(one, rows).findings


@settings(max_examples=100, deadline=None)
@given(conditions, histories, spans)
def test_a_rule_and_its_negation_are_never_open_together(
    spoken: Spoken, rows: list[dict[str, Any]], hold: str | None
) -> None:
    yes = rule(spoken.sql, name="yes", hold=hold)
    no = rule(f"not ({spoken.sql})", name="no", hold=hold)
    found = evaluate(book(yes, no), {"vehicle": frame(rows)}).findings
    moments = {each.opened_at for each in found}
    for moment in moments:
        for vehicle in (1, 2, 3):
            open_then = {
                each.rule_id
                for each in found
                if each.vehicle_id == vehicle
                and each.opened_at <= moment
                and (each.closed_at is None or moment < each.closed_at)
            }
            assert len(open_then) < 2


@settings(max_examples=50, deadline=None)
@given(rules, st.lists(st.integers(1, 3), max_size=12))
def test_nothing_known_never_fires(one: Rule, vehicles: list[int]) -> None:
    rows = [{"day": number, "vehicle_id": vehicle} for number, vehicle in enumerate(vehicles)]
    evaluation = run(one, rows)
    assert evaluation.findings == []
    assert evaluation.states.dump() == []
