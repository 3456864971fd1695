"""Runs of equal GB/T 32960 alarm reports: those near a moment, and where they end.

Their rows have boot < 0, as the packets have that they come from.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from store import fault_reports
from store.fault_reports import ecu_columns
from store.pool import Connection
from vehicle.day import at_of, us_of
from vehicle.fault import Ecu, ReportRun

AROUND: Final = """
    select w.n, r.happened_at, r.until_at, r.boot, r.life, r.seq, r.run, r.complete, r.mil,
           r.scope, r.cleared,
           e.code, e.ftb, e.spn, e.fmi, e.onset_at, e.status, e.occurrences, e.freeze_frame
    from unnest(
        %(vehicle_id)s::bigint[], %(standard)s::text[], %(ecu)s::text[], %(first)s::timestamptz[],
        %(last)s::timestamptz[]
    ) with ordinality as w (vehicle_id, standard, ecu, first, last, n)
    cross join lateral (
        select * from fault_report f
        where f.vehicle_id = w.vehicle_id and f.standard = w.standard and f.ecu = w.ecu and f.boot < 0
          and f.happened_at >= coalesce((
              select max(b.happened_at) from fault_report b
              where b.vehicle_id = w.vehicle_id and b.standard = w.standard and b.ecu = w.ecu
                and b.boot < 0 and b.happened_at < w.first
          ), w.first)
          and f.happened_at <= coalesce((
              select min(a.happened_at) from fault_report a
              where a.vehicle_id = w.vehicle_id and a.standard = w.standard and a.ecu = w.ecu
                and a.boot < 0 and a.happened_at > w.last
          ), w.last)
    ) r
    left join fault_event e
      on e.vehicle_id = r.vehicle_id and e.ecu = r.ecu and e.standard = r.standard
     and e.happened_at = r.happened_at and e.boot = r.boot and e.life = r.life and e.seq = r.seq
     and e.run = r.run
    order by w.n, r.happened_at, r.until_at, r.boot, r.life, r.seq, r.run, e.id
"""
LENGTHEN: Final = """
    with longer as (
        select * from unnest(
            %(vehicle_id)s::bigint[], %(boot)s::bigint[], %(life)s::smallint[], %(seq)s::bigint[],
            %(until)s::timestamptz[]
        ) as n (vehicle_id, boot, life, seq, until_at)
    ), reports as (
        update fault_report r set until_at = n.until_at from longer n
        where r.vehicle_id = n.vehicle_id and r.boot = n.boot and r.life = n.life and r.seq = n.seq
    )
    update fault_event e set until_at = n.until_at from longer n
    where e.vehicle_id = n.vehicle_id and e.boot = n.boot and e.life = n.life and e.seq = n.seq
"""
MOMENTS: Final = """
    with mine as (
        select * from unnest(%(my_vehicle)s::bigint[], %(my_boot)s::bigint[], %(my_seq)s::bigint[])
            as m (vehicle_id, boot, seq)
    ), other as (
        select p.n, p.at as asked, p.first, p.until, p.vehicle_id
        from unnest(
            %(vehicle_id)s::bigint[], %(at)s::timestamptz[], %(first)s::timestamptz[],
            %(until)s::timestamptz[]
        ) with ordinality as p (vehicle_id, at, first, until, n)
    )
    select o.n, r.at, r.boot, r.life, r.seq, r.edition, r.body
    from other o
    cross join lateral (
        (select * from raw_packet b
         where b.vehicle_id = o.vehicle_id and b.has_alarms and b.at >= o.first and b.at < o.asked
           and (b.vehicle_id, b.boot, b.seq) not in (select * from mine)
         order by b.at desc limit 1)
        union all
        (select * from raw_packet b
         where b.vehicle_id = o.vehicle_id and b.has_alarms and b.at = o.asked
           and (b.vehicle_id, b.boot, b.seq) not in (select * from mine))
        union all
        (select * from raw_packet b
         where b.vehicle_id = o.vehicle_id and b.has_alarms and b.at > o.asked and b.at <= o.until
           and (b.vehicle_id, b.boot, b.seq) not in (select * from mine)
         order by b.at fetch first 1 row with ties)
    ) r
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """A stored packet with alarms."""

    at_us: int
    boot: int
    life: int
    seq: int
    edition: int
    """2016 or 2025."""
    body: bytes
    """Its data unit."""


async def around(conn: Connection, spans: Mapping[Ecu, tuple[int, int]]) -> dict[Ecu, list[ReportRun]]:
    """The stored runs of each ECU that touch its span of moments, with the neighbours before and after."""
    if not spans:
        return {}
    ecus = list(spans)
    cur = await conn.execute(
        AROUND,
        {
            **ecu_columns(ecus),
            "first": [at_of(spans[ecu][0]) for ecu in ecus],
            "last": [at_of(spans[ecu][1]) for ecu in ecus],
        },
    )
    rows: dict[Ecu, list[tuple[Any, ...]]] = {}
    for n, *row in await cur.fetchall():
        rows.setdefault(ecus[n - 1], []).append(tuple(row))
    return {ecu: fault_reports.runs_of(ecu, mine) for ecu, mine in rows.items()}


async def moments(
    conn: Connection, asked: Sequence[tuple[ReportRun, int]], new: Iterable[ReportRun]
) -> list[list[Moment]]:
    """Per stored run and moment: the raw packets next to that moment within the run, as far as kept.

    At the moment of its first or last report, another run's may be among them. `new` are reports that came
    just now, and are left out.
    """
    mine = list(new)
    cur = await conn.execute(
        MOMENTS,
        {
            "vehicle_id": [run.vehicle_id for run, _ in asked],
            "at": [at_of(at_us) for _, at_us in asked],
            "first": [at_of(run.first_us) for run, _ in asked],
            "until": [at_of(run.until_us) for run, _ in asked],
            "my_vehicle": [run.vehicle_id for run in mine],
            "my_boot": [run.boot for run in mine],
            "my_seq": [run.seq for run in mine],
        },
    )
    found: list[list[Moment]] = [[] for _ in asked]
    for n, at, *rest in await cur.fetchall():
        found[n - 1].append(Moment(us_of(at), *rest))
    return found


async def lengthen(conn: Connection, runs: Sequence[ReportRun]) -> None:
    """Let stored runs end where these, which are theirs by key, end."""
    if runs:
        await conn.execute(
            LENGTHEN,
            {
                "vehicle_id": [run.vehicle_id for run in runs],
                "boot": [run.boot for run in runs],
                "life": [run.life for run in runs],
                "seq": [run.seq for run in runs],
                "until": [at_of(run.until_us) for run in runs],
            },
        )
