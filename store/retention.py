"""How long what is kept: dated policies, what they let go now, and the passes that dropped it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Final

from psycopg import errors, sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.pool import Connection
from vehicle.errors import NotFoundError

RETENTION_LOCK: Final = 0x0D0C1EA9
"""Advisory lock: one pass at a time; an arbitrary number."""
ROWS: Final = 10_000
"""Rows that one statement deletes at most."""
_LOCK_S: Final = 10
"""Chunks that somebody reads for longer stay until the next pass."""

HYPERTABLES: Final = ("raw_frame", "raw_packet", "raw_answer", "segment")
"""Dropped by chunk: all rows of a span of event time at once."""
PLAIN: Final[Mapping[str, tuple[str, str]]] = {
    "reject": ("reject", "known_at < %(before)s"),
    "gap_closed": ("gap", "closed_at < %(before)s"),
    "gap_open": (  # of a boot that goes on, an acknowledgement would confirm what never came
        "gap",
        """
            closed_at is null and seen_at < %(before)s and not exists (
                select from boot_seen b
                where (b.vehicle_id, b.boot, b.life) = (gap.vehicle_id, gap.boot, gap.life)
                  and b.known_at >= %(before)s
            )
        """,
    ),
    "evaluation": (
        "evaluation",
        "finished_at < %(before)s and id not in (select evaluation_id from evaluated)",
    ),
    "identity": ("identity", "until_at < %(before)s"),
    "ledger_range": ("ledger_range", "last_at < %(before)s"),
    "retention_run": ("retention_run", "as_of < %(before)s"),
}
"""Deleted by row: kind to table and condition."""
LEDGER: Final = "message"
"""Folded, not dropped: `store.ledger_ranges`."""
PACKETS: Final = "message_gbt32960"
"""Rows of the ledger whose boot is a hash: deleted."""
KINDS: Final = frozenset({*HYPERTABLES, *PLAIN, LEDGER, PACKETS})
"""What this version can let go; a later one may have put more into the table of policies."""

POLICIES: Final = """
    select distinct on (kind) kind, keep_d, valid_from, reason
    from retention_policy where valid_from <= %(on)s order by kind, valid_from desc
"""
SET: Final = """
    insert into retention_policy (kind, valid_from, keep_d, reason)
    values (%(kind)s, %(valid_from)s, %(keep_d)s, %(reason)s)
    on conflict (kind, valid_from) do update set keep_d = excluded.keep_d, reason = excluded.reason
"""
CHUNKS: Final = """
    select count(*), coalesce(sum(pg_total_relation_size(c)), 0)::bigint
    from show_chunks(%(table)s::regclass, older_than => %(before)s::timestamptz) c
"""
DROP: Final = "select drop_chunks(%(table)s::regclass, older_than => %(before)s::timestamptz)"
PACKETS_DUE: Final = "select count(*) from message where boot < 0 and known_at < %(before)s"
FORGET_PACKETS: Final = """
    delete from message
    where ctid >= %(page)s::tid and ctid < %(end)s::tid and boot < 0 and known_at < %(before)s
"""
TIDY: Final = "vacuum (skip_locked) message, ledger_range"
TRY_LOCK: Final = "select pg_try_advisory_lock(%(key)s)"
UNLOCK: Final = "select pg_advisory_unlock(%(key)s)"
BEGIN: Final = """
    insert into retention_run (as_of, started_at) values (%(as_of)s, now()) returning id
"""
FINISH: Final = "update retention_run set finished_at = now(), report = %(report)s where id = %(id)s"
LAST: Final = """
    select as_of, started_at, finished_at, report from retention_run
    where finished_at is not null order by as_of desc, id desc limit 1
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long one kind of rows is kept."""

    kind: str
    keep_d: int | None
    """Days; None: without end."""
    valid_from: date
    reason: str


@dataclass(frozen=True, slots=True)
class Amount:
    """What a policy lets go."""

    kind: str
    rows: int = 0
    chunks: int = 0
    bytes: int = 0
    """Of the chunks; room in plain tables is used again."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A pass that has ended."""

    as_of: datetime
    started_at: datetime
    finished_at: datetime
    report: list[dict[str, Any]] = field(default_factory=list)
    """Amounts."""


async def policies(conn: Connection, on: date) -> list[Policy]:
    """The policies that are valid on a day, of all kinds that this version knows."""
    async with conn.cursor(row_factory=class_row(Policy)) as cur:
        await cur.execute(POLICIES, {"on": on})
        return [one for one in await cur.fetchall() if one.kind in KINDS]


async def set_policy(conn: Connection, policy: Policy) -> None:
    """Keep a kind for so long from a day on. Raises `NotFoundError` for a kind that there is not."""
    if policy.kind not in KINDS:
        raise NotFoundError("kind of rows", policy.kind)
    await conn.execute(SET, asdict(policy))


async def due(conn: Connection, kind: str, before: datetime) -> Amount:
    """What of a kind, but the ledger's own, is older than a moment."""
    if kind in HYPERTABLES:
        row = await (await conn.execute(CHUNKS, {"table": kind, "before": before})).fetchone()
        assert row is not None
        return Amount(kind, chunks=row[0], bytes=row[1])
    if kind == PACKETS:
        return Amount(kind, rows=await _count(conn, sql.SQL(PACKETS_DUE), before))
    table, condition = PLAIN[kind]
    query = sql.SQL("select count(*) from {} where ").format(sql.Identifier(table)) + sql.SQL(condition)
    return Amount(kind, rows=await _count(conn, query, before))


async def _count(conn: Connection, query: sql.SQL | sql.Composed, before: datetime) -> int:
    row = await (await conn.execute(query, {"before": before})).fetchone()
    assert row is not None
    return int(row[0])


async def drop_chunks(conn: Connection, table: str, before: datetime) -> Amount:
    """Drop the chunks of a hypertable that end before a moment of event time, unless somebody holds them."""
    try:
        async with conn.transaction():
            await conn.execute(sql.SQL("set local lock_timeout = {}").format(_LOCK_S * 1000))
            amount = await due(conn, table, before)
            await conn.execute(DROP, {"table": table, "before": before})
    except errors.LockNotAvailable:
        return Amount(table, note="in use: left for the next pass")
    return amount


async def delete_some(conn: Connection, kind: str, before: datetime) -> int:
    """Delete at most `ROWS` rows of a plain table that are older than a moment; how many they were."""
    table, condition = PLAIN[kind]
    query = sql.SQL("delete from {} where ctid = any(array(select ctid from {} where ").format(
        sql.Identifier(table), sql.Identifier(table)
    )
    query += sql.SQL(condition) + sql.SQL(" limit {}))").format(ROWS)
    return (await conn.execute(query, {"before": before})).rowcount


async def forget_packets(conn: Connection, pages: tuple[int, int], before: datetime) -> int:
    """Delete GB/T 32960 packets from a slice of the ledger; how many they were."""
    parameters = {"page": f"({pages[0]},0)", "end": f"({pages[1]},0)", "before": before}
    return (await conn.execute(FORGET_PACKETS, parameters)).rowcount


async def tidy_ledger(conn: Connection) -> None:
    """Let the ledger's room be used again now: one night's rows are too few for PostgreSQL to do so itself.

    `conn` must be in autocommit mode.
    """
    await conn.execute(TIDY)


async def try_lock(conn: Connection) -> bool:
    """Whether this connection may make the pass; nobody else does until `unlock` or its end."""
    row = await (await conn.execute(TRY_LOCK, {"key": RETENTION_LOCK})).fetchone()
    return row == (True,)


async def unlock(conn: Connection) -> None:
    """Let the next one."""
    await conn.execute(UNLOCK, {"key": RETENTION_LOCK})


async def begin(conn: Connection, as_of: datetime) -> int:
    """Note that a pass begins; its number."""
    row = await (await conn.execute(BEGIN, {"as_of": as_of})).fetchone()
    assert row is not None
    return int(row[0])


async def finish(conn: Connection, run: int, report: Sequence[Amount]) -> None:
    """Note what a pass has dropped."""
    await conn.execute(FINISH, {"id": run, "report": Jsonb([asdict(one) for one in report])})


async def last(conn: Connection) -> Run | None:
    """The newest pass that has ended."""
    async with conn.cursor(row_factory=class_row(Run)) as cur:
        await cur.execute(LAST)
        return await cur.fetchone()
