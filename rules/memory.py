"""State entries as the arrays that rules are folded with, and back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from rules.fold import Bools, Carried, Counter, Ints
from rules.rule import Rule
from rules.states import SCHEMA
from rules.table import Table

NEVER: Final = int(np.iinfo(np.int64).min)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is remembered of one rule's subjects; arrays of length c, one entry per subject that has rows.

    Of entries that another version of the rule wrote, only the open finding and the count are taken over.
    """

    frame: pl.DataFrame
    """The entries as they came, see `states.SCHEMA`."""
    group: Ints
    in_run: Bools
    held: Ints
    hold: Counter
    is_open: Bools
    since: Ints
    keep: Counter
    found_n: Ints
    is_other_occasion: Bools
    """The subject's first row is of another occasion."""

    @classmethod
    def of(cls, frame: pl.DataFrame, table: Table, rules: Sequence[Rule]) -> "Memory":
        """Entries with their `group`, of any of the rules."""
        versions = pl.DataFrame(
            {"rule_id": [rule.id for rule in rules], "version": [rule.version for rule in rules]},
            schema={"rule_id": pl.String(), "version": pl.String()},
        )
        current = frame.join(versions, on="rule_id", how="left", maintain_order="left")
        is_current = (current["rule_version"] == current["version"]).to_numpy()
        group = frame["group"].to_numpy()

        def ticks(name: str) -> Ints:
            return np.where(is_current, frame[name].fill_null(0).to_numpy(), 0)

        def counter(name: str) -> Counter:
            is_known: Bools = frame[name].is_not_null().to_numpy()
            return Counter(ticks(name), is_current & is_known)

        in_run: Bools = frame["in_run"].to_numpy()
        return cls(
            frame=frame,
            group=group,
            in_run=is_current & in_run,
            held=ticks("held"),
            hold=counter("hold_mark"),
            is_open=frame["opened_us"].is_not_null().to_numpy(),
            since=ticks("since"),
            keep=counter("keep_mark"),
            found_n=frame["found_n"].to_numpy(),
            is_other_occasion=(table.frame["occasion"][table.first[group]] != frame["occasion"]).to_numpy(),
        )

    def by_rule(self) -> Iterator[tuple[str, "Memory"]]:
        """The entries of each rule that has any."""
        order = self.frame["rule_id"].arg_sort().to_numpy()
        ids = self.frame["rule_id"][order]
        starts = np.flatnonzero((ids != ids.shift()).fill_null(value=True).to_numpy())
        for start, part in zip(starts.tolist(), np.split(order, starts[1:]), strict=bool(len(starts))):
            yield ids[start], self._take(part)

    def _take(self, part: Ints) -> "Memory":
        return Memory(
            frame=self.frame[part],
            group=self.group[part],
            in_run=self.in_run[part],
            held=self.held[part],
            hold=self.hold.take(part),
            is_open=self.is_open[part],
            since=self.since[part],
            keep=self.keep.take(part),
            found_n=self.found_n[part],
            is_other_occasion=self.is_other_occasion[part],
        )

    def carried(self) -> Carried:
        """As the fold takes it."""
        return Carried(
            group=self.group,
            in_run=self.in_run,
            held=self.held,
            hold=self.hold,
            is_open=self.is_open,
            since=self.since,
            keep=self.keep,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What one rule leaves to be remembered; arrays of length k, one entry per subject that matters."""

    rule: Rule
    group: Ints
    found_n: Ints
    in_run: Bools
    held: Ints
    hold_mark: Ints
    """`NEVER` where there is none; so in the others."""
    opened_us: Ints
    opened_version: list[str | None]
    opened_values: list[str | None]
    since: Ints
    keep_mark: Ints

    @classmethod
    def of(
        cls, rule: Rule, ends: Carried, found_n: Ints, opened: Mapping[int, tuple[int, str, str]]
    ) -> "Left":
        """Only what the rule will ask for again.

        `found_n` is per entry of `ends`; `opened` has microseconds, version and values of open findings by
        subject.
        """
        counts = ~ends.is_open & (rule.hold is not None)
        in_run, held = ends.in_run & counts, np.where(counts, ends.held, 0)
        matters = np.flatnonzero(ends.is_open | in_run | (held > 0) | (found_n > 0))
        is_kept = ends.is_open & (rule.keep is not None)
        group = ends.group[matters]
        details = [opened.get(subject, (NEVER, None, None)) for subject in group.tolist()]
        return cls(
            rule=rule,
            group=group,
            found_n=found_n[matters],
            in_run=in_run[matters],
            held=held[matters],
            hold_mark=np.where(in_run & ends.hold.is_known, ends.hold.ticks, NEVER)[matters],
            opened_us=np.array([detail[0] for detail in details], np.int64),
            opened_version=[detail[1] for detail in details],
            opened_values=[detail[2] for detail in details],
            since=np.where(is_kept, ends.since, 0)[matters],
            keep_mark=np.where(is_kept & ends.keep.is_known, ends.keep.ticks, NEVER)[matters],
        )


_NUMBERS: Final = ("found_n", "in_run", "held", "hold_mark", "opened_us", "since", "keep_mark")


def state_entries(table: Table, left: Sequence[Left]) -> pl.DataFrame:
    """What all rules leave, as state entries."""
    if not left:
        return pl.DataFrame(schema=SCHEMA)
    group = np.concatenate([each.group for each in left])
    whose = np.repeat(np.arange(len(left)), [len(each.group) for each in left])
    numbers = {name: np.concatenate([getattr(each, name) for each in left]) for name in _NUMBERS}
    columns = {
        "vehicle_id": table.frame["vehicle_id"][table.first[group]],
        "subject": table.frame["subject"][table.first[group]],
        "occasion": table.frame["occasion"][table.last[group]],
        "rule_id": pl.Series([each.rule.id for each in left])[whose],
        "rule_version": pl.Series([each.rule.version for each in left])[whose],
        "opened_version": [version for each in left for version in each.opened_version],
        "opened_values": [values for each in left for values in each.opened_values],
        **numbers,
    }
    frame = pl.DataFrame({name: columns[name] for name in SCHEMA}, schema=SCHEMA)
    marks = ("hold_mark", "opened_us", "keep_mark")
    return frame.with_columns(pl.when(pl.col(name) != NEVER).then(pl.col(name)) for name in marks)
