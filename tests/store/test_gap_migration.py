"""What was stored before gaps were kept counts when the schema comes to know them."""

import psycopg
from psycopg.conninfo import make_conninfo

from store import migrate
from store.pool import connect

BEFORE = 7
"""Migrations without gaps."""


async def test_stored_and_refused_messages_tell_how_far_each_boot_is_and_what_it_lacks(
    server_url: str,
) -> None:
    name = "odocare_migrate_gaps"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)")
        admin.execute(f"create database {name}")
    files = migrate.read_migrations()
    try:
        async with connect(make_conninfo(server_url, dbname=name)) as conn:
            await migrate.migrate(conn, files[:BEFORE])
            await conn.execute("insert into vehicle (vin) values ('LRW3E7FA7NC000001')")
            rows = [(1, 5, 0, 0), (1, 5, 0, 3), (1, 5, 1, 3), (1, 5, 0, 4), (1, 6, 0, 0), (1, -4, 0, 99)]
            for vehicle, boot, life, seq in rows:
                await conn.execute(
                    "insert into message values (%s, %s, %s, %s, 'can', now(), now(), 1, 1)",
                    (vehicle, boot, life, seq),
                )
            await conn.execute(
                "insert into reject (known_at, vehicle_id, kind, reason, detail, boot, seq, body_hash, whole)"
                " values (now(), 1, 'can', 'x', '', 5, 1, 1, true),"
                " (now(), 1, 'can', 'x', '', 6, 2, 2, true),"
                " (now(), 1, 'can', 'x', '', 5, 9, 3, false)"
            )
            await migrate.migrate(conn, files)
            seen = await (
                await conn.execute("select boot, highest, was from boot_seen order by 1")
            ).fetchall()
            gaps = await (
                await conn.execute("select boot, first_seq, last_seq from gap order by 1, 2")
            ).fetchall()
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")
    assert seen == [(5, 4, None), (6, 2, None)]
    assert gaps == [(5, 2, 2), (6, 1, 1)]
