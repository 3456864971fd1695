"""Packets of Shanghai's buses (2016), as another platform reads and answers them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from decoders.gbt32960 import answers, messages, packet, report
from decoders.gbt32960.layout import Record
from decoders.gbt32960.messages import Notice
from decoders.gbt32960.report import Report
from decoders.gbt32960.session import Login, Logout
from decoders.gbt32960.shanghai_bus import SHANGHAI_BUS
from decoders.gbt32960.words import AckFlag, Command
from vehicle.day import at_of
from vehicle.errors import DecodeError, WrongLengthError

Golden = dict[str, tuple[bytes, dict[str, Any]]]
NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)


def number(record: Record, name: str) -> float:
    value = record.number(name)
    assert value is not None, f"{name}: {record.missing.get(name)}"
    return value


def bits(record: Record, name: str) -> int:
    value = record.bits(name)
    assert value is not None, f"{name}: {record.missing.get(name)}"
    return value


def golden_report(golden: Golden, name: str) -> tuple[Report, list[dict[str, Any]]]:
    data, expect = golden[name]
    message = messages.decode(packet.parse(data), SHANGHAI_BUS)
    assert isinstance(message, Report)
    return message, expect.get("req", expect)["body"]["items"]


def test_the_golden_packets_have_the_header_that_is_expected(golden: Golden) -> None:
    assert len(golden) == 12
    for data, expect in golden.values():
        one = packet.parse(data)
        assert packet.build(one) == data
        wanted = expect.get("req", expect)
        if "vin" in wanted:
            assert (one.vin, len(one.body)) == (wanted["vin"], wanted["length"])
            assert wanted["flag"] == "COMMAND"
            assert one.is_command


def test_the_golden_packets_are_of_the_moment_that_is_expected(golden: Golden) -> None:
    dated = 0
    for data, expect in golden.values():
        at = expect.get("req", expect).get("body", {}).get("at")
        if at is not None:
            key = packet.ledger_key(packet.parse(data))
            assert key is not None
            assert at_of(key.at_us) == datetime.fromisoformat(at)
            dated += 1
    assert dated == 7


def test_the_golden_answers_are_built_as_expected(golden: Golden) -> None:
    answered = 0
    for data, expect in golden.values():
        wanted = expect.get("resBuf")
        if isinstance(wanted, str):
            assert answers.answer(packet.parse(data), AckFlag.OK, NOW) == bytes.fromhex(wanted)
            answered += 1
    assert answered == 6


def test_the_golden_time_check_is_answered_with_the_time(golden: Golden) -> None:
    answer = packet.parse(answers.answer(packet.parse(golden["Response Time Check"][0]), AckFlag.OK, NOW))
    assert answer.flag == AckFlag.OK
    assert answer.body == bytes((26, 11, 21, 12, 5, 6))  # noon in Beijing
    told = messages.decode(answer)
    assert isinstance(told, Notice)
    assert at_of(told.at_us or 0) == NOW


def test_the_golden_login_tells_card_and_packs(golden: Golden) -> None:
    data, expect = golden["Login"]
    login = messages.decode(packet.parse(data))
    assert isinstance(login, Login)
    wanted = expect["req"]["body"]
    assert (login.iccid, login.serial) == (wanted["iccid"], wanted["sn"])
    assert list(login.pack_codes) == wanted["subSysSn"]
    assert len(login.packs) == wanted["subSysNm"]


@pytest.mark.parametrize(("name", "command"), [("Platform Logout", 6), ("Vehicle Logout", 4)])
def test_the_golden_logouts_tell_their_login(golden: Golden, name: str, command: int) -> None:
    data, expect = golden[name]
    one = packet.parse(data)
    assert one.command == command
    logout = messages.decode(one)
    assert isinstance(logout, Logout)
    assert logout.serial == expect["req"]["body"]["sn"]


def test_the_golden_report_is_as_expected(golden: Golden) -> None:
    message, items = golden_report(golden, "Realtime Report")
    by_type = {item["type"]: item for item in items}
    assert len(items) == len(message.entries) == 8

    car = message.last("vehicle")
    assert car is not None
    wanted = by_type["VEHICLE"]
    assert [car.word(name) for name in ("state", "charging", "drive_mode", "dcdc")] == [
        "on", "not_charging", "electric", "on",
    ]  # fmt: skip
    assert [wanted[name] for name in ("status", "chargeStatus", "mode", "dcStatus")] == [
        "ON", "UNCHARGED", "ELECTRIC", "ON",
    ]  # fmt: skip
    assert ({14: "D"}[bits(car, "gear") & 0x0F], number(car, "traveled_m")) == (
        wanted["shift"],
        wanted["mileage"] * 1000,
    )
    same(car, wanted, {
        "speed_kmh": "speed", "voltage_v": "voltage", "current_a": "current", "insulation_kohm": "resistance",
    })  # fmt: skip
    for ours, theirs in (("soc_pct", "soc"), ("accelerator_pct", "aptv"), ("brake_pct", "brake")):
        assert number(car, ours) == pytest.approx(wanted[theirs] * 100)  # theirs are fractions

    drive = message.last("motors")
    assert drive is not None
    (motor,) = drive.groups["motors"]
    (wanted,) = by_type["MOTOR"]["motors"]
    assert (bits(motor, "motor"), motor.word("state")) == (
        wanted["no"],
        wanted["status"].lower().replace("consumption", "consuming"),
    )
    same(motor, wanted, {
        "controller_degc": "controlTemp", "speed_rpm": "speed", "torque_nm": "torque",
        "temperature_degc": "temp", "input_v": "voltage", "current_a": "current",
    })  # fmt: skip

    place = message.last("position")
    assert place is not None
    same(place, by_type["LOCATION"], {"longitude_deg": "lng", "latitude_deg": "lat"})
    assert bits(place, "status") == by_type["LOCATION"]["state"]

    ends = message.last("extremes")
    assert ends is not None
    wanted = by_type["EXTREME"]
    for end in ("max", "min"):
        assert bits(ends, f"cell_{end}_v_pack") == wanted[f"{end}VoltageSubSysNo"]
        assert bits(ends, f"cell_{end}_v_cell") == wanted[f"{end}VoltageSingNo"]
        assert bits(ends, f"{end}_degc_pack") == wanted[f"{end}NtcSubSysNo"]
        assert bits(ends, f"{end}_degc_probe") == wanted[f"{end}NtcNo"]
        same(ends, wanted, {f"cell_{end}_v": f"{end}Voltage", f"{end}_degc": f"{end}Ntc"})

    alarm = message.last("alarms")
    assert alarm is not None
    wanted = by_type["ALARM"]
    assert (number(alarm, "level"), bits(alarm, "flags")) == (wanted["maxLevel"], sum(wanted["uas"].values()))
    for ours, theirs in (("battery", "ress"), ("motor", "mortor"), ("engine", "engine"), ("other", "other")):
        assert len(alarm.series[ours]) == wanted[f"{theirs}Len"]

    cells = message.last("cell_voltages")
    assert cells is not None
    (pack,) = cells.groups["packs"]
    (wanted,) = by_type["RESS_VOLTAGE"]["subSystems"]
    same(pack, wanted, {"voltage_v": "voltage", "current_a": "current"})
    assert [bits(pack, name) for name in ("pack", "cells_n", "first_cell")] == [
        wanted[name] for name in ("no", "batteryCount", "frameStartBatteryNo")
    ]
    assert pack.series["cell_v"].values.tolist() == pytest.approx(wanted["batteryVols"])

    probes = message.last("temperatures")
    assert probes is not None
    (pack,) = probes.groups["packs"]
    (wanted,) = by_type["RESS_TEMPERATURE"]["subSystems"]
    assert (bits(pack, "pack"), len(pack.series["probe_degc"])) == (wanted["no"], wanted["probeCount"])
    assert pack.series["probe_degc"].values.tolist() == wanted["temps"]


def same(record: Record, wanted: dict[str, Any], names: dict[str, str]) -> None:
    """Ours to theirs."""
    for ours, theirs in names.items():
        assert number(record, ours) == pytest.approx(wanted[theirs]), ours


def test_the_golden_bus_s_own_unit_is_as_expected(golden: Golden) -> None:
    message, items = golden_report(golden, "Realtime Report")
    wanted = items[-1]
    state = message.last("bus_state")
    assert state is not None
    same(state, wanted, {
        "air_1_kpa": "pressure1", "air_2_kpa": "pressure2", "low_voltage_v": "batteryVoltage",
        "dcdc_output_v": "dcov", "dcdc_output_a": "dcoc", "dcdc_degc": "dcTemp", "dcac_degc": "acTemp",
        "front_left_kpa": "lftp", "front_left_degc": "lftt", "front_right_kpa": "rftp",
        "front_right_degc": "rftt",
        "rear_left_1_kpa": "lr1tp", "rear_left_1_degc": "lr1tt", "rear_left_2_kpa": "lr2tp",
        "rear_left_2_degc": "lr2tt", "rear_right_1_kpa": "rr1tp", "rear_right_1_degc": "rr1tt",
        "rear_right_2_kpa": "rr2tp", "rear_right_2_degc": "rr2tt", "charge_v": "cv", "charge_a": "rc",
        "charge_kwh": "cp", "charged_kwh": "totalCharge", "discharged_kwh": "totalDischarge",
        "consumption_now": "instantPower", "insulation_positive_kohm": "bpiRes",
        "insulation_negative_kohm": "bniRes", "compressor_degc": "apTemp",
        "motor_controller_degc": "motorContTemp", "air_conditioner_degc": "airTemp",
        "inside_degc": "insideTemp", "outside_degc": "outsideTemp",
    })  # fmt: skip
    assert (state.word("air_conditioner"), wanted["airMode"]) == ("off", "OFF")
    # key on, handbrake on, front door open, middle door closed
    assert bits(state, "switches") == 0b00_01_01_10
    names = ("keyPosition", "handbrakeStatus", "frontDoorStatus", "middleDoorStatus")
    assert [wanted[name] for name in names] == ["ON", "ON", "OPEN", "CLOSE"]


PEDALS = {
    "accelerator_pct": "accPedal",
    "brake_pct": "brake",
    "speed_kmh": "speed",
    "current_a": "totalCurrent",
}


def test_the_golden_ten_seconds_are_as_expected(golden: Golden) -> None:
    message, items = golden_report(golden, "10 Seconds")
    assert message.is_reissued
    seconds = message.entries[0].record.groups["seconds"]
    for second, wanted in zip(seconds, items[0]["datas"], strict=True):
        same(second, wanted, PEDALS)


def test_the_golden_assistance_is_as_expected(golden: Golden) -> None:
    message, items = golden_report(golden, "ADAS")
    seconds = message.entries[0].record.groups["seconds"]
    for second, wanted in zip(seconds, items[0]["datas"], strict=True):
        same(second, wanted, PEDALS | {
            "overspeed_kmh": "overSpeed", "obstacle_sideways_m": "lateralDistance",
            "obstacle_ahead_m": "verticalDistance", "obstacle_speed_m_per_s": "relativeVelocity",
        })  # fmt: skip
        assert (second.word("obstacle"), wanted["obstacleType"]) == ("none", "VOID")
        assert bits(second, "fault") == wanted["fault"]
        flags = [
            wanted[name] for name in ("wheelWarning", "buzzerWarning", "pWarning", "rWarning", "lWarning")
        ]
        assert not any(flags)
        assert [bits(second, f"warnings_{which}") for which in (1, 2, 3)] == [0, 0, 0]


def test_the_golden_packet_with_a_wrong_extension_is_refused_by_those_who_know_the_extension(
    golden: Golden,
) -> None:
    one = packet.parse(golden["Realtime Report with Wrong Data"][0])
    with pytest.raises(WrongLengthError, match="bus_state at byte 574 has 48 bytes, its length says 16"):
        report.decode(one, SHANGHAI_BUS)


def test_a_custom_unit_is_skipped_by_its_length_where_nobody_knows_it(golden: Golden) -> None:
    read = report.decode(packet.parse(golden["Realtime Report with Wrong Data"][0]))
    custom = {
        entry.number: len(entry.record.octets("data") or b"")
        for entry in read.entries
        if entry.name == "custom"
    }
    assert custom == {0x80: 16, 0x81: 7, 0x82: 5, 0x83: 28, 0x84: 8, 0x85: 8, 0x87: 4, 0x8C: 6, 0x8D: 6}
    assert read.last("temperatures") is not None


@pytest.mark.parametrize("name", ["10 Seconds", "ADAS"])
def test_a_custom_unit_without_a_length_is_refused_where_nobody_knows_it(golden: Golden, name: str) -> None:
    with pytest.raises(DecodeError) as refused:
        report.decode(packet.parse(golden[name][0]))
    assert refused.value.reason in {"truncated", "unknown-unit"}


def test_the_golden_reports_come_back_byte_for_byte(golden: Golden) -> None:
    again = 0
    for name, (data, _) in golden.items():
        one = packet.parse(data)
        if one.command in (Command.REPORT, Command.REISSUE) and "Wrong" not in name:
            assert report.encode(report.decode(one, SHANGHAI_BUS), SHANGHAI_BUS) == one.body
            again += 1
    assert again == 5
