"""Sequence numbers: what was passed over is a gap, what comes late fills it, and order does not matter."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from numpy.typing import NDArray

from ingest import numbering
from ingest.metrics import Tally
from store import messages
from store.gaps import MOST_MISSING, standing
from store.messages import LedgerEntry
from store.pool import Connection
from vehicle.day import us_of

ENTRY = LedgerEntry(
    vehicle_id=1,
    boot=5,
    seq=0,
    kind="signals",
    happened_us=1_760_000_000_000_001,
    known_us=1_760_000_001_000_000,
    body_hash=-42,
    body_bytes=100,
)
LAST = 2**63 - 1


def entry(seq: int, *, vehicle: int = 1, boot: int = 5, body: int = 0, minute: int = 0) -> LedgerEntry:
    later_us = 60_000_000 * minute
    return structs.replace(
        ENTRY,
        vehicle_id=vehicle,
        boot=boot,
        seq=seq,
        body_hash=body or seq,
        known_us=ENTRY.known_us + later_us,
        happened_us=ENTRY.happened_us + later_us,
    )


async def bring(conn: Connection, entries: Sequence[LedgerEntry]) -> Tally:
    """One batch."""
    tally = Tally()
    async with conn.transaction():
        numbers = await numbering.begin(conn, entries, [], {})
        lives = await messages.admit(conn, entries, numbers.folded if numbers else {})
        tally.doubled = lives.count(None)
        if numbers:
            await numbering.finish(conn, numbers, lives, tally)
    return tally


async def open_gaps(conn: Connection) -> list[tuple[int, ...]]:
    """Vehicle, boot, life, first and last number."""
    cur = await conn.execute(
        "select vehicle_id, boot, life, first_seq, last_seq from gap where closed_at is null"
        " order by 1, 2, 3, 4"
    )
    return await cur.fetchall()


def reference(numbers: set[int]) -> list[tuple[int, int]]:
    """The runs that are absent below the highest number, from 0."""
    runs: list[tuple[int, int]] = []
    for number in range(max(numbers)):
        if number not in numbers:
            if runs and runs[-1][1] == number - 1:
                runs[-1] = (runs[-1][0], number)
            else:
                runs.append((number, number))
    return runs


async def test_numbers_without_a_hole_make_no_gap_in_whatever_order_a_batch_brings_them(
    conn: Connection,
) -> None:
    tally = await bring(conn, [entry(seq) for seq in (2, 0, 1)])
    assert (tally.passed_over, tally.late) == (0, 0)
    await bring(conn, [entry(3)])
    assert await open_gaps(conn) == []


async def test_a_gap_is_seen_split_and_closed(conn: Connection) -> None:
    assert (await bring(conn, [entry(0), entry(9)])).passed_over == 8
    assert await open_gaps(conn) == [(1, 5, 0, 1, 8)]
    assert (await bring(conn, [entry(4, minute=1), entry(5, minute=1), entry(1, minute=1)])).late == 3
    assert await open_gaps(conn) == [(1, 5, 0, 2, 3), (1, 5, 0, 6, 8)]
    assert (await bring(conn, [entry(seq, minute=2) for seq in (2, 3, 6, 7, 8)])).late == 5
    assert await open_gaps(conn) == []
    cur = await conn.execute("select first_seq, last_seq, seen_at, closed_at from gap order by first_seq")
    told = [
        (first, last, us_of(seen) - ENTRY.known_us, (us_of(closed) - ENTRY.known_us) // 60_000_000)
        for first, last, seen, closed in await cur.fetchall()
    ]
    assert told == [(1, 1, 0, 1), (2, 3, 0, 2), (4, 5, 0, 1), (6, 8, 0, 2)]


async def test_a_double_neither_opens_nor_fills_anything(conn: Connection) -> None:
    await bring(conn, [entry(0), entry(3)])
    tally = await bring(conn, [entry(0), entry(3), entry(3)])
    assert (tally.doubled, tally.passed_over, tally.late) == (3, 0, 0)
    assert await open_gaps(conn) == [(1, 5, 0, 1, 2)]


async def test_a_packet_without_a_number_makes_no_gap(conn: Connection) -> None:
    await bring(conn, [entry(77, boot=-3)])
    assert await open_gaps(conn) == []
    row = await (await conn.execute("select count(*) from boot_seen")).fetchone()
    assert row == (0,)


async def test_the_greatest_numbers_there_are_make_one_gap(conn: Connection) -> None:
    assert (await bring(conn, [entry(LAST, boot=LAST)])).passed_over == LAST
    assert await open_gaps(conn) == [(1, LAST, 0, 0, LAST - 1)]
    assert (await bring(conn, [entry(LAST - 1, boot=LAST), entry(0, boot=LAST)])).late == 2
    assert await open_gaps(conn) == [(1, LAST, 0, 1, LAST - 2)]


async def test_a_counter_that_begins_again_is_counted_from_0_again(conn: Connection) -> None:
    await bring(conn, [entry(seq) for seq in (0, 1, 3, 4)])
    await bring(conn, [entry(seq, body=100 + seq, minute=5) for seq in (0, 1, 4, 6)])
    assert await open_gaps(conn) == [(1, 5, 0, 2, 2), (1, 5, 1, 2, 3), (1, 5, 1, 5, 5)]
    stands = (await standing(conn, *_columns(1, 5)))[1, 5]
    assert (stands.seen, stands.upto, stands.missing) == (6, 1, [2, 3, 5])
    await bring(conn, [entry(5, minute=6), entry(7, minute=6)])
    assert await open_gaps(conn) == [(1, 5, 0, 2, 2), (1, 5, 1, 2, 3)]


async def test_what_comes_again_of_the_run_before_a_reset_changes_nothing(conn: Connection) -> None:
    before = [entry(seq) for seq in (0, 1, 50)]
    await bring(conn, before)
    await bring(conn, [entry(seq, body=100 + seq, minute=5) for seq in (0, 1)])
    found = await open_gaps(conn)
    assert found == [(1, 5, 0, 2, 49)]
    tally = await bring(conn, [*before, entry(2, minute=6), entry(4, minute=6), before[-1]])
    assert (tally.doubled, tally.passed_over) == (4, 1)
    assert await open_gaps(conn) == [*found, (1, 5, 1, 3, 3)]
    assert (await standing(conn, *_columns(1, 5)))[1, 5].seen == 4


async def test_two_bodies_under_the_newest_number_are_no_reset(conn: Connection) -> None:
    await bring(conn, [entry(seq) for seq in range(4)])
    await bring(conn, [entry(3, body=99), entry(4)])
    assert await open_gaps(conn) == []
    assert (await standing(conn, *_columns(1, 5)))[1, 5].upto == 4


async def test_only_the_lowest_missing_numbers_and_gaps_are_named(conn: Connection) -> None:
    await bring(conn, [entry(1), entry(5), entry(100_000)])
    stands = (await standing(conn, *_columns(1, 5)))[1, 5]
    assert (stands.upto, stands.seen, stands.gaps) == (-1, 100_000, ((0, 0), (2, 4), (6, 99_999)))
    assert stands.missing == [0, 2, 3, 4, *range(6, 2 + MOST_MISSING)]
    assert len(stands.missing) == MOST_MISSING
    await bring(conn, [entry(seq, boot=6) for seq in range(0, 4 * MOST_MISSING, 2)])
    stands = (await standing(conn, *_columns(1, 6)))[1, 6]
    assert (len(stands.gaps), stands.seen) == (MOST_MISSING, 2 * MOST_MISSING)
    assert stands.missing == list(range(1, 2 * MOST_MISSING, 2))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    sent=st.lists(
        st.tuples(st.integers(1, 2), st.integers(0, 1), st.integers(0, 25)), min_size=1, max_size=60
    ),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
async def test_in_any_order_and_any_batches_the_same_gaps_stay_open(
    conn: Connection, sent: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    expected = []
    for vehicle, boot in sorted({key[:2] for key in sent}):
        numbers = {seq for *key, seq in sent if tuple(key) == (vehicle, boot)}
        expected += [(vehicle, boot, 0, first, last) for first, last in reference(numbers)]
    async with conn.transaction(force_rollback=True):
        passed_over = late = 0
        edges = sorted({0, *cuts, len(sent)})
        for start, end in pairwise(edges):
            batch = [entry(seq, vehicle=vehicle, boot=boot) for vehicle, boot, seq in sent[start:end]]
            tally = await bring(conn, batch)
            passed_over, late = passed_over + tally.passed_over, late + tally.late
        assert await open_gaps(conn) == expected
        assert passed_over - late == sum(last - first + 1 for *_, first, last in expected)
        for vehicle, boot in {key[:2] for key in sent}:
            stands = (await standing(conn, *_columns(vehicle, boot)))[vehicle, boot]
            gaps = tuple(tuple(row[3:]) for row in expected if row[:2] == (vehicle, boot))
            assert (stands.gaps, stands.seen) == (
                gaps,
                max(key[2] for key in sent if key[:2] == (vehicle, boot)),
            )


def _columns(vehicle: int, boot: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([vehicle]), np.array([boot])
