"""Fault episodes, folded from what ECUs reported."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import sql

from store.fault_reports import dtc_columns, ecu_columns
from store.pool import Connection
from vehicle.day import at_of, us_of
from vehicle.dtc import Dtc, DtcStandard, DtcStatus
from vehicle.fault import Ecu, EndedWhy, Episode
from vehicle.trigger import Severity


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """An episode with what the code table says about its code."""

    ecu: Ecu
    episode: Episode
    severity: Severity
    family: str
    has_turned: bool = True
    """It is new, or in another state than it was stored in."""


NEWEST_EPISODES: Final = """
    select distinct on (f.vehicle_id, f.standard, f.ecu, f.code, f.ftb)
        f.vehicle_id, f.standard, f.ecu, f.code, f.ftb, f.spn, f.fmi, f.episode, f.first_seen_at,
        f.last_seen_at, f.confirmed, f.ended_at, f.ended_why, f.status, f.occurrences, f.mil, f.freeze_frame
    from unnest(%(vehicle_id)s::bigint[], %(standard)s::text[], %(ecu)s::text[])
        as e (vehicle_id, standard, ecu)
    join fault f using (vehicle_id, standard, ecu)
    order by f.vehicle_id, f.standard, f.ecu, f.code, f.ftb, f.episode desc
"""
ALL_EPISODES: Final = """
    select
        f.vehicle_id, f.standard, f.ecu, f.code, f.ftb, f.spn, f.fmi, f.episode, f.first_seen_at,
        f.last_seen_at, f.confirmed, f.ended_at, f.ended_why, f.status, f.occurrences, f.mil, f.freeze_frame
    from unnest(%(vehicle_id)s::bigint[], %(standard)s::text[], %(ecu)s::text[])
        as e (vehicle_id, standard, ecu)
    join fault f using (vehicle_id, standard, ecu)
"""
WRITE_EPISODES: Final = """
    insert into fault as f (
        vehicle_id, standard, ecu, code, ftb, spn, fmi, episode, first_seen_at, last_seen_at, ended_at,
        ended_why, status, confirmed, occurrences, mil, severity, family, freeze_frame, known_at
    )
    select vehicle_id, standard, ecu, code, ftb, spn, fmi, episode, first_seen_at, last_seen_at, ended_at,
           ended_why, status, confirmed, occurrences, mil, severity::severity, family, freeze_frame,
           %(known_at)s
    from unnest(
        %(vehicle_id)s::bigint[], %(standard)s::text[], %(ecu)s::text[], %(code)s::text[],
        %(ftb)s::smallint[], %(spn)s::integer[], %(fmi)s::smallint[], %(episode)s::integer[],
        %(first_seen_at)s::timestamptz[], %(last_seen_at)s::timestamptz[], %(ended_at)s::timestamptz[],
        %(ended_why)s::text[], %(status)s::smallint[], %(confirmed)s::boolean[],
        %(occurrences)s::integer[], %(mil)s::boolean[],
        %(severity)s::text[], %(family)s::text[], %(freeze_frame)s::jsonb[]
    ) as n (vehicle_id, standard, ecu, code, ftb, spn, fmi, episode, first_seen_at, last_seen_at, ended_at,
            ended_why, status, confirmed, occurrences, mil, severity, family, freeze_frame)
    on conflict (vehicle_id, ecu, standard, code, ftb, episode) do update set
        first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at,
        ended_at = excluded.ended_at, ended_why = excluded.ended_why, status = excluded.status,
        confirmed = excluded.confirmed, occurrences = excluded.occurrences, mil = excluded.mil,
        severity = excluded.severity, family = excluded.family, freeze_frame = excluded.freeze_frame,
        known_at = excluded.known_at
"""
DROP_EPISODES: Final = """
    delete from fault f
    using unnest(%(code)s::text[], %(ftb)s::smallint[], %(episode)s::integer[]) as k (code, ftb, episode)
    where f.vehicle_id = %(vehicle_id)s and f.ecu = %(ecu)s and f.standard = %(standard)s
      and f.code = k.code and f.ftb is not distinct from k.ftb and f.episode = k.episode
"""


async def newest_episodes(conn: Connection, ecus: Iterable[Ecu]) -> dict[Ecu, list[Episode]]:
    """The last episode of every code of the ECUs: all that later reports can change."""
    return await _episodes(conn, NEWEST_EPISODES, ecus)


async def all_episodes(conn: Connection, ecu: Ecu) -> list[Episode]:
    """Every episode of one ECU."""
    return (await _episodes(conn, ALL_EPISODES, [ecu])).get(ecu, [])


async def write_episodes(conn: Connection, rows: Sequence[EpisodeRow], *, known_us: int) -> None:
    """Insert episodes, or let them replace those of the same ordinal."""
    if not rows:
        return
    episodes = [row.episode for row in rows]
    await conn.execute(
        WRITE_EPISODES,
        {
            **ecu_columns([row.ecu for row in rows]),
            **dtc_columns([episode.dtc for episode in episodes]),
            "episode": [episode.number for episode in episodes],
            "first_seen_at": [at_of(episode.first_seen_us) for episode in episodes],
            "last_seen_at": [at_of(episode.last_seen_us) for episode in episodes],
            "ended_at": [None if one.ended_us is None else at_of(one.ended_us) for one in episodes],
            "ended_why": [None if one.ended_why is None else one.ended_why.value for one in episodes],
            "status": [None if one.status is None else int(one.status) for one in episodes],
            "confirmed": [episode.confirmed for episode in episodes],
            "occurrences": [episode.occurrences for episode in episodes],
            "mil": [episode.mil for episode in episodes],
            "severity": [row.severity.value for row in rows],
            "family": [row.family for row in rows],
            "freeze_frame": [json.dumps(episode.freeze_frame) for episode in episodes],
            "known_at": at_of(known_us),
        },
    )


async def drop_episodes(conn: Connection, ecu: Ecu, episodes: Sequence[Episode]) -> None:
    """Remove episodes that late reports have dissolved."""
    if episodes:
        await conn.execute(
            DROP_EPISODES,
            {
                "vehicle_id": ecu.vehicle_id,
                "ecu": ecu.name,
                "standard": ecu.standard.value,
                "code": [episode.dtc.code for episode in episodes],
                "ftb": [episode.dtc.ftb for episode in episodes],
                "episode": [episode.number for episode in episodes],
            },
        )


async def _episodes(
    conn: Connection, statement: LiteralString, ecus: Iterable[Ecu]
) -> dict[Ecu, list[Episode]]:
    found: dict[Ecu, list[Episode]] = {}
    rows = await (await conn.execute(sql.SQL(statement), ecu_columns(sorted(set(ecus))))).fetchall()
    for vehicle_id, standard, name, code, ftb, spn, fmi, *rest in rows:
        dtc = Dtc(DtcStandard(standard), name, code, ftb, spn, fmi)
        number, first, last, confirmed, ended, why, status, occurrences, mil, freeze_frame = rest
        episode = Episode(
            dtc=dtc,
            number=number,
            first_seen_us=us_of(first),
            last_seen_us=us_of(last),
            confirmed=confirmed,
            ended_us=None if ended is None else us_of(ended),
            ended_why=None if why is None else EndedWhy(why),
            status=None if status is None else DtcStatus(status),
            occurrences=occurrences,
            mil=mil,
            freeze_frame=freeze_frame,
        )
        found.setdefault(Ecu(vehicle_id, DtcStandard(standard), name), []).append(episode)
    return found
