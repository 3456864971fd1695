from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import dids, obd, obd_codes
from decoders.dids import Record
from decoders.dtc import spell
from decoders.identity import IdentityKind
from decoders.obd import Cleared, CodeKind, Codes, Info, InfoPart, Pids
from decoders.obd_codes import CodeList, FreezeFrame, Lamp
from odocare import wiring
from vehicle.dtc import BYTE, DtcReport, DtcStatus
from vehicle.errors import DecodeError, TruncatedPayloadError, UnknownKindError, WrongTypeError

BOOK = wiring.did_codebook()
CATALOGUE = wiring.catalogue()
CONFIRMED, PENDING = DtcStatus.CONFIRMED, DtcStatus.PENDING
PERMANENT = DtcStatus.PERMANENT


def parse(text: str) -> obd.Answer:
    return obd.parse_response(bytes.fromhex(text), BOOK)


def test_pids_of_one_answer_are_told_apart_by_their_lengths() -> None:
    assert parse("410c1af80d32") == Pids(None, ((0x0C, b"\x1a\xf8"), (0x0D, b"\x32")))
    assert parse("410c1a") == Pids(None, ((0x0C, b"\x1a"),))
    assert parse("410d32ee0102") == Pids(None, ((0x0D, b"\x32"),), 0xEE, b"\x01\x02")
    assert parse("410d3200") == Pids(None, ((0x0D, b"\x32"),), rest=b"\x00")


def test_frozen_pids_say_which_frame_they_are_from() -> None:
    assert parse("420200030105003b") == Pids(0, ((0x02, b"\x03\x01"), (0x05, b"\x3b")))
    assert parse("420d0232ee0201") == Pids(2, ((0x0D, b"\x32"),), 0xEE, b"\x01")
    assert parse("420d02320c01ffff") == Pids(2, ((0x0D, b"\x32"),), rest=b"\x0c\x01\xff\xff")


@pytest.mark.parametrize(
    ("payload", "codes", "is_counted", "is_last"),
    [
        ("4300", (), True, True),
        ("43", (), False, True),
        ("43010301", (0x0301,), True, True),
        ("430203010420", (0x0301, 0x0420), True, True),
        ("4301030100000000", (0x0301,), True, True),  # filled up
        ("43010301aaaaaaaa", (0x0301,), True, True),
        ("43030104200000", (0x0301, 0x0420), False, True),
        ("43030104200171", (0x0301, 0x0420, 0x0171), False, False),  # three: there may be more
        ("43000000000000", (), False, True),
        ("47010420", (0x0420,), True, True),
        ("4a010420", (0x0420,), True, True),
    ],
)
def test_codes_come_with_and_without_a_count(
    payload: str, codes: tuple[int, ...], *, is_counted: bool, is_last: bool
) -> None:
    kind = CodeKind(int(payload[:2], 16) - 0x40)
    assert parse(payload) == Codes(kind, codes, is_counted, is_last)


def test_a_clear_is_told() -> None:
    assert parse("44") == Cleared()


@pytest.mark.parametrize(
    ("payload", "error", "says"),
    [
        ("", TruncatedPayloadError, "an answer needs 1 bytes, got 0"),
        ("010c", WrongTypeError, "an answer has bit 6 of its service set, got 0x01"),
        ("410c", TruncatedPayloadError, "a PID with its record needs 2 bytes, got 1"),
        ("420c00", TruncatedPayloadError, "a frozen PID with its record needs 3 bytes, got 2"),
        ("43020301", TruncatedPayloadError, "2 codes needs 4 bytes, got 2"),
        ("430103010420", WrongTypeError, "behind 1 codes comes nothing but filling, got 2 bytes more"),
        ("4902", TruncatedPayloadError, "vehicle information needs 2 bytes, got 1"),
        ("4600", UnknownKindError, "service 0x06 is not read here"),
    ],
)
def test_what_does_not_add_up_is_refused(payload: str, error: type[DecodeError], says: str) -> None:
    with pytest.raises(error) as refused:
        parse(payload)
    assert says in str(refused.value)


@given(st.sets(st.integers(0x21, 0x40)))
def test_a_bitmap_names_the_pids_that_are_there(pids: set[int]) -> None:
    bits = sum(1 << (0x40 - pid) for pid in pids)
    assert obd.supported(0x20, bits.to_bytes(4, "big")) == pids


@pytest.mark.parametrize(("pid", "record"), [(0x21, bytes(4)), (0x20, bytes(3))])
def test_no_bitmap_is_no_bitmap(pid: int, record: bytes) -> None:
    with pytest.raises(DecodeError):
        obd.supported(pid, record)


def word(b: bytes, at: int = 0) -> int:
    return 256 * b[at] + b[at + 1]


def signed(b: bytes) -> int:
    return word(b) - 65536 * (b[0] >> 7)


O2 = "Vehicle.OBD.O2.Sensor{}.{}"
WIDE = "Vehicle.OBD.O2WR.Sensor{}.{}"
FORMULAS: dict[int, list[tuple[str, Callable[[bytes], float | None]]]] = {
    0x01: [
        ("Vehicle.OBD.Status.IsMILOn", lambda b: b[0] >> 7),
        ("Vehicle.OBD.Status.DTCCount", lambda b: b[0] & 0x7F),
    ],
    0x04: [("Vehicle.OBD.EngineLoad", lambda b: b[0] * 100 / 255)],
    0x05: [("Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature", lambda b: b[0] - 40)],
    0x06: [("Vehicle.OBD.ShortTermFuelTrim1", lambda b: b[0] * 100 / 128 - 100)],
    0x07: [("Vehicle.OBD.LongTermFuelTrim1", lambda b: b[0] * 100 / 128 - 100)],
    0x08: [("Vehicle.OBD.ShortTermFuelTrim2", lambda b: b[0] * 100 / 128 - 100)],
    0x09: [("Vehicle.OBD.LongTermFuelTrim2", lambda b: b[0] * 100 / 128 - 100)],
    0x0A: [("Vehicle.OBD.FuelPressure", lambda b: 3 * b[0])],
    0x0B: [("Vehicle.OBD.MAP", lambda b: b[0])],
    0x0C: [("Vehicle.Powertrain.CombustionEngine.Speed", lambda b: word(b) / 4)],
    0x0D: [("Vehicle.Speed", lambda b: b[0])],
    0x0E: [("Vehicle.OBD.TimingAdvance", lambda b: b[0] / 2 - 64)],
    0x0F: [("Vehicle.OBD.IntakeTemp", lambda b: b[0] - 40)],
    0x10: [("Vehicle.OBD.MAF", lambda b: word(b) / 100)],
    0x11: [("Vehicle.Powertrain.CombustionEngine.TPS", lambda b: b[0] * 100 / 255)],
    **{
        0x14 + k: [
            (O2.format(k + 1, "Voltage"), lambda b: b[0] / 200),
            (
                O2.format(k + 1, "ShortTermFuelTrim"),
                lambda b: None if b[1] == 0xFF else b[1] * 100 / 128 - 100,
            ),
        ]
        for k in range(8)
    },
    0x1C: [("Vehicle.OBD.OBDStandards", lambda b: b[0])],
    0x1E: [("Vehicle.OBD.IsPTOActive", lambda b: b[0] & 1)],
    0x1F: [("Vehicle.OBD.RunTime", word)],
    0x21: [("Vehicle.OBD.DistanceWithMIL", word)],
    0x22: [("Vehicle.OBD.FuelRailPressureVac", lambda b: word(b) * 0.079)],
    0x23: [("Vehicle.OBD.FuelRailPressureDirect", lambda b: 10 * word(b))],
    **{
        0x24 + k: [
            (WIDE.format(k + 1, "Lambda"), lambda b: word(b) * 2 / 65536),
            (WIDE.format(k + 1, "Voltage"), lambda b: word(b, 2) * 8 / 65536),
        ]
        for k in range(8)
    },
    0x2C: [("Vehicle.OBD.CommandedEGR", lambda b: b[0] * 100 / 255)],
    0x2D: [("Vehicle.OBD.EGRError", lambda b: b[0] * 100 / 128 - 100)],
    0x2E: [("Vehicle.OBD.CommandedEVAP", lambda b: b[0] * 100 / 255)],
    0x2F: [("Vehicle.Powertrain.FuelSystem.RelativeLevel", lambda b: b[0] * 100 / 255)],
    0x30: [("Vehicle.OBD.WarmupsSinceDTCClear", lambda b: b[0])],
    0x31: [("Vehicle.OBD.DistanceSinceDTCClear", word)],
    0x32: [("Vehicle.OBD.EVAPVaporPressure", lambda b: signed(b) / 4)],
    0x33: [("Vehicle.OBD.BarometricPressure", lambda b: b[0])],
    **{
        0x34 + k: [
            (WIDE.format(k + 1, "Lambda"), lambda b: word(b) * 2 / 65536),
            (WIDE.format(k + 1, "Current"), lambda b: (word(b, 2) / 256 - 128) / 1000),
        ]
        for k in range(8)
    },
    0x3C: [("Vehicle.OBD.Catalyst.Bank1.Temperature1", lambda b: word(b) / 10 - 40)],
    0x3D: [("Vehicle.OBD.Catalyst.Bank2.Temperature1", lambda b: word(b) / 10 - 40)],
    0x3E: [("Vehicle.OBD.Catalyst.Bank1.Temperature2", lambda b: word(b) / 10 - 40)],
    0x3F: [("Vehicle.OBD.Catalyst.Bank2.Temperature2", lambda b: word(b) / 10 - 40)],
    0x42: [
        ("Vehicle.LowVoltageBattery.CurrentVoltage", lambda b: None if word(b) > 40000 else word(b) / 1000)
    ],
    0x43: [("Vehicle.OBD.AbsoluteLoad", lambda b: word(b) * 100 / 255)],
    0x44: [("Vehicle.OBD.CommandedEquivalenceRatio", lambda b: word(b) * 2 / 65536)],
    0x45: [("Vehicle.OBD.RelativeThrottlePosition", lambda b: b[0] * 100 / 255)],
    0x46: [("Vehicle.Exterior.AirTemperature", lambda b: None if b[0] > 120 else b[0] - 40)],
    0x47: [("Vehicle.OBD.ThrottlePositionB", lambda b: b[0] * 100 / 255)],
    0x48: [("Vehicle.OBD.ThrottlePositionC", lambda b: b[0] * 100 / 255)],
    0x49: [("Vehicle.OBD.AcceleratorPositionD", lambda b: b[0] * 100 / 255)],
    0x4A: [("Vehicle.OBD.AcceleratorPositionE", lambda b: b[0] * 100 / 255)],
    0x4B: [("Vehicle.OBD.AcceleratorPositionF", lambda b: b[0] * 100 / 255)],
    0x4C: [("Vehicle.OBD.ThrottleActuator", lambda b: b[0] * 100 / 255)],
    0x4D: [("Vehicle.OBD.RunTimeMIL", word)],
    0x4E: [("Vehicle.OBD.TimeSinceDTCCleared", word)],
    0x51: [("Vehicle.OBD.FuelType", lambda b: b[0])],
    0x52: [("Vehicle.OBD.EthanolPercent", lambda b: b[0] * 100 / 255)],
    0x53: [("Vehicle.OBD.EVAPVaporPressureAbsolute", lambda b: word(b) / 200)],
    0x54: [("Vehicle.OBD.EVAPVaporPressureAlternate", signed)],
    0x55: [
        ("Vehicle.OBD.ShortTermO2Trim1", lambda b: b[0] * 100 / 128 - 100),
        ("Vehicle.OBD.ShortTermO2Trim3", lambda b: b[1] * 100 / 128 - 100),
    ],
    0x56: [
        ("Vehicle.OBD.LongTermO2Trim1", lambda b: b[0] * 100 / 128 - 100),
        ("Vehicle.OBD.LongTermO2Trim3", lambda b: b[1] * 100 / 128 - 100),
    ],
    0x57: [
        ("Vehicle.OBD.ShortTermO2Trim2", lambda b: b[0] * 100 / 128 - 100),
        ("Vehicle.OBD.ShortTermO2Trim4", lambda b: b[1] * 100 / 128 - 100),
    ],
    0x58: [
        ("Vehicle.OBD.LongTermO2Trim2", lambda b: b[0] * 100 / 128 - 100),
        ("Vehicle.OBD.LongTermO2Trim4", lambda b: b[1] * 100 / 128 - 100),
    ],
    0x59: [("Vehicle.OBD.FuelRailPressureAbsolute", lambda b: 10 * word(b))],
    0x5A: [("Vehicle.OBD.RelativeAcceleratorPosition", lambda b: b[0] * 100 / 255)],
    0x5B: [("Vehicle.OBD.HybridBatteryRemaining", lambda b: b[0] * 100 / 255)],
    0x5C: [("Vehicle.Powertrain.CombustionEngine.EngineOil.Temperature", lambda b: b[0] - 40)],
    0x5D: [("Vehicle.OBD.FuelInjectionTiming", lambda b: word(b) / 128 - 210)],
    0x5E: [("Vehicle.X-Odo.FuelRate", lambda b: None if word(b) > 10000 else word(b) / 20)],
    0x61: [("Vehicle.X-Odo.OBD.DemandedTorque", lambda b: b[0] - 125)],
    0x62: [("Vehicle.X-Odo.OBD.ActualTorque", lambda b: b[0] - 125)],
    0x63: [("Vehicle.X-Odo.OBD.ReferenceTorque", word)],
    0xA6: [
        (
            "Vehicle.TraveledDistance",
            lambda b: None if int.from_bytes(b, "big") > 5e7 else int.from_bytes(b, "big") * 100.0,
        )
    ],
}
"""Another transcription of the table, as functions of the record; None: outside the catalogue's limits."""


def test_both_transcriptions_know_the_same_pids() -> None:
    with_signals = {did - 0xF400 for (_, did), one in BOOK.dids.items() if did >= 0xF400 and one.signals}
    assert with_signals == FORMULAS.keys()


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_every_pid_means_what_its_formula_says(data: st.DataObject) -> None:
    for pid, formulas in FORMULAS.items():
        size = BOOK.size_bytes("", 0xF400 | pid) or 0
        record = data.draw(st.binary(min_size=size, max_size=size))
        found = dids.decode([Record(0, 0, "7e8", 0xF400 | pid, record)], BOOK)
        values = {
            CATALOGUE.by_number[number].path: value
            for number, value in zip(found.signal.tolist(), found.value.tolist(), strict=True)
        }
        expected = {path: formula(record) for path, formula in formulas}
        assert values == pytest.approx({path: one for path, one in expected.items() if one is not None}), pid


def test_the_highest_raw_value_is_a_measurement_whatever_binary_makes_of_its_limit() -> None:
    found = dids.decode([Record(0, 0, "7e8", 0xF414, b"\xff\xff")], BOOK)
    voltage = CATALOGUE.of("Vehicle.OBD.O2.Sensor1.Voltage").number
    assert found.value[found.signal == voltage].tolist() == [255 * 0.005]


def lists(*heard: tuple[str, int], ecu: str = "7e8", message: int = 0) -> list[CodeList]:
    """Answers about codes, at these seconds."""
    found = []
    for payload, second in heard:
        answer = parse(payload)
        assert isinstance(answer, Codes)
        found.append(CodeList(message, second * 1_000_000, ecu, answer))
    return found


def statuses(report: DtcReport) -> dict[str, DtcStatus | None]:
    return {one.dtc.code: one.status for one in report.readings}


def test_confirmed_and_pending_codes_are_one_complete_report() -> None:
    (found,) = obd_codes.reports(lists(("43010301", 1), ("470203010420", 2), ("4a00", 3)))
    assert statuses(found) == {"P0301": CONFIRMED | PENDING, "P0420": PENDING}
    assert (found.complete, found.at_us, found.ecu, found.mil) == (True, 3_000_000, "7e8", None)


@pytest.mark.parametrize(
    ("heard", "complete"),
    [
        ([("4300", 0)], CONFIRMED),
        ([("4700", 0)], PENDING),
        ([("4a00", 0)], PERMANENT),
        ([("4300", 0), ("4a00", 1)], CONFIRMED | PERMANENT),
        ([("4300", 0), ("4700", 1)], BYTE),
        ([("4300", 0), ("4700", 1), ("4a00", 1)], BYTE | PERMANENT),
        ([("4300", 0), ("4700", 11)], CONFIRMED),  # two looks
        ([("43", 0), ("47", 1)], BYTE),
        ([("43030104200171", 0), ("4700", 1)], None),  # three without a count: was there another answer?
        ([("43030104200171", 0), ("43000000000000", 0), ("4700", 1)], BYTE),
    ],
)
def test_a_report_is_complete_about_the_lists_that_were_heard_whole(
    heard: list[tuple[str, int]], complete: DtcStatus | None
) -> None:
    first = obd_codes.reports(lists(*heard))[0]
    assert (first.complete, first.scope) == (complete is not None, complete or PENDING)


def test_answers_without_a_count_continue_each_other() -> None:
    (found,) = obd_codes.reports(lists(("43030103020303", 0), ("43030404200000", 1), ("47000000000000", 1)))
    assert list(statuses(found)) == ["P0301", "P0302", "P0303", "P0304", "P0420"]
    assert found.complete


def test_an_answer_with_a_count_that_comes_again_is_another_look() -> None:
    found = obd_codes.reports(lists(("43010301", 0), ("4700", 0), ("4300", 2), ("4700", 2)))
    assert [(one.at_us, list(statuses(one)), one.complete) for one in found] == [
        (0, ["P0301"], True),
        (2_000_000, [], True),
    ]


def test_ecus_and_messages_are_looked_at_apart() -> None:
    heard = lists(("43010301", 0)) + lists(("4700", 1), ecu="7e9") + lists(("4700", 1), message=1)
    found = obd_codes.reports(heard)
    assert [(one.message, one.ecu, one.complete) for one in found] == [
        (0, "7e8", True),
        (0, "7e9", True),
        (1, "7e8", True),
    ]


def test_a_permanent_code_that_is_not_confirmed_was_cleared_by_a_tester() -> None:
    (alone,) = obd_codes.reports(lists(("4a010301", 0)))
    assert statuses(alone) == {"P0301": PERMANENT}
    (cleared,) = obd_codes.reports(lists(("4300", 0), ("4700", 0), ("4a010301", 0)))
    assert statuses(cleared) == {"P0301": PERMANENT | DtcStatus.NOT_COMPLETED_SINCE_CLEAR}
    (still,) = obd_codes.reports(lists(("43010301", 0), ("4700", 0), ("4a010301", 0)))
    assert statuses(still) == {"P0301": CONFIRMED | PERMANENT}


def test_the_lamp_and_the_frozen_frame_belong_to_the_report_of_their_ecu() -> None:
    lamps = [
        Lamp(0, 1_000_000, "7e8", is_on=True),
        Lamp(0, 9_000_000, "7e8", is_on=False),
        Lamp(0, 0, "7e9", is_on=False),
    ]
    frames = [FreezeFrame(0, "7e8", 0, 0x0301, {"Vehicle.Speed": 50.0}), FreezeFrame(0, "7e8", 1, None, {})]
    (found,) = obd_codes.reports(lists(("430203010420", 1)), lamps, frames)
    assert found.mil is True
    assert [one.freeze_frame for one in found.readings] == [{"Vehicle.Speed": 50.0}, {}]


@given(codes=st.lists(st.integers(1, 0xFFFF), max_size=8, unique=True), kind=st.sampled_from(CodeKind))
@settings(max_examples=60)
def test_what_is_encoded_is_read(codes: list[int], kind: CodeKind) -> None:
    body = b"".join(code.to_bytes(2, "big") for code in codes)
    counted = obd.parse_response(bytes([kind + 0x40, len(codes)]) + body, BOOK)
    plain = obd.parse_response(bytes([kind + 0x40]) + body, BOOK)
    assert isinstance(counted, Codes)
    assert isinstance(plain, Codes)
    assert counted.codes == plain.codes == tuple(codes)
    (report,) = obd_codes.reports([CodeList(0, 0, "x", counted)])
    assert [one.dtc.code for one in report.readings] == [spell(code) for code in codes]


def told(*heard: tuple[str, int], ecu: str = "7e8") -> list[Info]:
    found = []
    for payload, at_us in heard:
        answer = parse(payload)
        assert isinstance(answer, InfoPart)
        found.append(Info(0, at_us, ecu, answer))
    return found


VIN = b"A0DC00000N0000042"


def test_a_vehicle_s_number_is_read_from_one_answer_or_from_five() -> None:
    padded = VIN.rjust(20, b"\x00")
    parts = [(f"4902{k + 1:02x}{padded[4 * k : 4 * k + 4].hex()}", k) for k in range(5)]
    for heard in ([("490201" + VIN.hex(), 4)], parts, parts[::-1]):
        (found,) = obd.identities(told(*heard))
        assert (found.kind, found.at_us, found.texts) == (IdentityKind.VIN, 4, (VIN.decode(),))
    assert obd.identities(told(*parts[:4])) == []
    assert obd.identities(told(*parts[:2], *parts[3:])) == []


def test_calibrations_and_their_numbers_are_read_from_one_answer_or_from_many() -> None:
    names = [b"37805-RBB-J530".ljust(16, b"\x00"), b"12345".ljust(16, b"\x00")]
    joined = b"".join(names)
    parts = [(f"4904{k + 1:02x}{joined[4 * k : 4 * k + 4].hex()}", k) for k in range(8)]
    for heard in ([("490402" + joined.hex(), 7)], parts):
        (found,) = obd.identities(told(*heard))
        assert (found.kind, found.texts) == (IdentityKind.CALIBRATION, ("37805-RBB-J530", "12345"))
    for heard in ([("4906021791bc8200000001", 0)], [("4906011791bc82", 0), ("49060200000001", 0)]):
        (found,) = obd.identities(told(*heard))
        assert (found.kind, found.texts) == (IdentityKind.VERIFICATION, ("1791BC82", "00000001"))


def test_what_spells_nothing_is_left_out() -> None:
    assert obd.identities(told(("490055400000", 0), ("490105", 0), ("490200", 0), ("4902014130", 0))) == []


@given(st.builds(
    lambda service, body: bytes([service]) + body,
    st.sampled_from([0x41, 0x42, 0x43, 0x44, 0x47, 0x49, 0x4A]) | st.integers(0, 255),
    st.binary(max_size=30),
))  # fmt: skip
@settings(max_examples=100)
def test_any_bytes_are_an_answer_or_refused(payload: bytes) -> None:
    with suppress(DecodeError):
        answer = obd.parse_response(payload, BOOK)
        if isinstance(answer, Codes):
            obd_codes.reports([CodeList(0, 0, "x", answer)])
        elif isinstance(answer, InfoPart):
            obd.identities([Info(0, 0, "x", answer)])
        elif isinstance(answer, Pids):
            dids.decode([Record(0, 0, "x", 0xF400 | pid, data) for pid, data in answer.records], BOOK)
