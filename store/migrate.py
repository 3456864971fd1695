"""The schema's runner: numbered SQL files, checksums, one advisory lock."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from psycopg import sql
from psycopg.rows import class_row

from store.pool import Connection
from vehicle.errors import MigrationError

_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_OUTSIDE: Final = b"-- outside a transaction"
LOCK_KEY: Final = 0x0D0CA9E
"""Advisory lock of this project's migrations; an arbitrary number."""

CREATE_LEDGER: Final = """
    create table if not exists migration (
        number integer primary key, name text not null, sha256 text not null,
        applied_at timestamptz not null default now()
    )
"""
APPLIED: Final = "select number, name, sha256 from migration order by number"
RECORD: Final = "insert into migration (number, name, sha256) values (%(number)s, %(name)s, %(sha256)s)"
LOCK: Final = "select pg_advisory_lock(%(key)s)"
UNLOCK: Final = "select pg_advisory_unlock(%(key)s)"
HAS_LEDGER: Final = "select to_regclass('migration') is not null"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    body: bytes

    @property
    def sha256(self) -> str:
        """Checksum of the bytes of the file."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def record(self) -> dict[str, int | str]:
        """What `RECORD` writes down once the file has run."""
        return {"number": self.number, "name": self.name, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of the database's own record."""

    number: int
    name: str
    sha256: str


def read_migrations() -> list[Migration]:
    """The files shipped with this version, in order. Raises `MigrationError` on a gap or a bad name."""
    found = []
    for entry in files("store").joinpath("migrations").iterdir():
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(entry.name)
        if match is None:
            raise MigrationError(f"migration files are named NNNN_what_it_does.sql, got {entry.name}")
        found.append(Migration(int(match[1]), entry.name, entry.read_bytes()))
    found.sort(key=lambda migration: migration.number)
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(f"migration {expected:04} is missing, found {migration.name} in its place")
    return found


def pending(shipped: Sequence[Migration], applied: Sequence[Applied]) -> list[Migration]:
    """What is still to run. Raises `MigrationError` where the database and the files disagree."""
    if len(applied) > len(shipped):
        raise MigrationError(
            f"the database is at migration {applied[-1].name}, this version only knows"
            f" {len(shipped)}: run a newer odocare"
        )
    for file, row in zip(shipped, applied, strict=False):
        if (row.number, row.name) != (file.number, file.name):
            raise MigrationError(f"the database ran {row.name} where this version has {file.name}")
        if row.sha256 != file.sha256:
            raise MigrationError(
                f"{file.name} was edited after it had been applied"
                f" (applied {row.sha256[:12]}, file {file.sha256[:12]}): undo the edit and add a new file"
            )
    return list(shipped[len(applied) :])


async def migrate(conn: Connection, shipped: Sequence[Migration]) -> list[str]:
    """Run what is missing, each file in a transaction of its own; returns the names that ran.

    Only one process migrates at a time: others wait for the lock and then find nothing to do.
    `conn` must be in autocommit mode.
    """
    await conn.execute(LOCK, {"key": LOCK_KEY})
    try:
        await conn.execute(CREATE_LEDGER)
        todo = pending(shipped, await _applied(conn))
        for migration in todo:
            await _run(conn, migration)
        return [migration.name for migration in todo]
    finally:
        await conn.execute(UNLOCK, {"key": LOCK_KEY})


async def require_current(conn: Connection, shipped: Sequence[Migration]) -> None:
    """Refuse to work on a schema that is not this version's. Raises `MigrationError`."""
    row = await (await conn.execute(HAS_LEDGER)).fetchone()
    applied = await _applied(conn) if row and row[0] else []
    missing = pending(shipped, applied)
    if missing:
        raise MigrationError(
            f"the database lacks {len(missing)} migrations from {missing[0].name} on: run `odocare migrate`"
        )


async def _applied(conn: Connection) -> list[Applied]:
    async with conn.cursor(row_factory=class_row(Applied)) as cur:
        await cur.execute(APPLIED)
        return await cur.fetchall()


async def _run(conn: Connection, migration: Migration) -> None:
    if migration.body.startswith(_OUTSIDE):
        for statement in migration.body.split(b";\n"):
            if statement.strip():
                await conn.execute(sql.SQL(statement.decode()))  # our own files
        await conn.execute(RECORD, migration.record)
        return
    async with conn.transaction():
        await conn.execute(migration.body)
        await conn.execute(RECORD, migration.record)
