"""The array form of the state machine against the same rules written as a loop over rows."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.fold import Carried, Counter, Rows, fold


@dataclass(frozen=True)
class Row:
    group: int
    truth: bool | None
    clears: bool
    other: bool
    hold: int | None
    keep: int | None


@dataclass
class Walk:
    """One subject, row by row."""

    in_run: bool = False
    held: int = 0
    hold_mark: int | None = None
    since: int = 0
    keep_mark: int | None = None
    opened: int | None = None  # -1: before the rows

    def step(self, number: int, row: Row, hold: int, keep: int) -> list[tuple[int, int]]:
        closed = []
        if row.other:
            closed += self._close(number)
            self.in_run, self.held, self.hold_mark, self.since, self.keep_mark = False, 0, None, 0, None
        if row.truth is True:
            if not self.in_run:
                self.hold_mark = None
            elif row.hold is not None and self.hold_mark is not None:
                self.held += max(0, row.hold - self.hold_mark)
            self.hold_mark = self.hold_mark if row.hold is None else row.hold
            self.since, self.keep_mark = 0, row.keep
        else:
            if row.truth is False or row.clears:
                self.held = 0
            if row.keep is not None:
                if self.keep_mark is not None:
                    self.since += max(0, row.keep - self.keep_mark)
                self.keep_mark = row.keep
        self.in_run = row.truth is True
        if self.in_run and self.held >= hold and self.opened is None:
            self.opened = number
        if row.clears and not self.in_run and self.since >= keep:
            closed += self._close(number)
        return closed

    def _close(self, number: int) -> list[tuple[int, int]]:
        if self.opened is None:
            return []
        opened, self.opened = self.opened, None
        return [(opened, number)]


rows = st.lists(
    st.builds(
        Row,
        group=st.integers(0, 3),
        truth=st.sampled_from([True, True, False, None]),
        clears=st.booleans(),
        other=st.sampled_from([False, False, False, True]),
        hold=st.none() | st.integers(0, 9),
        keep=st.none() | st.integers(0, 9),
    ),
    max_size=30,
)
carried_walks = st.dictionaries(
    st.integers(0, 4),
    st.builds(
        Walk,
        in_run=st.booleans(),
        held=st.integers(0, 5),
        hold_mark=st.none() | st.integers(0, 9),
        since=st.integers(0, 5),
        keep_mark=st.none() | st.integers(0, 9),
        opened=st.sampled_from([None, -1]),
    ),
    max_size=4,
)


def counter(ticks: list[int | None]) -> Counter:
    return Counter(
        np.array([tick or 0 for tick in ticks], np.int64), np.array([t is not None for t in ticks], np.bool_)
    )


def flags(values: list[bool]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array(values, np.bool_)


def as_rows(given_rows: list[Row]) -> Rows:
    return Rows(
        group=np.array([row.group for row in given_rows], np.int64),
        is_true=flags([row.truth is True for row in given_rows]),
        is_false=flags([row.truth is False for row in given_rows]),
        clears=flags([row.clears for row in given_rows]),
        is_other_occasion=flags([row.other for row in given_rows]),
        hold=counter([row.hold for row in given_rows]),
        keep=counter([row.keep for row in given_rows]),
    )


def as_carried(walks: dict[int, Walk]) -> Carried:
    each = list(walks.values())
    return Carried(
        group=np.array(list(walks), np.int64),
        in_run=flags([walk.in_run for walk in each]),
        held=np.array([walk.held for walk in each], np.int64),
        hold=counter([walk.hold_mark if walk.in_run else None for walk in each]),
        is_open=flags([walk.opened is not None for walk in each]),
        since=np.array([0 if walk.in_run else walk.since for walk in each], np.int64),
        keep=counter([walk.keep_mark for walk in each]),
    )


@settings(max_examples=300, deadline=None)
@given(rows, carried_walks, st.integers(0, 8), st.integers(0, 8))
def test_the_fold_does_what_a_loop_over_rows_does(
    given_rows: list[Row], walks: dict[int, Walk], hold: int, keep: int
) -> None:
    given_rows = sorted(given_rows, key=lambda row: row.group)
    for walk in walks.values():
        walk.hold_mark = walk.hold_mark if walk.in_run else None
        walk.since = 0 if walk.in_run else walk.since
    folded = fold(as_rows(given_rows), as_carried(walks), hold_ticks=hold, keep_ticks=keep)

    seen = {row.group for row in given_rows}
    first_of = {group: next(i for i, row in enumerate(given_rows) if row.group == group) for group in seen}
    expected: list[tuple[int, int, int]] = []
    for number, row in enumerate(given_rows):
        if number == first_of[row.group] and row.group not in walks:
            row = Row(row.group, row.truth, row.clears, False, row.hold, row.keep)
        walk = walks.setdefault(row.group, Walk())
        expected += [(row.group, *pair) for pair in walk.step(number, row, hold, keep)]
    expected += [(group, walk.opened, -1) for group, walk in walks.items() if walk.opened is not None]

    episodes = folded.episodes
    got = zip(
        episodes.group.tolist(), episodes.opened_row.tolist(), episodes.closed_row.tolist(), strict=True
    )
    assert sorted(got) == sorted(expected)

    ends = folded.ends
    assert ends.group.tolist() == sorted(walks)
    for place, group in enumerate(ends.group.tolist()):
        walk = walks[group]
        assert bool(ends.is_open[place]) == (walk.opened is not None)
        assert bool(ends.in_run[place]) == walk.in_run
        assert int(ends.held[place]) == walk.held
        hold_mark = walk.hold_mark if walk.in_run else None
        assert (int(ends.hold.ticks[place]) if ends.hold.is_known[place] else None) == hold_mark
        if walk.opened is not None:
            assert int(ends.since[place]) == walk.since
            assert (int(ends.keep.ticks[place]) if ends.keep.is_known[place] else None) == walk.keep_mark
