from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm import windows
from crm.triggers import Desk, decide, trigger_id
from store.inputs import VehicleRow
from store.trigger_changes import Change, Draft, DueWindow, Existing
from vehicle.trigger import ENDED, EventKind, Feed, Severity, TriggerState, TriggerType

AS_OF = datetime(2026, 6, 1, 3, tzinfo=UTC)
CAR = VehicleRow(
    id=7,
    public_id=UUID("11111111-2222-4333-8444-555555555555"),
    model="odo-petrol",
    market="CN",
    use_class="private",
    tz="Asia/Shanghai",
    built_on=date(2024, 1, 5),
    delivered_on=date(2024, 3, 1),
    dealer_id=3,
    dealer_code="D1",
    seen_at=AS_OF,
)
DESK = Desk("odocare.local", AS_OF, {7: CAR})


def draft(occasion: str = "1", **changes: object) -> Draft:
    """The trigger of an oil change, due in the middle of June."""
    base = Draft(
        id=trigger_id("odocare.local", "oil-due", CAR.public_id, "engine-oil", occasion),
        vehicle_id=7,
        type=TriggerType.SERVICE_DUE,
        feed=Feed.SERVICE,
        rule_id="oil-due",
        rule_version="abc",
        subject="engine-oil",
        occasion=occasion,
        job="OIL-01",
        severity=Severity.INFO,
        stage="30",
        dealer_id=3,
        due=DueWindow(date(2026, 6, 10), date(2026, 6, 15), date(2026, 6, 25)),
        words_zh="机油",
        words_en="oil",
        evidence={"values": {"due_in_p20_d": 12.0}},
    )
    return replace(base, **changes)  # type: ignore[arg-type] # the names are Draft's


def existing(state: TriggerState = TriggerState.NEW, revision: int = 1, **changes: object) -> Existing:
    return Existing(draft(**changes), state, revision)  # type: ignore[arg-type] # as `draft`


def only(changes: list[Change]) -> Change:
    assert len(changes) == 1
    return changes[0]


def told(change: Change) -> list[object]:
    """What the last event says changed."""
    return list(change.events[-1].payload["data"].get("changes", []))


def test_an_open_finding_opens_its_trigger_once() -> None:
    change = only(decide(DESK, [], [draft()], set()))
    assert (change.is_new, change.state, change.revision) == (True, TriggerState.NEW, 1)
    assert [event.kind for event in change.events] == [EventKind.OPENED]
    assert decide(DESK, [Existing(change.draft, change.state, change.revision)], [draft()], set()) == []


def test_the_id_depends_on_site_rule_vehicle_subject_and_occasion_alone() -> None:
    ids = {
        trigger_id(site, rule, vehicle, subject, occasion)
        for site in ("a.example", "b.example")
        for rule in ("r", "s")
        for vehicle in (CAR.public_id, UUID(int=1))
        for subject in ("", "oil")
        for occasion in ("1", "2")
    }
    assert len(ids) == 32
    assert trigger_id("odocare.local", "oil-due", CAR.public_id, "engine-oil", "1") == UUID(
        "474df2f4-a142-5749-a5c5-daa9eb524f95"
    ), "ids are for ever: consumers keep them"


def test_a_nearer_lead_time_is_a_revision_and_a_farther_one_is_not() -> None:
    nearer = only(decide(DESK, [existing()], [draft(stage="14")], set()))
    assert (nearer.revision, told(nearer), nearer.state) == (2, ["stage"], TriggerState.NEW)
    assert decide(DESK, [existing(stage="14")], [draft(stage="30")], set()) == []


@pytest.mark.parametrize(("days", "is_told"), [(0, False), (7, False), (-7, False), (8, True), (-8, True)])
def test_a_likely_date_is_told_again_when_it_moves_by_more_than_a_week(days: int, *, is_told: bool) -> None:
    moved = DueWindow(date(2026, 6, 1), date(2026, 6, 15) + timedelta(days=days), date(2026, 7, 25))
    changes = decide(DESK, [existing()], [draft(due=moved)], set())
    assert [told(change) for change in changes] == ([["due"]] if is_told else [])


def test_words_that_drift_with_the_calendar_are_no_revision() -> None:
    assert decide(DESK, [existing()], [draft(words_zh="还有 3 天", words_en="in 3 days")], set()) == []


@pytest.mark.parametrize(
    ("value", "expected"), [(12.0 + 1e-12, []), (12.1, [["facts"]]), (None, [["facts"]])]
)
def test_the_last_digit_of_a_number_is_no_other_fact(value: float | None, expected: list[list[str]]) -> None:
    again = draft(evidence={"values": {"due_in_p20_d": value}})
    assert [told(change) for change in decide(DESK, [existing()], [again], set())] == expected


def test_other_facts_severity_dealer_and_job_are_told_together() -> None:
    other = draft(
        severity=Severity.URGENT, evidence={"values": {"due_in_p20_d": 2.0}}, dealer_id=4, job="OIL-02"
    )
    change = only(decide(DESK, [existing(TriggerState.BOOKED, revision=5)], [other], set()))
    assert told(change) == ["severity", "facts", "dealer", "job"]
    assert (change.revision, change.state, change.events[0].kind) == (
        6,
        TriggerState.BOOKED,
        EventKind.REVISED,
    )


def test_a_trigger_that_becomes_a_matter_of_safety_changes_its_feed_with_two_events() -> None:
    stop = draft(severity=Severity.STOP, feed=Feed.RECALL)
    change = only(decide(DESK, [existing(TriggerState.CONTACTED, revision=3)], [stop], set()))
    assert [(event.feed, event.kind, event.revision) for event in change.events] == [
        (Feed.SERVICE, EventKind.WITHDRAWN, 4),
        (Feed.RECALL, EventKind.OPENED, 5),
    ]
    assert (change.state, change.revision) == (TriggerState.CONTACTED, 5)


@pytest.mark.parametrize("state", [TriggerState.NEW, TriggerState.ACCEPTED, TriggerState.CONTACTED])
def test_a_condition_that_has_gone_withdraws_what_is_not_booked(state: TriggerState) -> None:
    known = existing(state, revision=2)
    change = only(decide(DESK, [known], [], {known.draft.id}))
    assert (change.state, change.enters, change.revision) == (
        TriggerState.WITHDRAWN,
        TriggerState.WITHDRAWN,
        3,
    )
    assert change.events[0].kind is EventKind.WITHDRAWN


@pytest.mark.parametrize("state", [TriggerState.BOOKED, TriggerState.IN_SERVICE])
def test_what_is_booked_is_told_once_that_its_condition_has_gone(state: TriggerState) -> None:
    known = existing(state, revision=2)
    change = only(decide(DESK, [known], [], {known.draft.id}))
    assert (change.state, change.enters, told(change)) == (state, None, ["condition_gone"])
    again = Existing(change.draft, change.state, change.revision)
    assert decide(DESK, [again], [], {known.draft.id}) == []
    back = only(decide(DESK, [again], [draft()], set()))
    assert told(back) == ["condition_back"]


def test_a_withdrawn_trigger_is_new_again_when_its_condition_is_back() -> None:
    change = only(decide(DESK, [existing(TriggerState.WITHDRAWN, revision=2)], [draft()], set()))
    assert (change.state, change.enters, change.revision, change.is_new) == (
        TriggerState.NEW,
        TriggerState.NEW,
        3,
        False,
    )
    assert change.events[0].kind is EventKind.OPENED


@pytest.mark.parametrize("state", sorted(ENDED - {TriggerState.WITHDRAWN}))
def test_what_has_ended_stays_ended_for_its_occasion(state: TriggerState) -> None:
    known = existing(state, revision=4)
    assert decide(DESK, [known], [draft(stage="3", severity=Severity.STOP)], set()) == []
    assert decide(DESK, [known], [], {known.draft.id}) == []
    next_time = only(decide(DESK, [known], [draft(occasion="2")], set()))
    assert next_time.is_new


def test_a_stored_trigger_that_nothing_is_known_about_stays_as_it_is() -> None:
    assert decide(DESK, [existing()], [], set()) == []


@given(
    state=st.sampled_from(sorted(TriggerState)),
    stage=st.sampled_from(["", "30", "14", "3"]),
    severity=st.sampled_from(sorted(Severity)),
    days=st.integers(-40, 40),
    is_open=st.booleans(),
    is_gone=st.booleans(),
)
def test_deciding_twice_changes_nothing_the_second_time_and_revisions_rise_by_one(
    *, state: TriggerState, stage: str, severity: Severity, days: int, is_open: bool, is_gone: bool
) -> None:
    day = date(2026, 6, 15) + timedelta(days=days)
    feed = Feed.RECALL if severity is Severity.STOP else Feed.SERVICE
    wanted = draft(stage=stage, severity=severity, feed=feed, due=DueWindow(day, day, day))
    known = existing(state, revision=9)
    drafts, gone = ([wanted], set()) if is_open else ([], {known.draft.id} if is_gone else set())
    changes = decide(DESK, [known], drafts, gone)
    for change in changes:
        assert [event.revision for event in change.events] == list(range(10, change.revision + 1))
        after = Existing(change.draft, change.state, change.revision)
        assert decide(DESK, [after], drafts, gone) == []


@given(st.lists(st.integers(0, 400), unique=True, max_size=4), st.integers(-500, 500))
def test_the_stage_is_the_nearest_lead_time_reached(lead_d: list[int], left_d: int) -> None:
    today = date(2026, 6, 1)
    found = windows.stage(lead_d, today + timedelta(days=left_d), today)
    reached = [lead for lead in lead_d if left_d <= lead]
    assert found == (str(min(reached)) if reached else "")
    assert windows.stage(lead_d, None, today) == ""


def test_the_window_of_a_fault_is_as_long_as_its_severity_allows() -> None:
    on = date(2026, 6, 1)
    assert windows.by_severity(on, Severity.STOP) == DueWindow(on, on, on)
    assert windows.by_severity(on, Severity.URGENT) == DueWindow(on, date(2026, 6, 2), date(2026, 6, 4))
    assert windows.by_severity(on, Severity.SOON) == DueWindow(on, date(2026, 6, 8), date(2026, 6, 15))
