"""One rule over one table: picks the rows that matter, folds them, and words what came of it as findings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from rules.finding import Finding, Value
from rules.fold import Bools, Carried, Counter, Episodes, Ints, Rows, fold
from rules.memory import NEVER, Left, Memory
from rules.rule import Rule
from rules.span import Span, SpanUnit
from rules.table import Masks, Table
from vehicle.day import at_of, us_of

_NONE: Final = np.zeros(0, np.int64)
_NO: Final = np.zeros(0, np.bool_)
_EMPTY: Final = Carried(_NONE, _NO, _NONE, Counter(_NONE, _NO), _NO, _NONE, Counter(_NONE, _NO))


def judge(
    rule: Rule, table: Table, masks: Masks, memory: Memory | None, *, remembers: bool
) -> tuple[list[Finding], Left | None]:
    """Findings of one rule, and what to remember if it `remembers`."""
    case = _Case(rule, table, memory)
    picked = case.picked(masks.is_true.to_numpy())
    rows = _rows(case, picked, masks)
    folded = fold(
        rows,
        _EMPTY if memory is None else memory.carried(),
        hold_ticks=0 if rule.hold is None else rule.hold.ticks,
        keep_ticks=0 if rule.keep is None else rule.keep.ticks,
    )
    dated = _dated(case, picked, folded.episodes, rows.is_other_occasion)
    findings = _findings(case, dated)
    left = _left(case, folded.ends, dated, findings) if remembers else None
    named = {(each.vehicle_id, each.subject, each.occasion): each for each in findings}
    return list(named.values()), left  # where an occasion was opened again, the last one stands for it


def still_open(entries: pl.DataFrame) -> list[Finding]:
    """Open findings of state entries that nothing new was learnt about."""
    entries = entries.filter(pl.col("opened_us").is_not_null())
    return [
        _finding(_opening_of(entry), closed_us=None, latest=None) for entry in entries.iter_rows(named=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    rule: Rule
    table: Table
    memory: Memory | None

    def picked(self, is_true: Bools) -> Ints:
        """Rows of subjects on which the condition was true or that are remembered; rising."""
        if len(self.table.first) == len(is_true) and self.memory is None:
            return np.flatnonzero(is_true)
        matters = np.zeros(len(self.table.first), np.bool_)
        matters[self.table.group[is_true]] = True
        if self.memory is not None:
            matters[self.memory.group] = True
        return np.flatnonzero(matters[self.table.group])

    def found_n(self) -> Ints:
        """Per subject, the findings counted so far."""
        count = np.zeros(len(self.table.first), np.int64)
        if self.memory is not None:
            count[self.memory.group] = self.memory.found_n
        return count

    def counter(self, span: Span | None, picked: Ints, floor: Counter | None) -> Counter:
        """What a span counts. Event time never goes back, even if an earlier moment is evaluated again."""
        if span is None:
            return Counter(np.zeros(len(picked), np.int64), np.zeros(len(picked), np.bool_))
        counter = self.table.counters[span.unit].take(picked)
        if span.unit is SpanUnit.DAYS and self.memory is not None and floor is not None:
            least = np.full(len(self.table.first), NEVER)
            least[self.memory.group] = np.where(floor.is_known, floor.ticks, NEVER)
            return Counter(np.maximum(counter.ticks, least[self.table.group[picked]]), counter.is_known)
        return counter


def _rows(case: _Case, picked: Ints, masks: Masks) -> Rows:
    rule, table, memory = case.rule, case.table, case.memory
    others = table.changes[picked]
    if memory is not None:
        first = table.first[memory.group[memory.is_other_occasion]]
        others[np.searchsorted(picked, first)] = True
    return Rows(
        group=table.group[picked],
        is_true=masks.is_true.to_numpy()[picked],
        is_false=masks.is_false.to_numpy()[picked],
        clears=masks.clears.to_numpy()[picked],
        is_other_occasion=others,
        hold=case.counter(rule.hold, picked, None if memory is None else memory.hold),
        keep=case.counter(rule.keep, picked, None if memory is None else memory.keep),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Dated:
    """Episodes in rows of the table; arrays of length e."""

    group: Ints
    opened: Ints
    """-1: it was open already."""
    closed: Ints
    """-1: still open."""
    latest: Ints
    """The newest row of this occasion; -1: none but what is remembered."""
    occasion: list[str]
    """Of episodes that opened here."""
    found_n: Ints
    """Counted findings of the subject, this one included."""


def _dated(case: _Case, picked: Ints, episodes: Episodes, is_other_occasion: Bools) -> _Dated:
    table, group = case.table, episodes.group
    opened = np.where(episodes.opened_row >= 0, picked[episodes.opened_row], -1)
    closed = np.where(episodes.closed_row >= 0, picked[episodes.closed_row], -1)
    named = table.frame["occasion"][np.maximum(opened, 0)].to_list()
    counted = (opened >= 0) & np.array([name == "" for name in named], np.bool_)
    total = np.cumsum(counted)
    start = np.searchsorted(group, group)
    found_n = case.found_n()[group] + total - (total - counted)[start]
    latest = np.where(closed < 0, table.last[group], closed)
    is_other = is_other_occasion[episodes.closed_row] & (closed >= 0)
    latest = np.where(is_other, np.where(latest > table.first[group], latest - 1, -1), latest)
    occasion = [name or str(n) for name, n in zip(named, found_n.tolist(), strict=True)]
    return _Dated(group, opened, closed, latest, occasion, found_n)


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a finding began."""

    rule_id: str
    rule_version: str
    vehicle_id: int
    subject: str
    occasion: str
    at_us: int
    values: dict[str, Value]


def _opening_of(entry: Mapping[str, Any]) -> _Opening:
    """How the open finding of a state entry began."""
    return _Opening(
        rule_id=entry["rule_id"],
        rule_version=entry["opened_version"],
        vehicle_id=entry["vehicle_id"],
        subject=entry["subject"],
        occasion=entry["occasion"] or str(entry["found_n"]),
        at_us=entry["opened_us"],
        values=json.loads(entry["opened_values"]),
    )


def _finding(begun: _Opening, closed_us: int | None, latest: tuple[int, dict[str, Value]] | None) -> Finding:
    at = at_of(begun.at_us)
    return Finding(
        rule_id=begun.rule_id,
        rule_version=begun.rule_version,
        vehicle_id=begun.vehicle_id,
        subject=begun.subject,
        occasion=begun.occasion,
        opened_at=at,
        closed_at=None if closed_us is None else at_of(closed_us),
        values=begun.values,
        read_at=at,
        latest_values=begun.values if latest is None else latest[1],
        latest_at=at if latest is None else at_of(latest[0]),
    )


def _findings(case: _Case, dated: _Dated) -> list[Finding]:
    """One per episode."""
    at_us = case.table.at_us
    openings = _openings(case, dated)
    newest = _values(case, dated.latest)
    return [
        _finding(
            begun,
            None if closed < 0 else int(at_us[closed]),
            None if latest < 0 else (int(at_us[latest]), values),
        )
        for begun, closed, latest, values in zip(
            openings, dated.closed.tolist(), dated.latest.tolist(), newest, strict=True
        )
    ]


def _openings(case: _Case, dated: _Dated) -> list[_Opening]:
    table, rule = case.table, case.rule
    carried = _carried_openings(case)
    first = table.first[dated.group]
    vehicle, subject = (table.frame[name][first].to_list() for name in ("vehicle_id", "subject"))
    values, at_us = _values(case, dated.opened), table.at_us[np.maximum(dated.opened, 0)].tolist()
    return [
        carried[group]
        if opened < 0
        else _Opening(rule.id, rule.version, vehicle[k], subject[k], dated.occasion[k], at_us[k], values[k])
        for k, (group, opened) in enumerate(zip(dated.group.tolist(), dated.opened.tolist(), strict=True))
    ]


def _carried_openings(case: _Case) -> dict[int, _Opening]:
    """Open findings that are remembered, by subject."""
    if case.memory is None:
        return {}
    is_open = np.flatnonzero(case.memory.is_open)
    rows = case.memory.frame[is_open].iter_rows(named=True)
    return dict(zip(case.memory.group[is_open].tolist(), map(_opening_of, rows), strict=True))


def _values(case: _Case, rows: Ints) -> list[dict[str, Value]]:
    """The rule's evidence in some rows of the table."""
    rows = np.maximum(rows, 0)
    names = case.rule.evidence
    columns = [case.table.frame[name][rows].to_list() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _left(case: _Case, ends: Carried, dated: _Dated, findings: list[Finding]) -> Left:
    found_n = case.found_n()
    np.maximum.at(found_n, dated.group, dated.found_n)
    opened = {}
    for place in np.flatnonzero(dated.closed < 0).tolist():
        finding = findings[place]
        values = json.dumps(finding.values, ensure_ascii=False)
        opened[int(dated.group[place])] = (us_of(finding.opened_at), finding.rule_version, values)
    return Left.of(case.rule, ends, found_n[ends.group], opened)
