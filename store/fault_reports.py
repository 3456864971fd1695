"""What ECUs reported about their codes: runs of equal reports, and what each says about a code."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from store.pool import Connection
from vehicle.day import at_of, us_of
from vehicle.dtc import Dtc, DtcReading, DtcStandard, DtcStatus
from vehicle.fault import Ecu, Order, ReportRun

MessageKey = tuple[int, int, int, int]
"""Vehicle, boot, life, sequence number."""

NEWEST_REPORTS: Final = """
    select e.vehicle_id, e.standard, e.ecu, r.happened_at, r.until_at, r.boot, r.life, r.seq, r.run
    from unnest(%(vehicle_id)s::bigint[], %(standard)s::text[], %(ecu)s::text[])
        as e (vehicle_id, standard, ecu)
    cross join lateral (
        select * from fault_report r
        where r.vehicle_id = e.vehicle_id and r.standard = e.standard and r.ecu = e.ecu
        order by r.happened_at desc, r.until_at desc, r.boot desc, r.life desc, r.seq desc, r.run desc
        limit 1
    ) r
"""
ADD_REPORTS: Final = """
    insert into fault_report
        (vehicle_id, standard, ecu, happened_at, until_at, known_at, boot, life, seq, run, complete, mil,
         scope, cleared)
    select vehicle_id, standard, ecu, happened_at, until_at, %(known_at)s, boot, life, seq, run, complete,
           mil, scope, cleared
    from unnest(
        %(vehicle_id)s::bigint[], %(standard)s::text[], %(ecu)s::text[], %(happened_at)s::timestamptz[],
        %(until_at)s::timestamptz[], %(boot)s::bigint[], %(life)s::smallint[], %(seq)s::bigint[],
        %(run)s::integer[], %(complete)s::boolean[], %(mil)s::boolean[], %(scope)s::smallint[],
        %(cleared)s::integer[]
    ) as n (vehicle_id, standard, ecu, happened_at, until_at, boot, life, seq, run, complete, mil, scope,
            cleared)
"""
ADD_EVENTS: Final = """
    insert into fault_event (
        vehicle_id, standard, ecu, code, ftb, spn, fmi, happened_at, until_at, onset_at, known_at, boot, life,
        seq, run, present, status, occurrences, mil, freeze_frame
    )
    select vehicle_id, standard, ecu, code, ftb, spn, fmi, happened_at, until_at, onset_at, %(known_at)s,
           boot, life, seq, run, present, status, occurrences, mil, freeze_frame
    from unnest(
        %(vehicle_id)s::bigint[], %(standard)s::text[], %(ecu)s::text[], %(code)s::text[],
        %(ftb)s::smallint[], %(spn)s::integer[], %(fmi)s::smallint[],
        %(happened_at)s::timestamptz[], %(until_at)s::timestamptz[], %(onset_at)s::timestamptz[],
        %(boot)s::bigint[], %(life)s::smallint[], %(seq)s::bigint[], %(run)s::integer[],
        %(present)s::boolean[], %(status)s::smallint[], %(occurrences)s::integer[],
        %(mil)s::boolean[], %(freeze_frame)s::jsonb[]
    ) as n (vehicle_id, standard, ecu, code, ftb, spn, fmi, happened_at, until_at, onset_at, boot, life, seq,
            run, present, status, occurrences, mil, freeze_frame)
"""
DROP_REPORTS: Final = """
    delete from fault_report f
    using unnest(%(vehicle_id)s::bigint[], %(boot)s::bigint[], %(life)s::smallint[], %(seq)s::bigint[])
        as k (vehicle_id, boot, life, seq)
    where f.vehicle_id = k.vehicle_id and f.boot = k.boot and f.life = k.life and f.seq = k.seq
    returning f.vehicle_id, f.standard, f.ecu, f.happened_at
"""
DROP_EVENTS: Final = """
    delete from fault_event f
    using unnest(%(vehicle_id)s::bigint[], %(boot)s::bigint[], %(life)s::smallint[], %(seq)s::bigint[])
        as k (vehicle_id, boot, life, seq)
    where f.vehicle_id = k.vehicle_id and f.boot = k.boot and f.life = k.life and f.seq = k.seq
"""
RUNS_SINCE: Final = """
    select happened_at, until_at, boot, life, seq, run, complete, mil, scope, cleared
    from fault_report
    where vehicle_id = %(vehicle_id)s and ecu = %(ecu)s and standard = %(standard)s
      and happened_at >= %(since)s
    order by happened_at, until_at, boot, life, seq, run
"""
EVENTS_SINCE: Final = """
    select happened_at, boot, life, seq, run,
           code, ftb, spn, fmi, onset_at, status, occurrences, freeze_frame
    from fault_event
    where vehicle_id = %(vehicle_id)s and ecu = %(ecu)s and standard = %(standard)s
      and happened_at >= %(since)s
    order by id
"""
"""Joined here and not there: without fresh statistics the planner reads all events for every report."""


async def newest_reports(conn: Connection, ecus: Iterable[Ecu]) -> dict[Ecu, Order]:
    """Where each ECU's stored reports end, in event order."""
    rows = await (await conn.execute(NEWEST_REPORTS, ecu_columns(sorted(set(ecus))))).fetchall()
    return {
        Ecu(vehicle_id, DtcStandard(standard), name): (us_of(first), us_of(until), boot, life, seq, run)
        for vehicle_id, standard, name, first, until, boot, life, seq, run in rows
    }


async def append(
    conn: Connection, runs: Sequence[ReportRun], present: Sequence[Sequence[bool]], *, known_us: int
) -> None:
    """Store reports; `present[k][j]` says whether reading j of run k means that the code is there."""
    if not runs:
        return
    await conn.execute(ADD_REPORTS, {**_run_columns(runs), "known_at": at_of(known_us)})
    events = [
        (run, reading, is_there)
        for run, flags in zip(runs, present, strict=True)
        for reading, is_there in zip(run.readings, flags, strict=True)
    ]
    if not events:
        return
    readings = [reading for _, reading, _ in events]
    await conn.execute(
        ADD_EVENTS,
        {
            **_run_columns([run for run, _, _ in events]),
            **dtc_columns([reading.dtc for reading in readings]),
            "onset_at": [None if one.at_us is None else at_of(one.at_us) for one in readings],
            "present": [is_there for _, _, is_there in events],
            "status": [None if one.status is None else int(one.status) for one in readings],
            "occurrences": [one.occurrences for one in readings],
            "freeze_frame": [json.dumps(one.freeze_frame) for one in readings],
            "known_at": at_of(known_us),
        },
    )


async def drop_reports(conn: Connection, messages: Sequence[MessageKey]) -> dict[Ecu, int]:
    """Take back what messages reported; per ECU the earliest moment that changed."""
    if not messages:
        return {}
    keys = {
        "vehicle_id": [key[0] for key in messages],
        "boot": [key[1] for key in messages],
        "life": [key[2] for key in messages],
        "seq": [key[3] for key in messages],
    }
    await conn.execute(DROP_EVENTS, keys)
    earliest: dict[Ecu, int] = {}
    cur = await conn.execute(DROP_REPORTS, keys)
    for vehicle_id, name_of_standard, name, happened_at in await cur.fetchall():
        ecu, at_us = Ecu(vehicle_id, DtcStandard(name_of_standard), name), us_of(happened_at)
        earliest[ecu] = min(at_us, earliest.get(ecu, at_us))
    return earliest


async def runs_since(conn: Connection, ecu: Ecu, since_us: int) -> list[ReportRun]:
    """One ECU's reports from a moment on, in event order."""
    wanted = {
        "vehicle_id": ecu.vehicle_id,
        "ecu": ecu.name,
        "standard": ecu.standard.value,
        "since": at_of(since_us),
    }
    readings: dict[tuple[Any, ...], list[DtcReading]] = {}
    for row in await (await conn.execute(EVENTS_SINCE, wanted)).fetchall():
        readings.setdefault(row[:5], []).append(_reading(ecu, row[5:]))
    heads = await (await conn.execute(RUNS_SINCE, wanted)).fetchall()
    return [_run(ecu, head, readings.get((head[0], *head[2:6]), ())) for head in heads]


def runs_of(ecu: Ecu, rows: Iterable[Sequence[Any]]) -> list[ReportRun]:
    """Runs out of rows that join each report with a code it tells about, or with none; in their order."""
    grouped: dict[tuple[Any, ...], list[DtcReading]] = {}
    for row in rows:
        readings = grouped.setdefault(tuple(row[:10]), [])
        if row[10] is not None:
            readings.append(_reading(ecu, row[10:]))
    return [_run(ecu, head, readings) for head, readings in grouped.items()]


def _run_columns(runs: Sequence[ReportRun]) -> dict[str, list[Any]]:
    return {
        **ecu_columns([run.source for run in runs]),
        "happened_at": [at_of(run.first_us) for run in runs],
        "until_at": [at_of(run.until_us) for run in runs],
        "boot": [run.boot for run in runs],
        "life": [run.life for run in runs],
        "seq": [run.seq for run in runs],
        "run": [run.run for run in runs],
        "complete": [run.complete for run in runs],
        "mil": [run.mil for run in runs],
        "scope": [None if run.scope is None else int(run.scope) for run in runs],
        "cleared": [run.cleared for run in runs],
    }


def _reading(ecu: Ecu, row: Sequence[Any]) -> DtcReading:
    code, ftb, spn, fmi, onset_at, status, occurrences, freeze_frame = row
    return DtcReading(
        dtc=Dtc(ecu.standard, ecu.name, code, ftb, spn, fmi),
        status=None if status is None else DtcStatus(status),
        occurrences=occurrences,
        at_us=None if onset_at is None else us_of(onset_at),
        freeze_frame=freeze_frame,
    )


def _run(ecu: Ecu, head: tuple[Any, ...], readings: Sequence[DtcReading]) -> ReportRun:
    first, until, boot, life, seq, run, complete, mil, scope, cleared = head
    return ReportRun(
        vehicle_id=ecu.vehicle_id,
        boot=boot,
        life=life,
        seq=seq,
        run=run,
        first_us=us_of(first),
        until_us=us_of(until),
        standard=ecu.standard,
        ecu=ecu.name,
        complete=complete,
        mil=mil,
        readings=tuple(readings),
        scope=None if scope is None else DtcStatus(scope),
        cleared=cleared,
    )


def ecu_columns(ecus: Sequence[Ecu]) -> dict[str, list[Any]]:
    """Sources of reports as columns for `unnest`."""
    return {
        "vehicle_id": [ecu.vehicle_id for ecu in ecus],
        "standard": [ecu.standard.value for ecu in ecus],
        "ecu": [ecu.name for ecu in ecus],
    }


def dtc_columns(dtcs: Sequence[Dtc]) -> dict[str, list[Any]]:
    """Codes as columns for `unnest`."""
    return {
        "code": [dtc.code for dtc in dtcs],
        "ftb": [dtc.ftb for dtc in dtcs],
        "spn": [dtc.spn for dtc in dtcs],
        "fmi": [dtc.fmi for dtc in dtcs],
    }
