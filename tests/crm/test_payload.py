"""The golden file is what consumers were promised; docs/triggers.md tells it in words."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from crm.payload import band, cloud_event
from store.inputs import VehicleRow
from store.outcome_report import parse
from store.outcomes import state_payload
from store.trigger_changes import Draft, DueWindow
from vehicle.trigger import EventKind, Feed, Severity, TriggerState, TriggerType

GOLDEN = Path(__file__).parents[1] / "golden" / "trigger_events.json"
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
    seen_at=None,
)
OIL = Draft(
    id=UUID("0b1f6e0e-2f5c-5e0f-9a60-6f4f2a3e8d11"),
    vehicle_id=7,
    type=TriggerType.SERVICE_DUE,
    feed=Feed.SERVICE,
    rule_id="service-due",
    rule_version="abc",
    subject="engine-oil",
    occasion="2",
    job="OIL-01",
    severity=Severity.INFO,
    stage="14",
    dealer_id=3,
    due=DueWindow(date(2026, 6, 10), date(2026, 6, 15), date(2026, 6, 25)),
    words_zh="机油保养约 14 天后到期",
    words_en="Oil service due in about 14 days",
    evidence={
        "rule": "service-due",
        "version": "abc",
        "source": "limit: invented",
        "opened_at": "2026-05-20T19:00:00+00:00",
        "read_at": "2026-05-20T19:00:00+00:00",
        "values": {"due_in_p20_d": 27.0, "is_first": False},
        "binding": "distance",
        "probability_due": 0.07,
    },
)


@pytest.fixture(scope="module")
def golden() -> Any:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_an_opened_trigger_is_told_as_the_golden_file_has_it(golden: Any) -> None:
    told = cloud_event(
        OIL,
        CAR,
        site="odocare.local",
        feed=Feed.SERVICE,
        kind=EventKind.OPENED,
        state=TriggerState.NEW,
        revision=1,
        as_of=datetime(2026, 6, 1, 3, tzinfo=UTC),
    )
    assert json.loads(json.dumps(told)) == golden["opened"]


def test_a_reported_state_is_told_as_the_golden_file_has_it(golden: Any) -> None:
    report = parse(
        {
            "trigger_id": str(OIL.id),
            "state": "booked",
            "happened_at": "2026-06-02T10:00:00+08:00",
            "booked_for": "2026-06-12T09:00:00+08:00",
        },
        now=datetime(2026, 6, 2, 3, tzinfo=UTC),
    )
    told = state_payload(golden["revised"], report, revision=3, state=TriggerState.BOOKED)
    assert json.loads(json.dumps(told)) == golden["state"]


def test_a_revision_says_what_changed(golden: Any) -> None:
    told = cloud_event(
        OIL,
        CAR,
        site="odocare.local",
        feed=Feed.SERVICE,
        kind=EventKind.REVISED,
        state=TriggerState.NEW,
        revision=2,
        as_of=datetime(2026, 6, 1, 3, tzinfo=UTC),
        changes=("stage",),
    )
    assert json.loads(json.dumps(told)) == golden["revised"]


def test_nothing_in_an_event_names_the_vehicle_but_its_random_id(golden: Any) -> None:
    for event in golden.values():
        assert set(event["data"]["vehicle"]) == {"id", "model"}
        assert not {"vin", "plate", "owner", "owner_ref"} & set(event["data"])


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (None, None),
        (0.0, [0.0, 0.2]),
        (0.19, [0.0, 0.2]),
        (0.2, [0.2, 0.4]),
        (0.71, [0.6, 0.8]),
        (1.0, [0.8, 1.0]),
    ],
)
def test_a_probability_is_told_as_the_fifth_it_lies_in(
    probability: float | None, expected: list[float] | None
) -> None:
    assert band(probability) == expected
