"""Fault episodes: the fold of one ECU's reports and clears in event order.

A code is there from the first report that names it until nothing says so any more: a complete report
without it (healed), a status that says its test passed (healed) or was not run since a tester's clear
(cleared), or the clear itself (cleared, but for permanent codes). Where an ECU tells its codes by several
lists, each list speaks for its own status bits: DM1 of J1939 for what is active, DM2 for what was. A code
is confirmed with status bit 3 or as a permanent one; where the standard has no status (J1939 DM1: active),
with its first report.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Final

from vehicle.dtc import (
    ALL_GROUPS,
    BYTE,
    THERE,
    Dtc,
    DtcClear,
    DtcReading,
    DtcReport,
    DtcStandard,
    DtcStatus,
)
from vehicle.fault import EndedWhy, Episode, ReportRun

_ACTIVE: Final = DtcStatus.TEST_FAILED
_CLEARED: Final = DtcStatus.NOT_COMPLETED_SINCE_CLEAR
_NONE: Final = DtcStatus(0)
_LETTERS: Final = "PCBU"

Key = tuple[str, int | None]
"""A code of one ECU: its spelling and failure type byte."""


def key_of(dtc: Dtc) -> Key:
    """What tells two codes of the same ECU apart."""
    return (dtc.code, dtc.ftb)


def is_there(reading: DtcReading) -> bool:
    """Whether a report that names a code says that it is there; 0x50 after a clear is not."""
    return reading.status is None or bool(reading.status & THERE)


def runs_of(
    reports: Iterable[DtcReport],
    clears: Iterable[DtcClear] = (),
    *,
    vehicle_id: int,
    boot: int,
    life: int,
    seq: int,
) -> list[ReportRun]:
    """The reports and clears of one message.

    Consecutive equal reports of an ECU are joined, so that 1 Hz becomes one row.
    """
    said: list[DtcReport | DtcClear] = [*reports, *clears]
    said.sort(key=lambda one: (one.standard, one.ecu, one.at_us))
    runs: list[ReportRun] = []
    for one in said:
        if isinstance(one, DtcReport) and runs and _says_the_same(runs[-1], one):
            runs[-1] = replace(runs[-1], until_us=one.at_us)
            continue
        is_report = isinstance(one, DtcReport)
        runs.append(
            ReportRun(
                vehicle_id=vehicle_id,
                boot=boot,
                life=life,
                seq=seq,
                run=len(runs),
                first_us=one.at_us,
                until_us=one.at_us,
                standard=one.standard,
                ecu=one.ecu,
                complete=one.complete if isinstance(one, DtcReport) else False,
                mil=one.mil if isinstance(one, DtcReport) else None,
                readings=one.readings if isinstance(one, DtcReport) else (),
                scope=one.scope,
                cleared=None if is_report else _group(one),
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
        if run.cleared is not None:
            for chain in by_code.values():
                _clear(chain, run, run.cleared)
            continue
        named = {key_of(reading.dtc): reading for reading in run.readings}
        for key, reading in named.items():
            _read(by_code.setdefault(key, []), run, reading)
        if run.complete:
            for key, chain in by_code.items():
                if key not in named:
                    _leave_out(chain, run)
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


def _group(clear: DtcReport | DtcClear) -> int:
    group = clear.group if isinstance(clear, DtcClear) else None
    return ALL_GROUPS if group is None else group


def _says_the_same(run: ReportRun, report: DtcReport) -> bool:
    said = (report.standard, report.ecu, report.complete, report.mil, report.scope, report.readings)
    before = (run.standard, run.ecu, run.complete, run.mil, run.scope, run.readings)
    return run.cleared is None and before == said


def _read(chain: list[Episode], run: ReportRun, reading: DtcReading) -> None:
    open_one = chain[-1] if chain and chain[-1].ended_us is None else None
    status = _told(open_one, run, reading)
    if status is not None and not status & THERE:
        _end(chain, run.first_us, EndedWhy.CLEARED if status & _CLEARED else EndedWhy.HEALED)
    elif open_one is not None:
        chain[-1] = replace(
            open_one,
            last_seen_us=max(open_one.last_seen_us, run.until_us),
            confirmed=open_one.confirmed or _confirms(reading),
            status=status,
            occurrences=max(open_one.occurrences, reading.occurrences or 1),
            mil=_lamp(open_one, run, reading),
            freeze_frame=open_one.freeze_frame or reading.freeze_frame,
        )
    elif not (_is_memory(run, reading) and chain and chain[-1].ended_why is EndedWhy.HEALED):
        chain.append(_opened(chain, run, reading, status))


def _told(open_one: Episode | None, run: ReportRun, reading: DtcReading) -> DtcStatus | None:
    """The status after a report that names the code: the bits of its scope are as it says, others stay set.

    A status byte tells nothing about permanence.
    """
    if run.scope is None and reading.status is None:
        return None
    scope = BYTE if run.scope is None else run.scope
    kept = _NONE if open_one is None else _without(open_one, scope)
    return kept | (_ACTIVE if reading.status is None else reading.status)


def _is_memory(run: ReportRun, reading: DtcReading) -> bool:
    """J1939-73 DM2 and DM23: the code was active before; an episode that has healed is what they remember."""
    return (
        run.standard is DtcStandard.J1939
        and run.scope == DtcStatus.CONFIRMED
        and reading.status == DtcStatus.CONFIRMED
    )


def _opened(
    chain: Sequence[Episode], run: ReportRun, reading: DtcReading, status: DtcStatus | None
) -> Episode:
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
        status=status,
        occurrences=reading.occurrences or 1,
        mil=_lamp(None, run, reading),
        freeze_frame=reading.freeze_frame,
    )


def _leave_out(chain: list[Episode], run: ReportRun) -> None:
    """A complete report does not name the code: what it would have told is not so."""
    if not chain or chain[-1].ended_us is not None:
        return
    left = _NONE if run.scope is None else _without(chain[-1], run.scope)
    if left & THERE:
        is_active = run.scope is not None and not run.scope & _ACTIVE
        chain[-1] = replace(chain[-1], status=left, mil=chain[-1].mil if is_active else False)
    else:
        _end(chain, run.first_us, EndedWhy.HEALED)


def _clear(chain: list[Episode], run: ReportRun, group: int) -> None:
    """A tester's clear ends an episode; a permanent code stays, and so does what DM3 or DM11 leave alone."""
    if not chain or chain[-1].ended_us is not None or not _is_of(chain[-1].dtc, group):
        return
    left = _without(chain[-1], BYTE if run.scope is None else run.scope)
    if left & THERE:
        mil = False if run.scope is None or run.scope & _ACTIVE else chain[-1].mil
        chain[-1] = replace(chain[-1], status=left, mil=mil)
    else:
        _end(chain, run.first_us, EndedWhy.CLEARED)


def _without(episode: Episode, scope: DtcStatus) -> DtcStatus:
    return (_ACTIVE if episode.status is None else episode.status) & ~scope


def _is_of(dtc: Dtc, group: int) -> bool:
    """Whether a code belongs to what was cleared: everything, or this very code.

    What a maker's other groups hold is not known; the next complete report tells.
    """
    if group == ALL_GROUPS:
        return True
    if len(dtc.code) != 5 or dtc.code[0] not in _LETTERS:
        return False
    spelled = _LETTERS[group >> 22] + f"{group >> 20 & 3}{group >> 8 & 0xFFF:03X}"
    return (dtc.code, dtc.ftb or 0) == (spelled, group & 0xFF)


def _end(chain: list[Episode], at_us: int, why: EndedWhy) -> None:
    if chain and chain[-1].ended_us is None:
        chain[-1] = replace(chain[-1], ended_us=at_us, ended_why=why)


def _confirms(reading: DtcReading) -> bool:
    confirming = DtcStatus.CONFIRMED | DtcStatus.PERMANENT
    return reading.status is None or bool(reading.status & confirming)


def _lamp(before: Episode | None, run: ReportRun, reading: DtcReading) -> bool | None:
    """Whether the warning lamp is on: for this code (status bit 7), else as the ECU says of itself."""
    lit = DtcStatus.WARNING_INDICATOR
    if reading.status is not None and reading.status & lit:
        return True
    if run.mil is not None:
        return run.mil
    if reading.status is not None and run.scope is None:
        was_lit = before is not None and before.status is not None and before.status & lit
        if was_lit or run.standard is DtcStandard.UDS:
            return False
    return None if before is None else before.mil
