"""Fault codes of a batch: reports into runs, runs into episodes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from decoders.gbt32960.report import Extension
from decoders.message import DtcMessage
from ingest import repeats
from ingest.admitted import Admitted, Decoded
from ingest.heard import Heard, MessageKey
from ingest.lexicon import Lexicon
from ingest.repeats import Woven
from maintenance import episodes
from store import alarm_runs, fault_reports, faults
from store.faults import EpisodeRow
from store.pool import Connection
from vehicle.dtc import DtcClear, DtcReading, DtcReport
from vehicle.fault import Ecu, Episode, Order, ReportRun


@dataclass(frozen=True, slots=True)
class Stored:
    """What the fault codes of a batch came to."""

    runs_n: int = 0
    turned: frozenset[int] = frozenset()
    """Vehicles one of whose faults has come, gone or changed its state."""


async def store(
    conn: Connection,
    batch: Admitted,
    heard: Heard,
    decoded: Decoded,
    lexicon: Lexicon,
    *,
    replacing: Sequence[MessageKey] = (),
) -> Stored:
    """Write what ECUs reported and fold it into the episodes.

    What the messages `replacing` had reported before is replaced. Reports in order continue the episodes;
    late ones let them be folded anew from where they matter.
    """
    everything = _runs(batch, heard, decoded, lexicon)
    alarming = [run for run in everything if repeats.is_packets(run)]
    woven = await repeats.weave(conn, alarming, _extensions(batch, lexicon))
    runs = [run for run in everything if not repeats.is_packets(run)]
    late = await fault_reports.drop_reports(conn, [*heard.rejoined, *replacing])
    if not everything and not late:
        return Stored()
    by_ecu: dict[Ecu, list[ReportRun]] = {}
    for run in sorted(runs, key=lambda run: run.order):
        by_ecu.setdefault(run.source, []).append(run)
    newest = await fault_reports.newest_reports(conn, by_ecu.keys() | woven.in_order.keys())
    late = _late(by_ecu, woven, newest, late)
    known_us = int(batch.known_us.max())
    await fault_reports.drop_reports(conn, woven.dropped)
    await alarm_runs.lengthen(conn, woven.lengthened)
    runs += woven.added
    await fault_reports.append(conn, runs, [_present(run) for run in runs], known_us=known_us)
    in_order = {ecu: mine for ecu, mine in (*by_ecu.items(), *woven.in_order.items()) if ecu not in late}
    changed = await _continued(conn, in_order, lexicon)
    for ecu, since_us in late.items():
        changed += await _refolded(conn, ecu, since_us, lexicon)
    await faults.write_episodes(conn, changed, known_us=known_us)
    return Stored(len(runs), frozenset(row.ecu.vehicle_id for row in changed if row.has_turned))


def _late(
    by_ecu: Mapping[Ecu, Sequence[ReportRun]],
    woven: Woven,
    newest: Mapping[Ecu, Order],
    replaced: Mapping[Ecu, int],
) -> dict[Ecu, int]:
    """Per ECU whose reports do not all lie behind the stored ones: the earliest moment that has changed.

    `by_ecu` are in event order; `replaced` are moments of reports that are gone or stored anew. What packets
    say goes on in order only where nothing but packets speaks of their ECU.
    """
    late = dict(replaced)
    for ecu, first_us in woven.late.items():
        late[ecu] = min(first_us, late.get(ecu, first_us))
    for ecu, mine in by_ecu.items():
        is_behind = ecu not in newest or mine[0].order > newest[ecu]
        if ecu in late or ecu in woven.in_order or not is_behind:
            late[ecu] = min(mine[0].first_us, late.get(ecu, mine[0].first_us))
    for ecu, mine in woven.in_order.items():
        _, _, boot, *_ = newest.get(ecu, mine[0].order)
        if ecu in late or boot >= 0:
            late[ecu] = min(mine[0].first_us, late.get(ecu, mine[0].first_us))
    return late


def _extensions(batch: Admitted, lexicon: Lexicon) -> dict[int, Extension | None]:
    vehicles = (one.vehicle for one in batch.messages)
    return {one.id: lexicon.extension(one.model, one.built_on) for one in vehicles}


def _runs(batch: Admitted, heard: Heard, decoded: Decoded, lexicon: Lexicon) -> list[ReportRun]:
    """All runs of the batch; each message's come from one place, which numbers them."""
    runs: list[ReportRun] = []
    clears = decoded.said.clears
    for number in sorted(decoded.reports.keys() | clears.keys()):
        mine = (decoded.reports.get(number, ()), clears.get(number, ()))
        runs += _runs_of(*mine, batch.key(number), _dropped(batch, number, lexicon))
    for number, one in enumerate(batch.messages):
        message = one.arrived.message
        if isinstance(message, DtcMessage):
            dropped = _dropped(batch, number, lexicon)
            runs += _runs_of(message.reports(number), (), batch.key(number), dropped)
    number_of = {int(vehicle): number for number, vehicle in enumerate(batch.keys.vehicle_id)}
    for key in sorted(heard.reports.keys() | heard.clears.keys()):
        here = (heard.reports.get(key, ()), heard.clears.get(key, ()))
        runs += _runs_of(*here, key, _dropped(batch, number_of[key[0]], lexicon))
    return runs


def _runs_of(
    reports: Iterable[DtcReport], clears: Iterable[DtcClear], key: MessageKey, dropped: frozenset[str]
) -> list[ReportRun]:
    """Runs of a message; its freeze frames lose positions where they must, and what is no number."""
    vehicle_id, boot, life, seq = key
    return [
        replace(run, readings=tuple(_plain(reading, dropped) for reading in run.readings))
        for run in episodes.runs_of(reports, clears, vehicle_id=vehicle_id, boot=boot, life=life, seq=seq)
    ]


def _dropped(batch: Admitted, number: int, lexicon: Lexicon) -> frozenset[str]:
    """Paths that must not be kept of a message's vehicle."""
    return frozenset() if batch.location_allowed[number] else lexicon.positions


def _plain(reading: DtcReading, dropped: frozenset[str]) -> DtcReading:
    if not reading.freeze_frame:
        return reading
    kept = {
        path: value
        for path, value in reading.freeze_frame.items()
        if isfinite(value) and path not in dropped and "\x00" not in path
    }
    return replace(reading, freeze_frame=kept)


def _present(run: ReportRun) -> list[bool]:
    return [episodes.is_there(reading) for reading in run.readings]


async def _continued(
    conn: Connection, in_order: Mapping[Ecu, Sequence[ReportRun]], lexicon: Lexicon
) -> list[EpisodeRow]:
    """Episodes that reports in event order continue, open or end."""
    if not in_order:
        return []
    known = await faults.newest_episodes(conn, in_order)
    changed = []
    for ecu, runs in in_order.items():
        old = known.get(ecu, [])
        changed += _rows(ecu, old, episodes.fold(old, runs), lexicon)
    return changed


async def _refolded(conn: Connection, ecu: Ecu, late_us: int, lexicon: Lexicon) -> list[EpisodeRow]:
    """Episodes of an ECU whose reports came late, folded again from where they can have changed."""
    old = await faults.all_episodes(conn, ecu)
    since_us = episodes.refold_from(old, late_us)
    kept = [episode for episode in old if episode.first_seen_us < since_us]
    new = episodes.fold(kept, await fault_reports.runs_since(conn, ecu, since_us))
    names = {(episodes.key_of(episode.dtc), episode.number) for episode in new}
    dissolved = [one for one in old if (episodes.key_of(one.dtc), one.number) not in names]
    await faults.drop_episodes(conn, ecu, dissolved)
    return _rows(ecu, old, new, lexicon)


def _rows(ecu: Ecu, old: Sequence[Episode], new: Sequence[Episode], lexicon: Lexicon) -> list[EpisodeRow]:
    """Those of the new episodes that are not stored as they are."""
    states = {(episodes.key_of(one.dtc), one.number): one.state for one in old}
    rows = []
    for episode in new:
        if episode not in old:
            meaning = lexicon.dtc_table.lookup(episode.dtc)
            before = states.get((episodes.key_of(episode.dtc), episode.number))
            has_turned = before is not episode.state
            rows.append(EpisodeRow(ecu, episode, meaning.severity, meaning.family, has_turned))
    return rows
