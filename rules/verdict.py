"""One rule over one table: picks the rows that matter, folds them, and words what came of it as findings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from rules.finding import Finding, Value
from rules.fold import Bools, Carried, Counter, Episodes, Ints, Rows, fold
from rules.rule import Rule
from rules.span import COUNTER, TICKS, Span, SpanUnit
from rules.states import SCHEMA
from rules.table import Table
from vehicle.day import at_of, us_of

_NEVER: Final = np.iinfo(np.int64).min


def judge(
    rule: Rule, table: Table, is_true: Bools, remembered: pl.DataFrame | None
) -> tuple[list[Finding], pl.DataFrame]:
    """Findings of one rule, and its state entries; `remembered` are its entries with their `group`."""
    entries = pl.DataFrame(schema={**SCHEMA, "group": pl.Int64()}) if remembered is None else remembered
    matters = np.zeros(len(table.first), np.bool_)
    matters[table.group[is_true]] = True
    matters[entries["group"].to_numpy()] = True
    case = _Case(rule, table, np.flatnonzero(matters[table.group]), entries)
    rows = _rows(case, is_true)
    folded = fold(
        rows,
        _carried(case),
        hold_ticks=0 if rule.hold is None else rule.hold.ticks,
        keep_ticks=0 if rule.keep is None else rule.keep.ticks,
    )
    dated = _dated(case, folded.episodes, rows.is_other_occasion)
    findings = _findings(case, dated)
    named = {(each.vehicle_id, each.subject, each.occasion): each for each in findings}
    return list(named.values()), _remembered(case, folded.ends, dated, findings)


def still_open(entries: pl.DataFrame) -> list[Finding]:
    """Open findings of entries that nothing new was learnt about."""
    entries = entries.filter(pl.col("opened_us").is_not_null())
    return [_finding_of(entry) for entry in entries.iter_rows(named=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    rule: Rule
    table: Table
    picked: Ints
    """Rows of the table that take part; rising, whole subjects."""
    entries: pl.DataFrame
    """What is remembered of them, `states.SCHEMA` and `group`."""

    @property
    def entry_group(self) -> Ints:
        return self.entries["group"].to_numpy()

    @property
    def is_current(self) -> Bools:
        """Entries that this version of the rule wrote."""
        current: Bools = (self.entries["rule_version"] == self.rule.version).to_numpy()
        return current


def _rows(case: _Case, is_true: Bools) -> Rows:
    rule, picked = case.rule, case.picked
    false = (~rule.opens.expr).fill_null(value=False)
    clears = false if rule.clears is None else rule.clears.expr.fill_null(value=False)
    columns = {*rule.opens.columns, *(() if rule.clears is None else rule.clears.columns)}
    masks = case.table.frame.select(columns)[picked].select(false=false, clears=clears)
    return Rows(
        group=case.table.group[picked],
        is_true=is_true[picked],
        is_false=masks["false"].to_numpy(),
        clears=masks["clears"].to_numpy(),
        is_other_occasion=_other_occasion(case),
        hold=_counter(case, rule.hold, "hold_mark"),
        keep=_counter(case, rule.keep, "keep_mark"),
    )


def _other_occasion(case: _Case) -> Bools:
    """Picked rows whose occasion is not that of the row before, in the frame or remembered."""
    others = case.table.changes[case.picked]
    first = case.table.first[case.entry_group]
    differs = (case.table.frame["occasion"][first] != case.entries["occasion"]).to_numpy()
    others[np.searchsorted(case.picked, first[differs])] = True
    return others


def _counter(case: _Case, span: Span | None, mark: str) -> Counter:
    """What a span counts, per picked row."""
    n = len(case.picked)
    if span is None:
        return Counter(np.zeros(n, np.int64), np.zeros(n, np.bool_))
    if span.unit is SpanUnit.DAYS:  # event time never goes back, even if an earlier moment is evaluated again
        floor = np.full(len(case.table.first), _NEVER)
        floor[case.entry_group] = _marks(case, mark)
        at_us = np.maximum(case.table.at_us, floor[case.table.group])
        return Counter(at_us[case.picked], np.ones(n, np.bool_))
    column = case.table.frame[COUNTER[span.unit]][case.picked]
    ticks = np.rint(column.fill_null(0).to_numpy() * TICKS[span.unit]).astype(np.int64)
    return Counter(ticks, column.is_not_null().to_numpy())


def _marks(case: _Case, mark: str) -> Ints:
    marks: Ints = np.where(case.is_current, case.entries[mark].fill_null(_NEVER).to_numpy(), _NEVER)
    return marks


def _carried(case: _Case) -> Carried:
    """Remembered entries; those of another version keep their open finding and nothing else."""
    entries, current = case.entries, case.is_current

    def ticks(name: str) -> Ints:
        return np.where(current, entries[name].fill_null(0).to_numpy(), 0)

    def known(name: str) -> Bools:
        has: Bools = entries[name].is_not_null().to_numpy()
        return current & has

    return Carried(
        group=case.entry_group,
        in_run=current & entries["in_run"].to_numpy(),
        held=ticks("held"),
        hold=Counter(ticks("hold_mark"), known("hold_mark")),
        is_open=entries["opened_us"].is_not_null().to_numpy(),
        since=ticks("since"),
        keep=Counter(ticks("keep_mark"), known("keep_mark")),
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


def _dated(case: _Case, episodes: Episodes, is_other_occasion: Bools) -> _Dated:
    table, group = case.table, episodes.group
    opened = np.where(episodes.opened_row >= 0, case.picked[episodes.opened_row], -1)
    closed = np.where(episodes.closed_row >= 0, case.picked[episodes.closed_row], -1)
    named = table.frame["occasion"][np.maximum(opened, 0)].to_list()
    counted = (opened >= 0) & np.array([name == "" for name in named], np.bool_)
    before = np.zeros(len(table.first), np.int64)
    before[case.entry_group] = case.entries["found_n"].to_numpy()
    total = np.cumsum(counted)
    start = np.searchsorted(group, group)
    found_n = before[group] + total - (total - counted)[start]
    is_other = is_other_occasion[episodes.closed_row] & (closed >= 0)
    latest = np.where(closed < 0, table.last[group], closed)
    latest = np.where(is_other, np.where(latest > table.first[group], latest - 1, -1), latest)
    occasion = [name or str(n) for name, n in zip(named, found_n.tolist(), strict=True)]
    return _Dated(group, opened, closed, latest, occasion, found_n)


def _findings(case: _Case, episodes: _Dated) -> list[Finding]:
    """One per episode. Where an occasion was opened again, the last one stands for it."""
    entries = {int(entry["group"]): entry for entry in case.entries.iter_rows(named=True)}
    table, evidence = case.table, case.table.frame.select(case.rule.evidence)
    names = table.subjects[episodes.group].select("vehicle_id", "subject").rows()
    values = evidence[np.maximum(episodes.opened, 0)].to_dicts()
    latest = evidence[np.maximum(episodes.latest, 0)].to_dicts()
    findings = []
    for k, group in enumerate(episodes.group.tolist()):
        opened, closed, newest = (
            int(rows[k]) for rows in (episodes.opened, episodes.closed, episodes.latest)
        )
        if opened < 0:
            finding = _finding_of(entries[group])
        else:
            at = at_of(int(table.at_us[opened]))
            finding = Finding(
                rule_id=case.rule.id,
                rule_version=case.rule.version,
                vehicle_id=names[k][0],
                subject=names[k][1],
                occasion=episodes.occasion[k],
                opened_at=at,
                closed_at=None,
                values=values[k],
                read_at=at,
                latest_values=values[k],
                latest_at=at,
            )
        if closed >= 0:
            finding = replace(finding, closed_at=at_of(int(table.at_us[closed])))
        if newest >= 0:
            finding = replace(finding, latest_values=latest[k], latest_at=at_of(int(table.at_us[newest])))
        findings.append(finding)
    return findings


def _finding_of(entry: Mapping[str, Any]) -> Finding:
    """The open finding of a remembered entry."""
    values: dict[str, Value] = json.loads(entry["opened_values"])
    at = at_of(entry["opened_us"])
    return Finding(
        rule_id=entry["rule_id"],
        rule_version=entry["opened_version"],
        vehicle_id=entry["vehicle_id"],
        subject=entry["subject"],
        occasion=entry["occasion"] or str(entry["found_n"]),
        opened_at=at,
        closed_at=None,
        values=values,
        read_at=at,
        latest_values=values,
        latest_at=at,
    )


def _remembered(case: _Case, ends: Carried, dated: _Dated, findings: Sequence[Finding]) -> pl.DataFrame:
    """State entries of subjects that are not as if never seen; only what the rule will ask for again."""
    rule, table, n = case.rule, case.table, len(ends.group)
    found_n = np.zeros(len(table.first), np.int64)
    found_n[case.entry_group] = case.entries["found_n"].to_numpy()
    np.maximum.at(found_n, dated.group, dated.found_n)
    held = np.where(ends.is_open | (rule.hold is None), 0, ends.held)
    in_run = ends.in_run & ~ends.is_open & (rule.hold is not None)
    since = np.where(ends.is_open & (rule.keep is not None), ends.since, 0)
    columns = {
        "vehicle_id": table.subjects["vehicle_id"][ends.group],
        "rule_id": pl.repeat(rule.id, n, dtype=pl.String(), eager=True),
        "subject": table.subjects["subject"][ends.group],
        "rule_version": pl.repeat(rule.version, n, dtype=pl.String(), eager=True),
        "occasion": table.frame["occasion"][table.last[ends.group]],
        "found_n": found_n[ends.group],
        "in_run": in_run,
        "held": held,
        "hold_mark": _nullable(ends.hold, in_run),
        **_opened(ends, dated, findings),
        "since": since,
        "keep_mark": _nullable(ends.keep, ends.is_open),
    }
    matters = ends.is_open | in_run | (held > 0) | (found_n[ends.group] > 0)
    return pl.DataFrame(columns, schema=SCHEMA).filter(matters)


def _nullable(counter: Counter, matters: Bools) -> pl.Series:
    known = pl.Series(counter.is_known & matters)
    return pl.select(pl.when(known).then(pl.Series(counter.ticks))).to_series()


def _opened(ends: Carried, dated: _Dated, findings: Sequence[Finding]) -> dict[str, list[Any]]:
    """When and by which version and values the open finding of each subject was opened."""
    at_us: list[int | None] = [None] * len(ends.group)
    version: list[str | None] = [None] * len(ends.group)
    values: list[str | None] = [None] * len(ends.group)
    place = np.searchsorted(ends.group, dated.group)
    for k in np.flatnonzero(dated.closed < 0).tolist():
        finding, i = findings[k], int(place[k])
        at_us[i], version[i] = us_of(finding.opened_at), finding.rule_version
        values[i] = json.dumps(finding.values, ensure_ascii=False)
    return {"opened_us": at_us, "opened_version": version, "opened_values": values}
