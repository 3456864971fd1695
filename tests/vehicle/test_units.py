from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle.errors import CatalogueError
from vehicle.units import Unit, conversion, spelled


@pytest.mark.parametrize(
    ("given_unit", "wanted", "value", "result"),
    [
        (Unit.KILOMETER, Unit.METER, 13_832.875, 13_832_875.0),
        (Unit.METER, Unit.KILOMETER, 1500.0, 1.5),
        (Unit.MILE, Unit.METER, 1.0, 1609.344),
        (Unit.MILES_PER_HOUR, Unit.KM_PER_HOUR, 100.0, 160.9344),
        (Unit.FAHRENHEIT, Unit.CELSIUS, 212.0, 100.0),
        (Unit.FAHRENHEIT, Unit.CELSIUS, -40.0, -40.0),
        (Unit.BAR, Unit.KILOPASCAL, 2.3, 230.0),
        (Unit.HOUR, Unit.SECOND, 0.5, 1800.0),
        (Unit.SECOND, Unit.HOUR, 1800.0, 0.5),
        (Unit.MINUTE, Unit.HOUR, 90.0, 1.5),
        (Unit.DAY, Unit.HOUR, 2.0, 48.0),
        (Unit.MILLISECOND, Unit.SECOND, 250.0, 0.25),
        (Unit.PSI, Unit.KILOPASCAL, 32.0, 220.63223338138117),
        (Unit.MILLIBAR, Unit.PASCAL, 1013.25, 101_325.0),
        (Unit.MEGAPASCAL, Unit.BAR, 0.5, 5.0),
        (Unit.GALLON, Unit.LITER, 10.0, 37.85411784),
        (Unit.IMPERIAL_GALLON, Unit.LITER, 10.0, 45.4609),
        (Unit.GALLON_PER_HOUR, Unit.LITER_PER_HOUR, 1.0, 3.785411784),
        (Unit.INCH, Unit.MILLIMETER, 1.0, 25.4),
        (Unit.FOOT, Unit.METER, 10.0, 3.048),
        (Unit.METER_PER_SECOND, Unit.KM_PER_HOUR, 10.0, 36.0),
        (Unit.KELVIN, Unit.CELSIUS, 300.0, 26.85),
        (Unit.KELVIN, Unit.FAHRENHEIT, 273.15, 32.0),
        (Unit.MILLIVOLT, Unit.VOLT, 12_600.0, 12.6),
        (Unit.MILLIAMPERE, Unit.AMPERE, 250.0, 0.25),
        (Unit.HORSEPOWER, Unit.KILOWATT, 100.0, 73.549875),
        (Unit.KWH, Unit.JOULE, 1.0, 3.6e6),
        (Unit.RATIO, Unit.PERCENT, 0.5, 50.0),
        (Unit.HERTZ, Unit.RPM, 13.5, 810.0),
        (Unit.KG_PER_HOUR, Unit.GRAM_PER_SECOND, 3.6, 1.0),
        (Unit.POUND, Unit.KILOGRAM, 10.0, 4.5359237),
        (Unit.RADIAN, Unit.DEGREE, 3.141592653589793, 180.0),
    ],
)
def test_known_values_convert(given_unit: Unit, wanted: Unit, value: float, result: float) -> None:
    factor, offset = conversion(given_unit, wanted)
    assert value * factor + offset == pytest.approx(result, rel=1e-12)


@given(st.sampled_from(Unit))
def test_a_unit_is_itself_exactly(unit: Unit) -> None:
    assert conversion(unit, unit) == (1.0, 0.0)


@given(data=st.data(), value=st.floats(-1e6, 1e6))
def test_a_way_through_a_third_unit_ends_where_the_straight_one_does(
    data: st.DataObject, value: float
) -> None:
    first = data.draw(st.sampled_from(Unit))
    alike = [unit for unit in Unit if _is_alike(first, unit)]
    second, third = data.draw(st.sampled_from(alike)), data.draw(st.sampled_from(alike))
    there, straight = conversion(first, second), conversion(first, third)
    on = conversion(second, third)
    longer = (value * there[0] + there[1]) * on[0] + on[1]
    slack = 1e-9 * (1 + abs(there[1] * on[0]) + abs(on[1]))
    assert longer == pytest.approx(value * straight[0] + straight[1], rel=1e-9, abs=slack)


def _is_alike(one: Unit, other: Unit) -> bool:
    try:
        conversion(one, other)
    except CatalogueError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("km/h", Unit.KM_PER_HOUR),
        ("KPH", Unit.KM_PER_HOUR),
        (" degC", Unit.CELSIUS),
        ("°F", Unit.FAHRENHEIT),
        ("℃", Unit.CELSIUS),
        ("%", Unit.PERCENT),
        ("L", Unit.LITER),
        ("PSI", Unit.PSI),
        ("kPA", Unit.KILOPASCAL),
        ("1/min", Unit.RPM),
        ("m/s²", Unit.METER_PER_SECOND_SQUARED),
        ("MPa", Unit.MEGAPASCAL),
        ("mpa", None),
        ("mV", Unit.MILLIVOLT),
        ("MV", None),
        ("", None),
        ("furlongs", None),
    ],
)
def test_spellings_of_signal_files_are_known_where_they_are_certain(text: str, unit: Unit | None) -> None:
    assert spelled(text) == unit


@pytest.mark.parametrize("unit", [unit for unit in Unit if unit])
def test_every_unit_s_own_spelling_is_known(unit: Unit) -> None:
    assert spelled(unit.value) is unit


def test_what_goes_both_ways_comes_back() -> None:
    there_and_back = 0
    for first, second in product(Unit, Unit):
        try:
            (factor, offset), (inverse, shift) = conversion(first, second), conversion(second, first)
        except CatalogueError:
            continue
        there_and_back += 1
        assert (123.456 * factor + offset) * inverse + shift == pytest.approx(123.456)
    assert there_and_back > len(Unit)


def test_every_conversion_rises() -> None:
    """Limits are converted like values; a falling conversion would swap them."""
    for first, second in product(Unit, Unit):
        try:
            factor, _ = conversion(first, second)
        except CatalogueError:
            continue
        assert factor > 0


@pytest.mark.parametrize(("one", "other"), [(Unit.KILOMETER, Unit.VOLT), (Unit.NONE, Unit.PERCENT)])
def test_what_measures_different_things_is_refused(one: Unit, other: Unit) -> None:
    with pytest.raises(CatalogueError, match="no conversion from"):
        conversion(one, other)
