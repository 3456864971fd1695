"""Browser sessions of the pages, and the one-time tickets that open them. Only hashes are stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg.rows import class_row

from store.pool import Connection

TICKET_LIFE: Final = timedelta(minutes=15)
SESSION_LIFE: Final = timedelta(hours=12)
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sits at the browser."""

    consumer_id: int
    name: str


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


ADD: Final = """
    insert into session (token_sha256, consumer_id, key_id, kind, created_at, expires_at)
    values (%(sha256)s, %(consumer_id)s, %(key_id)s, %(kind)s, %(at)s, %(expires_at)s)
"""


async def _add(
    conn: Connection, kind: str, consumer_id: int, key_id: int | None, at: datetime, life: timedelta
) -> str:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await conn.execute(
        ADD,
        {
            "sha256": _hash(token),
            "consumer_id": consumer_id,
            "key_id": key_id,
            "kind": kind,
            "at": at,
            "expires_at": at + life,
        },
    )
    return token


async def issue_ticket(conn: Connection, consumer_id: int, *, at: datetime) -> str:
    """A ticket that opens one session within `TICKET_LIFE`."""
    return await _add(conn, "ticket", consumer_id, None, at, TICKET_LIFE)


async def open_session(conn: Connection, consumer_id: int, key_id: int | None, *, at: datetime) -> str:
    """A browser session of `SESSION_LIFE`; it ends with the key it was opened with."""
    return await _add(conn, "browser", consumer_id, key_id, at, SESSION_LIFE)


USE_TICKET: Final = """
    update session set used_at = %(at)s
    where token_sha256 = %(sha256)s and kind = 'ticket' and used_at is null and expires_at > %(at)s
    returning consumer_id
"""


async def redeem(conn: Connection, ticket: str, *, at: datetime) -> str | None:
    """Trade a ticket for a session's token; None where it is unknown, used or too old."""
    async with conn.transaction():
        row = await (await conn.execute(USE_TICKET, {"sha256": _hash(ticket), "at": at})).fetchone()
        return None if row is None else await open_session(conn, row[0], None, at=at)


VISITOR: Final = """
    select c.id as consumer_id, c.name
    from session s
    join consumer c on c.id = s.consumer_id
    left join access_key k on k.id = s.key_id
    where s.token_sha256 = %(sha256)s and s.kind = 'browser' and s.expires_at > %(at)s
      and (s.key_id is null or (k.revoked_at is null and k.expires_at > %(at)s and 'pages' = any (k.scopes)))
"""


async def visitor(conn: Connection, token: str, *, at: datetime) -> Visitor | None:
    """Whose session this token opens; None where it is unknown, over, or its key no longer holds."""
    async with conn.cursor(row_factory=class_row(Visitor)) as cur:
        await cur.execute(VISITOR, {"sha256": _hash(token), "at": at})
        return await cur.fetchone()


CLOSE: Final = "delete from session where token_sha256 = %(sha256)s"
SWEEP: Final = "delete from session where expires_at <= %(at)s"


async def close(conn: Connection, token: str, *, at: datetime) -> None:
    """End one session, and clear away those that are over."""
    await conn.execute(CLOSE, {"sha256": _hash(token)})
    await conn.execute(SWEEP, {"at": at})
