"""Raw frames: what a CAN message carried, kept so that a corrected signal file can decode it again."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from psycopg.rows import class_row

from store import binary_copy
from store.messages import MessageKeys
from store.pool import Connection
from vehicle.day import at_of

COPY: Final = """
    copy raw_frame (vehicle_id, at, boot, life, seq, codebook_id, dt_us, can_id, bus, length, data)
    from stdin (format binary)
"""
_FIELDS: Final = 11

READ: Final = """
    select vehicle_id, (extract(epoch from at) * 1000000)::bigint as t0_us, boot, life, seq, codebook_id,
           dt_us, can_id, bus, length, data
    from raw_frame
    where vehicle_id = %(vehicle_id)s and at = %(at)s
      and boot = %(boot)s and life = %(life)s and seq = %(seq)s
"""

SPANNING: Final = """
    select vehicle_id, (extract(epoch from at) * 1000000)::bigint as t0_us, boot, life, seq, codebook_id,
           dt_us, can_id, bus, length, data
    from raw_frame
    where vehicle_id = %(vehicle_id)s and at >= %(since)s and at < %(until)s and codebook_id = any(%(books)s)
    order by at, boot, life, seq
"""
PORTION_FRAMES: Final = 20_000
"""A portion of messages is full with so many frames, more or less."""
_FETCHED: Final = 50


@dataclass(frozen=True, slots=True)
class RawFrames:
    """The frames of one message; columns little-endian as on the wire."""

    vehicle_id: int
    t0_us: int
    """From which `dt_us` counts, microseconds since 1970 UTC."""
    boot: int
    life: int
    seq: int
    codebook_id: int | None
    dt_us: bytes
    """uint32 per frame."""
    can_id: bytes
    """uint32 per frame, bit 31 set for an extended identifier."""
    bus: bytes
    length: bytes
    data: bytes
    """Payloads, one behind the other."""


async def append(conn: Connection, messages: Sequence[RawFrames]) -> None:
    """Store the frames of many messages."""
    if messages:
        await binary_copy.write(conn, COPY, _rows(messages))


async def of_message(
    conn: Connection, *, vehicle_id: int, t0_us: int, boot: int, life: int, seq: int
) -> RawFrames | None:
    """The frames of one message; None where they were never kept or have been dropped."""
    key = {"vehicle_id": vehicle_id, "at": at_of(t0_us), "boot": boot, "life": life, "seq": seq}
    async with conn.cursor(binary=True, row_factory=class_row(RawFrames)) as cur:
        await cur.execute(READ, key)
        return await cur.fetchone()


async def spanning(
    conn: Connection, vehicle_id: int, *, since: datetime, until: datetime, books: Collection[int]
) -> AsyncIterator[list[RawFrames]]:
    """Messages that began in a span and were decoded by those versions, in portions. Needs a transaction.

    What the transaction writes meanwhile is not seen.
    """
    wanted = {"vehicle_id": vehicle_id, "since": since, "until": until, "books": list(books)}
    portion: list[RawFrames] = []
    frames_n = 0
    async with conn.cursor(name="raw_frames", binary=True, row_factory=class_row(RawFrames)) as cur:
        cur.itersize = _FETCHED
        await cur.execute(SPANNING, wanted)
        async for message in cur:
            portion.append(message)
            frames_n += len(message.length)
            if frames_n >= PORTION_FRAMES:
                yield portion
                portion, frames_n = [], 0
    if portion:
        yield portion


def keys_of(messages: Sequence[RawFrames]) -> MessageKeys:
    """The names of messages as columns."""
    return MessageKeys(
        vehicle_id=np.array([one.vehicle_id for one in messages], dtype=np.int64),
        boot=np.array([one.boot for one in messages], dtype=np.int64),
        life=np.array([one.life for one in messages], dtype=np.int64),
        seq=np.array([one.seq for one in messages], dtype=np.int64),
    )


def _rows(messages: Sequence[RawFrames]) -> Iterator[bytes]:
    for one in messages:
        yield b"".join(
            (
                binary_copy.count(_FIELDS),
                binary_copy.int8(one.vehicle_id),
                binary_copy.timestamp(one.t0_us),
                binary_copy.int8(one.boot),
                binary_copy.int2(one.life),
                binary_copy.int8(one.seq),
                binary_copy.int4(one.codebook_id),
                binary_copy.octets(one.dt_us),
                binary_copy.octets(one.can_id),
                binary_copy.octets(one.bus),
                binary_copy.octets(one.length),
                binary_copy.octets(one.data),
            )
        )
