"""Units in the spelling of COVESA VSS, and exact conversions between them."""

from enum import StrEnum
from typing import Final

from vehicle.errors import CatalogueError


class Unit(StrEnum):
    """A unit as VSS 6.0 spells it in its `units.yaml`; NONE stands for a plain number, state or flag."""

    NONE = ""
    METER = "m"
    KILOMETER = "km"
    MILE = "mi"
    KM_PER_HOUR = "km/h"
    MILES_PER_HOUR = "mph"
    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"
    VOLT = "V"
    AMPERE = "A"
    PASCAL = "Pa"
    KILOPASCAL = "kPa"
    BAR = "bar"
    PERCENT = "percent"
    RATIO = "ratio"
    RPM = "rpm"
    KWH = "kWh"
    HOUR = "h"
    MINUTE = "min"
    SECOND = "s"
    LITER = "l"
    LITER_PER_HOUR = "l/h"
    LITER_PER_100KM = "l/100km"
    GRAM_PER_SECOND = "g/s"
    NEWTON_METER = "Nm"
    DEGREE = "degrees"
    OHM = "Ohm"


_CONVERSIONS: Final[dict[tuple[Unit, Unit], tuple[float, float]]] = {
    # (from, to): (factor, offset), value_to = value_from * factor + offset
    (Unit.KILOMETER, Unit.METER): (1000.0, 0.0),
    (Unit.METER, Unit.KILOMETER): (0.001, 0.0),
    (Unit.MILE, Unit.METER): (1609.344, 0.0),  # international mile, exact
    (Unit.MILE, Unit.KILOMETER): (1.609344, 0.0),
    (Unit.MILES_PER_HOUR, Unit.KM_PER_HOUR): (1.609344, 0.0),
    (Unit.FAHRENHEIT, Unit.CELSIUS): (5.0 / 9.0, -160.0 / 9.0),
    (Unit.BAR, Unit.KILOPASCAL): (100.0, 0.0),
    (Unit.PASCAL, Unit.KILOPASCAL): (0.001, 0.0),
    (Unit.KILOPASCAL, Unit.PASCAL): (1000.0, 0.0),
    (Unit.HOUR, Unit.SECOND): (3600.0, 0.0),
    (Unit.MINUTE, Unit.SECOND): (60.0, 0.0),
    (Unit.SECOND, Unit.HOUR): (1.0 / 3600.0, 0.0),
}


def conversion(given: Unit, wanted: Unit) -> tuple[float, float]:
    """Factor and offset from one unit to another: `wanted = given * factor + offset`.

    Raises `CatalogueError` where the two measure different things or the pair is unknown.
    """
    if given == wanted:
        return 1.0, 0.0
    try:
        return _CONVERSIONS[given, wanted]
    except KeyError:
        raise CatalogueError(f"no conversion from {given.value!r} to {wanted.value!r}") from None
