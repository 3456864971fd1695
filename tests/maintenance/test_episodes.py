"""Fault episodes: opened, continued, healed and cleared in event order, late reports included."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from maintenance import episodes
from vehicle.dtc import BYTE, Dtc, DtcClear, DtcReading, DtcReport, DtcStandard, DtcStatus
from vehicle.fault import EndedWhy, Episode, FaultState, ReportRun, state_of

ACTIVE, PENDING, STORED = DtcStatus.TEST_FAILED, DtcStatus.PENDING, DtcStatus.CONFIRMED
PERMANENT = DtcStatus.PERMANENT
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


def listed(
    at_us: int, scope: DtcStatus | None, *names: str, status: int | None = None, complete: bool = True
) -> DtcReport:
    """One list of a J1939 engine: active codes without a status, others with the bit they tell."""
    readings = tuple(
        DtcReading(Dtc(DtcStandard.J1939, "sa-00", name), None if status is None else DtcStatus(status))
        for name in names
    )
    return DtcReport(0, at_us, DtcStandard.J1939, "sa-00", complete, readings, None, scope)


def dm1(at_us: int, *names: str) -> DtcReport:
    return listed(at_us, ACTIVE, *names)


def dm2(at_us: int, *names: str) -> DtcReport:
    return listed(at_us, STORED, *names, status=STORED)


def cleared(at_us: int, standard: DtcStandard = DtcStandard.J2012, **more: object) -> DtcClear:
    ecu = "sa-00" if standard is DtcStandard.J1939 else "ecm"
    return DtcClear(0, at_us, standard, ecu, **more)  # type: ignore[arg-type]  # keywords of the dataclass


def told(*said: DtcReport | DtcClear) -> list[Episode]:
    reports = [one for one in said if isinstance(one, DtcReport)]
    clears = [one for one in said if isinstance(one, DtcClear)]
    found = episodes.runs_of(reports, clears, vehicle_id=1, boot=1, life=0, seq=0)
    return episodes.fold([], sorted(found, key=lambda run: run.order))


def state(episode: Episode) -> FaultState:
    return state_of(
        confirmed=episode.confirmed,
        status=episode.status,
        ended_why=episode.ended_why,
        has_ended=episode.ended_us is not None,
    )


def test_the_word_for_an_episode_follows_its_status_bits() -> None:
    words = {0x2F: "active", 0x09: "active", 0x08: "stored", 0x28: "stored", 0x04: "pending", 0x07: "pending"}
    for status, word in words.items():
        (episode,) = fold(report(10, reading(MISFIRE, status)))
        assert state(episode) == word, hex(status)
    (active,) = fold(report(10, reading(MISFIRE, None)))
    assert state(active) is FaultState.ACTIVE


def test_a_list_of_previously_active_codes_opens_no_active_episode() -> None:
    (stored,) = told(dm2(10, "SPN 94 FMI 1"))
    assert state(stored) is FaultState.STORED
    (stays,) = told(dm2(10, "SPN 94 FMI 1"), dm1(20), dm1(30))
    assert (state(stays), stays.ended_us) == (FaultState.STORED, None)
    (gone,) = told(dm2(10, "SPN 94 FMI 1"), dm1(20), dm2(30))
    assert (gone.ended_us, gone.ended_why) == (30, EndedWhy.HEALED)


def test_what_was_active_and_healed_is_not_opened_again_by_the_ecus_memory_of_it() -> None:
    (one,) = told(dm1(10, "SPN 94 FMI 1"), dm1(20), dm2(30, "SPN 94 FMI 1"), dm1(40))
    assert (one.ended_us, one.ended_why) == (20, EndedWhy.HEALED)


def test_a_stored_code_becomes_active_and_stored_again() -> None:
    history = [dm2(10, "SPN 94 FMI 1"), dm1(20, "SPN 94 FMI 1"), dm1(30)]
    assert [state(told(*history[:n])[0]) for n in (1, 2, 3)] == ["stored", "active", "stored"]
    assert told(*history)[0].mil is False


def test_pending_codes_of_dm6_stay_pending_and_go_with_their_list() -> None:
    pending = listed(10, PENDING, "SPN 94 FMI 1", status=PENDING)
    (one,) = told(pending, dm1(20), dm2(30))
    assert state(one) is FaultState.PENDING
    (gone,) = told(pending, listed(20, PENDING))
    assert gone.ended_why is EndedWhy.HEALED


def test_a_list_of_some_active_codes_heals_none() -> None:
    some = listed(20, ACTIVE, "SPN 100 FMI 1", complete=False)
    found = {one.dtc.code: one for one in told(dm1(10, "SPN 94 FMI 1"), some)}
    assert {code: state(one) for code, one in found.items()} == {
        "SPN 94 FMI 1": "active",
        "SPN 100 FMI 1": "active",
    }


def test_a_clear_ends_every_episode_and_the_next_report_begins_another() -> None:
    first, second = told(report(10, reading(MISFIRE)), cleared(20), report(30, reading(MISFIRE)))
    assert (first.ended_us, first.ended_why) == (20, EndedWhy.CLEARED)
    assert (second.number, second.first_seen_us, second.ended_us) == (2, 30, None)


def test_a_clear_of_one_code_ends_only_that_one() -> None:
    seen = report(10, reading(replace(MISFIRE, ftb=0x11)), reading(CATALYST))
    found = {one.dtc.code: one for one in told(seen, cleared(20, group=0x030111))}
    assert (found["P0301"].ended_why, found["P0420"].ended_why) == (EndedWhy.CLEARED, None)
    unknown_group = told(seen, cleared(20, group=0xFFFF33))
    assert [one.ended_us for one in unknown_group] == [None, None]


def test_a_permanent_code_survives_a_clear_until_its_list_is_without_it() -> None:
    look = replace(report(10, reading(MISFIRE, STORED | PERMANENT)), scope=BYTE | PERMANENT)
    (one,) = told(look, cleared(20))
    assert (state(one), one.ended_us) == (FaultState.PERMANENT, None)
    after = replace(
        report(30, reading(MISFIRE, PERMANENT | DtcStatus.NOT_COMPLETED_SINCE_CLEAR)), scope=look.scope
    )
    (still,) = told(look, cleared(20), after)
    assert state(still) is FaultState.PERMANENT
    (gone,) = told(look, cleared(20), after, replace(report(40), scope=look.scope))
    assert (gone.ended_us, gone.ended_why) == (40, EndedWhy.HEALED)


def test_dm3_clears_what_was_active_and_dm11_what_is() -> None:
    both = [dm1(10, "SPN 94 FMI 1"), dm2(11, "SPN 100 FMI 3"), dm2(12, "SPN 94 FMI 1", "SPN 100 FMI 3")]
    dm3 = cleared(20, DtcStandard.J1939, scope=STORED)
    dm11 = cleared(20, DtcStandard.J1939, scope=ACTIVE | PENDING)
    assert {one.dtc.code: str(state(one)) for one in told(*both, dm3)} == {
        "SPN 94 FMI 1": "active",
        "SPN 100 FMI 3": "cleared",
    }
    assert {one.dtc.code: str(state(one)) for one in told(*both, dm11)} == {
        "SPN 94 FMI 1": "stored",
        "SPN 100 FMI 3": "stored",
    }


def test_the_lamp_is_the_code_s_own_where_its_status_tells() -> None:
    uds = replace(MISFIRE, standard=DtcStandard.UDS)
    lit = DtcReport(0, 10, DtcStandard.UDS, "ecm", True, (reading(uds, 0x89),))
    out = DtcReport(0, 20, DtcStandard.UDS, "ecm", True, (reading(uds, 0x08),))
    assert [told(lit)[0].mil, told(lit, out)[0].mil, told(out)[0].mil] == [True, False, False]


STATUSES = [None, *(DtcStatus(bits) for bits in (0x08, 0x50, 0x04, 0x8F, 0x108, 0x110))]
SCOPES = [None, ACTIVE, STORED, PENDING, BYTE, BYTE | PERMANENT, DtcStatus(0)]


@st.composite
def histories(draw: DrawFn) -> list[ReportRun]:
    """One ECU's runs of many messages, with equal and overlapping moments; lists and clears among them."""
    found: list[ReportRun] = []
    for seq in range(draw(st.integers(1, 12))):
        first = draw(st.integers(0, 30))
        group = draw(st.none() | st.none() | st.sampled_from([0xFFFFFF, 0x030100]))
        named = [] if group else draw(st.lists(st.sampled_from([MISFIRE, CATALYST]), max_size=2, unique=True))
        readings = tuple(
            DtcReading(
                dtc,
                draw(st.sampled_from(STATUSES)),
                at_us=draw(st.none() | st.integers(max(0, first - 8), first)),
            )
            for dtc in named
        )
        found.append(
            ReportRun(
                vehicle_id=1,
                boot=1,
                life=0,
                seq=seq,
                run=0,
                first_us=first,
                until_us=first if group else first + draw(st.integers(0, 5)),
                standard=draw(st.just(DtcStandard.J1939) | st.just(DtcStandard.J2012)),
                ecu="ecm",
                complete=not group and draw(st.booleans()),
                mil=draw(st.sampled_from([None, True, False])),
                readings=readings,
                scope=draw(st.sampled_from(SCOPES)),
                cleared=group,
            )
        )
    return found


def numbered(found: list[Episode]) -> list[tuple[object, ...]]:
    return sorted(
        (e.dtc.code, e.number, e.first_seen_us, e.last_seen_us, e.ended_us or 0, str(e.ended_why), repr(e))
        for e in found
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
