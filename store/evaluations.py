"""The evaluation loop's own record: what is to do, who has it, how far it has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from store.pool import Connection


@dataclass(frozen=True, slots=True)
class Claim:
    """Vehicles that this transaction holds; no other evaluation gets them before it ends."""

    vehicle_ids: list[int]
    touches: dict[int, str]
    """Vehicle to the version of its row in `touched`, as it was when the vehicle was claimed."""


CLAIM_TOUCHED: Final = """
    select v.id, t.xmin::text
    from touched t join vehicle v on v.id = t.vehicle_id left join held_back h on h.vehicle_id = v.id
        left join evaluated e on e.vehicle_id = v.id
    where (v.registered_at is not null) = %(registered)s and (v.registered_at is not null or not t.cleaned)
        and (h.until is null or h.until <= now())
        and (%(urgent)s::boolean is null or t.urgent = %(urgent)s)
        and (t.urgent or e.as_of is null or %(rested)s::timestamptz is null or e.as_of <= %(rested)s)
    order by t.urgent desc, case when t.urgent then e.as_of end nulls first, t.touched_at, v.id
    limit %(limit)s
    for no key update of v skip locked
"""  # not `for update`: that would make ingest wait, whose rows refer to the vehicle


async def claim_touched(
    conn: Connection,
    limit: int,
    *,
    registered: bool = True,
    rested: datetime | None = None,
    urgent: bool | None = None,
) -> Claim:
    """Take some vehicles whose data changed, urgent ones first, then the longest waiting.

    Registered ones, or others; urgent ones, or others, or (None) both. Those that are not urgent and were
    evaluated as of later than `rested` wait. Of the urgent ones, which stay so while they send, the one
    that was evaluated longest ago comes first.
    """
    wanted = {"limit": limit, "registered": registered, "rested": rested, "urgent": urgent}
    rows = await (await conn.execute(CLAIM_TOUCHED, wanted)).fetchall()
    return Claim([row[0] for row in rows], {row[0]: row[1] for row in rows})


CLAIM_NOT_YET: Final = """
    select v.id, t.xmin::text
    from vehicle v left join touched t on t.vehicle_id = v.id left join evaluated e on e.vehicle_id = v.id
        left join held_back h on h.vehicle_id = v.id
    where v.registered_at is not null and v.id > %(after)s and (e.as_of is null or e.as_of < %(as_of)s)
        and (h.until is null or h.until <= now())
    order by v.id limit %(limit)s
    for no key update of v skip locked
"""


async def claim_not_yet(conn: Connection, *, as_of: datetime, after: int, limit: int) -> Claim:
    """Take some registered vehicles above an id that have not been evaluated as of that moment, by id."""
    wanted = {"as_of": as_of, "after": after, "limit": limit}
    rows = await (await conn.execute(CLAIM_NOT_YET, wanted)).fetchall()
    return Claim([row[0] for row in rows], {row[0]: row[1] for row in rows if row[1] is not None})


CLAIM_SOME: Final = """
    select v.id, t.xmin::text
    from vehicle v left join touched t on t.vehicle_id = v.id
    where v.id = any(%(ids)s) and (v.registered_at is not null) = %(registered)s
    order by v.id
    for no key update of v skip locked
"""


async def claim_some(conn: Connection, vehicle_ids: Sequence[int], *, registered: bool = True) -> Claim:
    """Take those of some vehicles that nobody else holds."""
    wanted = {"ids": list(vehicle_ids), "registered": registered}
    rows = await (await conn.execute(CLAIM_SOME, wanted)).fetchall()
    return Claim([row[0] for row in rows], {row[0]: row[1] for row in rows if row[1] is not None})


NOT_YET: Final = """
    select count(*)
    from vehicle v left join evaluated e on e.vehicle_id = v.id left join held_back h on h.vehicle_id = v.id
    where v.registered_at is not null and (e.as_of is null or e.as_of < %(as_of)s)
        and (h.until is null or h.until <= now())
"""


async def count_not_yet(conn: Connection, *, as_of: datetime) -> int:
    """How many registered vehicles are still to be evaluated as of that moment."""
    row = await (await conn.execute(NOT_YET, {"as_of": as_of})).fetchone()
    assert row is not None
    return int(row[0])


UNTOUCH: Final = """
    with still as (
        select t.vehicle_id
        from touched t join unnest(%(ids)s::bigint[], %(versions)s::text[]) as c (vehicle_id, version)
            on c.vehicle_id = t.vehicle_id and c.version = t.xmin::text
        order by t.vehicle_id
        for update of t skip locked
    )
    delete from touched t using still s where s.vehicle_id = t.vehicle_id
"""  # a row that ingest is just touching again is locked: it stays, and nobody waits


async def untouch(conn: Connection, claim: Claim) -> None:
    """Take vehicles off the list, but for those touched again since they were claimed."""
    await conn.execute(
        UNTOUCH, {"ids": list(claim.touches), "versions": [claim.touches[key] for key in claim.touches]}
    )


CLEANED: Final = """
    with still as (
        select t.vehicle_id
        from touched t join unnest(%(ids)s::bigint[], %(versions)s::text[]) as c (vehicle_id, version)
            on c.vehicle_id = t.vehicle_id and c.version = t.xmin::text
        order by t.vehicle_id
        for update of t skip locked
    )
    update touched t set cleaned = true from still s where s.vehicle_id = t.vehicle_id
"""  # it stays on the list: once it is registered, it is evaluated


async def mark_cleaned(conn: Connection, claim: Claim) -> None:
    """Note that the odometers of unregistered vehicles are done, but for those touched again since."""
    await conn.execute(
        CLEANED, {"ids": list(claim.touches), "versions": [claim.touches[key] for key in claim.touches]}
    )


LAST_AS_OF: Final = "select max(as_of) from evaluation"


async def last_as_of(conn: Connection) -> datetime | None:
    """The latest moment any vehicle was evaluated as of: no evaluation goes behind it."""
    row = await (await conn.execute(LAST_AS_OF)).fetchone()
    return None if row is None else row[0]


BEGIN: Final = """
    insert into evaluation (as_of, scope) values (%(as_of)s, %(scope)s) returning id
"""


async def begin(conn: Connection, *, as_of: datetime, scope: str) -> int:
    """Start a record of a pass (`scope` is `touched` or `all`); returns its id."""
    row = await (await conn.execute(BEGIN, {"as_of": as_of, "scope": scope})).fetchone()
    assert row is not None
    return int(row[0])


MARK: Final = """
    insert into evaluated (vehicle_id, evaluation_id, as_of)
    select id, %(evaluation_id)s, %(as_of)s from unnest(%(ids)s::bigint[]) as id order by id
    on conflict (vehicle_id) do update set evaluation_id = excluded.evaluation_id, as_of = excluded.as_of
"""
RELEASE: Final = "delete from held_back where vehicle_id = any(%(ids)s)"
COUNT: Final = """
    update evaluation set vehicles_n = vehicles_n + %(vehicles_n)s where id = %(evaluation_id)s
"""


async def mark(conn: Connection, evaluation_id: int, vehicle_ids: Sequence[int], *, as_of: datetime) -> None:
    """Write down that vehicles have been evaluated."""
    ids = list(vehicle_ids)
    await conn.execute(MARK, {"evaluation_id": evaluation_id, "ids": ids, "as_of": as_of})
    await conn.execute(RELEASE, {"ids": ids})
    await conn.execute(COUNT, {"evaluation_id": evaluation_id, "vehicles_n": len(ids)})


FINISH: Final = (
    "update evaluation set finished_at = now(), failed_n = %(failed_n)s where id = %(evaluation_id)s"
)


async def finish(conn: Connection, evaluation_id: int, *, failed_n: int) -> None:
    """Close the record of a pass."""
    await conn.execute(FINISH, {"evaluation_id": evaluation_id, "failed_n": failed_n})


HOLD: Final = """
    with held as (
        insert into held_back (vehicle_id, failures_n, until, reason)
        values (%(vehicle_id)s, 1, now() + interval '1 minute', %(reason)s)
        on conflict (vehicle_id) do update set
            failures_n = held_back.failures_n + 1, reason = excluded.reason,
            until = now() + least(interval '1 day', interval '1 minute' * 2 ^ least(held_back.failures_n, 12))
        returning failures_n
    ), again as (
        insert into touched (vehicle_id, from_day)
        values (%(vehicle_id)s, (now() at time zone 'UTC')::date)
        on conflict (vehicle_id) do nothing
    )
    select failures_n from held
"""  # a day in UTC, for the vehicle's own time zone may be what fails


async def hold_back(conn: Connection, vehicle_id: int, reason: str) -> int:
    """Leave a vehicle alone for 1, 2, 4, … minutes, a day at most; returns how often it failed in a row.

    It is touched, so that it is tried again as soon as the hold is over, even if only a pass over all had it.
    """
    row = await (await conn.execute(HOLD, {"vehicle_id": vehicle_id, "reason": reason})).fetchone()
    assert row is not None
    return int(row[0])


FINISHED: Final = """
    select exists (
        select from evaluation where scope = 'all' and as_of >= %(as_of)s and finished_at is not null
    )
"""  # or later: a clock that was set back asks for the pass before the last one


async def is_finished(conn: Connection, *, as_of: datetime) -> bool:
    """Whether a pass over all vehicles as of that moment, or of a later one, has been finished."""
    row = await (await conn.execute(FINISHED, {"as_of": as_of})).fetchone()
    return bool(row and row[0])
