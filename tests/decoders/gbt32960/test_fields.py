"""Scaling, sentinels and ranges of every field of every table."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.gbt32960.fields import (
    BYTE,
    DWORD,
    WORD,
    Bits,
    Mark,
    Missing,
    Number,
    Series,
    State,
    Why,
    sentinel,
)
from decoders.gbt32960.layout import Group, Layout, Many, Run
from decoders.gbt32960.report import UNITS
from decoders.gbt32960.shanghai_bus import SHANGHAI_BUS
from tests.decoders.gbt32960.drawn import raws
from vehicle.errors import WrongTypeError


def numbers_of(layout: Layout) -> Iterator[Number]:
    for part in layout.parts:
        if isinstance(part, Run):
            yield from (one for one in part.fields if isinstance(one, Number))
        elif isinstance(part, Many):
            yield part.element
        elif isinstance(part, Group):
            yield from numbers_of(part.entry)


NUMBERS = [
    number
    for units in (*UNITS.values(), SHANGHAI_BUS.units)
    for unit in units.values()
    for number in numbers_of(unit.layout)
]


@pytest.mark.parametrize(("size", "top"), [(BYTE, 0xFF), (WORD, 0xFFFF), (DWORD, 0xFFFF_FFFF)])
def test_the_two_largest_values_of_a_size_are_no_measurements(size: int, top: int) -> None:
    field = Number("speed_kmh", size, per=10)
    assert field.read(top) == Missing(Why.INVALID, top)
    assert field.read(top - 1) == Missing(Why.ABNORMAL, top - 1)
    assert field.read(top - 2) == (top - 2) / 10
    assert sentinel(top - 2, size) is None


def test_a_sentinel_is_seen_before_it_is_scaled() -> None:
    current = Number("current_a", WORD, per=10, zero=10_000)
    assert current.read(0xFFFE) == Missing(Why.ABNORMAL, 0xFFFE)
    assert current.read(10_000) == 0.0
    assert current.read(0) == -1000.0


def test_a_reserved_value_is_neither_measurement_nor_sentinel() -> None:
    soc = Number("soc_pct", BYTE, last=100)
    assert soc.read(100) == 100.0
    assert soc.read(101) == Missing(Why.OUT_OF_RANGE, 101)
    assert soc.read(0xFF) == Missing(Why.INVALID, 0xFF)


def test_values_are_rounded_once() -> None:
    """5903 tenths are 590.3, not 590.3000000000001."""
    assert Number("voltage_v", WORD, per=10).read(5903) == 590.3
    assert Number("torque_nm", WORD, per=10, zero=20_000).read(19_995) == -0.5
    assert Number("traveled_m", DWORD, times=100).read(573) == 57_300.0


@given(st.sampled_from(NUMBERS), st.data())
def test_every_measurement_is_written_as_it_was_read(number: Number, data: st.DataObject) -> None:
    raw = data.draw(raws(number.size))
    value = number.read(raw)
    if isinstance(value, Missing):
        assert raw > number.last_valid
    else:
        assert number.write(value) == raw


@given(st.sampled_from(NUMBERS), st.data())
def test_a_series_reads_as_its_elements(number: Number, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(raws(number.size), max_size=6))
    series = Series.of(number, [number.read(raw) for raw in drawn])
    assert series.raws.tolist() == drawn
    sentinels = reserved = 0
    for raw, value in zip(drawn, series.values.tolist(), strict=True):
        one = number.read(raw)
        if isinstance(one, Missing):
            assert math.isnan(value)
            sentinels += one.why is not Why.OUT_OF_RANGE
            reserved += one.why is Why.OUT_OF_RANGE
        else:
            assert value == one
    assert series.missing_n() == (sentinels, reserved)


def test_all_four_bytes_of_a_fault_code_are_a_code() -> None:
    codes = next(number for number in NUMBERS if number.name == "battery")
    assert codes.read(0xFFFF_FFFF) == float(0xFFFF_FFFF)
    assert Series(codes, b"\xff" * 8).missing_n() == (0, 0)


def test_a_state_is_a_word_or_nothing() -> None:
    state = State("state", {1: "on", 2: "off"})
    assert [state.read(raw) for raw in (1, 2)] == ["on", "off"]
    assert state.read(3) == Missing(Why.OUT_OF_RANGE, 3)
    assert state.read(0xFE) == Missing(Why.ABNORMAL, 0xFE)
    assert state.read(0xFF) == Missing(Why.INVALID, 0xFF)
    assert state.write("off") == 2


def test_bits_may_say_that_they_mean_nothing() -> None:
    gear = Bits("gear", BYTE, invalid_mask=0x80, has_sentinels=False)
    assert gear.read(0x2E) == 0x2E
    assert gear.read(0xAE) == Missing(Why.INVALID, 0xAE)
    assert Bits("flags", DWORD).read(0xFFFF_FFFE) == Missing(Why.ABNORMAL, 0xFFFF_FFFE)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        (Number("soc_pct", BYTE, last=100), 101, "soc_pct has raw values 0 to 100, 101 needs 101"),
        (Number("current_a", WORD, per=10, zero=10_000), -1000.1, "-1000.1 needs -1"),
        (Number("soc_pct", BYTE), "full", "soc_pct is a number, got 'full'"),
        (State("state", {1: "on"}), "off", "state is one of on, got 'off'"),
        (Bits("gear", BYTE), 0xFF, "gear is a bit field of 1 bytes, got 255"),
        (Bits("gear", BYTE), 256, "got 256"),
        (Bits("gear", BYTE), "D", "got 'D'"),
    ],
)
def test_what_a_field_cannot_say_is_not_written(
    field: Number | State | Bits, value: float | str, says: str
) -> None:
    with pytest.raises(WrongTypeError) as refused:
        field.write(value)
    assert says in str(refused.value)


def test_a_mark_is_always_the_same() -> None:
    assert Mark(0x0D).read(0x0D) == 0x0D
    with pytest.raises(WrongTypeError, match="is always 0D, got 0E"):
        Mark(0x0D).read(0x0E)
