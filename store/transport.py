"""Unfinished transports (J1939, ISO-TP) between one message of a vehicle and the next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from psycopg.rows import class_row

from store import arrays
from store.pool import Connection

Start = tuple[int, int, int]
"""Vehicle, boot, life: one start of a T-Box."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The messages of one T-Box start that a batch changes something about."""

    vehicle_id: int
    boot: int
    life: int
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A stored CAN message, and what was unfinished at its end."""

    vehicle_id: int
    boot: int
    life: int
    seq: int
    t0_us: int
    carry: bytes | None
    """J1939 transfers."""
    isotp: bytes | None = None
    """ISO-TP payloads and unanswered requests."""
    follows: bool = True
    """No sequence number is missing between the CAN message before it, among those read, and this one."""


MOST_BETWEEN: Final = 1000
"""Messages of other kinds between two CAN messages; with more of them nothing can be unfinished any more."""

AROUND: Final = """
    select n.vehicle_id, n.boot, n.life, n.seq, n.t0_us, n.carry, n.isotp,
           case when n.seq - n.before <= 1 then true
                when n.seq - n.before > %(most)s then false
                else coalesce(n.seq - n.before - 1 = (
                    select count(*) from message b
                    where b.vehicle_id = n.vehicle_id and b.boot = n.boot and b.life = n.life
                      and b.seq > n.before and b.seq < n.seq
                ), true) end as follows
    from (
    select m.vehicle_id, m.boot, m.life, m.seq,
           (extract(epoch from m.happened_at) * 1000000)::bigint as t0_us, t.carry, t.isotp,
           lag(m.seq) over (partition by m.vehicle_id, m.boot, m.life order by m.seq) as before
    from unnest(
        %(vehicle_id)s::bigint[], %(boot)s::bigint[], %(life)s::smallint[], %(first)s::bigint[],
        %(last)s::bigint[]
    ) as c (vehicle_id, boot, life, first_seq, last_seq)
    cross join lateral (
        (select * from message m
         where m.vehicle_id = c.vehicle_id and m.boot = c.boot and m.life = c.life and m.kind = 'can'
           and m.seq < c.first_seq
         order by m.seq desc limit 1)
        union all
        (select * from message m
         where m.vehicle_id = c.vehicle_id and m.boot = c.boot and m.life = c.life and m.kind = 'can'
           and m.seq between c.first_seq and c.last_seq)
        union all
        (select * from message m
         where m.vehicle_id = c.vehicle_id and m.boot = c.boot and m.life = c.life and m.kind = 'can'
           and m.seq > c.last_seq
         order by m.seq limit 1)
    ) m
    left join transport_carry t
      on t.vehicle_id = m.vehicle_id and t.boot = m.boot and t.life = m.life and t.seq = m.seq
    ) n
    order by n.vehicle_id, n.boot, n.life, n.seq
"""
UNFINISHED: Final = """
    select distinct c.vehicle_id, c.boot, c.life
    from unnest(%(vehicle_id)s::bigint[], %(boot)s::bigint[], %(life)s::smallint[])
        as c (vehicle_id, boot, life)
    where exists (
        select from transport_carry t
        where t.vehicle_id = c.vehicle_id and t.boot = c.boot and t.life = c.life
    )
"""
DROP: Final = """
    delete from transport_carry t
    using unnest(%(vehicle_id)s::bigint[], %(boot)s::bigint[], %(life)s::smallint[], %(seq)s::bigint[])
        as k (vehicle_id, boot, life, seq)
    where t.vehicle_id = k.vehicle_id and t.boot = k.boot and t.life = k.life and t.seq = k.seq
"""
KEEP: Final = """
    insert into transport_carry as t (vehicle_id, boot, life, seq, carry, isotp)
    select * from unnest(
        %(vehicle_id)s::bigint[], %(boot)s::bigint[], %(life)s::smallint[], %(seq)s::bigint[],
        %(carry)s::bytea[], %(isotp)s::bytea[]
    )
    on conflict (vehicle_id, boot, life, seq) do update set carry = excluded.carry, isotp = excluded.isotp
"""


async def around(conn: Connection, chains: Sequence[Chain]) -> list[ChainLink]:
    """The stored CAN messages of each chain, with the one before and the one after it, in order."""
    if not chains:
        return []
    async with conn.cursor(binary=True, row_factory=class_row(ChainLink)) as cur:
        await cur.execute(
            AROUND,
            {
                "vehicle_id": [chain.vehicle_id for chain in chains],
                "boot": [chain.boot for chain in chains],
                "life": [chain.life for chain in chains],
                "first": [chain.first_seq for chain in chains],
                "last": [chain.last_seq for chain in chains],
                "most": MOST_BETWEEN,
            },
        )
        return await cur.fetchall()


async def unfinished(conn: Connection, starts: Iterable[Start]) -> set[Start]:
    """Those of some T-Box starts in which a message left something unfinished."""
    wanted = sorted(set(starts))
    if not wanted:
        return set()
    vehicle_id, boot, life = np.array(wanted, dtype=np.int64).T
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            UNFINISHED,
            {
                "vehicle_id": arrays.int8s(vehicle_id),
                "boot": arrays.int8s(boot),
                "life": arrays.int2s(life),
            },
        )
        return {(vehicle, of_boot, of_life) for vehicle, of_boot, of_life in await cur.fetchall()}


async def after(conn: Connection, link: ChainLink) -> ChainLink | None:
    """The stored CAN message that follows another one of the same T-Box start."""
    one = Chain(link.vehicle_id, link.boot, link.life, link.seq, link.seq)
    following = [found for found in await around(conn, [one]) if found.seq > link.seq]
    return following[0] if following else None


async def keep(conn: Connection, links: Iterable[ChainLink]) -> None:
    """Write what each message left unfinished; nothing at all removes its row."""
    changed = list(links)
    for statement, mine in ((KEEP, True), (DROP, False)):
        chosen = [link for link in changed if (link.carry is not None or link.isotp is not None) is mine]
        if not chosen:
            continue
        columns: dict[str, list[object]] = {
            "vehicle_id": [link.vehicle_id for link in chosen],
            "boot": [link.boot for link in chosen],
            "life": [link.life for link in chosen],
            "seq": [link.seq for link in chosen],
        }
        if mine:
            columns["carry"] = [link.carry for link in chosen]
            columns["isotp"] = [link.isotp for link in chosen]
        await conn.execute(statement, columns)
