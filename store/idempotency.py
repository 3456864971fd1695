"""Answers to writes, kept so that a repeated request gets the same answer and changes nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg.rows import class_row

from store.pool import Connection
from vehicle.errors import ConflictError

KEPT: Final = timedelta(hours=72)


class ReusedKeyError(ConflictError):
    """An idempotency key came again with another body."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered the first time."""

    status: int
    answer: str


@dataclass(frozen=True, slots=True)
class _Kept:
    body_sha256: bytes
    status: int
    answer: str


CLAIM: Final = """
    insert into idempotency (consumer_id, key, body_sha256, status, answer, at)
    values (%(consumer_id)s, %(key)s, %(sha256)s, 0, '', %(at)s)
    on conflict (consumer_id, key) do update
        set body_sha256 = excluded.body_sha256, status = 0, answer = '', at = excluded.at
        where idempotency.at <= %(stale)s
    returning 1
"""
KEPT_ANSWER: Final = """
    select body_sha256, status, answer
    from idempotency
    where consumer_id = %(consumer_id)s and key = %(key)s
"""
SWEEP: Final = "delete from idempotency where at <= %(stale)s"


async def claim(
    conn: Connection, consumer_id: int, key: str, body_sha256: bytes, *, at: datetime
) -> Answer | None:
    """Take a key for the request at hand: None where it is new, else the answer it had.

    Must run in the transaction that does the work and calls `settle`: a second request with the same key
    waits in here until the first has committed. Raises `ReusedKeyError` where the body is another.
    """
    stale = at - KEPT
    await conn.execute(SWEEP, {"stale": stale})
    row = {"consumer_id": consumer_id, "key": key, "sha256": body_sha256, "at": at, "stale": stale}
    if await (await conn.execute(CLAIM, row)).fetchone():
        return None
    async with conn.cursor(row_factory=class_row(_Kept)) as cur:
        await cur.execute(KEPT_ANSWER, {"consumer_id": consumer_id, "key": key})
        kept = await cur.fetchone()
    if kept is None:
        raise ReusedKeyError(f"idempotency key {key!r} is in use")
    if kept.body_sha256 != body_sha256:
        raise ReusedKeyError(f"idempotency key {key!r} came before with another body")
    return Answer(kept.status, kept.answer)


SETTLE: Final = """
    update idempotency set status = %(status)s, answer = %(answer)s
    where consumer_id = %(consumer_id)s and key = %(key)s
"""


async def settle(conn: Connection, consumer_id: int, key: str, answer: Answer) -> None:
    """Keep the answer of a claimed key."""
    await conn.execute(
        SETTLE,
        {"consumer_id": consumer_id, "key": key, "status": answer.status, "answer": answer.answer},
    )
