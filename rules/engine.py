"""The rule engine: feature frames and what was remembered in, findings and what to remember out.

A table's conditions run in one Polars pass over all its rows; only subjects on which a condition was true,
or that are remembered, go through the state machine of rules/fold.py. Time is the rows' own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from rules.features import TABLES, FeatureFrameError, conform
from rules.finding import Finding
from rules.memory import Left, Memory, state_entries
from rules.rule import Rule, RuleBook
from rules.states import SCHEMA, States
from rules.table import Table, masks
from rules.verdict import judge, still_open

CARRIED: Final = frozenset(TABLES) - {"vehicle"}
"""Tables whose frames go on from the last evaluation; one of `vehicle` holds the whole history each time."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation came to."""

    findings: list[Finding]
    """Open at the end, or opened or closed on the way; by vehicle, rule, subject and time of opening."""
    states: States
    """To be given to the next evaluation of the same vehicles."""


def evaluate(
    book: RuleBook,
    frames: Mapping[str, pl.DataFrame],
    states: States | None = None,
    *,
    carried: Collection[str] = CARRIED,
) -> Evaluation:
    """Run all rules whose table has a frame; columns as `features.schema` says.

    States of tables outside `carried` are neither read nor written. Where a rule is not in the book, its
    table has no frame, or its subject no row, an open finding stays open and its state is handed on as it
    came. A state that another version of the rule wrote keeps its open finding, and begins the rest anew.
    Raises `FeatureFrameError`.
    """
    entries = pl.DataFrame(schema=SCHEMA) if states is None else states.frame
    findings: list[Finding] = []
    left: list[pl.DataFrame] = []
    for name in sorted(frames):
        if name not in TABLES:
            raise FeatureFrameError(f"no feature table {name!r}, there are {', '.join(TABLES)}")
        rules = [rule for rule in book.rules if rule.on == name]
        mine = pl.col("rule_id").is_in([rule.id for rule in rules])
        own, entries = entries.filter(mine), entries.filter(~mine)
        remembers = name in carried
        found, ends = _evaluate_table(
            rules, name, frames[name], own if remembers else own.clear(), remembers=remembers
        )
        findings += found
        left.append(ends)
    findings += still_open(entries)
    findings.sort(key=lambda each: (each.vehicle_id, each.rule_id, each.subject, each.opened_at))
    return Evaluation(findings, States(pl.concat([entries, *left])))


def _evaluate_table(
    rules: Sequence[Rule], name: str, frame: pl.DataFrame, own: pl.DataFrame, *, remembers: bool
) -> tuple[list[Finding], pl.DataFrame]:
    """Findings and state entries of all rules over one table; `own` are the entries of these rules."""
    units = {span.unit for rule in rules for span in (rule.hold, rule.keep) if span is not None}
    table = Table.of(conform(name, frame), units)
    memories: dict[str, Memory] = {}
    absent = own
    if len(own):
        known = own.join(table.subjects(), on=["vehicle_id", "subject"], how="left", maintain_order="left")
        absent = known.filter(pl.col("group").is_null()).drop("group")
        known = known.filter(pl.col("group").is_not_null())
        memories = dict(Memory.of(known, table, rules).by_rule())
    findings, left = still_open(absent), list[Left]()
    for rule, ran in zip(rules, masks(table, rules), strict=True):
        if rule.id in memories or ran.is_true.any():
            found, leaves = judge(rule, table, ran, memories.get(rule.id), remembers=remembers)
            findings += found
            left += [] if leaves is None else [leaves]
    return findings, pl.concat([absent, state_entries(table, left)])
