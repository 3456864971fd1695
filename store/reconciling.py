"""What the store holds of messages that somebody says were sent, for `odocare reconcile`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from store import arrays, unpacked
from store.pool import Connection
from vehicle.day import at_of
from vehicle.errors import MigrationError

_PORTION: Final = 500
"""Segments that are unpacked at once."""

Key = tuple[str, int, int]
"""VIN, boot, sequence number."""

LEDGER: Final = """
    select v.vin, m.boot, m.seq, m.life, m.body_hash
    from vehicle v join message m on m.vehicle_id = v.id
    where v.vin = any(%(vins)s) and m.boot = any(%(boots)s)
"""
FOLDED: Final = """
    select v.vin, r.boot, s.seq, r.life, null::bigint
    from vehicle v join ledger_range r on r.vehicle_id = v.id
    cross join lateral unnest(r.numbers) as n (span)
    cross join lateral generate_series(lower(n.span), upper(n.span) - 1) as s (seq)
    where v.vin = any(%(vins)s) and r.boot = any(%(boots)s)
"""
REFUSED: Final = """
    select v.vin, r.boot, r.seq, r.body_hash, r.reason
    from reject r left join vehicle v on v.id = r.vehicle_id
    where r.whole and r.replayed_at is null
      and (v.vin = any(%(vins)s) and r.boot = any(%(boots)s) or r.body_hash = any(%(hashes)s))
"""
PARTLY: Final = """
    select v.vin, r.boot, r.seq from reject r join vehicle v on v.id = r.vehicle_id
    where not r.whole and v.vin = any(%(vins)s) and r.boot = any(%(boots)s)
"""
OPEN_GAPS: Final = """
    select v.vin, g.boot, g.first_seq, g.last_seq
    from vehicle v join gap g on g.vehicle_id = v.id
    where v.vin = any(%(vins)s) and g.boot = any(%(boots)s) and g.closed_at is null
"""
BODIES: Final = """
    select boot, life, seq, (extract(epoch from at) * 1000000)::bigint, body
    from segment
    where vehicle_id = %(vehicle_id)s and boot = any(%(boots)s) and at >= %(since)s and at <= %(until)s
"""
SEVERAL: Final = """
    select v.vin, s.boot, s.seq
    from vehicle v join segment s on s.vehicle_id = v.id
    where v.vin = any(%(vins)s) and s.boot = any(%(boots)s)
      and s.at >= %(since)s and s.at <= %(until)s
    group by v.vin, s.boot, s.life, s.seq having count(*) > 1
"""
HAS: Final = "select to_regclass(%(table)s) is not null"
TRIGGERS: Final = "select id, feed, revision from trigger"
COUNTS: Final = "select (select count(*) from message), (select count(*) from reject where whole)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    key: Key
    life: int
    body_hash: int | None
    """None: folded, the ledger only remembers the number."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was refused as a whole."""

    key: Key | None
    """None: its envelope could not be read."""
    body_hash: int
    """Of topic and body."""
    reason: str


@dataclass(frozen=True, slots=True)
class Values:
    """Stored values of one vehicle as columns, in no order."""

    boot: NDArray[np.int64]
    life: NDArray[np.int64]
    seq: NDArray[np.int64]
    signal: NDArray[np.int64]
    t_us: NDArray[np.int64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.boot)


async def entries(conn: Connection, vins: Sequence[str], boots: Sequence[int]) -> list[Entry]:
    """All accepted messages of these vehicles in these boots, whatever their numbers."""
    wanted = {"vins": list(vins), "boots": list(boots)}
    found = []
    statements = [LEDGER, FOLDED] if await has_table(conn, "ledger_range") else [LEDGER]
    for statement in statements:
        rows = await (await conn.execute(statement, wanted)).fetchall()
        found += [Entry((vin, boot, seq), life, body_hash) for vin, boot, seq, life, body_hash in rows]
    return found


async def refused(
    conn: Connection, vins: Sequence[str], boots: Sequence[int], hashes: Sequence[int]
) -> list[Refused]:
    """What was refused of these vehicles in these boots, and what has these hashes of topic and body."""
    wanted = {"vins": list(vins), "boots": list(boots), "hashes": list(hashes)}
    rows = await (await conn.execute(REFUSED, wanted)).fetchall()
    return [
        Refused(None if vin is None or seq is None else (vin, boot, seq), body_hash, reason)
        for vin, boot, seq, body_hash, reason in rows
    ]


async def partly_refused(conn: Connection, vins: Sequence[str], boots: Sequence[int]) -> set[Key]:
    """Stored messages of which a part was refused."""
    cur = await conn.execute(PARTLY, {"vins": list(vins), "boots": list(boots)})
    return {(vin, boot, seq) for vin, boot, seq in await cur.fetchall()}


async def open_gaps(
    conn: Connection, vins: Sequence[str], boots: Sequence[int]
) -> list[tuple[str, int, int, int]]:
    """VIN, boot, first and last number of what is missing. Raises `MigrationError` without the table."""
    if not await has_table(conn, "gap"):
        raise MigrationError("this schema keeps no gaps: run `odocare migrate`")
    cur = await conn.execute(OPEN_GAPS, {"vins": list(vins), "boots": list(boots)})
    return [(vin, boot, first, last) for vin, boot, first, last in await cur.fetchall()]


async def values(
    conn: Connection, vehicle_id: int, boots: Sequence[int], *, since_us: int, until_us: int
) -> AsyncIterator[Values]:
    """Every stored value of a vehicle within a span, with the message it came in; segment by segment."""
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            BODIES,
            {
                "vehicle_id": vehicle_id,
                "boots": list(boots),
                "since": at_of(since_us),
                "until": at_of(until_us),
            },
            binary=True,
        )
        rows = await cur.fetchall()
    for start in range(0, len(rows), _PORTION):
        portion = rows[start : start + _PORTION]
        found = await unpacked.read(conn, [row[4] for row in portion])
        boot, life, seq, at_us = np.array([row[:4] for row in portion], dtype=np.int64).T[:, found.body]
        signal = found.signal.astype(np.int64)
        yield Values(boot, life, seq, signal, at_us + found.dt_us, found.value)


async def several_segments(
    conn: Connection, vins: Sequence[str], boots: Sequence[int], *, since_us: int, until_us: int
) -> set[Key]:
    """Messages with more than one segment: of which a part came later, or doubled ones."""
    cur = await conn.execute(
        SEVERAL,
        {
            "vins": list(vins),
            "boots": list(boots),
            "since": at_of(since_us),
            "until": at_of(until_us),
        },
    )
    return {(vin, boot, seq) for vin, boot, seq in await cur.fetchall()}


async def triggers(conn: Connection) -> list[tuple[UUID, str, int]]:
    """Every trigger with its feed and its newest revision."""
    return await (await conn.execute(TRIGGERS)).fetchall()


async def counts(conn: Connection) -> tuple[int, int]:
    """Messages in the ledger and messages refused, of all vehicles."""
    row = await (await conn.execute(COUNTS)).fetchone()
    assert row is not None
    return row[0], row[1]


async def has_table(conn: Connection, table: str) -> bool:
    """Whether the schema has it."""
    row = await (await conn.execute(HAS, {"table": table})).fetchone()
    return row is not None and bool(row[0])
