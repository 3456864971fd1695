"""Segments of versions before they were packed: the view says the same of them afterwards."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from odocare import wiring
from store import migrate, segments, shapes, signals, stored_rows
from store.migrate import Migration
from store.pool import Connection, connect
from store.shapes import PLAIN, Shape
from store.stored_rows import Reach
from tests.store.segment_rows import keys, table
from vehicle.day import us_of
from vehicle.sheet import NO_SOURCE

PACKED: Final = "packed_segments"

OLD: Final = """
    insert into segment (vehicle_id, at, until, boot, life, seq, codebook_id, signal, samples, dt_us, value)
    select 10 + v, timestamptz '2026-01-05 00:00:00.000001+00' + w * interval '3 days',
           timestamptz '2026-01-06 00:00:00.000001+00' + w * interval '3 days', 1, 0, w, nullif(w, 3),
           array[1, 2, 4], array[3, 1, 2], array[0, 1, 86400000000, 5, 7, 7],
           array[0.1 + v, 5e-324, -0.0, 'infinity', 1.7976931348623157e308, -1e-300 * w]
    from generate_series(0, 20) w, generate_series(0, 2) v
    union all
    select 20, '2026-01-05 00:00:00.000009+00', '2026-01-05 00:00:00.000009+00', -7, 1, 9, null,
           array[3000], array[1], array[0], array[12.5]
"""
SEEN: Final = """
    select vehicle_id, at, path, float8send(value), boot, life, seq from observation
    order by 1, 2, 3, 4, 5, 6, 7
"""


def before_and_after() -> tuple[Sequence[Migration], Sequence[Migration]]:
    files = migrate.read_migrations()
    place = next(k for k, one in enumerate(files) if PACKED in one.name)
    return files[:place], files[: place + 1]


@asynccontextmanager
async def fresh(server_url: str) -> AsyncIterator[Connection]:
    """An empty database of its own."""
    name = f"odocare_test_{uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
    try:
        async with connect(make_conninfo(server_url, dbname=name)) as conn:
            yield conn
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)".encode())


async def rows(conn: Connection, statement: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(statement.encode())).fetchall()


async def test_what_was_stored_before_is_seen_as_before(server_url: str) -> None:
    before, after = before_and_after()
    async with fresh(server_url) as conn:
        await migrate.migrate(conn, before)
        await signals.sync(conn, wiring.catalogue())
        await conn.execute(OLD)
        heads = "select vehicle_id, at, boot, life, seq, codebook_id from segment order by 1, 2"
        seen, stored = await rows(conn, SEEN), await rows(conn, heads)
        assert len(seen) == 3 * 21 * 6
        assert await migrate.migrate(conn, after) == [after[-1].name]
        assert await rows(conn, SEEN) == seen
        assert await rows(conn, heads) == stored
        assert await rows(conn, "select distinct span_ms from segment order by 1") == [(0,), (86_400_000,)]
        reach = Reach(10, us_of(seen[0][1]), us_of(seen[0][1]) + 1)
        async with conn.transaction():
            (found,) = [one async for one in stored_rows.spanning(conn, reach)]
        assert found.rows.signal.tolist() == [1, 1, 1, 2, 4, 4]
        assert set(found.source.tolist()) == {NO_SOURCE}


async def test_the_table_is_chunked_indexed_and_compressed_as_before(server_url: str) -> None:
    before, after = before_and_after()
    index = "select indexname, indexdef from pg_indexes where tablename = 'segment' order by 1"
    interval = (
        "select column_name, time_interval from timescaledb_information.dimensions"
        " where hypertable_name = 'segment'"
    )
    lz4 = (
        "select attcompression from pg_attribute where attrelid = 'segment'::regclass"
        " and attname in ('value', 'body')"
    )
    async with fresh(server_url) as conn:
        await migrate.migrate(conn, before)
        was = [await rows(conn, one) for one in (index, interval, lz4)]
        await migrate.migrate(conn, after)
        assert [await rows(conn, one) for one in (index, interval, lz4)] == was
        left = (
            "select count(*) from timescaledb_information.hypertables where hypertable_name like 'segment%'"
        )
        assert await rows(conn, left) == [(1,)]


async def test_a_shape_out_of_the_migration_is_found_again(server_url: str) -> None:
    """Both compute the same hash, so that the same shape does not stand twice."""
    before, after = before_and_after()
    async with fresh(server_url) as conn:
        await migrate.migrate(conn, before)
        await conn.execute(OLD)
        await migrate.migrate(conn, after)
        n = await rows(conn, "select count(*) from segment_shape")
        plain = [Shape(NO_SOURCE, holed=False, signal=(one,), coding=(PLAIN,)) for one in (1, 2, 4, 3000)]
        async with conn.transaction():
            assert len(set(await shapes.numbers(conn, plain))) == 4
        assert await rows(conn, "select count(*) from segment_shape") == n
        await segments.append(conn, keys(1), [None], table([(0, 1, 0, 1 / 3)]))
        assert await rows(conn, "select count(*) from segment_shape") == n
