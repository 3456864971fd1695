import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from store import audit
from store.pool import Connection, connect

NOW = datetime(2026, 11, 21, 6, 0, 0, 123_456, tzinfo=UTC)


async def fill(conn: Connection, rows: int) -> None:
    for n in range(rows):
        await audit.append(
            conn,
            at=NOW + timedelta(seconds=n),
            actor=f"advisor {n % 3}",
            action="vehicle.open",
            purpose="页面",
            subject=uuid4() if n % 2 else None,
            detail={"rows": n, "filtered": True, "why": None, "text": "é\u2028"},
        )


async def test_an_untouched_chain_is_whole(conn: Connection) -> None:
    assert await audit.verify(conn) == audit.Verification(0, None)
    await fill(conn, 8)
    assert await audit.verify(conn) == audit.Verification(8, None)


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit set actor = 'somebody else' where id = 4",
        "update audit set at = at + interval '1 microsecond' where id = 4",
        "update audit set subject = gen_random_uuid() where id = 4",
        "update audit set subject = null where id = 4",
        "update audit set detail = detail || '{\"rows\": 1000}' where id = 4",
        "delete from audit where id = 4",
    ],
)
async def test_a_change_shows_from_where_it_was_made(conn: Connection, tampering: str) -> None:
    await fill(conn, 8)
    await conn.execute(tampering.encode())
    found = await audit.verify(conn)
    assert found.rows == 3
    assert found.broken_at in {4, 5}


async def test_writers_at_once_make_one_chain(conn: Connection, database_url: str) -> None:
    async def write(n: int) -> None:
        async with connect(database_url) as other:
            await fill(other, 10)
        del n

    await asyncio.gather(*(write(n) for n in range(5)))
    assert await audit.verify(conn) == audit.Verification(50, None)


async def test_a_row_of_a_transaction_that_failed_leaves_no_hole(conn: Connection) -> None:
    async def undone() -> None:
        async with conn.transaction():
            await fill(conn, 1)
            raise psycopg.Rollback

    await fill(conn, 2)
    await undone()
    await fill(conn, 2)
    assert await audit.verify(conn) == audit.Verification(4, None)
