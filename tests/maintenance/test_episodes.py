"""Fault episodes: opened, continued, healed and cleared in event order, late reports included."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from maintenance import episodes
from vehicle.dtc import Dtc, DtcReading, DtcReport, DtcStandard, DtcStatus
from vehicle.fault import EndedWhy, Episode, ReportRun

MISFIRE = Dtc(DtcStandard.J2012, "ecm", "P0301")
CATALYST = Dtc(DtcStandard.J2012, "ecm", "P0420")


def reading(dtc: Dtc, status: int | None = int(DtcStatus.CONFIRMED), **more: object) -> DtcReading:
    return replace(DtcReading(dtc, None if status is None else DtcStatus(status)), **more)  # type: ignore[arg-type]  # keywords of the dataclass


def report(
    at_us: int, *readings: DtcReading, complete: bool = True, mil: bool | None = None, ecu: str = "ecm"
) -> DtcReport:
    return DtcReport(0, at_us, DtcStandard.J2012, ecu, complete, readings, mil)


def runs(*reports: DtcReport, seq: int = 0) -> list[ReportRun]:
    return episodes.runs_of(reports, vehicle_id=1, boot=1, life=0, seq=seq)


def fold(*reports: DtcReport) -> list[Episode]:
    return episodes.fold([], runs(*reports))


def test_a_code_that_stays_is_one_episode() -> None:
    (episode,) = fold(
        report(10, reading(MISFIRE)), report(20, reading(MISFIRE)), report(30, reading(MISFIRE))
    )
    assert (episode.first_seen_us, episode.last_seen_us, episode.ended_us, episode.number) == (
        10,
        30,
        None,
        1,
    )
    assert episode.confirmed


def test_reports_that_say_the_same_are_one_run_per_ecu() -> None:
    found = runs(
        report(10, reading(MISFIRE)),
        report(11, ecu="tcm"),
        report(20, reading(MISFIRE)),
        report(21, ecu="tcm"),
        report(30, reading(MISFIRE), mil=True),
        report(40, reading(MISFIRE)),
    )
    assert [(run.ecu, run.first_us, run.until_us, run.run) for run in found] == [
        ("ecm", 10, 20, 0),
        ("ecm", 30, 30, 1),
        ("ecm", 40, 40, 2),
        ("tcm", 11, 21, 3),
    ]


def test_a_complete_report_without_the_code_heals_it_and_it_may_come_back() -> None:
    first, second = fold(report(10, reading(MISFIRE)), report(20), report(30, reading(MISFIRE)))
    assert (first.ended_us, first.ended_why) == (20, EndedWhy.HEALED)
    assert (second.first_seen_us, second.number, second.ended_us) == (30, 2, None)


def test_an_incomplete_report_heals_nothing() -> None:
    (episode,) = fold(report(10, reading(MISFIRE)), report(20, reading(CATALYST), complete=False))[:1]
    assert episode.ended_us is None


def test_a_code_not_tested_since_a_clear_is_cleared_and_one_that_passed_is_healed() -> None:
    (cleared,) = fold(report(10, reading(MISFIRE)), report(20, reading(MISFIRE, 0x50)))
    (healed,) = fold(report(10, reading(MISFIRE)), report(20, reading(MISFIRE, 0x20)))
    assert (cleared.ended_why, healed.ended_why) == (EndedWhy.CLEARED, EndedWhy.HEALED)
    assert not fold(report(20, reading(MISFIRE, 0x50)))


def test_a_pending_code_is_there_but_not_confirmed_until_bit_3() -> None:
    (pending,) = fold(report(10, reading(MISFIRE, 0x04)))
    (confirmed,) = fold(report(10, reading(MISFIRE, 0x04)), report(20, reading(MISFIRE, 0x0C)))
    (stored,) = fold(report(10, reading(MISFIRE, 0x08)))
    assert not pending.confirmed
    assert confirmed.confirmed
    assert confirmed.status == DtcStatus.PENDING | DtcStatus.CONFIRMED
    assert stored.confirmed


def test_a_code_without_status_is_confirmed_because_it_is_active() -> None:
    (episode,) = fold(report(10, reading(MISFIRE, None)))
    assert episode.confirmed


def test_counts_lamps_and_the_onsets_freeze_frame_are_kept() -> None:
    (episode,) = fold(
        report(10, reading(MISFIRE, occurrences=2, freeze_frame={"Vehicle.Speed": 80.0}), mil=True),
        report(20, reading(MISFIRE, occurrences=5, freeze_frame={"Vehicle.Speed": 20.0})),
    )
    assert (episode.occurrences, episode.mil, episode.freeze_frame) == (5, True, {"Vehicle.Speed": 80.0})


def test_the_ecus_own_onset_counts_but_not_into_an_earlier_episode() -> None:
    (episode,) = fold(report(100, reading(MISFIRE, at_us=40)))
    assert episode.first_seen_us == 40
    _, second = fold(report(10, reading(MISFIRE)), report(50), report(100, reading(MISFIRE, at_us=40)))
    assert second.first_seen_us == 50


@st.composite
def histories(draw: DrawFn) -> list[ReportRun]:
    """One ECU's runs of many messages, with equal and overlapping moments."""
    found: list[ReportRun] = []
    for seq in range(draw(st.integers(1, 12))):
        first = draw(st.integers(0, 30))
        named = draw(st.lists(st.sampled_from([MISFIRE, CATALYST]), max_size=2, unique=True))
        readings = tuple(
            DtcReading(
                dtc,
                draw(st.sampled_from([None, DtcStatus(0x08), DtcStatus(0x50), DtcStatus(0x04)])),
                at_us=draw(st.none() | st.integers(max(0, first - 8), first)),
            )
            for dtc in named
        )
        until = first + draw(st.integers(0, 5))
        complete = draw(st.booleans())
        found.append(
            ReportRun(1, 1, 0, seq, 0, first, until, DtcStandard.J2012, "ecm", complete, None, readings)
        )
    return found


def numbered(found: list[Episode]) -> list[tuple[object, ...]]:
    return sorted(
        (e.dtc.code, e.number, e.first_seen_us, e.last_seen_us, e.ended_us, e.ended_why) for e in found
    )


@settings(max_examples=200, deadline=None)
@given(history=histories(), data=st.data())
def test_late_reports_end_in_the_same_episodes_as_reports_in_order(
    history: list[ReportRun], data: st.DataObject
) -> None:
    """As ingest does it: continued by reports in order, folded anew from `refold_from` by others."""
    arriving = data.draw(st.permutations(history))
    stored: list[ReportRun] = []
    found: list[Episode] = []
    for run in arriving:
        in_order = all(run.order > other.order for other in stored)
        stored.append(run)
        if in_order:
            newest = {episodes.key_of(e.dtc): e for e in sorted(found, key=lambda e: e.number)}
            continued = episodes.fold(list(newest.values()), [run])
            changed = {(e.dtc, e.number): e for e in continued}
            found = [e for e in found if (e.dtc, e.number) not in changed] + continued
        else:
            since = episodes.refold_from(found, run.first_us)
            kept = [episode for episode in found if episode.first_seen_us < since]
            again = sorted((r for r in stored if r.first_us >= since), key=lambda r: r.order)
            found = episodes.fold(kept, again)
    clean = episodes.fold([], sorted(history, key=lambda run: run.order))
    assert numbered(found) == numbered(clean)
