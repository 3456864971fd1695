"""Data units of GB/T 32960.3-2025 (tables 7 to 27); the same numbers often mean other data than in 2016."""

from typing import Final

from decoders.gbt32960.fields import BYTE, DWORD, WORD, Bits, Number, State
from decoders.gbt32960.layout import Group, Many, Octets, Unit, by_number, layout
from decoders.gbt32960.units_shared import (
    CHARGING,
    DATUM,
    DCDC,
    DRIVE_MODE,
    FAULT_CODE,
    GO,
    JAVA,
    LATITUDE,
    LONGITUDE,
    MOTOR_STATE,
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

_LOWEST_A: Final = -3_000

VEHICLE: Final = Unit(
    0x01,
    "vehicle",
    layout(
        VEHICLE_STATE,
        CHARGING,
        DRIVE_MODE,
        SPEED,
        TRAVELED,
        voltage("voltage_v"),
        current("current_a", lowest_a=_LOWEST_A),
        SOC,
        DCDC,
        Bits("gear", BYTE, invalid_mask=0x80, has_sentinels=False),  # table A.1; bit 7: not valid
        Number("insulation_kohm", WORD),
    ),
    table="10",
    source=f"[U] {RTM_CON}, {GO}; {JAVA} has the lowest current at -1000 A",
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
                Number("speed_rpm", WORD, zero=32_000),
                Number("torque_nm", DWORD, per=10, zero=200_000),
                temperature("temperature_degc"),
            ),
            BYTE,
        )
    ),
    table="15, 16",
    source=f"[U] {RTM_CON}, {GO}; {JAVA} has the torque in a word",
)

FUEL_CELL: Final = Unit(
    0x03,
    "fuel_cell",
    layout(
        Number("hydrogen_max_degc", WORD, zero=40),
        ordinal("hydrogen_max_degc_probe"),
        Number("hydrogen_max_pct", WORD, per=10_000),
        ordinal("hydrogen_concentration_sensor"),
        Number("hydrogen_max_kpa", WORD, times=100),
        ordinal("hydrogen_pressure_sensor"),
        DCDC,
        Number("hydrogen_level_pct", BYTE, last=100),
        temperature("dcdc_degc"),
    ),
    table="17",
    source=f"[U] {GO}, {JAVA}",
)

ENGINE: Final = Unit(
    0x04,
    "engine",
    layout(Number("speed_rpm", WORD)),
    table="20",
    source=f"[U] {RTM_CON}, {GO}",
)

POSITION: Final = Unit(
    0x05,
    "position",
    layout(POSITION_STATUS, DATUM, LONGITUDE, LATITUDE),
    table="21, 22",
    source=f"[U] {RTM_CON}, {GO}, {JAVA}",
)

ALARMS: Final = Unit(
    0x06,
    "alarms",
    layout(
        Number("level", BYTE, last=4),
        Bits("flags", DWORD),
        *(Many(FAULT_CODE.named(name), BYTE) for name in ("battery", "motor", "engine", "other")),
        Group("general", layout(ordinal("bit"), Number("level", BYTE, last=4)), BYTE),
    ),
    table="23, 24",
    source=f"[U] {RTM_CON}, {GO}, {JAVA}",
)

CELL_VOLTAGES: Final = Unit(
    0x07,
    "cell_voltages",
    layout(
        Group(
            "packs",
            layout(
                ordinal("pack"),
                voltage("voltage_v"),
                current("current_a", lowest_a=_LOWEST_A),
                Many(cell_voltage("cell_v"), WORD),  # of cells in parallel, the smallest such group
            ),
            BYTE,
        )
    ),
    table="11, 12",
    source=f"[U] {RTM_CON}, {GO}, {JAVA}",
)

TEMPERATURES: Final = Unit(
    0x08,
    "temperatures",
    layout(Group("packs", layout(ordinal("pack"), Many(temperature("probe_degc"), WORD)), BYTE)),
    table="13, 14",
    source=f"[U] {RTM_CON}, {GO}, {JAVA}",
)

FUEL_CELL_STACKS: Final = Unit(
    0x30,
    "fuel_cell_stacks",
    layout(
        Group(
            "stacks",
            layout(
                ordinal("stack"),
                voltage("voltage_v"),
                Number("current_a", WORD, per=10),
                Number("hydrogen_inlet_kpa", WORD, per=10, zero=1_000),
                Number("air_inlet_kpa", WORD, per=10, zero=1_000),
                temperature("air_inlet_degc"),
                Many(temperature("coolant_outlet_degc"), WORD),
            ),
            BYTE,
        )
    ),
    table="18, 19",
    source=f"[U] {GO}, {JAVA}",
)

SUPERCAPACITOR: Final = Unit(
    0x31,
    "supercapacitor",
    layout(
        ordinal("system"),
        voltage("voltage_v"),
        current("current_a", lowest_a=_LOWEST_A),
        Many(cell_voltage("cell_v"), WORD),
        Many(temperature("probe_degc"), WORD),
    ),
    table="25",
    source=f"[U] {GO}, {JAVA}",
)

SUPERCAPACITOR_EXTREMES: Final = Unit(
    0x32,
    "supercapacitor_extremes",
    layout(
        ordinal("cell_max_v_system"),
        ordinal("cell_max_v_cell", WORD),
        cell_voltage("cell_max_v"),
        ordinal("cell_min_v_system"),
        ordinal("cell_min_v_cell", WORD),
        cell_voltage("cell_min_v"),
        ordinal("max_degc_system"),
        ordinal("max_degc_probe", WORD),
        temperature("max_degc"),
        ordinal("min_degc_system"),
        ordinal("min_degc_probe", WORD),
        temperature("min_degc"),
    ),
    table="26",
    source=f"[U] {GO}, {JAVA}",
)

SIGNATURE: Final = Unit(
    0xFF,
    "signature",
    layout(
        State("method", {1: "sm2", 2: "rsa", 3: "ecc", 0xFF: "other"}), Octets("r", WORD), Octets("s", WORD)
    ),
    table="8",
    source=f"[U] {RTM_CON}, {GO}",
)
"""The last unit; signs everything from the packet's time to the byte before it."""

UNITS: Final = by_number(
    (
        VEHICLE,
        MOTORS,
        FUEL_CELL,
        ENGINE,
        POSITION,
        ALARMS,
        CELL_VOLTAGES,
        TEMPERATURES,
        FUEL_CELL_STACKS,
        SUPERCAPACITOR,
        SUPERCAPACITOR_EXTREMES,
        SIGNATURE,
    )
)
