"""Raw frames: what a CAN message carried, kept so that a corrected signal file can decode it again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.rows import class_row

from store import binary_copy
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
