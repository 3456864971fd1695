"""Fault episodes: the fold of one ECU's reports in event order.

A code is there from the first report that names it until a complete report without it (healed), or
until it is named with a status that says otherwise: test passed (healed) or not tested since a
tester's clear (cleared). It is confirmed with status bit 3; where the standard has no status
(J1939 DM1: active), with its first report.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Final

from vehicle.dtc import Dtc, DtcReading, DtcReport, DtcStatus
from vehicle.fault import EndedWhy, Episode, ReportRun

_THERE: Final = DtcStatus.TEST_FAILED | DtcStatus.PENDING | DtcStatus.CONFIRMED
_CLEARED: Final = DtcStatus.NOT_COMPLETED_SINCE_CLEAR

Key = tuple[str, int | None]
"""A code of one ECU: its spelling and failure type byte."""


def key_of(dtc: Dtc) -> Key:
    """What tells two codes of the same ECU apart."""
    return (dtc.code, dtc.ftb)


def is_there(reading: DtcReading) -> bool:
    """Whether a report that names a code says that it is there; 0x50 after a clear is not."""
    return reading.status is None or bool(reading.status & _THERE)


def runs_of(
    reports: Iterable[DtcReport], *, vehicle_id: int, boot: int, life: int, seq: int
) -> list[ReportRun]:
    """The reports of one message, consecutive equal ones of an ECU joined, so that 1 Hz becomes one row."""
    ordered = sorted(reports, key=lambda report: (report.standard, report.ecu, report.at_us))
    runs: list[ReportRun] = []
    for report in ordered:
        same = runs and _says_the_same(runs[-1], report)
        if same:
            runs[-1] = replace(runs[-1], until_us=report.at_us)
            continue
        runs.append(
            ReportRun(
                vehicle_id=vehicle_id,
                boot=boot,
                life=life,
                seq=seq,
                run=len(runs),
                first_us=report.at_us,
                until_us=report.at_us,
                standard=report.standard,
                ecu=report.ecu,
                complete=report.complete,
                mil=report.mil,
                readings=report.readings,
            )
        )
    return runs


def fold(episodes: Sequence[Episode], runs: Iterable[ReportRun]) -> list[Episode]:
    """Continue one ECU's episodes with reports that come after them, which must be in event order.

    Returns all episodes, in no particular order but each code's own rising by `number`.
    """
    by_code: dict[Key, list[Episode]] = {}
    for episode in sorted(episodes, key=lambda episode: episode.number):
        by_code.setdefault(key_of(episode.dtc), []).append(episode)
    for run in runs:
        named = {key_of(reading.dtc): reading for reading in run.readings}
        for key, reading in named.items():
            _read(by_code.setdefault(key, []), run, reading)
        if run.complete:
            for key, chain in by_code.items():
                if key not in named:
                    _end(chain, run.first_us, EndedWhy.HEALED)
    return [episode for chain in by_code.values() for episode in chain]


def refold_from(episodes: Iterable[Episode], late_us: int) -> int:
    """The moment from which an ECU's episodes must be folded anew when a report of `late_us` comes late.

    Never inside an episode: whatever is still there at that moment is folded from its own start.
    """
    start = late_us
    for until_us, first_us in sorted(((_until(e), e.first_seen_us) for e in episodes), reverse=True):
        if until_us >= start:
            start = min(start, first_us)
    return start


def _until(episode: Episode) -> float:
    return inf if episode.ended_us is None else max(episode.last_seen_us, episode.ended_us)


def _says_the_same(run: ReportRun, report: DtcReport) -> bool:
    return (run.standard, run.ecu, run.complete, run.mil, run.readings) == (
        report.standard,
        report.ecu,
        report.complete,
        report.mil,
        report.readings,
    )


def _read(chain: list[Episode], run: ReportRun, reading: DtcReading) -> None:
    open_one = chain[-1] if chain and chain[-1].ended_us is None else None
    if not is_there(reading):
        assert reading.status is not None
        _end(chain, run.first_us, EndedWhy.CLEARED if reading.status & _CLEARED else EndedWhy.HEALED)
    elif open_one is None:
        chain.append(_opened(chain, run, reading))
    else:
        chain[-1] = replace(
            open_one,
            last_seen_us=max(open_one.last_seen_us, run.until_us),
            confirmed=open_one.confirmed or _confirms(reading),
            status=reading.status,
            occurrences=max(open_one.occurrences, reading.occurrences or 1),
            mil=open_one.mil if run.mil is None else run.mil,
            freeze_frame=open_one.freeze_frame or reading.freeze_frame,
        )


def _opened(chain: Sequence[Episode], run: ReportRun, reading: DtcReading) -> Episode:
    """A new episode; the ECU's own onset counts unless an earlier episode ended after it."""
    first_us = run.first_us if reading.at_us is None else min(reading.at_us, run.first_us)
    if chain and chain[-1].ended_us is not None:
        first_us = max(first_us, min(chain[-1].ended_us, run.first_us))
    return Episode(
        dtc=reading.dtc,
        number=chain[-1].number + 1 if chain else 1,
        first_seen_us=first_us,
        last_seen_us=run.until_us,
        confirmed=_confirms(reading),
        status=reading.status,
        occurrences=reading.occurrences or 1,
        mil=run.mil,
        freeze_frame=reading.freeze_frame,
    )


def _end(chain: list[Episode], at_us: int, why: EndedWhy) -> None:
    if chain and chain[-1].ended_us is None:
        chain[-1] = replace(chain[-1], ended_us=at_us, ended_why=why)


def _confirms(reading: DtcReading) -> bool:
    return reading.status is None or bool(reading.status & DtcStatus.CONFIRMED)
