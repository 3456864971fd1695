import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import vins
from vehicle.errors import DecodeError
from vehicle.vin import Vin, check_digit, has_valid_check_digit, parse_vin, tail, with_check_digit


def test_the_published_example_has_its_check_digit() -> None:
    """49 CFR 565.15: 1G4AH59H45G118341 sums to 411, which leaves 4."""
    vin = parse_vin("1G4AH59H45G118341")
    assert check_digit(vin) == "4"
    assert has_valid_check_digit(vin)
    assert tail(vin) == "118341"


def test_a_remainder_of_ten_is_written_x() -> None:
    assert has_valid_check_digit(parse_vin("1M8GDM9AXKP042788"))


@given(vins())
def test_a_vin_is_read_whatever_its_case_and_the_space_around_it(vin: Vin) -> None:
    assert parse_vin(f" {vin.lower()}\n") == vin


@given(vins())
def test_a_corrected_vin_has_a_valid_check_digit(vin: Vin) -> None:
    corrected = with_check_digit(vin)
    assert has_valid_check_digit(corrected)
    assert corrected[:8] + corrected[9:] == vin[:8] + vin[9:]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1G4AH59H45G11834",
        "1G4AH59H45G1183411",
        "IG4AH59H45G118341",
        "1G4AH59H45G11834O",
        "1G4AH59H45G11834Q",
    ],
)
def test_what_is_no_vin_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="17 characters"):
        parse_vin(text)


@given(st.text(max_size=20))
def test_parse_gives_seventeen_allowed_characters_or_refuses(text: str) -> None:
    try:
        vin = parse_vin(text)
    except DecodeError:
        return
    assert len(vin) == 17
    assert not set(vin) & set("IOQ")
    assert vin.isascii()
