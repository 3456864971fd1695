"""Real packets of 2016, field by field as others read them, and byte by byte back again."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from decoders.gbt32960 import answers, messages, packet, report, signals
from decoders.gbt32960.layout import Record
from decoders.gbt32960.messages import Notice
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.report import Report
from decoders.gbt32960.session import Login, Logout
from decoders.gbt32960.shanghai_bus import SHANGHAI_BUS
from decoders.gbt32960.splitter import Splitter
from decoders.gbt32960.words import AckFlag, Command
from odocare import wiring
from vehicle.day import at_of
from vehicle.errors import DecodeError, TruncatedPayloadError, WrongLengthError

Golden = dict[str, tuple[bytes, dict[str, Any]]]
NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)

COMMANDS = {
    Command.LOGIN: "login",
    Command.REPORT: "realtime",
    Command.REISSUE: "supplimentary",
    Command.LOGOUT: "logout",
}
CHARGING = {
    "parked": "parking_charging",
    "driving": "driving_charging",
    "not_charging": "uncharged",
    "complete": "completed_charging",
}
MODES = {"electric": "pure_electric", "hybrid": "hybrid", "fuel": "fuel"}
MOTOR_STATES = {
    "consuming": "consuming_power",
    "generating": "generating_power",
    "off": "off",
    "ready": "idle",
}
GEARS = {0: "N", 13: "R", 14: "D", 15: "P"} | {number: f"gp{number}" for number in range(1, 13)}
WARNINGS = (
    "temp_differentce", "pack_high_temp", "pack_over_volt", "pack_under_volt", "soc_low", "cell_over_volt",
    "cell_under_volt", "soc_high", "soc_jump", "pack_unmatched", "cell_poor_consistency", "insulation",
    "dcdc_temp", "brake_system", "dcdc_state", "emotor_driver_temp", "hv_interlock", "emotor_temp",
    "pack_over_charged",
)  # fmt: skip
Field = tuple[str, object]


def number(record: Record, name: str) -> float:
    value = record.number(name)
    assert value is not None, f"{name}: {record.missing.get(name)}"
    return value


def bits(record: Record, name: str) -> int:
    value = record.bits(name)
    assert value is not None, f"{name}: {record.missing.get(name)}"
    return value


def vehicle(record: Record) -> Iterator[Field]:
    gear = bits(record, "gear")
    yield "vehicle_state", record.word("state")
    yield "charge_state", CHARGING[str(record.word("charging"))]
    yield "operate_state", MODES[str(record.word("drive_mode"))]
    yield "dcdc_state", record.word("dcdc")
    yield "driving_force", bool(gear & 0x20)
    yield "braking_force", bool(gear & 0x10)
    yield "gear", GEARS[gear & 0x0F]
    yield "mileage_total", number(record, "traveled_m") / 1000
    for theirs, ours in (
        ("vehicle_speed", "speed_kmh"),
        ("voltage_total", "voltage_v"),
        ("current_total", "current_a"),
        ("soc", "soc_pct"),
        ("insulation_resistance", "insulation_kohm"),
        ("accelerator_padel", "accelerator_pct"),
        ("brake_padel", "brake_pct"),
    ):
        yield theirs, number(record, ours)


def motors(record: Record) -> Iterator[Field]:
    for motor in record.groups["motors"]:
        which = f"em{bits(motor, 'motor')}"
        yield f"{which}-index", float(bits(motor, "motor"))
        yield f"{which}-state", MOTOR_STATES[str(motor.word("state"))]
        for theirs, ours in (
            ("ctrl_temp", "controller_degc"),
            ("speed", "speed_rpm"),
            ("torque", "torque_nm"),
            ("temp", "temperature_degc"),
            ("ctrl_volt", "input_v"),
            ("ctrl_curr", "current_a"),
        ):
            yield f"{which}-{theirs}", number(motor, ours)


def position(record: Record) -> Iterator[Field]:
    status = bits(record, "status")
    yield "gnss_valid", not status & 1
    yield "gnss_n_s", "s" if status & 2 else "n"
    yield "gnss_e_w", "w" if status & 4 else "e"
    yield "gnss_lng", number(record, "longitude_deg")
    yield "gnss_lat", number(record, "latitude_deg")


def extremes(record: Record) -> Iterator[Field]:
    for end in ("max", "min"):
        yield f"{end}_volt_pack_index", float(bits(record, f"cell_{end}_v_pack"))
        yield f"{end}_volt_cell_index", float(bits(record, f"cell_{end}_v_cell"))
        yield f"{end}_cell_volt", number(record, f"cell_{end}_v")
        yield f"{end}_temp_pack_index", float(bits(record, f"{end}_degc_pack"))
        yield f"{end}_temp_cell_index", float(bits(record, f"{end}_degc_probe"))
        yield f"{end}_cell_temp", number(record, f"{end}_degc")


def alarms(record: Record) -> Iterator[Field]:
    yield "max_warning_level", number(record, "level")
    flags = bits(record, "flags")
    for bit, name in enumerate(WARNINGS):
        spelled = "brake_system_wanring" if name == "brake_system" else f"{name}_warning"
        yield spelled, bool(flags >> bit & 1)
    for ours, theirs in (("battery", "pack"), ("motor", "emotor"), ("engine", "engine"), ("other", "other")):
        yield f"{theirs}_failures", str(record.series[ours].raws.tolist())


def cell_voltages(record: Record) -> Iterator[Field]:
    for pack in record.groups["packs"]:
        which = f"p{bits(pack, 'pack')}"
        yield f"{which}-index", float(bits(pack, "pack"))
        yield f"{which}-volt", number(pack, "voltage_v")
        # the other decoder takes -3000 A for the lowest current here, and so disagrees with the total current
        yield f"{which}-curr", number(pack, "current_a") - 2000
        yield f"{which}-cell_total", float(bits(pack, "cells_n"))
        yield f"{which}-cell_start_index", float(bits(pack, "first_cell"))
        for place, value in enumerate(pack.series["cell_v"].values.tolist(), start=1):
            yield f"{which}-c{place}-volt", value


def temperatures(record: Record) -> Iterator[Field]:
    for pack in record.groups["packs"]:
        for place, value in enumerate(pack.series["probe_degc"].values.tolist()):
            yield f"p{bits(pack, 'pack')}-pr{place}-temp", value


READERS = {
    "vehicle": vehicle,
    "motors": motors,
    "position": position,
    "extremes": extremes,
    "alarms": alarms,
    "cell_voltages": cell_voltages,
    "temperatures": temperatures,
}


def fields_of(data: bytes) -> Iterator[Field]:
    """What we read, under the names of the other decoder."""
    one = packet.parse(data)
    message = messages.decode(one)
    assert isinstance(message, Report | Login | Logout)
    yield "starter", "protocol_2016"
    yield "msg_type", COMMANDS[Command(one.command)]
    yield "ack", "command" if one.is_command else "answer"
    yield "vin", one.vin
    yield "enc", "uncrypted"
    yield "checksum", float(data[-1])
    yield "timestamp", f"{at_of(message.at_us):%Y-%m-%d %H:%M:%S}"
    if isinstance(message, Report):
        for entry in message.entries:
            yield from READERS[entry.name](entry.record)
        return
    yield "session_id", float(message.serial)
    if isinstance(message, Login):
        yield "iccid", message.iccid
        yield "bms_total", float(len(message.packs))
        yield "pack_sn_len", float(len(message.pack_codes[0]))
        yield "pack_sn", str(list(message.pack_codes))


def plain(name: str, value: object) -> object:
    """A value of the other decoder: `"22.0 km/h"` is 22.0, everything else is itself."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and name not in {"iccid", "timestamp"}:
        quantity = re.fullmatch(r"(-?[\d.]+)( \S+)?", value)
        return float(quantity[1]) if quantity else value
    return value


def test_every_field_of_every_streamed_packet_is_as_expected(
    streamed: list[bytes], expected: list[dict[str, Any]]
) -> None:
    assert len(streamed) == len(expected) == 246
    compared = 0
    for data, theirs in zip(streamed, expected, strict=True):
        ours = dict(fields_of(data))
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            wanted = plain(name, theirs[name])
            assert value == (pytest.approx(wanted, abs=1e-9) if isinstance(wanted, float) else wanted), name
            compared += 1
    assert compared > 60_000


def test_a_pack_s_current_is_the_vehicle_s_where_there_is_one_pack(streamed: list[bytes]) -> None:
    """What settles the lowest current of table B.6, about which other decoders disagree."""
    compared = 0
    for data in streamed:
        message = messages.decode(packet.parse(data))
        if isinstance(message, Report):
            whole, packs = message.last("vehicle"), message.last("cell_voltages")
            assert whole is not None
            assert packs is not None
            (pack,) = packs.groups["packs"]
            assert pack.number("current_a") == whole.number("current_a")
            compared += 1
    assert compared == 242


def test_the_streamed_packets_come_back_byte_for_byte(streamed: list[bytes]) -> None:
    for data in streamed:
        one = packet.parse(data)
        message = messages.decode(one)
        again = messages.encode(one.edition, Command(one.command), one.identifier, message)
        assert packet.build(again) == data


def test_the_stream_is_one_stream(streamed: list[bytes]) -> None:
    splitter = Splitter()
    whole = b"".join(streamed)
    found = [one for at in range(0, len(whole), 700) for one in splitter.feed(whole[at : at + 700])]
    assert found + splitter.finish() == streamed
    assert splitter.dropped_bytes == 0


def test_streamed_packets_of_the_same_moment_have_keys_of_their_own(streamed: list[bytes]) -> None:
    keys = [packet.ledger_key(packet.parse(data)) for data in streamed]
    assert len(set(keys)) == 246
    assert len({key.at_us for key in keys if key}) == 244


def test_four_streamed_packets_come_late_and_say_so(streamed: list[bytes]) -> None:
    reports = [
        one for one in (messages.decode(packet.parse(data)) for data in streamed) if isinstance(one, Report)
    ]
    assert [one.is_reissued for one in reports].count(True) == 4
    newest = 0
    late = []
    for one in reports:
        if one.at_us < newest:
            late.append(one)
        newest = max(newest, one.at_us)
    assert {id(one) for one in late} <= {id(one) for one in reports if one.is_reissued}


def test_the_streamed_day_has_the_signals_of_an_electric_car(streamed: list[bytes]) -> None:
    catalogue = wiring.catalogue()
    reports = [
        one for one in (messages.decode(packet.parse(data)) for data in streamed) if isinstance(one, Report)
    ]
    mapped = signals.rows(reports, range(len(reports)), catalogue)
    assert (mapped.no_measurement, mapped.out_of_range) == (0, 0)
    rows = mapped.rows
    distance = rows.value[rows.signal == catalogue.of("Vehicle.TraveledDistance").number]
    assert (len(distance), distance.min(), distance.max()) == (242, 286_000.0, 287_000.0)
    charging = rows.value[rows.signal == catalogue.of(signals.IS_CHARGING).number]
    assert charging.sum() == 234
    current = rows.value[rows.signal == catalogue.of(f"{signals.BATTERY}.CurrentCurrent").number]
    assert (current[charging == 1] > 0).mean() > 0.99  # VSS: positive is into the battery


# --- the packets of Shanghai's buses ---


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
    assert (GEARS[bits(car, "gear") & 0x0F], number(car, "traveled_m")) == (
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
    assert refused.value.reason in {TruncatedPayloadError.reason, "unknown-unit"}


def test_the_golden_reports_come_back_byte_for_byte(golden: Golden) -> None:
    again = 0
    for name, (data, _) in golden.items():
        one: Packet = packet.parse(data)
        if one.command in (Command.REPORT, Command.REISSUE) and "Wrong" not in name:
            assert report.encode(report.decode(one, SHANGHAI_BUS), SHANGHAI_BUS) == one.body
            again += 1
    assert again == 5
