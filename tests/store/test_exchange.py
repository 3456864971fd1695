"""What an exchange of stored values touches."""

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from store import exchange
from store.exchange import Span
from store.messages import MessageKeys
from store.pool import Connection

BEGIN: Final = datetime(2026, 1, 7, tzinfo=UTC)
STORED: Final = b"""
    insert into segment (vehicle_id, at, boot, seq, span_ms, life, codebook_id, body)
    select 1, at, 1, row_number() over (order by at) - 1, 0, 0, 1, ''
    from generate_series(%(begin)s::timestamptz, %(begin)s::timestamptz + interval '69 days', '1 day') at
"""
SCANS: Final = b"""
    select relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) from pg_stat_xact_user_tables
    where relname like '%_chunk'
"""
SEGMENTS: Final = b"select seq, codebook_id from segment where seq between 29 and 32 order by seq"


async def test_only_the_chunks_of_the_span_are_looked_into(conn: Connection) -> None:
    """Ten weeks are ten chunks."""
    await conn.execute(STORED, {"begin": BEGIN})
    numbers = np.array([30, 31])
    keys = MessageKeys(np.ones(2, np.int64), np.ones(2, np.int64), np.zeros(2, np.int64), numbers)
    first, last = BEGIN + timedelta(days=30), BEGIN + timedelta(days=31)
    async with conn.transaction():
        before = set(await (await conn.execute(SCANS)).fetchall())
        some = MessageKeys(keys.vehicle_id[:1], keys.boot[:1], keys.life[:1], numbers[:1])
        await exchange.drop_segments(conn, some, Span(first, last, (1,)))
        await exchange.rename(conn, keys, Span(first, last, (1,)), book=2)
        looked_into = set(await (await conn.execute(SCANS)).fetchall()) - before
    assert len(looked_into) == 1
    assert await (await conn.execute(SEGMENTS)).fetchall() == [(29, 1), (31, 2), (32, 1)]
