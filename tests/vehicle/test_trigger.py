import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle.trigger import ENDED, NEXT, Feed, Severity, TriggerState, TriggerType, feed_of, fold, may_follow

kinds = st.sampled_from(TriggerType)
severities = st.sampled_from(Severity)
states = st.sampled_from(TriggerState)


@given(kind=kinds, severity=severities)
def test_safety_goes_to_the_recall_feed_and_nothing_else_does(kind: TriggerType, severity: Severity) -> None:
    is_safety = kind is TriggerType.RECALL or severity is Severity.STOP
    assert (feed_of(kind, severity) is Feed.RECALL) == is_safety


@given(severity=st.sampled_from([Severity.INFO, Severity.SOON, Severity.URGENT]))
def test_only_trade_in_goes_to_sales(severity: Severity) -> None:
    assert [kind for kind in TriggerType if feed_of(kind, severity) is Feed.SALES] == [TriggerType.TRADE_IN]


def test_severities_stand_in_rising_order() -> None:
    assert list(Severity) == [Severity.INFO, Severity.SOON, Severity.URGENT, Severity.STOP]


def test_every_state_says_what_may_follow() -> None:
    assert NEXT.keys() == set(TriggerState)


def test_every_state_can_be_reached_from_the_first() -> None:
    reached = {TriggerState.NEW}
    while more := {then for state in reached for then in NEXT[state]} - reached:
        reached |= more
    assert reached == set(TriggerState)


@given(states)
def test_a_visit_can_be_reported_at_any_time_but_once(state: TriggerState) -> None:
    assert may_follow(state, TriggerState.COMPLETED) == (state is not TriggerState.COMPLETED)


@given(state=states, then=states)
def test_an_ended_trigger_goes_on_only_where_the_owner_comes(state: TriggerState, then: TriggerState) -> None:
    if state in ENDED - {TriggerState.UNREACHABLE} and may_follow(state, then):
        assert then in {TriggerState.BOOKED, TriggerState.IN_SERVICE, TriggerState.COMPLETED}
    assert not may_follow(state, TriggerState.NEW)


BEFORE_A_BOOKING = sorted(
    set(TriggerState) - {TriggerState.IN_SERVICE, TriggerState.COMPLETED, TriggerState.WITHDRAWN}
)


@given(
    steps=st.lists(st.sampled_from(BEFORE_A_BOOKING), max_size=8),
    last=st.sampled_from([TriggerState.BOOKED, TriggerState.IN_SERVICE]),
)
def test_nothing_that_was_said_before_undoes_a_booking(steps: list[TriggerState], last: TriggerState) -> None:
    assert fold([*steps, last]) is last


def test_people_only_complete_what_an_evaluation_withdrew() -> None:
    assert NEXT[TriggerState.WITHDRAWN] == {TriggerState.COMPLETED}


@pytest.mark.parametrize("then", list(TriggerState))
def test_a_completed_trigger_stays_completed(then: TriggerState) -> None:
    assert not may_follow(TriggerState.COMPLETED, then)
