"""Real packets of 2016, field by field as others read them, and byte by byte back again."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from decoders.gbt32960 import messages, packet, signals
from decoders.gbt32960.layout import Record
from decoders.gbt32960.report import Report
from decoders.gbt32960.session import Login, Logout
from decoders.gbt32960.splitter import Splitter
from decoders.gbt32960.words import Command
from odocare import wiring
from vehicle.day import at_of

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
