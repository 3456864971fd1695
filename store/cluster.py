"""A whole server from above: the application's role and database, and what stands in it."""

from dataclasses import dataclass
from typing import Final

from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import class_row

from store.pool import Connection, connect

HAS_ROLE: Final = "select exists (select from pg_roles where rolname = %(name)s)"
HAS_DATABASE: Final = "select exists (select from pg_database where datname = %(name)s)"
CREATE_ROLE: Final = "create role {name} login"
ALTER_ROLE: Final = "alter role {name} nosuperuser password {password}"
CREATE_DATABASE: Final = "create database {name} owner {owner}"
CREATE_EXTENSION: Final = "create extension if not exists timescaledb"


async def prepare(admin_url: str, *, owner: str, password: str) -> None:
    """Let role and database `owner` exist: the role no superuser, the database its own, with TimescaleDB.

    `admin_url` names a superuser and a database of the server; calling it again changes nothing.
    """
    role = sql.Identifier(owner)
    async with connect(admin_url) as conn:
        if not await _is_true(conn, HAS_ROLE, owner):
            await conn.execute(sql.SQL(CREATE_ROLE).format(name=role))
        await conn.execute(sql.SQL(ALTER_ROLE).format(name=role, password=sql.Literal(password)))
        if not await _is_true(conn, HAS_DATABASE, owner):
            await conn.execute(sql.SQL(CREATE_DATABASE).format(name=role, owner=role))
    async with connect(make_conninfo(admin_url, dbname=owner)) as conn:
        await conn.execute(CREATE_EXTENSION)


@dataclass(frozen=True, slots=True)
class Overview:
    """One database at a glance."""

    server_version: str
    timescaledb_version: str | None
    database_bytes: int
    schema_version: str | None
    """Name of the newest applied migration; None: none was applied."""
    vehicles: int | None
    messages: int | None
    """An estimate by the server's statistics, cheap on any size."""
    open_triggers: int | None


@dataclass(frozen=True, slots=True)
class _Server:
    server_version: str
    timescaledb_version: str | None
    database_bytes: int
    is_migrated: bool


@dataclass(frozen=True, slots=True)
class _Contents:
    schema_version: str | None
    vehicles: int
    messages: int
    open_triggers: int


SERVER: Final = """
    select split_part(current_setting('server_version'), ' ', 1) as server_version,
           (select extversion from pg_extension where extname = 'timescaledb') as timescaledb_version,
           pg_database_size(current_database()) as database_bytes,
           to_regclass('migration') is not null and to_regclass('trigger') is not null as is_migrated
"""
CONTENTS: Final = """
    select (select name from migration order by number desc limit 1) as schema_version,
           (select count(*) from vehicle) as vehicles,
           (select case when n < 100000 then n else greatest(n, (
                select reltuples::bigint from pg_class where oid = 'message'::regclass
            )) end from (select count(*) as n from (select from message limit 100000) m) c) as messages,
           (select count(*) from trigger where closed_at is null) as open_triggers
"""


async def overview(conn: Connection) -> Overview:
    """Versions, size, schema and counts of the database behind `conn`."""
    async with conn.cursor(row_factory=class_row(_Server)) as cur:
        await cur.execute(SERVER)
        server = await cur.fetchone()
    assert server is not None
    contents = None
    if server.is_migrated:
        async with conn.cursor(row_factory=class_row(_Contents)) as cur:
            await cur.execute(CONTENTS)
            contents = await cur.fetchone()
    return Overview(
        server.server_version,
        server.timescaledb_version,
        server.database_bytes,
        schema_version=contents.schema_version if contents else None,
        vehicles=contents.vehicles if contents else None,
        messages=contents.messages if contents else None,
        open_triggers=contents.open_triggers if contents else None,
    )


async def _is_true(conn: Connection, query: str, name: str) -> bool:
    row = await (await conn.execute(sql.SQL(query), {"name": name})).fetchone()
    return row == (True,)
