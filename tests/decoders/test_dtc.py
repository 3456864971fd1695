import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.dtc import find_j1939, parse, spell, spell_j1939
from vehicle.errors import DecodeError


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0x0301, "P0301"),
        (0x2463, "P2463"),
        (0x4035, "C0035"),
        (0x8001, "B0001"),
        (0xC100, "U0100"),
        (0xFFFF, "U3FFF"),
    ],
)
def test_codes_are_spelled_as_the_standard_does(number: int, text: str) -> None:
    assert (spell(number), parse(text)) == (text, number)


@given(st.integers(0, 0xFFFF))
def test_every_two_bytes_have_one_spelling(number: int) -> None:
    assert parse(spell(number)) == number


@given(st.text("PCBU0123456789ABCDEFabc_ ", max_size=8))
def test_parse_accepts_only_what_spell_writes(text: str) -> None:
    try:
        number = parse(text)
    except DecodeError:
        return
    assert spell(number) == text


@pytest.mark.parametrize("number", [-1, 0x10000])
def test_more_than_two_bytes_are_no_code(number: int) -> None:
    with pytest.raises(DecodeError):
        spell(number)


@given(st.integers(0, 0x7FFFF), st.integers(0, 31))
def test_j1939_codes_are_found_in_their_spelling(spn: int, fmi: int) -> None:
    assert find_j1939(spell_j1939(spn, fmi)) == (spn, fmi)


@pytest.mark.parametrize(
    "text", ["SPN 1", "SPN 524288 FMI 0", "SPN 1 FMI 32", "SPN 01 FMI 1", "spn 1 fmi 1", ""]
)
def test_other_texts_are_no_j1939_code(text: str) -> None:
    assert find_j1939(text) is None
