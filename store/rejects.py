"""What could not be accepted: kept sealed, counted by reason, replayable."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from store.pool import Connection
from store.sealed import Seal
from vehicle.day import at_of
from vehicle.errors import NotFoundError

_PURPOSE: Final = b"reject"
_TOPIC_LENGTH: Final = struct.Struct(">H")
_LONGEST_TOPIC_BYTES: Final = 0xFFFF
"""As in MQTT; with the words for what is no UTF-8 it may be longer, and is cut."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message, or a part of one, on its way into the table."""

    known_us: int
    vehicle_id: int | None
    kind: str
    reason: str
    detail: str
    """A sentence without VIN or position."""
    body_hash: int
    """64 bits over topic and body, signed."""
    topic: str
    body: bytes | None
    """None: the broker kept it."""
    whole: bool = True
    """False: only part of the message was refused."""
    boot: int | None = None
    seq: int | None = None

    @property
    def key(self) -> tuple[int, str, bool]:
        """What makes the same bytes a double when they come again."""
        return (self.body_hash, self.kind, self.whole)


@dataclass(frozen=True, slots=True)
class Reject:
    """One row, without what is sealed."""

    id: int
    known_at: datetime
    vehicle_id: int | None
    kind: str
    reason: str
    detail: str
    boot: int | None
    seq: int | None
    body_bytes: int | None
    whole: bool
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Original:
    """The bytes as they came."""

    topic: str
    body: bytes


ADD: Final = """
    insert into reject (
        known_at, vehicle_id, kind, reason, detail, boot, seq, body_hash, body_bytes, sealed, whole
    )
    select * from unnest(
        %(known_at)s::timestamptz[], %(vehicle_id)s::bigint[], %(kind)s::text[], %(reason)s::text[],
        %(detail)s::text[], %(boot)s::bigint[], %(seq)s::bigint[], %(body_hash)s::bigint[],
        %(body_bytes)s::integer[], %(sealed)s::bytea[], %(whole)s::boolean[]
    )
    on conflict (body_hash, kind, whole) do nothing
    returning body_hash, kind, whole
"""
LIST: Final = """
    select id, known_at, vehicle_id, kind, reason, detail, boot, seq, body_bytes, whole, replayed_at
    from reject
    where (%(reason)s::text is null or reason = %(reason)s)
      and (%(waiting)s::boolean is not true or replayed_at is null and sealed is not null)
      and id > %(after)s
    order by id
    limit %(limit)s
"""
NEWEST: Final = """
    select id, known_at, vehicle_id, kind, reason, detail, boot, seq, body_bytes, whole, replayed_at
    from reject
    where (%(reason)s::text is null or reason = %(reason)s)
    order by id desc
    limit %(limit)s
"""
ONE: Final = """
    select id, known_at, vehicle_id, kind, reason, detail, boot, seq, body_bytes, whole, replayed_at
    from reject where id = %(id)s
"""
SEALED: Final = "select sealed from reject where id = %(id)s for update"
REPLAYED: Final = "update reject set replayed_at = now() where id = any(%(ids)s)"
COUNTS: Final = "select reason, count(*) from reject group by reason order by reason"


async def append(conn: Connection, seal: Seal, refused: Sequence[Refused]) -> set[tuple[int, str, bool]]:
    """Keep what was refused; returns the keys of what is new, the others were kept before."""
    if not refused:
        return set()
    cur = await conn.execute(
        ADD,
        {
            "known_at": [at_of(one.known_us) for one in refused],
            "vehicle_id": [one.vehicle_id for one in refused],
            "kind": [one.kind for one in refused],
            "reason": [one.reason for one in refused],
            "detail": [one.detail for one in refused],
            "boot": [one.boot for one in refused],
            "seq": [one.seq for one in refused],
            "body_hash": [one.body_hash for one in refused],
            "body_bytes": [None if one.body is None else len(one.body) for one in refused],
            "sealed": [None if one.body is None else _close(seal, one.topic, one.body) for one in refused],
            "whole": [one.whole for one in refused],
        },
    )
    return {(body_hash, kind, whole) for body_hash, kind, whole in await cur.fetchall()}


async def newest(conn: Connection, *, reason: str | None, limit: int) -> list[Reject]:
    """The newest rejects, of one reason or of all."""
    async with conn.cursor(row_factory=class_row(Reject)) as cur:
        await cur.execute(NEWEST, {"reason": reason, "limit": limit})
        return await cur.fetchall()


async def waiting(conn: Connection, *, reason: str | None, after: int, limit: int) -> list[Reject]:
    """Rejects that can be replayed and have not been, rising from the one behind `after`."""
    async with conn.cursor(row_factory=class_row(Reject)) as cur:
        await cur.execute(LIST, {"reason": reason, "waiting": True, "after": after, "limit": limit})
        return await cur.fetchall()


async def one(conn: Connection, reject_id: int) -> Reject:
    """One reject. Raises `NotFoundError`."""
    async with conn.cursor(row_factory=class_row(Reject)) as cur:
        await cur.execute(ONE, {"id": reject_id})
        found = await cur.fetchone()
    if found is None:
        raise NotFoundError("reject", reject_id)
    return found


async def original(conn: Connection, seal: Seal, reject_id: int) -> Original | None:
    """Topic and body of a reject, its row locked; None where the broker kept them."""
    row = await (await conn.execute(SEALED, {"id": reject_id})).fetchone()
    if row is None:
        raise NotFoundError("reject", reject_id)
    return None if row[0] is None else _open(seal, row[0])


async def mark_replayed(conn: Connection, reject_ids: Sequence[int]) -> None:
    """Say that what was refused is stored now."""
    await conn.execute(REPLAYED, {"ids": list(reject_ids)})


async def counts(conn: Connection) -> dict[str, int]:
    """How many were refused, by reason."""
    return dict(await (await conn.execute(COUNTS)).fetchall())


def _close(seal: Seal, topic: str, body: bytes) -> bytes:
    name = topic.encode()
    if len(name) > _LONGEST_TOPIC_BYTES:
        name = name[:_LONGEST_TOPIC_BYTES].decode(errors="ignore").encode()
    return seal.close(_TOPIC_LENGTH.pack(len(name)) + name + body, purpose=_PURPOSE)


def _open(seal: Seal, sealed: bytes) -> Original:
    plain = seal.open(sealed, purpose=_PURPOSE)
    start = _TOPIC_LENGTH.size
    (length,) = _TOPIC_LENGTH.unpack_from(plain)
    return Original(plain[start : start + length].decode(), plain[start + length :])
