"""Reports as signals of the catalogue, in the same columns as everything else that is decoded.

A packet has one time, so every signal has at most one value per packet. What is no measurement has no row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.gbt32960.layout import Record
from decoders.gbt32960.report import Report
from decoders.gbt32960.words import Edition
from vehicle.frame import SignalRows
from vehicle.signal import Catalogue

BATTERY: Final = "Vehicle.Powertrain.TractionBattery"
CAPACITOR: Final = "Vehicle.X-Odo.Supercapacitor"
FUEL_CELL: Final = "Vehicle.X-Odo.FuelCell"
HYDROGEN: Final = "Vehicle.X-Odo.Hydrogen"
LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"
GEAR: Final = "Vehicle.Powertrain.Transmission.SelectedGear"
IS_CHARGING: Final = f"{BATTERY}.Charging.IsCharging"


class Source(NamedTuple):
    """A field that is a signal: `value * times / per`."""

    unit: str
    name: str
    path: str
    times: int = 1
    per: int = 1


NUMBERS: Final = (
    Source("vehicle", "speed_kmh", "Vehicle.Speed"),
    Source("vehicle", "traveled_m", "Vehicle.TraveledDistance"),
    Source("vehicle", "voltage_v", f"{BATTERY}.CurrentVoltage"),
    # vehicles that charge send negative currents [U]; VSS counts into the battery as positive
    Source("vehicle", "current_a", f"{BATTERY}.CurrentCurrent", times=-1),
    Source("vehicle", "soc_pct", f"{BATTERY}.StateOfCharge.Current"),
    Source("vehicle", "insulation_kohm", "Vehicle.X-Odo.TractionBattery.InsulationResistance", times=1_000),
    Source("vehicle", "accelerator_pct", "Vehicle.Chassis.Accelerator.PedalPosition"),
    Source("engine", "speed_rpm", "Vehicle.Powertrain.CombustionEngine.Speed"),
    Source("engine", "consumption_l_per_100km", "Vehicle.X-Odo.FuelConsumption"),
    Source("alarms", "level", "Vehicle.X-Odo.AlarmLevel"),
    Source("fuel_cell", "voltage_v", f"{FUEL_CELL}.Voltage"),
    Source("fuel_cell", "current_a", f"{FUEL_CELL}.Current"),
    Source("fuel_cell", "hydrogen_max_degc", f"{HYDROGEN}.Temperature.Max"),
    Source("fuel_cell", "hydrogen_max_kpa", f"{HYDROGEN}.Pressure.Max"),
    Source("fuel_cell", "hydrogen_max_mg_per_kg", f"{HYDROGEN}.Concentration.Max", per=10_000),  # 2016
    Source("fuel_cell", "hydrogen_max_pct", f"{HYDROGEN}.Concentration.Max"),  # 2025
    Source("fuel_cell", "hydrogen_level_pct", "Vehicle.Powertrain.FuelSystem.RelativeLevel"),
    Source("supercapacitor", "voltage_v", f"{CAPACITOR}.Voltage"),
    Source("supercapacitor", "current_a", f"{CAPACITOR}.Current", times=-1),
    Source("supercapacitor_extremes", "cell_min_v", f"{CAPACITOR}.CellVoltage.Min"),
    Source("supercapacitor_extremes", "cell_max_v", f"{CAPACITOR}.CellVoltage.Max"),
    Source("supercapacitor_extremes", "min_degc", f"{CAPACITOR}.Temperature.Min"),
    Source("supercapacitor_extremes", "max_degc", f"{CAPACITOR}.Temperature.Max"),
)

WORDS: Final = (
    Source("vehicle", "state", "Vehicle.X-Odo.OperatingState"),
    Source("vehicle", "charging", "Vehicle.X-Odo.TractionBattery.ChargingState"),
    Source("vehicle", "drive_mode", "Vehicle.X-Odo.DriveMode"),
)
"""States, stored as the standard's numbers."""

MOTOR_PREFIXES: Final = {
    1: ("Vehicle.Powertrain.ElectricMotor", "Vehicle.X-Odo.ElectricMotor"),
    2: ("Vehicle.X-Odo.ElectricMotor2", "Vehicle.X-Odo.ElectricMotor2"),
}
"""Motor number to the paths of the motor and of its controller; GB/T does not say where a motor sits."""

_NUMBER_OF: Final = {
    "state": {"on": 1, "off": 2, "other": 3},
    "charging": {"parked": 1, "driving": 2, "not_charging": 3, "complete": 4},
    "drive_mode": {"electric": 1, "hybrid": 2, "fuel": 3},
}
_BRAKE_APPLIED: Final = 101
_GEAR_MASK: Final = 0x0F
_GEARS: Final = {13: -1, 14: 127, 15: 126}
"""Reverse, drive and park as VSS numbers them; the others are their own number."""
_NO_FIX, _SOUTH, _WEST = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Mapped:
    """Signals of many reports."""

    rows: SignalRows
    no_measurement: int
    """Fields that the vehicle itself says are abnormal or invalid."""
    out_of_range: int
    """Fields with values that the standard reserves, and signals outside the catalogue's range."""


def rows(reports: Sequence[Report], indexes: Sequence[int], catalogue: Catalogue) -> Mapped:
    """The signals of reports, each with the index of its message; the indexes rise."""
    message: list[int] = []
    t_us: list[int] = []
    signal: list[int] = []
    value: list[float] = []
    no_measurement = out_of_range = 0
    for index, report in zip(indexes, reports, strict=True):
        found = sorted((catalogue.of(path).number, one) for path, one in measurements(report).items())
        message += [index] * len(found)
        t_us += [report.at_us] * len(found)
        for number, one in found:
            signal.append(number)
            value.append(one)
        sentinels, reserved = report.missing_n()
        no_measurement += sentinels
        out_of_range += reserved
    joined = SignalRows(
        message=np.array(message, np.int32),
        t_us=np.array(t_us, np.int64),
        signal=np.array(signal, np.int16),
        value=np.array(value, np.float64),
    )
    inside = _inside(joined, catalogue)
    out_of_range += int(np.count_nonzero(~inside))
    kept = SignalRows(
        joined.message[inside], joined.t_us[inside], joined.signal[inside], joined.value[inside]
    )
    return Mapped(kept, no_measurement, out_of_range)


def _inside(joined: SignalRows, catalogue: Catalogue) -> NDArray[np.bool_]:
    lowest = np.full(max(catalogue.by_number) + 1, -np.inf)
    highest = np.full(len(lowest), np.inf)
    for number, one in catalogue.by_number.items():
        lowest[number] = -np.inf if one.minimum is None else one.minimum
        highest[number] = np.inf if one.maximum is None else one.maximum
    return (joined.value >= lowest[joined.signal]) & (joined.value <= highest[joined.signal])


def measurements(report: Report) -> dict[str, float]:
    """VSS path to value in the catalogue's unit; of units that stand twice in a packet, the later counts."""
    units = {entry.name: entry.record for entry in report.entries}
    found: dict[str, float] = {}
    for source in NUMBERS:
        record = units.get(source.unit)
        value = None if record is None else record.values.get(source.name)
        if isinstance(value, float):
            found[source.path] = value * source.times / source.per
    if vehicle := units.get("vehicle"):
        found.update(_states(vehicle))
    if motors := units.get("motors"):
        for motor in motors.groups["motors"]:
            found.update(_motor(motor))
    if position := units.get("position"):
        found.update(_position(position, report.edition))
    found.update(_extremes(report, units))
    found.update(_fuel_cell(units))
    return found


def _states(vehicle: Record) -> Iterator[tuple[str, float]]:
    for source in WORDS:
        if word := vehicle.word(source.name):
            yield source.path, float(_NUMBER_OF[source.name][word])
    if charging := vehicle.word("charging"):
        yield IS_CHARGING, float(charging == "parked")
    if (gear := vehicle.bits("gear")) is not None:
        position = gear & _GEAR_MASK
        yield GEAR, float(_GEARS.get(position, position))
    brake = vehicle.number("brake_pct")
    if brake is not None and brake != _BRAKE_APPLIED:
        yield "Vehicle.Chassis.Brake.PedalPosition", brake


def _motor(motor: Record) -> Iterator[tuple[str, float]]:
    """The first two motors; more have no signals."""
    prefixes = MOTOR_PREFIXES.get(motor.bits("motor") or 0)
    if prefixes is None:
        return
    own, controller = prefixes
    for name, path in (
        ("speed_rpm", f"{own}.Speed"),
        ("torque_nm", f"{own}.Torque"),
        ("temperature_degc", f"{own}.Temperature"),
        ("controller_degc", f"{controller}.ControllerTemperature"),
    ):
        value = motor.number(name)
        if value is not None:
            yield path, value


def _position(position: Record, edition: Edition) -> Iterator[tuple[str, float]]:
    """Only a fix, and only in WGS 84, which 2016 means silently; GCJ-02 is off by hundreds of metres."""
    status = position.bits("status")
    latitude, longitude = position.number("latitude_deg"), position.number("longitude_deg")
    is_wgs84 = edition is Edition.GBT_2016 or position.word("datum") == "wgs84"
    if status is None or status & _NO_FIX or latitude is None or longitude is None or not is_wgs84:
        return
    yield LATITUDE, -latitude if status & _SOUTH else latitude
    yield LONGITUDE, -longitude if status & _WEST else longitude


def _extremes(report: Report, units: Mapping[str, Record]) -> Iterator[tuple[str, float]]:
    """Of cells and probes: as the vehicle says (2016), else out of the lists, where they are whole."""
    told = units.get("extremes")
    for path, unit, series, low, high in (
        (f"{BATTERY}.CellVoltage", "cell_voltages", "cell_v", "cell_min_v", "cell_max_v"),
        (f"{BATTERY}.Temperature", "temperatures", "probe_degc", "min_degc", "max_degc"),
    ):
        if told is not None and low in told.values and high in told.values:
            lowest, highest = told.number(low), told.number(high)
        else:
            lowest, highest = _range(
                [pack for record in report.all(unit) for pack in record.groups["packs"]], series
            )
        if lowest is not None and highest is not None:
            yield f"{path}.Min", lowest
            yield f"{path}.Max", highest


def _range(records: Sequence[Record], name: str) -> tuple[float, float] | tuple[None, None]:
    """Smallest and largest of series; none where one lists only a part of a pack, or nothing is measured."""
    if any("cells_n" in one.values and one.bits("cells_n") != len(one.series[name]) for one in records):
        return None, None
    values = [one.series[name].values for one in records if name in one.series]
    measured = np.concatenate(values) if values else np.zeros(0)
    measured = measured[~np.isnan(measured)]
    return (float(measured.min()), float(measured.max())) if len(measured) else (None, None)


def _fuel_cell(units: Mapping[str, Record]) -> Iterator[tuple[str, float]]:
    """The hottest probe, and the voltage and current of the stack where there is only one (2025)."""
    probes = [units["fuel_cell"]] if "fuel_cell" in units else []
    stacks = units["fuel_cell_stacks"].groups["stacks"] if "fuel_cell_stacks" in units else ()
    _, hottest = _range([one for one in probes if "probe_degc" in one.series], "probe_degc")
    _, coolant = _range(stacks, "coolant_outlet_degc")
    degc = [one for one in (hottest, coolant) if one is not None]
    if degc:
        yield f"{FUEL_CELL}.Temperature.Max", max(degc)
    if len(stacks) == 1:
        for name, path in (("voltage_v", "Voltage"), ("current_a", "Current")):
            value = stacks[0].number(name)
            if value is not None:
                yield f"{FUEL_CELL}.{path}", value
