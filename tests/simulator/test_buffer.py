"""A T-Box's buffer lets go of what the server has, never of anything else, and tells what it had to drop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.buffer import Buffer, Held


def held(seq: int, *, boot: int = 1, size: int = 10, at_s: float = 0.0) -> Held:
    return Held(boot, seq, "tbox/v1/V/up/signals", bytes(size), at_s)


def said(stored: set[int]) -> tuple[int, list[tuple[int, int]], int | None]:
    """`upto`, `gaps` and `seen` of a server that has these numbers of a boot."""
    upto = -1
    while upto + 1 in stored:
        upto += 1
    absent = sorted(set(range(max(stored))) - stored)
    return upto, [(seq, seq) for seq in absent], max(stored) if absent else None


@given(st.integers(1, 30), st.sets(st.integers(0, 29), min_size=1))
def test_it_keeps_what_the_server_does_not_have_and_only_that(sent_n: int, arrived: set[int]) -> None:
    stored = {seq for seq in arrived if seq < sent_n} or {0}
    buffer = Buffer()
    for seq in range(sent_n):
        buffer.put(held(seq))
    buffer.put(held(0, boot=2))
    gone_n = buffer.acknowledged(1, *said(stored))
    assert gone_n == len(stored)
    left = {one.number for one in buffer.pending()}
    assert left == {(1, seq) for seq in range(sent_n) if seq not in stored} | {(2, 0)}
    assert not buffer.dropped


def test_a_number_that_is_lost_for_ever_holds_nothing_else_back() -> None:
    buffer = Buffer()
    for seq in range(3, 9):  # 0 to 2 were pushed out before
        buffer.put(held(seq))
    assert buffer.acknowledged(1, -1, [(0, 2), (5, 6)], 8) == 4
    assert [one.seq for one in buffer.pending()] == [5, 6]


def test_the_oldest_makes_room_and_is_told() -> None:
    buffer = Buffer(most_bytes=25)
    for seq in range(4):
        buffer.put(held(seq))
    assert [one.seq for one in buffer.pending()] == [2, 3]
    assert buffer.dropped == [(1, 0), (1, 1)]
    buffer.acknowledged(1, 3)
    assert len(buffer) == 0
    buffer.put(held(4, size=100))  # larger than all of it: sent, and the only one held
    assert len(buffer) == 1


def test_only_what_was_sent_long_ago_is_due() -> None:
    buffer = Buffer()
    buffer.put(held(0, at_s=1.0))
    buffer.put(held(1, at_s=5.0))
    assert [one.seq for one in buffer.pending(sent_before_s=2.0)] == [0]


def test_a_number_is_used_once() -> None:
    buffer = Buffer()
    buffer.put(held(0))
    with pytest.raises(ValueError, match="held already"):
        buffer.put(held(0))
