"""The ledger: once is once, and a counter that was reset begins a new life."""

import psycopg
import pytest
from msgspec.structs import replace

from store import messages
from store.messages import MOST_LIVES, REFUSED, LedgerEntry
from store.pool import Connection, connect
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


def numbered(n: int) -> list[LedgerEntry]:
    return [replace(ENTRY, seq=seq, body_hash=seq) for seq in range(n)]


async def test_new_messages_are_entered_as_they_are(conn: Connection) -> None:
    assert await messages.admit(conn, [ENTRY]) == [0]
    row = await (await conn.execute("select * from message")).fetchone()
    assert row is not None
    assert (row[:5], row[7:]) == ((1, 5, 0, 0, "signals"), (-42, 100))
    assert (us_of(row[5]), us_of(row[6])) == (ENTRY.happened_us, ENTRY.known_us)


async def test_the_same_message_again_is_a_double_in_the_same_batch_and_in_a_later_one(
    conn: Connection,
) -> None:
    assert await messages.admit(conn, [*numbered(3), *numbered(3)]) == [0, 0, 0, None, None, None]
    assert await messages.admit(conn, numbered(4)) == [None, None, None, 0]


async def test_another_body_under_the_same_number_opens_the_next_life(conn: Connection) -> None:
    others = [replace(ENTRY, body_hash=value) for value in (7, 8, 7, -42)]
    assert await messages.admit(conn, [ENTRY]) == [0]
    assert await messages.admit(conn, others) == [1, 2, None, None]
    assert await messages.admit(conn, [*others, replace(ENTRY, body_hash=9)]) == [None, None, None, None, 3]
    assert await messages.life_of(conn, others[1]) == 2
    assert await messages.life_of(conn, replace(ENTRY, body_hash=10)) is None


async def test_a_number_has_only_so_many_lives(conn: Connection) -> None:
    bodies = [replace(ENTRY, body_hash=value) for value in range(MOST_LIVES + 2)]
    admitted = await messages.admit(conn, bodies)
    assert admitted == [*range(MOST_LIVES), REFUSED, REFUSED]
    assert await messages.admit(conn, [*bodies[-2:], bodies[MOST_LIVES - 1]]) == [REFUSED, REFUSED, None]
    assert await messages.admit(conn, [replace(ENTRY, boot=6)]) == [0]
    rows = await (await conn.execute("select count(*), max(life) from message where boot = 5")).fetchone()
    assert rows == (MOST_LIVES, MOST_LIVES - 1)


async def test_vehicles_boots_and_numbers_do_not_mix(conn: Connection) -> None:
    others = [replace(ENTRY, vehicle_id=2), replace(ENTRY, boot=6), replace(ENTRY, seq=1), ENTRY]
    assert await messages.admit(conn, others) == [0, 0, 0, 0]


async def test_nothing_is_entered_for_nothing(conn: Connection) -> None:
    assert await messages.admit(conn, []) == []


async def test_what_another_process_has_not_committed_yet_is_waited_for(
    conn: Connection, database_url: str
) -> None:
    async with connect(database_url) as other:
        await other.execute("set lock_timeout = '200ms'")
        async with conn.transaction():
            await messages.admit(conn, [ENTRY])
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await messages.admit(other, [ENTRY])
        assert await messages.admit(other, [ENTRY]) == [None]
