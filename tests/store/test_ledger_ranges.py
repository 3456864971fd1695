"""The folded ledger: what was stored once is a double weeks later too, and a reset is told from it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
from msgspec import structs

from ingest import numbering
from ingest.metrics import Tally
from store import ledger_ranges, messages, segments, stored_rows
from store.messages import MOST_LIVES, REFUSED, LedgerEntry, MessageKeys
from store.pool import Connection, connect
from store.stored_rows import Reach
from vehicle.day import at_of, us_of
from vehicle.frame import SignalRows

SENT = datetime(2026, 10, 1, 8, tzinfo=UTC)
LATER = SENT + timedelta(days=20)


def entries(
    seqs: Sequence[int], *, at: datetime = SENT, known: datetime = SENT, body: int = 0, kind: str = "signals"
) -> list[LedgerEntry]:
    """Messages ten seconds apart, the number of each tells which."""
    return [
        LedgerEntry(
            vehicle_id=1,
            boot=5,
            seq=seq,
            kind=kind,
            happened_us=us_of(at) + 10_000_000 * seq,
            known_us=us_of(known),
            body_hash=body + seq,
            body_bytes=100,
        )
        for seq in seqs
    ]


async def admit(conn: Connection, asking: Sequence[LedgerEntry]) -> list[int | None]:
    async with conn.transaction():
        numbers = await numbering.begin(conn, asking, [], {})
        assert numbers is not None
        lives = await messages.admit(conn, asking, numbers.folded)
        await numbering.finish(conn, numbers, lives, Tally())
    return lives


async def fold(conn: Connection, before: datetime = LATER) -> int:
    return sum([await ledger_ranges.fold(conn, pages, before) for pages in await ledger_ranges.slices(conn)])


async def rows(conn: Connection) -> int:
    row = await (await conn.execute("select count(*) from message")).fetchone()
    assert row is not None
    return int(row[0])


async def test_only_what_is_old_is_folded_and_only_messages_with_numbers(conn: Connection) -> None:
    await admit(conn, entries([0, 1, 2, 5]))
    await admit(conn, entries([6], kind="can"))
    await admit(conn, entries([7], known=LATER))
    await messages.admit(conn, [structs.replace(entries([3])[0], boot=-9)])
    await conn.execute("insert into transport_carry values (1, 5, 0, 6, 'x'), (1, 5, 0, 7, 'y')")
    assert await ledger_ranges.count(conn, LATER) == 5
    assert await fold(conn) == 5
    assert await rows(conn) == 2
    cur = await conn.execute("select boot, life, day::text, numbers::text, others::text from ledger_range")
    assert await cur.fetchall() == [(5, 0, "2026-10-01", "{[0,3),[5,7)}", "{[6,7)}")]
    carries = await (await conn.execute("select seq from transport_carry")).fetchall()
    assert carries == [(7,)]
    assert await fold(conn) == 0


async def test_what_was_folded_is_a_double_weeks_later(conn: Connection) -> None:
    sent = entries(range(20))
    assert await admit(conn, sent) == [0] * 20
    await fold(conn)
    assert await admit(conn, [structs.replace(one, known_us=us_of(LATER)) for one in sent]) == [None] * 20
    assert await rows(conn) == 0


async def test_a_number_that_was_missing_is_new_although_its_neighbours_are_folded(conn: Connection) -> None:
    await admit(conn, entries([0, 2]))
    await fold(conn)
    assert await admit(conn, entries([1], known=LATER)) == [0]
    assert await fold(conn, LATER + timedelta(days=8)) == 1
    cur = await conn.execute("select numbers::text from ledger_range")
    assert await cur.fetchall() == [("{[0,3)}",)]


async def test_a_counter_that_was_reset_is_told_from_what_is_folded_by_its_time(conn: Connection) -> None:
    await admit(conn, entries(range(5)))
    await fold(conn)
    again = entries(range(5), at=LATER, known=LATER, body=900)
    assert await admit(conn, again) == [1] * 5
    assert await admit(conn, again) == [None] * 5
    await fold(conn, LATER + timedelta(days=8))
    assert await rows(conn) == 0
    third = entries([0], at=LATER + timedelta(days=30), known=LATER + timedelta(days=30))
    assert await admit(conn, [*entries([1]), *again[:2], *third]) == [None, None, None, 2]


async def test_above_a_run_that_began_again_the_folded_numbers_of_the_run_before_count_still(
    conn: Connection,
) -> None:
    sent = entries(range(20))
    await admit(conn, sent)
    await fold(conn)
    assert await admit(conn, entries(range(5), at=LATER, known=LATER, body=900)) == [1] * 5
    assert await admit(conn, sent[10:]) == [None] * 10
    assert await admit(conn, entries(range(5, 22), at=LATER, known=LATER, body=900)) == [1] * 15 + [0] * 2


async def test_resets_without_end_are_refused_also_where_they_were_folded(conn: Connection) -> None:
    await conn.execute(
        "insert into ledger_range select 1, 5, %s, '2026-01-01', '{[0,9)}', '{}', %s, %s",
        (MOST_LIVES - 1, SENT - timedelta(days=200), SENT - timedelta(days=200)),
    )
    await conn.execute("insert into boot_seen values (1, 5, 0, 8, null, now())")
    assert await admit(conn, entries([3, 9])) == [REFUSED, 0]


async def test_the_life_of_a_folded_message_is_found_again(conn: Connection) -> None:
    (one,) = entries([3])
    await admit(conn, [one])
    await fold(conn)
    assert await messages.life_of(conn, one) == 0
    assert await messages.life_of(conn, structs.replace(one, seq=4)) is None
    assert await messages.life_of(conn, structs.replace(one, happened_us=us_of(LATER))) is None


async def test_the_highest_number_of_all_is_never_folded(conn: Connection) -> None:
    top = structs.replace(entries([0])[0], seq=2**63 - 1)
    await admit(conn, [top])
    assert await fold(conn) == 0
    assert await admit(conn, [top]) == [None]
    assert at_of(top.happened_us) == SENT


async def test_nothing_is_folded_between_the_question_and_the_entry(
    conn: Connection, database_url: str
) -> None:
    await admit(conn, entries(range(3)))
    async with connect(database_url) as folding:
        await folding.execute("set lock_timeout = '50ms'")
        async with conn.transaction():
            assert await numbering.begin(conn, entries(range(3)), [], {}) is not None
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await fold(folding)
        assert await fold(folding) == 3


async def test_a_batch_of_new_numbers_does_not_wait_for_folding(conn: Connection, database_url: str) -> None:
    await admit(conn, entries(range(3)))
    async with connect(database_url) as folding, folding.transaction():
        await folding.execute(ledger_ranges.LOCK, {"key": ledger_ranges.FOLD_LOCK})
        await conn.execute("set lock_timeout = '1s'")
        assert await admit(conn, entries([3, 4])) == [0, 0]


async def test_the_kind_of_a_folded_message_is_remembered_as_far_as_it_matters(conn: Connection) -> None:
    both = [*entries([0]), *entries([1], kind="diag")]
    await admit(conn, both)
    keys = MessageKeys(*np.array([(1, 5, 0, seq) for seq in (0, 1)], dtype=np.int64).T)
    t_us = np.array([one.happened_us for one in both], dtype=np.int64)
    rows = SignalRows(np.arange(2, dtype=np.int32), t_us, np.ones(2, np.int16), np.array([7.0, 8.0]))
    await segments.append(conn, keys, [None, None], rows)
    reach = Reach(1, us_of(SENT), us_of(LATER))
    for folded in (0, 2):
        assert await fold(conn, LATER if folded else SENT) == folded
        async with conn.transaction():
            found = [
                part.rows.value.tolist() async for part in stored_rows.of_signals(conn, reach, signals=[1])
            ]
        assert found == [[7.0]]
