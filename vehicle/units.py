"""Units in the spelling of COVESA VSS, and exact conversions between them."""

from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from vehicle.errors import CatalogueError


class Unit(StrEnum):
    """A unit as VSS 6.0 spells it in its `units.yaml`; NONE stands for a plain number, state or flag.

    Those that VSS does not have are spelled as signal files do.
    """

    NONE = ""
    MILLIMETER = "mm"
    CENTIMETER = "cm"
    METER = "m"
    KILOMETER = "km"
    INCH = "inch"
    FOOT = "ft"
    MILE = "mi"
    METER_PER_SECOND = "m/s"
    KM_PER_HOUR = "km/h"
    MILES_PER_HOUR = "mph"
    METER_PER_SECOND_SQUARED = "m/s^2"
    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"
    KELVIN = "kelvin"
    MILLIVOLT = "mV"
    VOLT = "V"
    KILOVOLT = "kV"
    MILLIAMPERE = "mA"
    AMPERE = "A"
    AMPERE_HOUR = "Ah"
    MILLIOHM = "mOhm"
    OHM = "Ohm"
    KILOOHM = "kOhm"
    PASCAL = "Pa"
    HECTOPASCAL = "hPa"
    KILOPASCAL = "kPa"
    MEGAPASCAL = "MPa"
    MILLIBAR = "mbar"
    BAR = "bar"
    PSI = "psi"
    PERCENT = "percent"
    RATIO = "ratio"
    RPM = "rpm"
    HERTZ = "Hz"
    WATT_HOUR = "Wh"
    KWH = "kWh"
    JOULE = "J"
    KILOJOULE = "kJ"
    WATT = "W"
    KILOWATT = "kW"
    HORSEPOWER = "PS"
    """The metric one."""
    MILLISECOND = "ms"
    SECOND = "s"
    MINUTE = "min"
    HOUR = "h"
    DAY = "days"
    MILLILITER = "ml"
    LITER = "l"
    GALLON = "gal"
    """US liquid gallon."""
    IMPERIAL_GALLON = "gal_uk"
    LITER_PER_HOUR = "l/h"
    GALLON_PER_HOUR = "gal/h"
    LITER_PER_100KM = "l/100km"
    MILLILITER_PER_100KM = "ml/100km"
    GRAM = "g"
    KILOGRAM = "kg"
    POUND = "lbs"
    GRAM_PER_SECOND = "g/s"
    KG_PER_HOUR = "kg/h"
    NEWTON = "N"
    KILONEWTON = "kN"
    NEWTON_METER = "Nm"
    DEGREE = "degrees"
    RADIAN = "rad"
    DEGREE_PER_SECOND = "degrees/s"
    RADIAN_PER_SECOND = "rad/s"


_MILE_M: Final = Fraction("1609.344")
_PSI_PA: Final = Fraction("4.4482216152605") / Fraction("0.0254") ** 2
_GALLON_L: Final = Fraction("3.785411784")
_PI: Final = Fraction("3.14159265358979323846264338327950288")
_SCALES: Final[tuple[dict[Unit, Fraction], ...]] = (
    # the units of one kind each, in one of them; exact by definition but for radians
    {
        Unit.METER: Fraction(1), Unit.MILLIMETER: Fraction(1, 1000), Unit.CENTIMETER: Fraction(1, 100),
        Unit.KILOMETER: Fraction(1000), Unit.INCH: Fraction("0.0254"), Unit.FOOT: Fraction("0.3048"),
        Unit.MILE: _MILE_M,
    },
    {
        Unit.KM_PER_HOUR: Fraction(1), Unit.METER_PER_SECOND: Fraction("3.6"),
        Unit.MILES_PER_HOUR: _MILE_M / 1000,
    },
    {Unit.VOLT: Fraction(1), Unit.MILLIVOLT: Fraction(1, 1000), Unit.KILOVOLT: Fraction(1000)},
    {Unit.AMPERE: Fraction(1), Unit.MILLIAMPERE: Fraction(1, 1000)},
    {Unit.OHM: Fraction(1), Unit.MILLIOHM: Fraction(1, 1000), Unit.KILOOHM: Fraction(1000)},
    {
        Unit.PASCAL: Fraction(1), Unit.HECTOPASCAL: Fraction(100), Unit.KILOPASCAL: Fraction(1000),
        Unit.MEGAPASCAL: Fraction(1_000_000), Unit.MILLIBAR: Fraction(100), Unit.BAR: Fraction(100_000),
        Unit.PSI: _PSI_PA,
    },
    {Unit.RATIO: Fraction(1), Unit.PERCENT: Fraction(1, 100)},
    {Unit.HERTZ: Fraction(1), Unit.RPM: Fraction(1, 60)},
    {
        Unit.JOULE: Fraction(1), Unit.KILOJOULE: Fraction(1000), Unit.WATT_HOUR: Fraction(3600),
        Unit.KWH: Fraction(3_600_000),
    },
    {Unit.WATT: Fraction(1), Unit.KILOWATT: Fraction(1000), Unit.HORSEPOWER: Fraction("735.49875")},
    {
        Unit.SECOND: Fraction(1), Unit.MILLISECOND: Fraction(1, 1000), Unit.MINUTE: Fraction(60),
        Unit.HOUR: Fraction(3600), Unit.DAY: Fraction(86_400),
    },
    {
        Unit.LITER: Fraction(1), Unit.MILLILITER: Fraction(1, 1000), Unit.GALLON: _GALLON_L,
        Unit.IMPERIAL_GALLON: Fraction("4.54609"),
    },
    {Unit.LITER_PER_HOUR: Fraction(1), Unit.GALLON_PER_HOUR: _GALLON_L},
    {Unit.LITER_PER_100KM: Fraction(1), Unit.MILLILITER_PER_100KM: Fraction(1, 1000)},
    {Unit.GRAM: Fraction(1), Unit.KILOGRAM: Fraction(1000), Unit.POUND: Fraction("453.59237")},
    {Unit.GRAM_PER_SECOND: Fraction(1), Unit.KG_PER_HOUR: Fraction(1000, 3600)},
    {Unit.NEWTON: Fraction(1), Unit.KILONEWTON: Fraction(1000)},
    {Unit.DEGREE: Fraction(1), Unit.RADIAN: 180 / _PI},
    {Unit.DEGREE_PER_SECOND: Fraction(1), Unit.RADIAN_PER_SECOND: 180 / _PI},
)  # fmt: skip
_TEMPERATURES: Final = {
    # scale and offset into celsius
    Unit.CELSIUS: (Fraction(1), Fraction(0)),
    Unit.FAHRENHEIT: (Fraction(5, 9), Fraction(-160, 9)),
    Unit.KELVIN: (Fraction(1), Fraction("-273.15")),
}
_KINDS: Final = (
    *({unit: (scale, Fraction(0)) for unit, scale in scales.items()} for scales in _SCALES),
    _TEMPERATURES,
)
_SPELLINGS: Final = MappingProxyType({
    "mile": Unit.MILE, "miles": Unit.MILE, "in": Unit.INCH, "feet": Unit.FOOT, "meter": Unit.METER,
    "kph": Unit.KM_PER_HOUR, "kmh": Unit.KM_PER_HOUR, "kmph": Unit.KM_PER_HOUR, "km/hr": Unit.KM_PER_HOUR,
    "mi/h": Unit.MILES_PER_HOUR, "m/s²": Unit.METER_PER_SECOND_SQUARED, "m/s2": Unit.METER_PER_SECOND_SQUARED,
    "m/s/s": Unit.METER_PER_SECOND_SQUARED, "m/s**2": Unit.METER_PER_SECOND_SQUARED,
    "degc": Unit.CELSIUS, "°c": Unit.CELSIUS, "deg c": Unit.CELSIUS, "c": Unit.CELSIUS, "℃": Unit.CELSIUS,
    "deg_c": Unit.CELSIUS, "degf": Unit.FAHRENHEIT, "°f": Unit.FAHRENHEIT, "deg f": Unit.FAHRENHEIT,
    "℉": Unit.FAHRENHEIT, "k": Unit.KELVIN, "volt": Unit.VOLT, "volts": Unit.VOLT, "amp": Unit.AMPERE,
    "amps": Unit.AMPERE, "ohms": Unit.OHM, "ω": Unit.OHM, "%": Unit.PERCENT, "1/min": Unit.RPM,
    "r/min": Unit.RPM, "u/min": Unit.RPM, "hp": Unit.HORSEPOWER, "sec": Unit.SECOND, "msec": Unit.MILLISECOND,
    "hr": Unit.HOUR, "hrs": Unit.HOUR, "hour": Unit.HOUR, "hours": Unit.HOUR, "day": Unit.DAY, "d": Unit.DAY,
    "liter": Unit.LITER, "litre": Unit.LITER, "gallon": Unit.GALLON, "gallons": Unit.GALLON,
    "gph": Unit.GALLON_PER_HOUR, "lb": Unit.POUND, "deg": Unit.DEGREE, "°": Unit.DEGREE,
    "deg/s": Unit.DEGREE_PER_SECOND, "°/s": Unit.DEGREE_PER_SECOND,
})  # fmt: skip
"""How signal files write units, in lower case; they have no rule for it."""
_BY_LOWER: Final = MappingProxyType({unit.value.lower(): unit for unit in reversed(Unit) if unit.value})
_AMBIGUOUS: Final = frozenset({"mpa", "mv", "mw", "hp", "k", "d"})
"""In lower case they are two units, or a unit and something else."""


def spelled(text: str) -> Unit | None:
    """The unit a signal file means by a text; None where that is not certain."""
    plain = text.strip()
    if plain in set(Unit):
        return Unit(plain) if plain else None
    lower = plain.lower()
    if lower in _AMBIGUOUS:
        return None
    return _SPELLINGS.get(lower) or _BY_LOWER.get(lower)


def conversion(given: Unit, wanted: Unit) -> tuple[float, float]:
    """Factor and offset from one unit to another: `wanted = given * factor + offset`.

    Raises `CatalogueError` where the two measure different things.
    """
    if given == wanted:
        return 1.0, 0.0
    for units in _KINDS:
        if given in units and wanted in units:
            scale, offset = units[given]
            into, shift = units[wanted]
            return float(scale / into), float((offset - shift) / into)
    raise CatalogueError(f"no conversion from {given.value!r} to {wanted.value!r}")
