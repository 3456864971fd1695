"""Who may ask: consumers and their access keys. Only a key's hash is stored; it is shown once."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from psycopg.rows import class_row, scalar_row

from store.pool import Connection
from vehicle.errors import ConflictError, NotFoundError

_PREFIX_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # without l, o, 0 and 1: people read it aloud
_PREFIX_CHARS: Final = 10
_SECRET_BYTES: Final = 32
_SHAPE: Final = re.compile(r"odo_([a-km-np-z2-9]{10})_([A-Za-z0-9_-]{43})")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NO_SECRET: Final = bytes(32)
"""Compared with when a prefix is unknown, so that this takes the same time."""


class Scope(StrEnum):
    """What a key allows."""

    FEED_SERVICE = "feed:service"
    FEED_RECALL = "feed:recall"
    FEED_SALES = "feed:sales"
    OUTCOMES = "outcomes"
    READ = "read"
    PAGES = "pages"


@dataclass(frozen=True, slots=True)
class Key:
    """An access key as its holder has it: `odo_<prefix>_<secret>`."""

    prefix: str
    secret: str
    """43 characters of base64url: 256 random bits."""

    def __str__(self) -> str:
        return f"odo_{self.prefix}_{self.secret}"

    def __repr__(self) -> str:
        return f"Key({self.prefix})"

    @property
    def sha256(self) -> bytes:
        """What is stored of the secret; random enough that no salt or slow hash is needed."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a key belongs to and what it allows."""

    consumer_id: int
    name: str
    key_id: int
    prefix: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether the key allows this."""
        return scope in self.scopes


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A stored key as people may see it."""

    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Found:
    consumer_id: int
    name: str
    key_id: int
    prefix: str
    secret_sha256: bytes
    scopes: list[str]


def draw_key() -> Key:
    """A new key out of the operating system's randomness."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(_PREFIX_CHARS))
    secret = base64.urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).rstrip(b"=").decode()
    return Key(prefix, secret)


def parse_key(text: str) -> Key | None:
    """Read a key; None where it has not the shape of one."""
    match = _SHAPE.fullmatch(text)
    return None if match is None else Key(match[1], match[2])


ENSURE: Final = """
    insert into consumer (name) values (%(name)s)
    on conflict (name) do update set name = excluded.name
    returning id
"""
ADD_KEY: Final = """
    insert into access_key (consumer_id, prefix, secret_sha256, scopes, created_at, expires_at)
    values (%(consumer_id)s, %(prefix)s, %(sha256)s, %(scopes)s, %(at)s, %(expires_at)s)
"""


async def ensure(conn: Connection, name: str) -> int:
    """The id of the consumer of this name, made when it is new. Raises `ConflictError` on a bad name."""
    if not _NAME.fullmatch(name):
        raise ConflictError(f"a consumer's name is lower case, a-z 0-9 . _ -, up to 63 long, got {name!r}")
    async with conn.cursor(row_factory=scalar_row) as cur:
        await cur.execute(ENSURE, {"name": name})
        return int(await cur.fetchone() or 0)


async def create_key(
    conn: Connection, name: str, scopes: Collection[Scope], *, at: datetime, expires_at: datetime
) -> Key:
    """Give the consumer of this name one more key. The answer is the only time the secret exists."""
    key = draw_key()
    async with conn.transaction():
        consumer_id = await ensure(conn, name)
        await conn.execute(
            ADD_KEY,
            {
                "consumer_id": consumer_id,
                "prefix": key.prefix,
                "sha256": key.sha256,
                "scopes": sorted(scopes),
                "at": at,
                "expires_at": expires_at,
            },
        )
    return key


BY_PREFIX: Final = """
    select c.id as consumer_id, c.name, k.id as key_id, k.prefix, k.secret_sha256, k.scopes
    from access_key k
    join consumer c on c.id = k.consumer_id
    where k.prefix = %(prefix)s and k.revoked_at is null and k.expires_at > %(at)s
"""


async def authenticate(conn: Connection, key: Key, *, at: datetime) -> Caller | None:
    """Who holds this key; None where it is unknown, expired or revoked. Compares in constant time."""
    async with conn.cursor(row_factory=class_row(_Found)) as cur:
        await cur.execute(BY_PREFIX, {"prefix": key.prefix, "at": at})
        found = await cur.fetchone()
    expected = _NO_SECRET if found is None else found.secret_sha256
    if not hmac.compare_digest(expected, key.sha256) or found is None:
        return None
    known = frozenset(scope for scope in Scope if scope in found.scopes)
    return Caller(found.consumer_id, found.name, found.key_id, found.prefix, known)


KEYS: Final = """
    select c.name, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at
    from access_key k
    join consumer c on c.id = k.consumer_id
    order by c.name, k.created_at, k.id
"""


async def keys(conn: Connection) -> list[KeyRow]:
    """All keys ever given, without their secrets."""
    async with conn.cursor(row_factory=class_row(KeyRow)) as cur:
        await cur.execute(KEYS)
        return await cur.fetchall()


REVOKE: Final = """
    update access_key k set revoked_at = %(at)s
    from consumer c
    where c.id = k.consumer_id and k.revoked_at is null and (k.prefix = %(which)s or c.name = %(which)s)
    returning k.prefix
"""
CLOSE_SESSIONS: Final = """
    delete from session s
    using consumer c
    where c.id = s.consumer_id
      and (c.name = %(which)s or s.key_id in (select id from access_key where prefix = %(which)s))
"""


async def revoke(conn: Connection, which: str, *, at: datetime) -> list[str]:
    """Revoke one key by its prefix, or all keys of a consumer by its name, and close their sessions.

    Returns the prefixes revoked now. Raises `NotFoundError` where nothing was left to revoke or close.
    """
    async with conn.transaction():
        closed = await conn.execute(CLOSE_SESSIONS, {"which": which})
        async with conn.cursor(row_factory=scalar_row) as cur:
            await cur.execute(REVOKE, {"which": which, "at": at})
            revoked = [str(prefix) for prefix in await cur.fetchall()]
        if not revoked and not closed.rowcount:
            raise NotFoundError("valid key or consumer", which)
    return sorted(revoked)
