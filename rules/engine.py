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
from rules.rule import Rule, RuleBook
from rules.states import SCHEMA, States
from rules.table import Table
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
        found, ends = _evaluate_table(rules, frames[name], own if name in carried else own.clear())
        findings += found
        left += ends if name in carried else []
    findings += still_open(entries)
    findings.sort(key=lambda each: (each.vehicle_id, each.rule_id, each.subject, each.opened_at))
    return Evaluation(findings, States(pl.concat([entries, *left])))


def _evaluate_table(
    rules: Sequence[Rule], frame: pl.DataFrame, entries: pl.DataFrame
) -> tuple[list[Finding], list[pl.DataFrame]]:
    """Findings and state entries of all rules over one table."""
    table = Table.of(conform(rules[0].on, frame)) if rules else None
    if table is None:
        return [], []
    entries = entries.join(table.subjects, on=["vehicle_id", "subject"], how="left", maintain_order="left")
    absent = entries.filter(pl.col("group").is_null()).drop("group")
    findings, left = still_open(absent), [absent]
    known = entries.filter(pl.col("group").is_not_null()).partition_by("rule_id", as_dict=True)
    present = {str(rule_id): part for (rule_id,), part in known.items()}
    opens = table.frame.select(rule.opens.expr.fill_null(value=False).alias(rule.id) for rule in rules)
    for rule in rules:
        remembered = present.get(rule.id)
        if remembered is not None or opens[rule.id].any():
            found, ends = judge(rule, table, opens[rule.id].to_numpy(), remembered)
            findings += found
            left.append(ends)
    return findings, left
