"""Raw answers: what `diag` messages carried, kept so that a corrected file of identifiers can read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from store.pool import Connection
from vehicle.day import at_of

Answer = tuple[int, str, bytes, bytes | None]
"""`dt_us`, ECU, payload, request."""

ADD: Final = """
    insert into raw_answer (vehicle_id, at, boot, life, seq, codebook_id, answers)
    select * from unnest(
        %(vehicle_id)s::bigint[], %(at)s::timestamptz[], %(boot)s::bigint[], %(life)s::smallint[],
        %(seq)s::bigint[], %(codebook_id)s::integer[], %(answers)s::bytea[]
    )
"""
READ: Final = """
    select answers from raw_answer
    where vehicle_id = %(vehicle_id)s and at = %(at)s
      and boot = %(boot)s and life = %(life)s and seq = %(seq)s
"""


@dataclass(frozen=True, slots=True)
class RawAnswers:
    """The answers of one message."""

    vehicle_id: int
    t0_us: int
    boot: int
    life: int
    seq: int
    codebook_id: int | None
    answers: Sequence[Answer]


async def append(conn: Connection, messages: Sequence[RawAnswers]) -> None:
    """Store the answers of many messages."""
    if messages:
        await conn.execute(
            ADD,
            {
                "vehicle_id": [one.vehicle_id for one in messages],
                "at": [at_of(one.t0_us) for one in messages],
                "boot": [one.boot for one in messages],
                "life": [one.life for one in messages],
                "seq": [one.seq for one in messages],
                "codebook_id": [one.codebook_id for one in messages],
                "answers": [msgspec.msgpack.encode(one.answers) for one in messages],
            },
        )


async def of_message(conn: Connection, key: tuple[int, int, int, int], t0_us: int) -> list[Answer]:
    """The answers of one message (vehicle, boot, life, seq); none where they were not kept."""
    vehicle_id, boot, life, seq = key
    asked = {"vehicle_id": vehicle_id, "at": at_of(t0_us), "boot": boot, "life": life, "seq": seq}
    row = await (await conn.execute(READ, asked)).fetchone()
    return [] if row is None else _ANSWERS.decode(row[0])


_ANSWERS: Final = msgspec.msgpack.Decoder(list[Answer])
