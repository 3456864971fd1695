"""What there is to decode again: versions of a codebook, vehicles, days. `store.exchange` does the rest."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from psycopg import errors, sql
from psycopg.rows import class_row

from store.pool import Connection
from store.vehicles import VehicleRef
from vehicle.errors import ConflictError
from vehicle.vin import Vin

REDECODE_LOCK: Final = 0x0D0DEC0D
"""Advisory lock; an arbitrary number."""
_PATIENCE_S: Final = 15.0
"""A run that was killed lets go of it as soon as its server process has noticed."""
_PAGE: Final = 500

LOCK: Final = "select pg_advisory_lock(%(key)s)"
UNLOCK: Final = "select pg_advisory_unlock(%(key)s)"


async def lock(conn: Connection, *, patience_s: float = _PATIENCE_S) -> None:
    """Keep others from redecoding until `unlock` or the connection's end. Raises `ConflictError`."""
    try:
        async with conn.transaction():
            await conn.execute(sql.SQL("set local lock_timeout = {}").format(round(patience_s * 1000)))
            await conn.execute(LOCK, {"key": REDECODE_LOCK})
    except errors.LockNotAvailable as error:
        raise ConflictError("another redecode is at work: wait for its end") from error


async def unlock(conn: Connection) -> None:
    """Let the next one begin."""
    await conn.execute(UNLOCK, {"key": REDECODE_LOCK})


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A content of a codebook that has decoded something here."""

    id: int
    version: str
    known_at: datetime


VERSIONS: Final = """
    select id, version, known_at from codebook where name = %(name)s order by known_at, id
"""


async def versions(conn: Connection, name: str) -> list[StoredVersion]:
    """All contents of a codebook that ingest has used, oldest first."""
    async with conn.cursor(row_factory=class_row(StoredVersion)) as cur:
        await cur.execute(VERSIONS, {"name": name})
        return await cur.fetchall()


BOOKS: Final = "select id, name, version from codebook"


async def books(conn: Connection) -> list[tuple[int, str, str]]:
    """Number, name and version of everything that has ever decoded something."""
    return [(book, name, version) for book, name, version in await (await conn.execute(BOOKS)).fetchall()]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A vehicle that has something to be decoded again."""

    vehicle: VehicleRef
    public_id: UUID


@dataclass(frozen=True, slots=True)
class Choice:
    """Which vehicles: of some VINs, of a model, or all that are there."""

    vins: tuple[Vin, ...] | None = None
    model: str | None = None


_CHOSEN: Final = """
    from vehicle v
    where (%(vins)s::text[] is null or v.vin = any(%(vins)s::text[]))
      and (%(model)s::text is null or v.model = %(model)s::text)
      and v.id > %(after)s
      and (exists (select from segment s
                   where s.vehicle_id = v.id and s.at >= %(since)s and s.at < %(until)s
                     and s.codebook_id = any(%(books)s))
        or exists (select from raw_frame r
                   where r.vehicle_id = v.id and r.at >= %(since)s and r.at < %(until)s
                     and r.codebook_id = any(%(books)s)))
"""
COUNT: Final = f"select count(*) {_CHOSEN}"
PAGE: Final = f"""
    select v.id, v.vin, v.model, v.tz, v.built_on, v.registered_at is not null, v.location_allowed,
           v.public_id
    {_CHOSEN}
    order by v.id limit {_PAGE}
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run looks at: vehicles, a time that covers every zone's days, and versions by their number."""

    choice: Choice
    since: datetime
    until: datetime
    """Exclusive."""
    books: tuple[int, ...]

    def parameters(self, after: int = 0) -> dict[str, object]:
        """For `COUNT` and `PAGE`."""
        return {
            "vins": None if self.choice.vins is None else list(self.choice.vins),
            "model": self.choice.model,
            "since": self.since,
            "until": self.until,
            "books": list(self.books),
            "after": after,
        }


async def count(conn: Connection, scope: Scope) -> int:
    """How many vehicles have something that those versions have decoded."""
    row = await (await conn.execute(COUNT, scope.parameters())).fetchone()
    return int(row[0]) if row else 0


async def chosen(conn: Connection, scope: Scope) -> AsyncIterator[Chosen]:
    """Those vehicles, by number, read a page at a time."""
    after = 0
    while True:
        rows = await (await conn.execute(PAGE, scope.parameters(after))).fetchall()
        for *vehicle, public_id in rows:
            yield Chosen(VehicleRef(*vehicle), public_id)
        if len(rows) < _PAGE:
            return
        after = rows[-1][0]


@dataclass(frozen=True, slots=True)
class DayCount:
    """Messages of one day of a vehicle that certain versions have decoded."""

    day: date
    waiting_n: int
    """Their frames are there."""
    gone_n: int
    """Only their values are left."""


DAYS: Final = """
    with kept as (
        select boot, life, seq, codebook_id, width_bucket(at, %(bounds)s::timestamptz[]) as k
        from raw_frame
        where vehicle_id = %(vehicle_id)s
          and at >= %(since)s::timestamptz - interval '1 day' and at < %(until)s
    ), lost as (
        select width_bucket(min(s.at), %(bounds)s::timestamptz[]) as k
        from segment s left join kept r using (boot, life, seq)
        where s.vehicle_id = %(vehicle_id)s and s.at >= %(since)s and s.at < %(until)s
          and s.codebook_id = any(%(books)s) and r.seq is null
        group by boot, life, seq
    )
    select k, sum(waiting)::bigint, sum(gone)::bigint
    from (
        select k, count(*) as waiting, 0 as gone from kept
        where k > 0 and codebook_id = any(%(books)s) group by k
        union all
        select k, 0, count(*) from lost group by k
    ) as found
    group by k order by k
"""


async def days(
    conn: Connection,
    vehicle_id: int,
    days_of: Sequence[date],
    bounds: Sequence[datetime],
    books: Collection[int],
) -> list[DayCount]:
    """Days of a vehicle that have something, in order; day k begins at `bounds[k]`, ends before the next."""
    cur = await conn.execute(
        DAYS,
        {
            "vehicle_id": vehicle_id,
            "bounds": list(bounds),
            "since": bounds[0],
            "until": bounds[-1],
            "books": list(books),
        },
    )
    return [DayCount(days_of[k - 1], waiting, gone) for k, waiting, gone in await cur.fetchall()]
