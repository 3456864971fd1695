"""From what is known of some vehicles to predictions, findings and triggers. Pure: no I/O, no clock."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import polars as pl

from crm.drafts import Case, Names, draft
from crm.triggers import trigger_id
from maintenance import due as due_dates
from maintenance.parameters import UsageParameters
from odocare import evaluation_inputs, prediction_rows, true_odometers
from odocare.true_odometers import TrueOdometers
from rules import engine
from rules.finding import Finding
from rules.rule import Rule, RuleBook
from rules.states import States
from store.findings import FindingKey, FindingRow
from store.inputs import Inputs, VehicleRow
from store.predictions import Prediction
from store.rule_states import RuleStateRow
from store.trigger_changes import Draft
from vehicle.prediction import DueDate


@dataclass(frozen=True, slots=True)
class Judge:
    """What the judgement rests on besides the vehicles: the rules, the models' constants, the site's name."""

    site: str
    book: RuleBook
    bodies: Mapping[tuple[str, str], str]
    """Texts of the rules by (id, version), kept beside the findings."""
    parameters: UsageParameters
    code_names: Mapping[str, Mapping[str, str]]
    """Language, then fault code, to its meaning."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier evaluations of the same vehicles left."""

    states: Sequence[RuleStateRow]
    findings: Sequence[FindingRow]
    """Stored ones, open and closed."""
    predictions: Sequence[Prediction]


@dataclass(frozen=True, slots=True)
class Judged:
    """What one evaluation of some vehicles came to, to be stored."""

    predictions: list[Prediction]
    """Only those that say something new."""
    dropped: list[tuple[int, str]]
    """Vehicle and item without a prediction from now on."""
    findings: list[FindingRow]
    """Only those that are new or changed."""
    closed: list[FindingKey]
    """Stored as open, but their subject, occasion or rule is no more."""
    states: list[RuleStateRow]
    drafts: list[Draft]
    gone: set[UUID]
    """Triggers whose findings have closed."""
    odometers: TrueOdometers


def judge(inputs: Inputs, memory: Memory, by: Judge, *, as_of: datetime) -> Judged:
    """Predict, evaluate all rules, and say what each open finding's trigger looks like now."""
    known = evaluation_inputs.fleet(inputs, as_of)
    due = due_dates.predict(known.vehicles, known.as_of_day, by.parameters, known.odometers)
    frames = evaluation_inputs.frames(known, inputs, due, as_of, by.parameters)
    found = engine.evaluate(by.book, frames, States.load(_state_tuples(memory.states)))
    rules = {rule.id: rule for rule in by.book.rules}
    is_subject = _subjects(frames)
    live = [finding for finding in found.findings if _is_live(finding, rules, is_subject)]
    states = [
        RuleStateRow(*row)
        for row in found.states.dump()
        if _is_kept(row.vehicle_id, row.rule_id, row.subject, by.book, rules, is_subject)
    ]
    vehicles = {row.id: row for row in inputs.vehicles}
    fresh, dropped = prediction_rows.news(due, memory.predictions, vehicles, by.parameters, as_of)
    drafts = _drafts(live, inputs, due, vehicles, by, as_of)
    closed = _closed(live, memory.findings, by.book, rules)
    stored = {row.key: row.content for row in memory.findings}
    return Judged(
        predictions=fresh,
        dropped=dropped,
        findings=[row for row in _rows(live, inputs, due, as_of) if stored.get(row.key) != row.content],
        closed=closed,
        states=states,
        drafts=drafts,
        gone=_gone(live, closed, vehicles, by.site),
        odometers=true_odometers.of_fleet(known, inputs),
    )


def _state_tuples(rows: Sequence[RuleStateRow]) -> list[tuple[int, str, str, str, Mapping[str, object]]]:
    return [(row.vehicle_id, row.rule_id, row.subject, row.rule_version, row.state) for row in rows]


Subjects = Mapping[str, Collection[tuple[int, str]]]
"""Table, to its (vehicle, subject) pairs."""


def _subjects(frames: Mapping[str, pl.DataFrame]) -> Subjects:
    return {
        name: set(frame.select("vehicle_id", "subject").unique().iter_rows())
        for name, frame in frames.items()
    }


def _is_live(finding: Finding, rules: Mapping[str, Rule], subjects: Subjects) -> bool:
    """Whether its rule runs and its subject is still there; the engine hands on the others as they were."""
    rule = rules.get(finding.rule_id)
    return rule is not None and (finding.vehicle_id, finding.subject) in subjects.get(rule.on, ())


def _is_kept(
    vehicle_id: int,
    rule_id: str,
    subject: str,
    book: RuleBook,
    rules: Mapping[str, Rule],
    subjects: Subjects,
) -> bool:
    """Whether to remember a state: of subjects that are gone it is not, of a rule that is broken it is."""
    rule = rules.get(rule_id)
    if rule is None:
        return bool(book.problems)
    return (vehicle_id, subject) in subjects.get(rule.on, ())


def _closed(
    live: Sequence[Finding], stored: Sequence[FindingRow], book: RuleBook, rules: Mapping[str, Rule]
) -> list[FindingKey]:
    """Stored open findings that nothing speaks for any more.

    While some rule files are broken, findings of rules that did not load are left as they are.
    """
    spoken_for = {_key(finding) for finding in live}
    return [
        row.key
        for row in stored
        if row.closed_at is None and row.key not in spoken_for and (row.rule_id in rules or not book.problems)
    ]


def _gone(
    live: Sequence[Finding],
    closed: Sequence[FindingKey],
    vehicles: Mapping[int, VehicleRow],
    site: str,
) -> set[UUID]:
    is_open = {_key(finding) for finding in live if finding.closed_at is None}
    keys = {*closed, *(_key(finding) for finding in live)} - is_open
    return {
        trigger_id(site, rule_id, vehicles[vehicle_id].public_id, subject, occasion)
        for vehicle_id, rule_id, subject, occasion in keys
    }


def _key(finding: Finding) -> FindingKey:
    return (finding.vehicle_id, finding.rule_id, finding.subject, finding.occasion)


def _rows(
    live: Sequence[Finding], inputs: Inputs, due: Sequence[DueDate], as_of: datetime
) -> list[FindingRow]:
    """Findings for the store, with the time of the reading that each value rests on."""
    seen_at = {
        (row.vehicle_id, evaluation_inputs.fault_subject(row)): row.last_seen_at for row in inputs.faults
    }
    seen_at |= {
        (one.vehicle_id, one.item): as_of - timedelta(days=one.odometer_age_d)
        for one in due
        if one.odometer_age_d is not None
    }
    return [
        _row(finding, seen_at.get((finding.vehicle_id, finding.subject), finding.read_at)) for finding in live
    ]


def _row(finding: Finding, read_at: datetime) -> FindingRow:
    return FindingRow(
        vehicle_id=finding.vehicle_id,
        rule_id=finding.rule_id,
        subject=finding.subject,
        occasion=finding.occasion,
        rule_version=finding.rule_version,
        opened_at=finding.opened_at,
        closed_at=finding.closed_at,
        values=dict(finding.values),
        read_at={"row": min(read_at, finding.read_at).isoformat()},
    )


def _drafts(
    live: Sequence[Finding],
    inputs: Inputs,
    due: Sequence[DueDate],
    vehicles: Mapping[int, VehicleRow],
    by: Judge,
    as_of: datetime,
) -> list[Draft]:
    """The trigger of every open finding."""
    rules = {rule.id: rule for rule in by.book.rules}
    due_of = {(one.vehicle_id, one.item): one for one in due}
    opened_on = {(row.vehicle_id, row.campaign): row.opened_on for row in inputs.campaigns}
    names = _names(inputs, by.code_names)
    found = []
    for finding in live:
        if finding.closed_at is not None:
            continue
        rule, vehicle = rules[finding.rule_id], vehicles[finding.vehicle_id]
        subject = (finding.vehicle_id, finding.subject)
        case = Case(
            finding=finding,
            rule=rule,
            vehicle=vehicle,
            due=due_of.get(subject) if rule.on == "service_item" else None,
            campaign_opened_on=opened_on.get(subject) if rule.on == "campaign" else None,
        )
        found.append(draft(case, names[(vehicle.model, vehicle.market)], site=by.site, as_of=as_of))
    return found


def _names(
    inputs: Inputs, code_names: Mapping[str, Mapping[str, str]]
) -> dict[tuple[str | None, str], Names]:
    """What people call service items, campaigns and codes, by model and market."""
    items: dict[tuple[str | None, str, str], dict[str, str]] = defaultdict(dict)
    for plan in inputs.plans:
        items[(plan.model, plan.market, "zh")][plan.item] = plan.name_zh
        items[(plan.model, plan.market, "en")][plan.item] = plan.name_en
    campaigns = {
        "zh": {row.campaign: row.title_zh for row in inputs.campaigns},
        "en": {row.campaign: row.title_en for row in inputs.campaigns},
    }
    return {
        (row.model, row.market): {
            language: {
                "item": items[(row.model, row.market, language)],
                "campaign": campaigns[language],
                "code": code_names.get(language, {}),
            }
            for language in ("zh", "en")
        }
        for row in inputs.vehicles
    }
