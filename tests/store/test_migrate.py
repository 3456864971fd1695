import dataclasses

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from store import migrate
from store.migrate import Applied, Migration
from store.pool import Connection, connect
from vehicle.errors import MigrationError

SHIPPED = [Migration(1, "0001_a.sql", b"select 1"), Migration(2, "0002_b.sql", b"select 2")]


def applied(*files: Migration) -> list[Applied]:
    return [Applied(file.number, file.name, file.sha256) for file in files]


def test_what_is_not_applied_is_pending() -> None:
    assert migrate.pending(SHIPPED, applied(SHIPPED[0])) == [SHIPPED[1]]


def test_an_edited_file_is_refused_by_name() -> None:
    edited = dataclasses.replace(SHIPPED[0], body=b"select 3")
    with pytest.raises(MigrationError, match=r"0001_a\.sql was edited"):
        migrate.pending([edited, SHIPPED[1]], applied(SHIPPED[0]))


def test_a_database_from_the_future_is_refused() -> None:
    with pytest.raises(MigrationError, match="newer odocare"):
        migrate.pending(SHIPPED[:1], applied(*SHIPPED))


async def test_migrating_twice_does_nothing_the_second_time(server_url: str, database_url: str) -> None:
    name = "odocare_migrate_twice"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)")
        admin.execute(f"create database {name}")
    try:
        async with connect(make_conninfo(server_url, dbname=name)) as conn:
            files = migrate.read_migrations()
            with pytest.raises(MigrationError, match="odocare migrate"):
                await migrate.require_current(conn, files)
            assert await migrate.migrate(conn, files) == [file.name for file in files]
            assert await migrate.migrate(conn, files) == []
            await migrate.require_current(conn, files)
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")


async def test_a_failing_file_leaves_nothing_behind(conn: Connection) -> None:
    shipped = migrate.read_migrations()
    number = len(shipped) + 1
    bad = [*shipped, Migration(number, f"{number:04}_bad.sql", b"create table half (); select 1/0")]
    with pytest.raises(psycopg.errors.DivisionByZero):
        await migrate.migrate(conn, bad)
    row = await (await conn.execute("select to_regclass('half') is null")).fetchone()
    assert row == (True,)
