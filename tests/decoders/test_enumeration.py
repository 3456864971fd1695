"""Named values: which are measurements, and what they stand for in the catalogue."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import can, codebook
from decoders.codebook import Codebook
from tests.decoders import compiled
from tests.decoders.databases import plain_catalogue
from tests.strategies import Frame, batch_of
from vehicle.errors import CodebookError

FILE = """VERSION ""

BU_: X

BO_ 100 BODY: 8 X
 SG_ Ignition : 0|3@1+ (1,0) [0|0] "" X
 SG_ Lid : 8|8@1+ (1,0) [0|0] "" X
 SG_ Tilt : 16|8@1- (0.5,10) [0|0] "" X
 SG_ Page M : 24|8@1+ (1,0) [0|0] "" X
 SG_ Deep m1 : 32|4@1+ (1,0) [0|0] "" X
 SG_ Wide : 24|40@1+ (1,0) [0|0] "" X

VAL_ 100 Ignition 0 "Off" 1 "Acc" 2 "Run" 3 "Start" 7 "SNA" ;
VAL_ 100 Lid 0 "Closed" 1 "Open" 254 "Error" 255 "SNA" ;
VAL_ 100 Tilt -128 "SNA" 5 "Error" ;
VAL_ 100 Deep 0 "No" 1 "Yes" 3 "SNA" ;
"""
LINES = (
    '[codebook]\nname = "book"\nbus = "can"\n{head}\n'
    '[[map]]\nmessage = "BODY"\nsignal = "{signal}"\npath = "Vehicle.S1"\nunit = ""\n'
)


def load(signal: str, more: str, head: str = "", text: str = FILE) -> Codebook:
    mapping = LINES.format(signal=signal, head=head) + more
    return codebook.load("book", {"book.dbc": text}, mapping, plain_catalogue(2))


def values(book: Codebook, payloads: list[bytes]) -> dict[int, float]:
    """By number of the frame; numpy and, where it can, the kernel say the same."""
    batch = batch_of([Frame(100, payload) for payload in payloads])
    decoded = can.decode(batch, book)
    reader = compiled.kernel().bind(book.plan)
    if reader is not None:
        fast = reader.rows(batch)
        assert fast.value.tolist() == decoded.rows.value.tolist()
        assert fast.frame.tolist() == decoded.frame.tolist()
    return dict(zip(decoded.frame.tolist(), decoded.rows.value.tolist(), strict=True))


def every(byte: int, others: bytes = bytes(8)) -> list[bytes]:
    """A frame for every value of one byte."""
    return [others[:byte] + bytes([value]) + others[byte + 1 :] for value in range(256)]


def test_an_invalid_name_is_no_measurement() -> None:
    found = values(load("Lid", 'invalid = ["SNA", "Error"]'), every(1))
    assert found == {raw: float(raw) for raw in range(254)}


def test_what_lies_above_the_measurements_is_counted() -> None:
    decoded = can.decode(
        batch_of([Frame(100, payload) for payload in every(1)]), load("Lid", "invalid = [255]")
    )
    assert decoded.no_measurement == 1


def test_the_map_s_head_holds_for_every_signal() -> None:
    found = values(load("Lid", "", head='invalid = ["SNA"]'), every(1))
    assert sorted(found) == list(range(255))


def test_invalid_values_lie_anywhere() -> None:
    found = values(load("Tilt", 'invalid = ["SNA", "Error", 7]'), every(2))
    signed = {raw: raw - 256 if raw > 127 else raw for raw in range(256)}
    assert found == {raw: 0.5 * value + 10 for raw, value in signed.items() if value not in (-128, 5, 7)}


def test_names_become_the_catalogue_s_numbers() -> None:
    book = load("Ignition", "values = { Off = 0, Acc = false, Run = true, Start = 1 }")
    assert values(book, every(0)) == {raw: float(raw % 8 > 1) for raw in range(256) if raw % 8 < 4}
    assert book.plan.names == {1: {0.0: "Off / Acc", 1.0: "Run / Start"}}


def test_numbers_in_a_line_with_their_raw_values_are_read_by_the_kernel() -> None:
    book = load("Ignition", "values = { Off = 10, Acc = 20, Run = 30 }")
    assert compiled.kernel().bind(book.plan) is not None
    assert values(book, every(0)) == {raw: 10.0 + 10 * (raw % 8) for raw in range(256) if raw % 8 < 3}


def test_raw_numbers_need_no_name() -> None:
    found = values(load("Lid", 'values = { "17" = 1.5, Open = 0.25 }'), every(1))
    assert found == {17: 1.5, 1: 0.25}


def test_a_named_value_inside_a_multiplexer_is_there_only_then() -> None:
    book = load("Deep", "values = { No = 0, Yes = 1 }")
    there, elsewhere = every(4, bytes([0, 0, 0, 1, 0, 0, 0, 0])), every(4)
    assert values(book, elsewhere) == {}
    assert values(book, there) == {raw: float(raw % 16) for raw in range(256) if raw % 16 < 2}


def test_a_multiplexer_s_value_that_no_frame_can_have_gives_nothing() -> None:
    book = load("Deep", "", text=FILE.replace("Deep m1 ", "Deep m300 "))
    assert values(book, every(3)) == {}


@given(
    raw=st.lists(st.integers(-128, 127), unique=True, min_size=1, max_size=30),
    numbers=st.data(),
    is_signed=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_numbers_come_out_for_any_raw_values(
    *, raw: list[int], numbers: st.DataObject, is_signed: bool
) -> None:
    wanted = {
        one if is_signed else one + 128: numbers.draw(st.integers(-5, 5) | st.floats(-1e6, 1e6))
        for one in raw
    }
    spelled = ", ".join(f'"{one}" = {number!r}' for one, number in wanted.items())
    found = values(
        load("Tilt" if is_signed else "Lid", f"values = {{ {spelled} }}"), every(2 if is_signed else 1)
    )
    assert found == {one % 256: float(number) + 0.0 for one, number in wanted.items()}


@given(invalid=st.sets(st.integers(-128, 127), max_size=40), is_signed=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_raw_values_may_be_invalid(*, invalid: set[int], is_signed: bool) -> None:
    wanted = sorted(one if is_signed else one + 128 for one in invalid)
    found = values(load("Tilt" if is_signed else "Lid", f"invalid = {wanted}"), every(2 if is_signed else 1))
    assert sorted(found) == [raw for raw in range(256) if raw not in {one % 256 for one in wanted}]
    assert all(math.isfinite(one) for one in found.values())


@pytest.mark.parametrize(
    ("signal", "more", "says"),
    [
        ("Lid", 'invalid = ["SNQ"]', "book.toml:10: BODY.Lid has no value named 'SNQ'; did you mean 'SNA'?"),
        ("Lid", "invalid = [256]", "book.toml:10: raw values of Lid are 0 to 255, got 256"),
        ("Lid", "invalid = [-1]", "book.toml:10: raw values of Lid are 0 to 255, got -1"),
        ("Lid", "invalid = [true]", "book.toml:10: invalid is a list of names and raw numbers, got [True]"),
        ("Lid", 'invalid = "SNA"', "book.toml:10: invalid is a list of names and raw numbers, got 'SNA'"),
        ("Lid", "values = { Shut = 0 }", "book.toml:10: BODY.Lid has no value named 'Shut'"),
        ("Lid", 'values = { Open = "x" }', "book.toml:10: values is a table of names and their numbers"),
        ("Lid", "values = { Open = nan }", "book.toml:10: values is a table of names and their numbers"),
        ("Lid", "values = {}", "book.toml:10: values is a table of names and their numbers, got {}"),
        (
            "Lid",
            'values = { SNA = 0 }\ninvalid = ["SNA"]',
            "book.toml:10: raw value 255 of Lid is a measurement and invalid",
        ),
        ("Wide", "invalid = [7]", "book.toml:7: named values are integers of at most 32 bits, got 40 bits"),
        ("Lid", "value = { Open = 1 }", "book.toml:10: [[map]] has no key 'value'; did you mean 'values'?"),
    ],
)
def test_a_map_that_names_values_wrongly_is_refused_with_its_line(signal: str, more: str, says: str) -> None:
    with pytest.raises(CodebookError) as refused:
        load(signal, more)
    assert says in str(refused.value)


def test_a_name_in_the_head_that_no_mapped_signal_has_is_refused() -> None:
    with pytest.raises(CodebookError, match=r"book.toml:4: no mapped signal has a value named 'Snafu'"):
        load("Lid", "", head='invalid = ["Snafu"]')
