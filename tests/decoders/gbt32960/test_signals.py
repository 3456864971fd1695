"""Reports as signals of the catalogue."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.gbt32960 import packet, report, signals
from decoders.gbt32960.report import Report
from decoders.gbt32960.signals import (
    BATTERY,
    CAPACITOR,
    FUEL_CELL,
    GEAR,
    HYDROGEN,
    LATITUDE,
    LONGITUDE,
    Mapped,
)
from decoders.gbt32960.words import AckFlag, Command, Edition, Encryption
from odocare import wiring
from tests.decoders.gbt32960 import drawn, files

CATALOGUE = wiring.catalogue()
TIME = bytes((26, 11, 21, 12, 5, 6))
MOTOR = "Vehicle.Powertrain.ElectricMotor"


def golden(name: str) -> Report:
    return report.decode(packet.parse(files.read(name).data))


def of(units: str, edition: Edition = Edition.GBT_2016) -> Report:
    """A report with these units, in hexadecimal."""
    body = TIME + bytes.fromhex(units)
    return report.decode(
        packet.Packet(edition, Command.REPORT, AckFlag.COMMAND, "L0DEV1234N0000001", Encryption.NONE, body)
    )


def by_path(mapped: Mapped, message: int = 0) -> Mapping[str, float]:
    rows = mapped.rows
    mine = rows.message == message
    return {
        CATALOGUE.by_number[number].path: value
        for number, value in zip(rows.signal[mine].tolist(), rows.value[mine].tolist(), strict=True)
    }


def test_the_golden_report_of_2016_as_signals() -> None:
    assert by_path(signals.rows([golden("2016-report")], [0], CATALOGUE)) == {
        "Vehicle.TraveledDistance": 12_345_600.0,
        "Vehicle.Speed": 63.4,
        "Vehicle.Powertrain.CombustionEngine.Speed": 1850.0,
        "Vehicle.X-Odo.FuelConsumption": 6.43,
        f"{BATTERY}.StateOfCharge.Current": 71.0,
        f"{BATTERY}.CurrentVoltage": 356.2,
        f"{BATTERY}.CurrentCurrent": -45.7,
        f"{BATTERY}.Temperature.Min": -5.0,
        f"{BATTERY}.Temperature.Max": 28.0,
        f"{BATTERY}.CellVoltage.Min": 3.695,
        f"{BATTERY}.CellVoltage.Max": 3.712,
        f"{BATTERY}.Charging.IsCharging": 0.0,
        "Vehicle.X-Odo.TractionBattery.ChargingState": 3.0,
        "Vehicle.X-Odo.TractionBattery.InsulationResistance": 2_350_000.0,
        "Vehicle.X-Odo.OperatingState": 1.0,
        "Vehicle.X-Odo.DriveMode": 1.0,
        "Vehicle.X-Odo.AlarmLevel": 2.0,
        "Vehicle.Chassis.Accelerator.PedalPosition": 18.0,
        GEAR: 127.0,
        LATITUDE: -33.654321,
        LONGITUDE: -70.123456,
        f"{MOTOR}.Speed": 4210.0,
        f"{MOTOR}.Torque": 123.4,
        f"{MOTOR}.Temperature": 52.0,
        "Vehicle.X-Odo.ElectricMotor.ControllerTemperature": 45.0,
        "Vehicle.X-Odo.ElectricMotor2.Speed": -500.0,
        "Vehicle.X-Odo.ElectricMotor2.Torque": -0.5,
        "Vehicle.X-Odo.ElectricMotor2.Temperature": 0.0,
        "Vehicle.X-Odo.ElectricMotor2.ControllerTemperature": 40.0,
        f"{FUEL_CELL}.Voltage": 240.1,
        f"{FUEL_CELL}.Current": 150.2,
        f"{FUEL_CELL}.Temperature.Max": 75.0,
        f"{HYDROGEN}.Temperature.Max": 5.3,
        f"{HYDROGEN}.Pressure.Max": 35_000.0,
        f"{HYDROGEN}.Concentration.Max": 0.0012,
    }


def test_the_golden_report_of_2025_as_signals() -> None:
    assert by_path(signals.rows([golden("2025-report")], [0], CATALOGUE)) == {
        "Vehicle.TraveledDistance": 999_999_900.0,
        "Vehicle.Speed": 0.0,
        "Vehicle.Powertrain.CombustionEngine.Speed": 900.0,
        f"{BATTERY}.StateOfCharge.Current": 100.0,
        f"{BATTERY}.CurrentVoltage": 798.4,
        f"{BATTERY}.CurrentCurrent": 250.0,
        f"{BATTERY}.Temperature.Min": 30.0,
        f"{BATTERY}.Temperature.Max": 32.0,
        f"{BATTERY}.CellVoltage.Min": 4.149,
        f"{BATTERY}.CellVoltage.Max": 4.153,
        f"{BATTERY}.Charging.IsCharging": 1.0,
        "Vehicle.X-Odo.TractionBattery.ChargingState": 1.0,
        "Vehicle.X-Odo.TractionBattery.InsulationResistance": 0.0,
        "Vehicle.X-Odo.OperatingState": 2.0,
        "Vehicle.X-Odo.DriveMode": 1.0,
        "Vehicle.X-Odo.AlarmLevel": 4.0,
        GEAR: 126.0,
        LATITUDE: 31.230416,
        LONGITUDE: 121.473701,
        f"{MOTOR}.Speed": 0.0,
        f"{MOTOR}.Torque": 345.6,
        f"{MOTOR}.Temperature": -40.0,
        "Vehicle.X-Odo.ElectricMotor.ControllerTemperature": 0.0,
        "Vehicle.Powertrain.FuelSystem.RelativeLevel": 55.0,
        f"{FUEL_CELL}.Voltage": 320.5,
        f"{FUEL_CELL}.Current": 210.0,
        f"{FUEL_CELL}.Temperature.Max": 66.0,
        f"{HYDROGEN}.Temperature.Max": 65.0,
        f"{HYDROGEN}.Pressure.Max": 70_000.0,
        f"{HYDROGEN}.Concentration.Max": 0.004,
        f"{CAPACITOR}.Voltage": 48.0,
        f"{CAPACITOR}.Current": -12.3,
        f"{CAPACITOR}.CellVoltage.Min": 2.399,
        f"{CAPACITOR}.CellVoltage.Max": 2.401,
        f"{CAPACITOR}.Temperature.Min": 24.0,
        f"{CAPACITOR}.Temperature.Max": 26.0,
    }


def test_what_is_no_measurement_has_no_row_and_is_counted() -> None:
    mapped = signals.rows([golden("2016-sentinels"), golden("2025-sentinels")], [4, 9], CATALOGUE)
    assert (mapped.no_measurement, mapped.out_of_range) == (41, 7)
    assert by_path(mapped, 4) == {f"{BATTERY}.Temperature.Min": 210.0, f"{BATTERY}.Temperature.Max": 210.0}
    assert by_path(mapped, 9) == {}


def test_a_value_outside_the_catalogue_s_range_is_counted() -> None:
    """In 2025 a cell may say 65 V by its layout."""
    mapped = signals.rows([of("07 01 01 ffff ffff 0002 fde8 0ce4", Edition.GBT_2025)], [0], CATALOGUE)
    assert by_path(mapped) == {f"{BATTERY}.CellVoltage.Min": 3.3}
    assert (mapped.no_measurement, mapped.out_of_range) == (2, 1)


def test_positions_are_flagged_as_positions() -> None:
    assert CATALOGUE.of(LATITUDE).is_position
    assert CATALOGUE.of(LONGITUDE).is_position


@pytest.mark.parametrize(
    ("units", "edition", "expected"),
    [
        ("05 00 073d2708 01dcda6a", Edition.GBT_2016, (31.25105, 121.4482)),
        ("05 02 073d2708 01dcda6a", Edition.GBT_2016, (-31.25105, 121.4482)),
        ("05 04 073d2708 01dcda6a", Edition.GBT_2016, (31.25105, -121.4482)),
        ("05 01 073d2708 01dcda6a", Edition.GBT_2016, None),  # no fix: the last known place
        ("05 fe 073d2708 01dcda6a", Edition.GBT_2016, None),
        ("05 00 ffffffff 01dcda6a", Edition.GBT_2016, None),
        ("05 00 01 073d2708 01dcda6a", Edition.GBT_2025, (31.25105, 121.4482)),
        ("05 00 02 073d2708 01dcda6a", Edition.GBT_2025, None),  # GCJ-02
        ("05 00 ff 073d2708 01dcda6a", Edition.GBT_2025, None),
    ],
)
def test_a_position_is_a_fix_in_wgs_84(
    units: str, edition: Edition, expected: tuple[float, float] | None
) -> None:
    found = signals.measurements(of(units, edition))
    assert (found.get(LATITUDE), found.get(LONGITUDE)) == (expected or (None, None))


@pytest.mark.parametrize(
    ("gear", "expected"),
    [(0x00, 0), (0x03, 3), (0x2C, 12), (0x0D, -1), (0x3E, 127), (0x1F, 126), (0xFF, None)],
)
def test_gears_are_numbered_as_vss_does(gear: int, expected: int | None) -> None:
    found = signals.measurements(of(f"01 010301 0000 00000000 0000 2710 32 01 {gear:02x} 0000 00 00"))
    assert found.get(GEAR) == expected


@pytest.mark.parametrize(("brake", "expected"), [(0, 0.0), (100, 100.0), (101, None), (0xFE, None)])
def test_a_brake_that_is_only_applied_has_no_position(brake: int, expected: float | None) -> None:
    found = signals.measurements(of(f"01 010301 0000 00000000 0000 2710 32 01 00 0000 00 {brake:02x}"))
    assert found.get("Vehicle.Chassis.Brake.PedalPosition") == expected


def test_only_a_charger_charges_in_the_words_of_vss() -> None:
    for state, charging in ((1, 1.0), (2, 0.0), (3, 0.0), (4, 0.0), (0xFE, None)):
        found = signals.measurements(of(f"01 01{state:02x}01 0000 00000000 0000 2710 32 01 00 0000 00 00"))
        assert found.get(signals.IS_CHARGING) == charging


def test_extremes_are_counted_out_where_the_lists_are_whole() -> None:
    whole = of("08 01 01 0dea 28d9 0003 0001 03 0e80 0e74 ffff 09 01 01 0002 44 23")
    found = signals.measurements(whole)
    assert (found[f"{BATTERY}.CellVoltage.Min"], found[f"{BATTERY}.CellVoltage.Max"]) == (3.7, 3.712)
    assert (found[f"{BATTERY}.Temperature.Min"], found[f"{BATTERY}.Temperature.Max"]) == (-5.0, 28.0)
    part = of("08 01 01 0dea 28d9 0060 0001 03 0e80 0e74 0e72")
    assert signals.measurements(part) == {}


def test_a_pack_in_two_units_of_one_packet_is_one_battery() -> None:
    found = signals.measurements(
        of("07 01 01 0dea 28d9 0001 0e80 07 01 02 0dea 28d9 0001 0e74", Edition.GBT_2025)
    )
    assert found == {f"{BATTERY}.CellVoltage.Min": 3.7, f"{BATTERY}.CellVoltage.Max": 3.712}


def test_a_third_motor_and_a_second_stack_have_no_signals() -> None:
    assert signals.measurements(of("02 01 03 01 55 5e92 52f2 5c 8b10 28d2")) == {}
    stack = "0c85 0834 07d0 03e3 41 0000"
    found = signals.measurements(of(f"30 02 01 {stack} 02 {stack}", Edition.GBT_2025))
    assert found == {}


@given(st.sampled_from(Edition), st.data())
@settings(max_examples=40, deadline=None)
def test_rows_are_in_order_in_range_and_of_the_catalogue(edition: Edition, data: st.DataObject) -> None:
    drawn_reports = data.draw(st.lists(drawn.reports(edition), max_size=4))
    indexes = [3 * place for place in range(len(drawn_reports))]
    rows = signals.rows(drawn_reports, indexes, CATALOGUE).rows
    key = rows.message.astype(np.int64) << 16 | rows.signal
    assert (np.diff(key) > 0).all()
    assert np.isfinite(rows.value).all()
    for message, t_us, number, value in zip(
        rows.message.tolist(), rows.t_us.tolist(), rows.signal.tolist(), rows.value.tolist(), strict=True
    ):
        signal = CATALOGUE.by_number[number]
        assert t_us == drawn_reports[indexes.index(message)].at_us
        assert signal.minimum is None or value >= signal.minimum
        assert signal.maximum is None or value <= signal.maximum


def test_no_report_is_no_row() -> None:
    mapped = signals.rows([], [], CATALOGUE)
    assert len(mapped.rows) == mapped.no_measurement == mapped.out_of_range == 0


def test_every_source_is_a_field_of_a_table_and_a_path_of_the_catalogue() -> None:
    fields = {
        (entry.name, name)
        for name_of_file in ("2016-report", "2025-report")
        for entry in golden(name_of_file).entries
        for name in entry.record.values
    }
    for source in (*signals.NUMBERS, *signals.WORDS):
        assert (source.unit, source.name) in fields
        assert CATALOGUE.of(source.path)
