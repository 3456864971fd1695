"""A maker's own fault codes, and what their severity changes about open faults."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np
import psycopg
from psycopg import errors
from psycopg.rows import class_row

from store import touched
from store.master_rows import Stored
from store.pool import Connection
from vehicle.dtc import Dtc, DtcStandard
from vehicle.dtc_table import DtcMeaning
from vehicle.trigger import Severity

_CONNECT_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class DtcRecord:
    """One code as a file says; None is left to the shipped table."""

    code: str
    standard: str
    severity: str
    zh: str
    en: str
    family: str | None
    drivability: str | None
    advice_zh: str | None
    advice_en: str | None

    @property
    def cells(self) -> dict[str, str]:
        """As a row of a file."""
        return {name: value or "" for name, value in asdict(self).items()}


READ: Final = """
    select code, standard, severity::text, zh, en, family, drivability, advice_zh, advice_en
    from dtc_meaning order by code
"""


READ_OF: Final = """
    select code, standard, severity::text, zh, en, family, drivability, advice_zh, advice_en
    from dtc_meaning where code = any(%(codes)s) order by code
"""


async def read_of(conn: Connection, codes: Collection[str]) -> list[DtcRecord]:
    """What makers have said of some codes."""
    async with conn.cursor(row_factory=class_row(DtcRecord)) as cur:
        await cur.execute(READ_OF, {"codes": sorted(codes)})
        return await cur.fetchall()


def read_at_start(database_url: str) -> list[DtcRecord]:
    """All that makers have said, without a loop; none where the schema is older: refused elsewhere."""
    with psycopg.connect(database_url, connect_timeout=_CONNECT_TIMEOUT_S) as conn:
        try:
            with conn.cursor(row_factory=class_row(DtcRecord)) as cur:
                return cur.execute(READ).fetchall()
        except errors.UndefinedTable:
            return []


OF_OTHERS: Final = """
    select code, maker from dtc_meaning where code = any(%(codes)s) and maker <> %(maker)s
"""


async def of_others(conn: Connection, codes: Collection[str], maker: str) -> dict[str, str]:
    """Those of the codes that stand in another maker's list, and whose it is."""
    cur = await conn.execute(OF_OTHERS, {"codes": sorted(codes), "maker": maker})
    return dict(await cur.fetchall())


PUT: Final = """
    with given as (
        select * from unnest(
            %(code)s::text[], %(standard)s::text[], %(severity)s::severity[], %(zh)s::text[], %(en)s::text[],
            %(family)s::text[], %(drivability)s::text[], %(advice_zh)s::text[], %(advice_en)s::text[]
        ) as g (code, standard, severity, zh, en, family, drivability, advice_zh, advice_en)
    )
    insert into dtc_meaning as m (
        code, maker, standard, severity, zh, en, family, drivability, advice_zh, advice_en
    )
    select g.code, %(maker)s, g.standard, g.severity, g.zh, g.en,
        case when 'family' = any(%(given)s) then g.family else o.family end,
        case when 'drivability' = any(%(given)s) then g.drivability else o.drivability end,
        case when 'advice_zh' = any(%(given)s) then g.advice_zh else o.advice_zh end,
        case when 'advice_en' = any(%(given)s) then g.advice_en else o.advice_en end
    from given g left join dtc_meaning o using (code)
    order by g.code
    on conflict (code) do update set
        standard = excluded.standard, severity = excluded.severity, zh = excluded.zh, en = excluded.en,
        family = excluded.family, drivability = excluded.drivability, advice_zh = excluded.advice_zh,
        advice_en = excluded.advice_en, known_at = now()
    where (m.standard, m.severity, m.zh, m.en, m.family, m.drivability, m.advice_zh, m.advice_en)
        is distinct from (
            excluded.standard, excluded.severity, excluded.zh, excluded.en, excluded.family,
            excluded.drivability, excluded.advice_zh, excluded.advice_en
        )
    returning m.xmax = 0
"""


async def put(conn: Connection, records: Sequence[DtcRecord], maker: str, given: Collection[str]) -> Stored:
    """Add or change codes of a maker's list; columns that are not `given` keep what is stored."""
    if not records:
        return Stored()
    columns: dict[str, Any] = {
        one.name: [getattr(record, one.name) for record in records] for one in fields(DtcRecord)
    }
    rows = await (await conn.execute(PUT, {**columns, "maker": maker, "given": sorted(given)})).fetchall()
    new = sum(is_new for (is_new,) in rows)
    return Stored(new=new, changed=len(rows) - new, unchanged=len(records) - len(rows))


OPEN: Final = """
    select distinct standard, code, ftb, spn, fmi, severity::text, family from fault where ended_at is null
"""


async def rated(conn: Connection) -> list[tuple[Dtc, Severity, str]]:
    """The codes of open faults, each with a severity and family that some of them have; of no ECU."""
    cur = await conn.execute(OPEN)
    return [
        (Dtc(DtcStandard(standard), "", code, ftb, spn, fmi), Severity(severity), family)
        for standard, code, ftb, spn, fmi, severity, family in await cur.fetchall()
    ]


RATE: Final = """
    with given as (
        select * from unnest(
            %(standard)s::text[], %(code)s::text[], %(ftb)s::smallint[], %(spn)s::integer[],
            %(fmi)s::smallint[], %(severity)s::severity[], %(family)s::text[]
        ) as g (standard, code, ftb, spn, fmi, severity, family)
    ), other as (
        select f.id, g.severity, g.family
        from fault f join given g
          on f.standard = g.standard and f.code = g.code and f.ftb is not distinct from g.ftb
         and f.spn is not distinct from g.spn and f.fmi is not distinct from g.fmi
        where f.ended_at is null and (f.severity, f.family) is distinct from (g.severity, g.family)
        order by f.vehicle_id, f.id
        for update of f
    ), changed as (
        update fault f set severity = o.severity, family = o.family
        from other o where f.id = o.id
        returning f.vehicle_id, f.first_seen_at
    )
    select c.vehicle_id, min((c.first_seen_at at time zone v.tz)::date) - date '1970-01-01'
    from changed c join vehicle v on v.id = c.vehicle_id
    group by c.vehicle_id order by c.vehicle_id
"""


async def rate(conn: Connection, meanings: Sequence[tuple[Dtc, DtcMeaning]]) -> int:
    """Give open faults of these codes their severity and family; how many vehicles are touched by it."""
    if not meanings:
        return 0
    cur = await conn.execute(
        RATE,
        {
            "standard": [dtc.standard.value for dtc, _ in meanings],
            "code": [dtc.code for dtc, _ in meanings],
            "ftb": [dtc.ftb for dtc, _ in meanings],
            "spn": [dtc.spn for dtc, _ in meanings],
            "fmi": [dtc.fmi for dtc, _ in meanings],
            "severity": [meaning.severity.value for _, meaning in meanings],
            "family": [meaning.family for _, meaning in meanings],
        },
    )
    rows = await cur.fetchall()
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    await touched.mark(conn, ids, np.array([row[1] for row in rows], dtype=np.int32))
    return len(rows)
