"""The custom units of Shanghai's buses, as one public implementation has them: an example of an extension.

`Extension`s are chosen by whoever knows the vehicle; nothing in a packet names one. Without it unit 80 is
skipped by its length, and units 81 and 82, which break the standard's rule that a custom unit begins with
its length, are refused.
"""

from typing import Final

from decoders.gbt32960.fields import BYTE, DWORD, WORD, Bits, Fixed, Mark, Number, State
from decoders.gbt32960.layout import Group, Length, Unit, by_number, layout
from decoders.gbt32960.report import Extension
from decoders.gbt32960.units_shared import NODE, SPEED, current, temperature, voltage

SOURCE: Final = f"[U] Shanghai bus extension 1.4, as {NODE} describes it; fixtures"
_TYRES: Final = ("front_left", "front_right", "rear_left_1", "rear_left_2", "rear_right_1", "rear_right_2")


def _signed_current(name: str) -> Number:
    return current(name, lowest_a=-1_000)


def _tyres() -> list[Fixed]:
    fields: list[Fixed] = []
    for tyre in _TYRES:
        fields += [Number(f"{tyre}_kpa", BYTE, times=4), temperature(f"{tyre}_degc")]
    return fields


STATE: Final = Unit(
    0x80,
    "bus_state",
    layout(
        Length(48),
        Number("air_1_kpa", BYTE, times=4),
        Number("air_2_kpa", BYTE, times=4),
        Number("low_voltage_v", BYTE, per=2),
        Number("dcdc_output_v", WORD, per=10, zero=10_000),
        _signed_current("dcdc_output_a"),
        temperature("dcdc_degc"),
        temperature("dcac_degc"),
        *_tyres(),
        voltage("charge_v"),
        _signed_current("charge_a"),
        Number("charge_kwh", WORD, per=10),
        Number("charged_kwh", DWORD, per=10),
        Number("discharged_kwh", DWORD, per=10),
        Number("consumption_now", WORD, per=10),
        Number("insulation_positive_kohm", WORD),
        Number("insulation_negative_kohm", WORD),
        temperature("compressor_degc"),
        temperature("motor_controller_degc"),
        State("air_conditioner", {0: "off", 1: "ventilating", 2: "heating", 3: "cooling"}),
        temperature("air_conditioner_degc"),
        temperature("inside_degc"),
        temperature("outside_degc"),
        Bits("switches", BYTE, has_sentinels=False),  # two bits each: key, handbrake, front, middle door
    ),
    table="custom 80",
    source=SOURCE,
)

_PEDALS: Final[tuple[Fixed, ...]] = (
    Mark(0x01),
    Number("accelerator_pct", BYTE, last=100),
    Mark(0x02),
    Number("brake_pct", BYTE, last=101),
    Mark(0x03),
    SPEED,
    Mark(0x04),
    _signed_current("current_a"),
)

TEN_SECONDS: Final = Unit(
    0x81,
    "bus_ten_seconds",
    layout(Group("seconds", layout(*_PEDALS), fixed_n=10)),
    table="custom 81",
    source=SOURCE,
)

ASSISTANCE: Final = Unit(
    0x82,
    "bus_assistance",
    layout(
        Group(
            "seconds",
            layout(
                *_PEDALS,
                Mark(0x05),
                Number("overspeed_kmh", BYTE, times=5, last=7),
                Mark(0x06),
                Number("obstacle_sideways_m", BYTE, per=10, zero=120),
                Mark(0x07),
                Number("obstacle_ahead_m", BYTE),
                Mark(0x08),
                Number("obstacle_speed_m_per_s", BYTE, zero=50),
                Mark(0x09),
                Bits("warnings_1", BYTE, has_sentinels=False),  # low half buzzer, high half steering wheel
                Mark(0x0A),
                Bits(
                    "warnings_2", BYTE, has_sentinels=False
                ),  # two bits each: ahead, left, right, pedestrian
                Mark(0x0B),
                Bits(
                    "warnings_3", BYTE, has_sentinels=False
                ),  # brake: two bits reserved, switch, state, level
                Mark(0x0C),
                State("obstacle", {0: "none", 1: "person", 2: "vehicle", 15: "other"}),
                Mark(0x0D),
                Bits("fault", WORD, has_sentinels=False),
            ),
            fixed_n=10,
        )
    ),
    table="custom 82",
    source=SOURCE,
)

SHANGHAI_BUS: Final = Extension("shanghai-bus-1.4", by_number((STATE, TEN_SECONDS, ASSISTANCE)))
