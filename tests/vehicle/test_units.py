from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle.errors import CatalogueError
from vehicle.units import Unit, conversion


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
    ],
)
def test_known_values_convert(given_unit: Unit, wanted: Unit, value: float, result: float) -> None:
    factor, offset = conversion(given_unit, wanted)
    assert value * factor + offset == pytest.approx(result, rel=1e-12)


@given(st.sampled_from(Unit))
def test_a_unit_is_itself_exactly(unit: Unit) -> None:
    assert conversion(unit, unit) == (1.0, 0.0)


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
