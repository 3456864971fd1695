"""The state machine of one rule over many subjects at once, as array operations.

Definitions, per subject, rows in time order:

- A row is *true*, *false* or *unknown* by `when`; it *clears* by `clear`, or if false where there is none.
- `held` grows by the counter's advance between two rows of one unbroken run of true rows. Unknown rows
  break the run but leave `held`; false rows, and rows that clear and are not true, set it to zero.
- `since` is the counter's advance since the last true row.
- A finding opens on a true row with `held` at or above `for`, and closes on a row that clears, is not
  true and has `since` at or above `keep`. A row of another occasion closes it too, and begins afresh.
- A counter unknown on a row adds nothing there; the advance is taken from the last row that knew it.

What was carried from earlier rows enters as one more row in front of its subject. Nothing depends on
whether a finding is open but the pairing of openings and closings, hence no loop over rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter in whole ticks, and where it is known."""

    ticks: Ints
    is_known: Bools

    def take(self, places: Ints) -> "Counter":
        """The counter at some places."""
        return Counter(self.ticks[places], self.is_known[places])


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one rule, by subject, then time; all arrays of length n."""

    group: Ints
    """The subject's number; rising."""
    is_true: Bools
    is_false: Bools
    clears: Bools
    is_other_occasion: Bools
    """Its occasion differs from that of the subject's row before, or from the carried one."""
    hold: Counter
    """What `for` counts."""
    keep: Counter
    """What `keep` counts."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What is known of subjects from earlier rows; arrays of length c, at most one entry per subject."""

    group: Ints
    in_run: Bools
    """The last row was true, and its counter may be continued."""
    held: Ints
    hold: Counter
    is_open: Bools
    since: Ints
    keep: Counter


@dataclass(frozen=True, slots=True)
class Episodes:
    """Findings, by subject, then time; arrays of length e."""

    group: Ints
    opened_row: Ints
    """Index into the rows; -1: it was open already."""
    closed_row: Ints
    """Index into the rows; -1: still open."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The findings, and what to carry on; `ends` has one entry per subject that had rows or was carried."""

    episodes: Episodes
    ends: Carried


def fold(rows: Rows, carried: Carried, *, hold_ticks: int, keep_ticks: int) -> Folded:
    """Run one rule over its rows; `hold_ticks` and `keep_ticks` are 0 where it has no `for` or `keep`."""
    line = _Line.of(rows, carried)
    held, hold_at = _held(line)
    since, keep_at = _since(line)
    opens = np.where(line.is_carried, line.is_open, line.is_true & (held >= hold_ticks))
    closes = line.clears & ~line.is_true & (since >= keep_ticks)
    episodes = _episodes(line, opens, closes)
    return Folded(episodes, _ends(line, episodes, (held, hold_at), (since, keep_at)))


@dataclass(frozen=True, slots=True)
class _Line:
    """Carried entries and rows in one order; arrays of length m = c + n."""

    row: Ints
    """Index into the rows; -1 for a carried entry."""
    group: Ints
    is_true: Bools
    resets: Bools
    clears: Bools
    changes: Bools
    start: Ints
    """Index of the first entry of the same subject and occasion."""
    hold: Counter
    keep: Counter
    is_carried: Bools
    is_open: Bools
    held: Ints
    since: Ints

    @classmethod
    def of(cls, rows: Rows, carried: Carried) -> "_Line":
        c, n = len(carried.group), len(rows.group)
        order = np.argsort(np.concatenate([carried.group, rows.group]), kind="stable")
        no_c, no_n, zero_n = np.zeros(c, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.int64)

        def bools(front: Bools, behind: Bools) -> Bools:
            return np.concatenate([front, behind])[order]

        def ints(front: Ints, behind: Ints) -> Ints:
            return np.concatenate([front, behind])[order]

        group = ints(carried.group, rows.group)
        changes = bools(no_c, rows.is_other_occasion)
        first = np.concatenate([np.ones(min(1, c + n), np.bool_), group[1:] != group[:-1]])
        changes &= ~first
        return cls(
            row=ints(np.full(c, -1), np.arange(n)),
            group=group,
            is_true=bools(carried.in_run, rows.is_true),
            resets=bools(no_c, rows.is_false | (rows.clears & ~rows.is_true)),
            clears=bools(no_c, rows.clears),
            changes=changes,
            start=_last_where(first | changes),
            hold=Counter(
                ints(carried.hold.ticks, rows.hold.ticks), bools(carried.hold.is_known, rows.hold.is_known)
            ),
            keep=Counter(
                ints(carried.keep.ticks, rows.keep.ticks), bools(carried.keep.is_known, rows.keep.is_known)
            ),
            is_carried=bools(~no_c, no_n),
            is_open=bools(carried.is_open, no_n),
            held=ints(carried.held, zero_n),
            since=ints(carried.since, zero_n),
        )


def _last_where(mask: Bools) -> Ints:
    """Per entry the index of the last entry at or before it where `mask` holds; -1 if there is none."""
    marked: Ints = np.maximum.accumulate(np.where(mask, np.arange(len(mask)), -1))
    return marked


def _advance(counter: Counter, counts: Bools, origin: Ints) -> tuple[Ints, Ints]:
    """A counter's advance per entry since the entry that knew it last, and the index of the last that does.

    Only entries where `counts` holds, at or after `origin`, take part. A falling counter does not advance.
    """
    known = counts & counter.is_known
    last = _last_where(known)
    before = np.concatenate([np.full(min(1, len(last)), -1), last[:-1]])
    steps = known & (before >= origin)
    advance = np.maximum(counter.ticks - counter.ticks[before], 0)
    return np.where(steps, advance, 0), np.where(last >= origin, last, -1)


def _held(line: _Line) -> tuple[Ints, Ints]:
    """How long the condition has held, and the entry whose counter a run goes on from (-1: none)."""
    index = np.arange(len(line.group))
    goes_on = np.zeros(len(index), np.bool_)
    goes_on[1:] = line.is_true[:-1]
    goes_on &= line.start != index
    run = _last_where(line.is_true & ~goes_on)
    steps, known_at = _advance(line.hold, line.is_true, run)
    steps = np.where(line.is_carried, line.held, steps)
    total = np.cumsum(steps)
    last_reset = _last_where(line.resets)
    base = np.where(last_reset >= line.start, total[last_reset], (total - steps)[line.start])
    return total - base, np.where(line.is_true, known_at, -1)


def _since(line: _Line) -> tuple[Ints, Ints]:
    """The counter's advance since the last true entry, and the entry it goes on from (-1: none)."""
    last_true = _last_where(line.is_true)
    origin = np.maximum(last_true, line.start)
    steps, known_at = _advance(line.keep, np.ones(len(origin), np.bool_), origin)
    steps = np.where(line.is_carried, line.since, np.where(line.is_true, 0, steps))
    total = np.cumsum(steps)
    base = np.where(last_true >= line.start, total[last_true], (total - steps)[line.start])
    return total - base, known_at


def _episodes(line: _Line, opens: Bools, closes: Bools) -> Episodes:
    """Pair openings and closings: of several in a row of one kind, the first counts."""
    changing, opening, closing = np.flatnonzero(line.changes), np.flatnonzero(opens), np.flatnonzero(closes)
    at = np.concatenate([changing, opening, closing])
    is_opening = np.zeros(len(at), np.bool_)
    is_opening[len(changing) : len(changing) + len(opening)] = True
    order = np.argsort(at, kind="stable")  # an entry of another occasion closes before it opens
    at, is_opening = at[order], is_opening[order]
    was_open = np.zeros(len(at), np.bool_)
    was_open[1:] = is_opening[:-1] & (line.group[at[1:]] == line.group[at[:-1]])
    opened = at[is_opening & ~was_open]
    is_closed = ~is_opening & was_open
    closed_row = np.full(len(opened), -1, np.int64)
    owner = np.cumsum(is_opening & ~was_open)[is_closed] - 1
    closed_row[owner] = line.row[at[is_closed]]
    return Episodes(group=line.group[opened], opened_row=line.row[opened], closed_row=closed_row)


def _ends(line: _Line, episodes: Episodes, held: tuple[Ints, Ints], since: tuple[Ints, Ints]) -> Carried:
    """The last entry of every subject, as what is carried on."""
    last = np.flatnonzero(
        np.append(line.group[1:] != line.group[:-1], np.ones(min(1, len(line.group)), bool))
    )
    open_groups = episodes.group[episodes.closed_row < 0]
    hold_at, keep_at = held[1][last], since[1][last]
    return Carried(
        group=line.group[last],
        in_run=line.is_true[last],
        held=held[0][last],
        hold=Counter(line.hold.ticks[hold_at], hold_at >= 0),
        is_open=np.isin(line.group[last], open_groups),
        since=since[0][last],
        keep=Counter(line.keep.ticks[keep_at], keep_at >= 0),
    )
