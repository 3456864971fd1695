"""Bulk loads of history: how far each file has come, so that every row of it is stored once."""

from typing import Final

from store.pool import Connection

LOCK_KEY: Final = 0x0D0CAB1C
"""Advisory lock: one load at a time."""
LIFE: Final = -1
"""In the place of a message's life: the segment is a load's, whose id stands in the place of `boot`."""

LOCK: Final = "select pg_try_advisory_lock(%(key)s)"
UNLOCK: Final = "select pg_advisory_unlock(%(key)s)"
BEGIN: Final = """
    insert into load (content, rows_n, finished_at)
    values (%(content)s, %(rows_n)s, case when %(rows_n)s = 0 then now() end)
    on conflict (content) do update set content = excluded.content
    returning id, done_n
"""
ADVANCE: Final = """
    update load set done_n = %(done_n)s,
        finished_at = case when %(done_n)s = rows_n then now() end
    where id = %(id)s
"""


async def lock(conn: Connection) -> bool:
    """Whether no other load runs; then none can begin until `unlock` or the connection's end."""
    row = await (await conn.execute(LOCK, {"key": LOCK_KEY})).fetchone()
    return row is not None and bool(row[0])


async def unlock(conn: Connection) -> None:
    """Let the next load begin."""
    await conn.execute(UNLOCK, {"key": LOCK_KEY})


async def begin(conn: Connection, content: str, rows_n: int) -> tuple[int, int]:
    """The number of the load of a content, and how many of its rows are stored already."""
    row = await (await conn.execute(BEGIN, {"content": content, "rows_n": rows_n})).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


async def advance(conn: Connection, load_id: int, done_n: int) -> None:
    """So many rows are stored; belongs into the transaction that stores them."""
    await conn.execute(ADVANCE, {"id": load_id, "done_n": done_n})
