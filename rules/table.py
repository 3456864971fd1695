"""A feature frame with its subjects numbered, and what the rules' conditions make of its rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rules.fold import Bools, Counter, Ints
from rules.rule import Rule
from rules.span import COUNTER, TICKS, SpanUnit


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A conforming feature frame and its subjects, numbered in order; arrays are per row, or as told."""

    frame: pl.DataFrame
    group: Ints
    """The subject's number; rising."""
    first: Ints
    """Per subject, its first row."""
    last: Ints
    """Per subject, its last row."""
    changes: Bools
    """The occasion differs from that of the same subject's row before."""
    at_us: Ints
    counters: Mapping[SpanUnit, Counter]
    """What `for` and `keep` are counted on."""

    @classmethod
    def of(cls, frame: pl.DataFrame, units: Collection[SpanUnit]) -> "Table":
        """Number the subjects of a frame that `features.conform` made; ready the counters of some units."""
        vehicle, subject, occasion = pl.col("vehicle_id"), pl.col("subject"), pl.col("occasion")
        marks = frame.select(
            starts=((vehicle != vehicle.shift()) | (subject != subject.shift())).fill_null(value=True),
            changes=(occasion != occasion.shift()).fill_null(value=False),
            at=pl.col("at").to_physical(),
        )
        starts = marks["starts"].to_numpy()
        first = np.flatnonzero(starts)
        at_us = marks["at"].to_numpy()
        return cls(
            frame=frame,
            group=np.cumsum(starts, dtype=np.int64) - 1,
            first=first,
            last=np.append(first[1:], len(starts))[: len(first)] - 1,
            changes=marks["changes"].to_numpy() & ~starts,
            at_us=at_us,
            counters={unit: _counter(frame, at_us, unit) for unit in units},
        )

    def subjects(self) -> pl.DataFrame:
        """`vehicle_id`, `subject` and `group` (int64) of every subject."""
        names = self.frame.select("vehicle_id", "subject")[self.first]
        return names.with_columns(group=pl.int_range(pl.len(), dtype=pl.Int64))


def _counter(frame: pl.DataFrame, at_us: Ints, unit: SpanUnit) -> Counter:
    if unit is SpanUnit.DAYS:
        return Counter(at_us, np.ones(len(at_us), np.bool_))
    column = frame[COUNTER[unit]]
    ticks = np.rint(column.fill_null(0).to_numpy() * TICKS[unit]).astype(np.int64)
    return Counter(ticks, column.is_not_null().to_numpy())


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """What a rule's conditions made of each row; `False` where unknown."""

    is_true: pl.Series
    is_false: pl.Series
    clears: pl.Series


def masks(table: Table, rules: Sequence[Rule]) -> list[Masks]:
    """Run all conditions of all rules in one pass."""
    wanted = {}
    for number, rule in enumerate(rules):
        wanted[f"{number} true"] = rule.opens.expr.fill_null(value=False)
        wanted[f"{number} false"] = (~rule.opens.expr).fill_null(value=False)
        if rule.clears is not None:
            wanted[f"{number} clears"] = rule.clears.expr.fill_null(value=False)
    ran = table.frame.select(**wanted)
    return [
        Masks(
            is_true=ran[f"{number} true"],
            is_false=ran[f"{number} false"],
            clears=ran[f"{number} {'false' if rule.clears is None else 'clears'}"],
        )
        for number, rule in enumerate(rules)
    ]
