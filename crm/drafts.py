"""A finding as the trigger it stands for: id, window, words and evidence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from crm import windows
from crm.triggers import trigger_id
from rules import words
from rules.finding import Finding, Value
from rules.rule import Rule
from store.inputs import VehicleRow
from store.trigger_changes import Draft, DueWindow
from vehicle.day import local_day
from vehicle.prediction import DueDate
from vehicle.trigger import TriggerType, feed_of

Names = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Language, then feature, then value, to the name people use."""

PREDICTED: Final = frozenset(
    {TriggerType.SERVICE_DUE, TriggerType.SERVICE_OVERDUE, TriggerType.FIRST_SERVICE_MISSED}
)
"""Types whose window is that of a service item's prediction."""


@dataclass(frozen=True, slots=True)
class Case:
    """One open finding with what else is known about its subject."""

    finding: Finding
    rule: Rule
    vehicle: VehicleRow
    due: DueDate | None = None
    """Of the service item the finding is about."""
    campaign_opened_on: date | None = None


def draft(case: Case, names: Names, *, site: str, as_of: datetime) -> Draft:
    """The trigger of one open finding."""
    finding, rule, vehicle = case.finding, case.rule, case.vehicle
    zone = ZoneInfo(vehicle.tz)
    window = _window(case, local_day(finding.opened_at, zone))
    said = _newest(finding)
    lead_from = case.due.p20_on if case.due is not None else window.p10_on
    return Draft(
        id=trigger_id(site, rule.id, vehicle.public_id, finding.subject, finding.occasion),
        vehicle_id=vehicle.id,
        type=rule.trigger,
        feed=feed_of(rule.trigger, rule.severity),
        rule_id=rule.id,
        rule_version=rule.version,
        subject=finding.subject,
        occasion=finding.occasion,
        job=rule.job,
        severity=rule.severity,
        stage=windows.stage(rule.lead_d, lead_from, local_day(as_of, zone)),
        dealer_id=vehicle.dealer_id,
        due=window,
        words_zh=words.render(rule, "zh", said, names["zh"]),
        words_en=words.render(rule, "en", said, names["en"]),
        evidence=_evidence(case, said, as_of),
    )


def _newest(finding: Finding) -> dict[str, Value]:
    """The newest known values of what made it fire, so that the words of a revision are not stale."""
    known = {name: value for name, value in finding.latest_values.items() if value is not None}
    return {**finding.values, **known}


def _window(case: Case, opened_on: date) -> DueWindow:
    if case.due is not None and case.rule.trigger in PREDICTED:
        return windows.predicted(case.due)
    if case.campaign_opened_on is not None:
        return windows.at_once(case.campaign_opened_on)
    return windows.by_severity(opened_on, case.rule.severity)


def _evidence(case: Case, said: Mapping[str, Value], as_of: datetime) -> dict[str, Any]:
    """What made the rule fire, where that is from, and what it reads now."""
    finding, due = case.finding, case.due
    evidence: dict[str, Any] = {
        "rule": finding.rule_id,
        "version": case.rule.version,
        "source": case.rule.source,
        "values": dict(finding.values),
        "read_at": finding.read_at.isoformat(),
        "opened_at": finding.opened_at.isoformat(),
        "now": dict(said),
        "now_read_at": finding.latest_at.isoformat(),
        "as_of": as_of.isoformat(),
    }
    if due is not None:
        evidence |= {
            "prediction": due.status.value,
            "binding": None if due.binding is None else due.binding.value,
            "probability_due": due.probability_due_ratio,
            "odometer_km": due.odometer_km,
            "odometer_age_d": due.odometer_age_d,
        }
    return evidence
