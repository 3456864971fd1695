"""Recall campaigns: which vehicles are in, and how far each campaign has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg.rows import class_row

from store import touched
from store.pool import Connection
from vehicle.vin import Vin


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign of a maker or an authority."""

    id: str
    title_zh: str
    title_en: str
    remedy_zh: str
    remedy_en: str
    do_not_drive: bool
    parts_ready: bool
    opened_on: date
    closed_on: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Enlisted:
    """What an import did to the list of vehicles."""

    added: int
    reopened: int
    """Had been removed before."""
    already: int
    """Open in it before; nothing changed."""
    remedied: int
    """Remedied before: an import never opens them again."""
    touched: int
    """Registered vehicles that will be evaluated again."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """How far one campaign has come, in vehicles."""

    id: str
    title_zh: str
    title_en: str
    opened_on: date
    closed_on: date | None
    do_not_drive: bool
    total_n: int
    open_n: int
    notified_n: int
    """Open, and a contact about it was reported."""
    remedied_n: int
    removed_n: int
    registered_n: int
    unregistered_n: int
    """They send data, but nobody has registered them."""
    unknown_n: int
    """Never seen and not registered; linked when they are."""


FIND: Final = """
    select id, title_zh, title_en, remedy_zh, remedy_en, do_not_drive, parts_ready, opened_on, closed_on,
        source
    from campaign where id = %(id)s
"""


async def find(conn: Connection, campaign_id: str) -> Campaign | None:
    """One campaign; None where there is none."""
    async with conn.cursor(row_factory=class_row(Campaign)) as cur:
        return await (await cur.execute(FIND, {"id": campaign_id})).fetchone()


PUT: Final = """
    insert into campaign (
        id, title_zh, title_en, remedy_zh, remedy_en, do_not_drive, parts_ready, opened_on, closed_on, source
    ) values (
        %(id)s, %(title_zh)s, %(title_en)s, %(remedy_zh)s, %(remedy_en)s, %(do_not_drive)s, %(parts_ready)s,
        %(opened_on)s, %(closed_on)s, %(source)s
    )
    on conflict (id) do update set
        title_zh = excluded.title_zh, title_en = excluded.title_en, remedy_zh = excluded.remedy_zh,
        remedy_en = excluded.remedy_en, do_not_drive = excluded.do_not_drive,
        parts_ready = excluded.parts_ready, opened_on = excluded.opened_on, closed_on = excluded.closed_on,
        source = excluded.source
    where (campaign.*) is distinct from (excluded.*)
    returning 1
"""

TOUCH: Final = """
    insert into touched (vehicle_id, from_day)
    select v.id, (now() at time zone v.tz)::date
    from vehicle v join campaign_vehicle cv on cv.vin = v.vin
    where cv.campaign_id = %(id)s and v.registered_at is not null
        and (%(vins)s::text[] is null or cv.vin = any(%(vins)s::text[]))
    order by v.id
    on conflict (vehicle_id) do update
        set from_day = least(touched.from_day, excluded.from_day), touched_at = excluded.touched_at
"""


async def put(conn: Connection, campaign: Campaign) -> bool:
    """Store a campaign's own fields; where they are new or changed (True), all its vehicles are touched."""
    fields = {name: getattr(campaign, name) for name in Campaign.__slots__}
    changed = await (await conn.execute(PUT, fields)).fetchone() is not None
    if changed:
        await _touch(conn, campaign.id, None)
    return changed


BEFORE: Final = """
    select state, count(*) from campaign_vehicle
    where campaign_id = %(id)s and vin = any(%(vins)s) group by state
"""
ENLIST: Final = """
    insert into campaign_vehicle (campaign_id, vin)
    select %(id)s, vin from unnest(%(vins)s::text[]) as vin order by vin
    on conflict (campaign_id, vin) do update set state = 'open', remedied_at = null
        where campaign_vehicle.state = 'removed'
    returning vin
"""


async def enlist(conn: Connection, campaign_id: str, vins: Sequence[Vin]) -> Enlisted:
    """Put vehicles into a campaign, known to us or not; nothing is taken out."""
    wanted = {"id": campaign_id, "vins": sorted(set(vins))}
    rows = await (await conn.execute(BEFORE, wanted)).fetchall()
    before = {str(row[0]): int(row[1]) for row in rows}
    changed = [row[0] for row in await (await conn.execute(ENLIST, wanted)).fetchall()]
    marked = await _touch(conn, campaign_id, changed) if changed else 0
    return Enlisted(
        added=len(changed) - before.get("removed", 0),
        reopened=before.get("removed", 0),
        already=before.get("open", 0),
        remedied=before.get("remedied", 0),
        touched=marked,
    )


REMOVE: Final = """
    update campaign_vehicle set state = 'removed'
    where campaign_id = %(id)s and vin = any(%(vins)s) and state = 'open'
    returning vin
"""


async def remove(conn: Connection, campaign_id: str, vins: Sequence[Vin]) -> int:
    """Take vehicles out of a campaign that were in it by mistake; returns how many were open in it."""
    rows = await (await conn.execute(REMOVE, {"id": campaign_id, "vins": sorted(set(vins))})).fetchall()
    if rows:
        await _touch(conn, campaign_id, [row[0] for row in rows])
    return len(rows)


async def _touch(conn: Connection, campaign_id: str, vins: Sequence[str] | None) -> int:
    cur = await conn.execute(TOUCH, {"id": campaign_id, "vins": None if vins is None else list(vins)})
    await conn.execute(touched.NOTIFY)
    return cur.rowcount


STATUS: Final = """
    select c.id, c.title_zh, c.title_en, c.opened_on, c.closed_on, c.do_not_drive,
        count(cv.vin) as total_n,
        count(*) filter (where cv.state = 'open') as open_n,
        count(*) filter (where cv.state = 'open' and n.told) as notified_n,
        count(*) filter (where cv.state = 'remedied') as remedied_n,
        count(*) filter (where cv.state = 'removed') as removed_n,
        count(*) filter (where v.registered_at is not null) as registered_n,
        count(*) filter (where v.id is not null and v.registered_at is null) as unregistered_n,
        count(*) filter (where cv.vin is not null and v.id is null) as unknown_n
    from campaign c
    left join campaign_vehicle cv on cv.campaign_id = c.id
    left join vehicle v on v.vin = cv.vin
    left join lateral (
        select true as told from trigger t join outcome o on o.trigger_id = t.id
        where t.vehicle_id = v.id and t.type = 'recall' and t.subject = c.id and o.state = 'contacted' limit 1
    ) n on true
    where %(id)s::text is null or c.id = %(id)s
    group by c.id
    order by c.opened_on desc, c.id
"""


async def status(conn: Connection, campaign_id: str | None = None) -> list[Funnel]:
    """The funnel of one campaign, or of all, the newest first."""
    async with conn.cursor(row_factory=class_row(Funnel)) as cur:
        await cur.execute(STATUS, {"id": campaign_id})
        return await cur.fetchall()
