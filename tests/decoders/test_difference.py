"""Two decodings of the same messages, held against each other."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.difference import Change, compare
from vehicle.frame import SignalRows

Row = tuple[int, int, int, float]
"""Message, signal, time, value."""


def table(rows: Iterable[Row]) -> SignalRows:
    """Ordered as decoders order."""
    given = sorted(rows, key=lambda row: row[:3])
    return SignalRows(
        message=np.array([row[0] for row in given], np.int32),
        t_us=np.array([row[2] for row in given], np.int64),
        signal=np.array([row[1] for row in given], np.int16),
        value=np.array([row[3] for row in given], np.float64),
    )


def test_values_are_counted_as_added_removed_and_changed_by_signal() -> None:
    before = table([(0, 1, 10, 5.0), (0, 1, 20, 6.0), (0, 2, 10, 1.0), (3, 1, 10, 7.0)])
    after = table([(0, 1, 10, 5.0), (0, 1, 20, 60.0), (0, 3, 10, 1.0), (3, 1, 10, 5.0)])
    found = compare(before, after)
    assert found.by_signal == {
        1: Change(before_n=3, after_n=3, changed_n=2, largest_from=6.0, largest_to=60.0),
        2: Change(before_n=1, removed_n=1),
        3: Change(after_n=1, added_n=1),
    }
    assert found.messages.tolist() == [0, 3]


def test_several_values_of_one_moment_stand_against_each_other_by_size() -> None:
    """They are of several senders, in whatever order."""
    found = compare(table([(0, 1, 10, 6.0), (0, 1, 10, 5.0)]), table([(0, 1, 10, 5.0), (0, 1, 10, 8.0)]))
    assert found.by_signal == {1: Change(2, 2, changed_n=1, largest_from=6.0, largest_to=8.0)}


def test_nothing_against_nothing_is_no_difference() -> None:
    found = compare(table([]), table([]))
    assert (found.by_signal, found.messages.tolist()) == ({}, [])


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(1, 3), st.integers(0, 3), st.sampled_from([-1.5, 0.0, 1.0, 2.0, 9.0])
    ),
    max_size=25,
)


def slowly(before: list[Row], after: list[Row]) -> dict[int, Change]:
    """The same, a value at a time."""
    olds: dict[tuple[int, int, int, int], float] = {}
    news: dict[tuple[int, int, int, int], float] = {}
    for rows, by_place in ((before, olds), (after, news)):
        nth: Counter[tuple[int, int, int]] = Counter()
        for message, signal, t_us, value in sorted(rows):
            by_place[message, signal, t_us, nth[message, signal, t_us]] = value
            nth[message, signal, t_us] += 1
    found: dict[int, Change] = {}
    for place in sorted({*olds, *news}):
        old, new = olds.get(place), news.get(place)
        is_other = old is not None and new is not None and old != new
        one = Change(
            before_n=int(old is not None),
            after_n=int(new is not None),
            added_n=int(old is None),
            removed_n=int(new is None),
            changed_n=int(is_other),
            largest_from=old if is_other else None,
            largest_to=new if is_other else None,
        )
        found[place[1]] = found.get(place[1], Change()) + one
    return found


@settings(max_examples=100)
@given(ROWS, ROWS)
def test_it_counts_what_a_loop_counts(before: list[Row], after: list[Row]) -> None:
    found = compare(table(before), table(after))
    expected = slowly(before, after)
    assert found.by_signal.keys() == expected.keys()
    for signal, change in found.by_signal.items():
        other = expected[signal]
        assert (change.before_n, change.after_n, change.added_n, change.removed_n, change.changed_n) == (
            other.before_n, other.after_n, other.added_n, other.removed_n, other.changed_n,
        )  # fmt: skip
        assert change.largest == other.largest


@settings(max_examples=50)
@given(ROWS)
def test_a_decoding_does_not_differ_from_itself(rows: list[Row]) -> None:
    found = compare(table(rows), table(rows))
    assert all(change.is_none for change in found.by_signal.values())
    assert not len(found.messages)


@settings(max_examples=50)
@given(ROWS, ROWS, ROWS)
def test_parts_add_up_in_any_grouping(one: list[Row], two: list[Row], three: list[Row]) -> None:
    parts = [compare(table(rows), table([])).by_signal.get(1, Change()) for rows in (one, two, three)]
    assert (parts[0] + parts[1]) + parts[2] == parts[0] + (parts[1] + parts[2])
