import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import diag, dids, isotp
from decoders.addressing import Addressing
from decoders.diag import Diagnosed, Heard
from decoders.envelope import DiagAnswer, DiagMessage, Envelope
from decoders.isotp import Carry
from odocare import wiring
from tests.decoders import kona
from tests.decoders.isotp_frames import segments
from tests.strategies import batch_of
from vehicle.dtc import DtcClear, DtcReport, DtcStandard, DtcStatus
from vehicle.vin import Vin

GOLDEN = Path(__file__).parent.parent / "golden/diag"
ANSWERS: list[dict[str, Any]] = json.loads((GOLDEN / "answers.json").read_text(encoding="utf-8"))
BOOK = wiring.did_codebook()
CATALOGUE = wiring.catalogue()


def heard(payload: str, *, at_us: int = 0, message: int = 0, ecu: str = "7e8", request: str = "") -> Heard:
    return Heard(message, at_us, ecu, bytes.fromhex(payload), bytes.fromhex(request) or None)


def read(*answers: Heard) -> Diagnosed:
    return diag.read(answers, BOOK, CATALOGUE)


def values(found: Diagnosed) -> dict[str, float]:
    paths = [CATALOGUE.by_number[number].path for number in found.rows.signal.tolist()]
    return dict(zip(paths, found.rows.value.tolist(), strict=True))


def readings(report: DtcReport) -> list[list[object]]:
    return [[one.dtc.code, one.dtc.ftb, one.status] for one in report.readings]


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: str(case["title"]))
def test_golden_answers_mean_what_was_written_down(case: dict[str, Any]) -> None:
    found = read(heard(case["payload"], request=case.get("request", "")))
    assert found.unread == []
    assert values(found) == pytest.approx(case.get("values", {}))
    assert [
        {"standard": one.standard, "complete": one.complete, "readings": readings(one)}
        for one in found.reports
    ] == case.get("reports", [])
    assert found.refused == ({tuple(case["refused"]): 1} if "refused" in case else {})
    assert [[one.kind, *one.texts] for one in found.identities] == (
        [case["identity"]] if "identity" in case else []
    )
    if "freeze_frame" in case:
        assert found.reports[0].readings[0].freeze_frame == pytest.approx(case["freeze_frame"])


def test_a_t_box_s_message_gives_its_answers_with_their_times() -> None:
    envelope = Envelope(Vin("A0DC00000N0000042"), 1, 0, 1_000_000, ack=False, resent=False)
    message = DiagMessage(envelope, (DiagAnswer(500, "7e8", b"\x41\x0d\x32", b"\x01\x0d"),))
    assert diag.of_message(message, 4) == [Heard(4, 1_000_500, "7e8", b"\x41\x0d\x32", b"\x01\x0d")]


def test_a_bus_gives_its_answers_with_their_requests() -> None:
    asked = segments(0x7DF, b"\x19\x02\xff")
    answer = segments(0x7E8, bytes.fromhex("5902ff0301002f0420002f"), start_us=50_000)
    found = isotp.reassemble(batch_of([*asked, *answer]), Carry(), addressing=Addressing())
    (one,) = diag.of_isotp(found.messages, {(0x7E8, None): "engine"})
    assert (one.ecu, one.request) == ("engine", b"\x19\x02\xff")
    (report,) = read(one).reports
    assert report.complete
    assert report.ecu == "engine"
    assert diag.of_isotp(found.messages)[0].ecu == "7e8"


def test_frozen_values_stand_in_the_reading_of_their_code_and_nowhere_else() -> None:
    found = read(
        heard("430203010420"),
        heard("4700", at_us=1),
        heard("410183000000", at_us=2),
        heard("4202000301", at_us=3),
        heard("420d0032", at_us=4),
        heard("42050064", at_us=5),
        heard("410d00", at_us=6),
    )
    (report,) = found.reports
    assert (report.complete, report.mil) == (True, True)
    assert [one.freeze_frame for one in report.readings] == [
        {"Vehicle.Speed": 50.0, "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature": 60.0},
        {},
    ]
    assert values(found)["Vehicle.Speed"] == 0.0


def test_snapshots_of_two_codes_do_not_mix() -> None:
    found = read(heard("59040301002f0101f40d32"), heard("59040420002f0101f40d3c"), heard("5904042000 08"))
    assert [one.readings[0].freeze_frame for one in found.reports] == [
        {"Vehicle.Speed": 50.0},
        {"Vehicle.Speed": 60.0},
        {},
    ]
    assert [one.detail.code for one in found.details] == [0x030100, 0x042000, 0x042000]


def test_clears_are_told_with_what_they_cleared() -> None:
    found = read(
        heard("44", at_us=1),
        heard("54", at_us=2, request="14ffffff"),
        heard("54", at_us=3, request="14030111"),
    )
    assert found.clears == [
        DtcClear(0, 1, DtcStandard.J2012, "7e8"),
        DtcClear(0, 2, DtcStandard.UDS, "7e8", 0xFFFFFF),
        DtcClear(0, 2, DtcStandard.J2012, "7e8", 0xFFFFFF),
        DtcClear(0, 3, DtcStandard.UDS, "7e8", 0x030111),
    ]


def test_a_code_not_tested_since_a_clear_is_told_as_such_and_is_no_fault() -> None:
    (report,) = read(heard("5902ff03010050", request="1902ff")).reports
    status = report.readings[0].status
    assert status == DtcStatus.NOT_COMPLETED_SINCE_CLEAR | DtcStatus.NOT_COMPLETED_THIS_CYCLE


def test_what_nobody_defined_is_counted() -> None:
    found = read(heard("41ee00"), heard("62ffee00"), heard("62ffee00"))
    assert found.unknown_dids == {0xF4EE: 1, 0xFFEE: 2}


def test_a_bad_answer_harms_no_other() -> None:
    found = read(heard("410d32"), heard("5902"), heard("410c1af8"))
    assert len(found.rows) == 2
    ((place, error),) = found.unread
    assert (place, error.reason) == (1, "truncated")


def test_vehicles_of_a_batch_are_told_apart_by_their_messages() -> None:
    first = [heard("410d32", message=0), heard("43010301", message=0)]
    second = [heard("410d3c", message=1), heard("4700", message=1)]
    found = read(*first, *second)
    assert list(zip(found.rows.message, found.rows.value, strict=True)) == [(0, 50.0), (1, 60.0)]
    assert [(one.message, one.complete) for one in found.reports] == [(0, True), (1, True)]


def test_the_car_s_bus_is_read_from_frames_to_values() -> None:
    files = {"kona.toml": (GOLDEN / "kona.toml").read_text(encoding="utf-8")}
    found = isotp.reassemble(batch_of(kona.frames()), Carry(), addressing=kona.ADDRESSING)
    book = dids.load("kona", files, CATALOGUE)
    said = diag.read(diag.of_isotp(found.messages), book, CATALOGUE)
    assert len(said.rows) == 120 + 2 * 150
    charge = CATALOGUE.of("Vehicle.Powertrain.TractionBattery.StateOfCharge.Current").number
    assert set(said.rows.value[said.rows.signal == charge].tolist()) == {50.0}
    assert (said.unread, said.unknown_dids, said.reports) == ([], {}, [])


def mutated(payload: bytes, data: st.DataObject) -> bytes:
    """A golden answer with some bytes changed, cut off or added."""
    damaged = bytearray(payload)
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    return bytes(damaged[: data.draw(st.integers(0, len(damaged)))]) + data.draw(st.binary(max_size=4))


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_answers_are_read_or_refused_one_by_one(data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=8))
    payloads = [mutated(bytes.fromhex(one["payload"]), data) for one in drawn]
    answers = [
        Heard(k // 3, k, data.draw(st.sampled_from(["7e8", "7e9"])), payload, payload[:3])
        for k, payload in enumerate(payloads)
    ]
    found = read(*answers)
    assert len({place for place, _ in found.unread}) == len(found.unread) <= len(answers)
    numbers = set(CATALOGUE.by_number)
    assert numbers.issuperset(cast("list[int]", found.rows.signal.tolist()))


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_values_do_not_depend_on_the_order_of_answers(data: st.DataObject) -> None:
    answers = [
        heard(one["payload"], at_us=k, request=one.get("request", "")) for k, one in enumerate(ANSWERS)
    ]
    shuffled = data.draw(st.permutations(answers))
    whole, other = read(*answers), read(*shuffled)
    assert [column.tolist() for column in (whole.rows.signal, whole.rows.t_us, whole.rows.value)] == [
        column.tolist() for column in (other.rows.signal, other.rows.t_us, other.rows.value)
    ]
    assert sorted(map(str, whole.reports)) == sorted(map(str, other.reports))


def test_the_order_of_reports_of_one_moment_does_not_depend_on_other_messages() -> None:
    codes = bytes.fromhex("43010301")
    mine = [Heard(1, 0, "7e9", codes), Heard(1, 0, "7e8", codes)]
    alone, after = (
        [one for one in diag.read(answers, wiring.did_codebook(), wiring.catalogue()).reports if one.message]
        for answers in (mine, [Heard(0, 0, "7e8", codes), *mine])
    )
    assert [one.ecu for one in alone] == ["7e8", "7e9"]
    assert alone == after
