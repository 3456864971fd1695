"""Data units of GB/T 32960.3-2016 (tables 7 to 18, B.4 to B.8)."""

from typing import Final

from decoders.gbt32960.fields import BYTE, DWORD, WORD, Bits, Number, State
from decoders.gbt32960.layout import Group, Many, Unit, by_number, layout
from decoders.gbt32960.units_shared import (
    CHARGING,
    DCDC,
    DRIVE_MODE,
    EMQX,
    FAULT_CODE,
    GO,
    LATITUDE,
    LONGITUDE,
    MOTOR_STATE,
    NODE,
    POSITION_STATUS,
    RTM_CON,
    SOC,
    SPEED,
    TRAVELED,
    VEHICLE_STATE,
    cell_voltage,
    current,
    ordinal,
    temperature,
    voltage,
)

_LOWEST_A: Final = -1_000

VEHICLE: Final = Unit(
    0x01,
    "vehicle",
    layout(
        VEHICLE_STATE,
        CHARGING,
        DRIVE_MODE,
        SPEED,
        TRAVELED,
        voltage("voltage_v", last=10_000),
        current("current_a", lowest_a=_LOWEST_A, last=20_000),
        SOC,
        DCDC,
        Bits("gear", BYTE),  # table A.1: bit 5 drive torque, bit 4 brake torque, bits 0-3 gear
        Number("insulation_kohm", WORD, last=60_000),
        Number("accelerator_pct", BYTE, last=100),
        Number("brake_pct", BYTE, last=101),  # 101: applied, nobody knows how far
    ),
    table="9, B.4",
    source=f"{RTM_CON}, {NODE}, {EMQX}; fixtures",
)

MOTORS: Final = Unit(
    0x02,
    "motors",
    layout(
        Group(
            "motors",
            layout(
                ordinal("motor"),
                MOTOR_STATE,
                temperature("controller_degc"),
                Number("speed_rpm", WORD, zero=20_000, last=65_531),
                Number("torque_nm", WORD, per=10, zero=20_000, last=65_531),
                temperature("temperature_degc"),
                voltage("input_v", last=60_000),
                current("current_a", lowest_a=_LOWEST_A, last=20_000),
            ),
            BYTE,
        )
    ),
    table="10, 11",
    source=f"{RTM_CON}, {NODE}, {EMQX}; fixtures",
)

FUEL_CELL: Final = Unit(
    0x03,
    "fuel_cell",
    layout(
        voltage("voltage_v", last=20_000),
        Number("current_a", WORD, per=10, last=20_000),
        Number("consumption_kg_per_100km", WORD, per=100, last=60_000),
        Many(temperature("probe_degc", last=240), WORD),
        Number("hydrogen_max_degc", WORD, per=10, zero=400, last=2_400),
        ordinal("hydrogen_max_degc_probe"),
        Number("hydrogen_max_mg_per_kg", WORD, last=60_000),
        ordinal("hydrogen_concentration_sensor"),
        Number("hydrogen_max_kpa", WORD, times=100, last=1_000),
        ordinal("hydrogen_pressure_sensor"),
        DCDC,
    ),
    table="12",
    source=f"[U] {NODE}, {GO}, {EMQX}",
)

ENGINE: Final = Unit(
    0x04,
    "engine",
    layout(
        State("state", {1: "on", 2: "off"}),
        Number("speed_rpm", WORD, last=60_000),
        Number("consumption_l_per_100km", WORD, per=100, last=60_000),
    ),
    table="13",
    source=f"[U] {RTM_CON}, {NODE}, {EMQX}",
)

POSITION: Final = Unit(
    0x05,
    "position",
    layout(POSITION_STATUS, LONGITUDE, LATITUDE),
    table="14, 15",
    source=f"{RTM_CON}, {NODE}; fixtures",
)

EXTREMES: Final = Unit(
    0x06,
    "extremes",
    layout(
        ordinal("cell_max_v_pack"),
        ordinal("cell_max_v_cell"),
        cell_voltage("cell_max_v", last=15_000),
        ordinal("cell_min_v_pack"),
        ordinal("cell_min_v_cell"),
        cell_voltage("cell_min_v", last=15_000),
        ordinal("max_degc_pack"),
        ordinal("max_degc_probe"),
        temperature("max_degc"),
        ordinal("min_degc_pack"),
        ordinal("min_degc_probe"),
        temperature("min_degc"),
    ),
    table="16",
    source=f"{RTM_CON}, {NODE}; fixtures",
)

ALARMS: Final = Unit(
    0x07,
    "alarms",
    layout(
        Number("level", BYTE, last=3),
        Bits("flags", DWORD),
        *(Many(FAULT_CODE.named(name), BYTE) for name in ("battery", "motor", "engine", "other")),
    ),
    table="17, 18",
    source=f"{RTM_CON}, {NODE}; fixtures",
)

CELL_VOLTAGES: Final = Unit(
    0x08,
    "cell_voltages",
    layout(
        Group(
            "packs",
            layout(
                ordinal("pack"),
                voltage("voltage_v", last=10_000),
                # the lowest current is -1000 A as in table 9: the packets of `golden.json` say so, and one
                # vehicle's pack current equals its total current; rtm_con reads -3000 A here
                current("current_a", lowest_a=_LOWEST_A, last=20_000),
                Bits("cells_n", WORD),
                Bits("first_cell", WORD),  # a pack of many cells takes several packets
                Many(cell_voltage("cell_v", last=60_000), BYTE),
            ),
            BYTE,
        )
    ),
    table="B.5, B.6",
    source=f"{RTM_CON}, {NODE}, {GO}; fixtures",
)

TEMPERATURES: Final = Unit(
    0x09,
    "temperatures",
    layout(Group("packs", layout(ordinal("pack"), Many(temperature("probe_degc"), WORD)), BYTE)),
    table="B.7, B.8",
    source=f"{RTM_CON}, {NODE}; fixtures",
)

UNITS: Final = by_number(
    (VEHICLE, MOTORS, FUEL_CELL, ENGINE, POSITION, EXTREMES, ALARMS, CELL_VOLTAGES, TEMPERATURES)
)
