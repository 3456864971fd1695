from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from store import consumers, idempotency
from store.idempotency import Answer, ReusedKeyError
from store.pool import Connection

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
BODY, OTHER = bytes(32), bytes(31) + b"\x01"


async def test_a_key_gives_the_same_answer_for_three_days(conn: Connection) -> None:
    crm = await consumers.ensure(conn, "crm")
    answer = Answer(200, '{"b": 1,  "a": 2}')
    assert await idempotency.claim(conn, crm, "k", BODY, at=NOW) is None
    await idempotency.settle(conn, crm, "k", answer)
    soon, late = NOW + timedelta(hours=71, minutes=59), NOW + timedelta(hours=72)
    assert await idempotency.claim(conn, crm, "k", BODY, at=soon) == answer
    with pytest.raises(ReusedKeyError, match="another body"):
        await idempotency.claim(conn, crm, "k", OTHER, at=soon)
    assert await idempotency.claim(conn, crm, "k", OTHER, at=late) is None


async def test_work_that_failed_frees_its_key(conn: Connection) -> None:
    crm = await consumers.ensure(conn, "crm")

    async def undone() -> None:
        async with conn.transaction():
            assert await idempotency.claim(conn, crm, "k", BODY, at=NOW) is None
            raise psycopg.Rollback

    await undone()
    assert await idempotency.claim(conn, crm, "k", OTHER, at=NOW) is None
