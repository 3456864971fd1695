"""Alarm reports that repeat each other: a run of equal ones is one row, however many packets it came in.

A vehicle that speaks GB/T 32960 tells all its alarms every ten seconds, nearly always the same. What is
stored is a function of the set of reports alone, so that any order of arrival ends in the same rows: reports
in order of their moments, of equal moments by what they say, and one run for each stretch of equal ones. A
late report that says something else cuts a run; where exactly is read from the raw packets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from decoders.gbt32960 import alarms, report
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.report import Extension
from decoders.gbt32960.words import AckFlag, Command, Edition, Encryption
from store import alarm_runs
from store.alarm_runs import Moment
from store.pool import Connection
from vehicle.fault import Ecu, ReportRun

_EDITIONS: Final = {edition.year: edition for edition in Edition}
RunKey = tuple[int, int, int, int]
"""Vehicle, boot, life, seq of a run's first report; one packet makes one report."""


@dataclass(slots=True)
class Woven:
    """What reports change about the stored runs."""

    added: list[ReportRun] = field(default_factory=list)
    lengthened: list[ReportRun] = field(default_factory=list)
    """Stored runs as they are now: only their ends have moved."""
    dropped: list[RunKey] = field(default_factory=list)
    in_order: dict[Ecu, list[ReportRun]] = field(default_factory=dict)
    """Per ECU whose reports are all newer than what was known: how its story goes on."""
    late: dict[Ecu, int] = field(default_factory=dict)
    """Per other ECU the moment of its earliest report."""


def is_packets(run: ReportRun) -> bool:
    """Whether a GB/T 32960 packet said it; see `ingest.packets`."""
    return run.boot < 0


async def weave(
    conn: Connection, reports: Iterable[ReportRun], extensions: Mapping[int, Extension | None]
) -> Woven:
    """How reports, one of each packet and in no order, go into the stored runs of their ECUs.

    `extensions` explain the custom units of vehicles by their number.
    """
    by_ecu: dict[Ecu, list[ReportRun]] = {}
    for one in reports:
        by_ecu.setdefault(one.source, []).append(one)
    spans = {
        ecu: (min(one.first_us for one in mine), max(one.first_us for one in mine))
        for ecu, mine in by_ecu.items()
    }
    stored = await alarm_runs.around(conn, spans)
    cut = await _cut(conn, by_ecu, stored, extensions)
    woven = Woven()
    for ecu, mine in by_ecu.items():
        old = stored.get(ecu, [])
        now = joined([*mine, *cut.get(ecu, []), *(end for run in old for end in _ends(run))])
        _note(woven, ecu, old, now, first_us=spans[ecu][0])
    return woven


def joined(moments: Iterable[ReportRun]) -> list[ReportRun]:
    """Reports of one ECU as runs: consecutive equal ones are one, which has the name of its first."""
    runs: list[ReportRun] = []
    for one in sorted(moments, key=_order):
        if runs and said(runs[-1]) == said(one):
            runs[-1] = replace(runs[-1], until_us=one.until_us)
        else:
            runs.append(one)
    return runs


def said(run: ReportRun) -> tuple[Any, ...]:
    """What a report says, without when and in which packet; such things have an order."""
    codes = tuple((one.dtc.code, tuple(sorted(one.freeze_frame.items()))) for one in run.readings)
    return (run.complete, codes)


def _order(one: ReportRun) -> tuple[Any, ...]:
    is_nameless = one.run < 0
    return (one.first_us, said(one), is_nameless, one.boot, one.life, one.seq)


def _ends(run: ReportRun) -> list[ReportRun]:
    """First and last report of a stored run; the hash in the last one's name is not known any more."""
    first = replace(run, until_us=run.first_us)
    return [first, replace(run, first_us=run.until_us, seq=run.seq + run.until_us - run.first_us, run=-1)]


async def _cut(
    conn: Connection,
    by_ecu: Mapping[Ecu, Sequence[ReportRun]],
    stored: Mapping[Ecu, Sequence[ReportRun]],
    extensions: Mapping[int, Extension | None],
) -> dict[Ecu, list[ReportRun]]:
    """The reports of stored runs that stand next to new ones which say something else."""
    asked = [
        (run, one.first_us)
        for ecu, mine in by_ecu.items()
        for run in stored.get(ecu, [])
        for one in mine
        if run.first_us <= one.first_us <= run.until_us and said(run) != said(one)
    ]
    if not asked:
        return {}
    found = await alarm_runs.moments(conn, asked, (one for mine in by_ecu.values() for one in mine))
    cut: dict[Ecu, list[ReportRun]] = {}
    for (run, _), moments in zip(asked, found, strict=True):
        for one in moments:
            read = _read(run, one, extensions.get(run.vehicle_id))
            if said(read) == said(run):
                cut.setdefault(run.source, []).append(read)
    return cut


def _read(run: ReportRun, moment: Moment, extension: Extension | None) -> ReportRun:
    """What a packet next to a run says; which may be another's, at the run's first or last moment."""
    edition = _EDITIONS[moment.edition]
    packet = Packet(edition, Command.REPORT, AckFlag.COMMAND, "", Encryption.NONE, moment.body)
    told = alarms.reports(report.decode(packet, extension), 0)[0]
    return replace(
        run,
        first_us=moment.at_us,
        until_us=moment.at_us,
        boot=moment.boot,
        life=moment.life,
        seq=moment.seq,
        run=0,
        complete=told.complete,
        readings=told.readings,
    )


def _note(
    woven: Woven, ecu: Ecu, old: Sequence[ReportRun], now: Sequence[ReportRun], *, first_us: int
) -> None:
    """Enter the difference between the stored runs and those there should be."""
    now = [replace(run, run=0) for run in now]
    before = {_key(run): run for run in old}
    kept = set()
    changed = []
    for run in now:
        known = before.get(_key(run))
        if known is not None and known.first_us == run.first_us and _key(run) not in kept:
            kept.add(_key(run))
            if known.until_us != run.until_us:
                woven.lengthened.append(run)
                changed.append(run)
        else:
            woven.added.append(run)
            changed.append(run)
    gone = [run for key, run in before.items() if key not in kept]
    woven.dropped += [_key(run) for run in gone]
    if not changed and not gone:
        return
    newest = max((run.order for run in old), default=None)
    longer = [before[_key(run)] for run in changed if _key(run) in kept]
    is_next = all(run.until_us < first_us for run in old) and not gone
    if is_next and all(run.order == newest for run in longer):
        woven.in_order[ecu] = sorted(changed, key=lambda run: run.order)
    else:  # its place among runs that begin at the same moment may have changed as well
        woven.late[ecu] = min([first_us, *(run.first_us for run in (*changed, *gone))])


def _key(run: ReportRun) -> RunKey:
    return (run.vehicle_id, run.boot, run.life, run.seq)
