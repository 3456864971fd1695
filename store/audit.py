"""The audit: who read or changed what, why. Append only; each row's hash covers the one before it.

Subjects are pseudonyms (`vehicle.public_id`), never a VIN, so that erasing a person leaves the chain whole.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.pool import Connection

Detail = Mapping[str, str | int | bool | None]

LOCK_KEY: Final = 0x0D0A0D17
"""Advisory lock of the chain's end; an arbitrary number."""
_BEGINNING: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row as stored."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: UUID | None
    purpose: str
    detail: dict[str, str | int | bool | None]
    previous_sha256: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Verification:
    """What checking the chain found."""

    rows: int
    broken_at: int | None
    """`id` of the first row that does not follow from the one before it."""


def link(
    previous: bytes,
    at: datetime,
    actor: str,
    action: str,
    subject: UUID | None,
    purpose: str,
    detail: Detail,
) -> bytes:
    """SHA-256 over the previous row's hash and this row, fields as canonical JSON."""
    row = [
        at.astimezone(UTC).isoformat(timespec="microseconds"),
        actor,
        action,
        None if subject is None else str(subject),
        purpose,
        dict(detail),
    ]
    text = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode()).digest()


LOCK: Final = "select pg_advisory_xact_lock(%(key)s)"
LAST: Final = "select sha256 from audit order by id desc limit 1"
APPEND: Final = """
    insert into audit (at, actor, action, subject, purpose, detail, previous_sha256, sha256)
    values (%(at)s, %(actor)s, %(action)s, %(subject)s, %(purpose)s, %(detail)s, %(previous)s, %(sha256)s)
"""


async def append(
    conn: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    purpose: str,
    subject: UUID | None = None,
    detail: Detail | None = None,
) -> None:
    """Add one row to the chain; writers wait for each other until the transaction ends."""
    facts = {} if detail is None else dict(detail)
    async with conn.transaction():
        await conn.execute(LOCK, {"key": LOCK_KEY})
        row = await (await conn.execute(LAST)).fetchone()
        previous = _BEGINNING if row is None else bytes(row[0])
        await conn.execute(
            APPEND,
            {
                "at": at,
                "actor": actor,
                "action": action,
                "subject": subject,
                "purpose": purpose,
                "detail": Jsonb(facts),
                "previous": previous,
                "sha256": link(previous, at, actor, action, subject, purpose, facts),
            },
        )


CHAIN: Final = """
    select id, at, actor, action, subject, purpose, detail, previous_sha256, sha256
    from audit
    order by id
"""


async def verify(conn: Connection) -> Verification:
    """Walk the whole chain: a row changed, taken out or put in between breaks it.

    Rows cut off at the end do not show here; keep the newest hash elsewhere to see that too.
    """
    rows, previous = 0, _BEGINNING
    async with conn.transaction(), conn.cursor("audit_chain", row_factory=class_row(Entry)) as cur:
        await cur.execute(CHAIN)
        async for entry in cur:
            expected = link(
                previous, entry.at, entry.actor, entry.action, entry.subject, entry.purpose, entry.detail
            )
            if entry.previous_sha256 != previous or entry.sha256 != expected:
                return Verification(rows, entry.id)
            rows, previous = rows + 1, entry.sha256
    return Verification(rows, None)


OF_SUBJECT: Final = """
    select id, at, actor, action, subject, purpose, detail, previous_sha256, sha256
    from audit
    where subject = %(subject)s
    order by id desc
    limit %(limit)s
"""


async def of_subject(conn: Connection, subject: UUID, *, limit: int) -> list[Entry]:
    """Who read this vehicle's record, newest first."""
    async with conn.cursor(row_factory=class_row(Entry)) as cur:
        await cur.execute(OF_SUBJECT, {"subject": subject, "limit": limit})
        return await cur.fetchall()
