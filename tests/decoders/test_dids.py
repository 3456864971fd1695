import json
import math
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from cantools.database import load_file
from cantools.database.can import Database
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

import dbc
from decoders import did_file, dids, isotp
from decoders.dids import DidCodebook, Record, Split
from decoders.identity import IdentityKind
from decoders.isotp import Carry
from odocare import wiring
from tests.decoders import kona
from tests.decoders.databases import plain_catalogue
from tests.strategies import batch_of
from vehicle.errors import CodebookError

GOLDEN = Path(__file__).parent.parent / "golden/diag"
HEAD = '[dids]\nname = "t"\norigin = "test"\n'
ONE = f"""{HEAD}
[[did]]
did = 0x0101
name = "battery"
bytes = 4

[[did.signal]]
path = "Vehicle.S1"
unit = ""
byte = 2
scale = 0.5
"""


def book(text: str = ONE, n: int = 4) -> DidCodebook:
    return dids.load("t", {"t.toml": text}, plain_catalogue(n))


def values(record: bytes, drawn: DidCodebook, did: int = 0x0101) -> dict[int, float]:
    found = dids.decode([Record(0, 0, "7e8", did, record)], drawn)
    return dict(zip(found.signal.tolist(), found.value.tolist(), strict=True))


def kona_book() -> DidCodebook:
    return dids.load("kona", {"kona.toml": (GOLDEN / "kona.toml").read_text()}, wiring.catalogue())


def kona_records() -> list[Record]:
    found = isotp.reassemble(batch_of(kona.frames()), Carry(), addressing=kona.ADDRESSING).messages
    drawn = kona_book()
    records = []
    for one in found:
        ecu = f"{one.wire_id:03x}"
        assert one.data[0] == 0x62
        split = dids.split(one.data[1:], ecu, drawn)
        assert (split.unknown, split.rest) == (None, b"")
        records += [Record(0, one.t_us, ecu, did, data) for did, data in split.records]
    return records


def test_the_car_s_values_are_those_of_its_readme() -> None:
    records = kona_records()
    found = dids.decode(records, kona_book())
    rows = found.rows(records)
    catalogue = wiring.catalogue()

    def of(path: str) -> list[float]:
        return cast("list[float]", rows.value[rows.signal == catalogue.of(path).number].tolist())

    assert len(records) == 270
    assert of("Vehicle.Powertrain.TractionBattery.StateOfCharge.Current") == [50.0] * 120
    cabin, outdoor = of("Vehicle.Cabin.HVAC.AmbientAirTemperature"), of("Vehicle.Exterior.AirTemperature")
    assert (len(cabin), len(outdoor)) == (150, 150)
    assert (cabin[0], outdoor[0]) == (24.5, 7.0)
    assert not found.unknown
    assert (found.short_records, found.no_measurement, found.out_of_range) == (0, 0, 0)


def test_the_car_s_values_equal_cantools() -> None:
    """That file counts from a byte of length, and its cabin temperature hangs on a value that never comes."""
    database = cast("Database", load_file(str(kona.folder() / "kona_uds.dbc")))
    messages = {one.frame_id: one for one in database.messages}
    records = kona_records()
    found = dids.decode(records, kona_book())
    number = wiring.catalogue().of("Vehicle.Cabin.HVAC.AmbientAirTemperature").number
    kept = found.signal != number
    mine = dict(zip(found.record[kept].tolist(), found.value[kept].tolist(), strict=True))
    assert len(mine) == 270
    for ordinal, one in enumerate(records):
        payload = bytes([len(one.data) + 3, 0x62]) + one.did.to_bytes(2, "big") + one.data
        decoded = messages[int(one.ecu, 16)].decode(payload, decode_choices=False, allow_truncated=True)
        assert isinstance(decoded, dict)
        (name,) = decoded.keys() & {"M_SID_0x220101_StateOfChargeBMS", "M_SID_0x220100_OutdoorTemp"}
        assert mine[ordinal] == decoded[name]


def test_a_signal_is_read_from_its_record() -> None:
    assert values(bytes([9, 9, 25, 9]), book()) == {1: 12.5}


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_short_record_gives_what_is_there(length: int) -> None:
    found = dids.decode([Record(0, 0, "7e8", 0x0101, bytes(length))], book())
    assert (len(found.value), found.short_records) == (0, 1)
    assert values(bytes(3), book()) == {1: 0.0}


def test_values_outside_their_limits_are_none() -> None:
    text = ONE + "minimum = 1\nmaximum = 100\nlast_valid = 0xFD\n"
    many = [Record(0, 0, "7e8", 0x0101, bytes([0, 0, raw, 0])) for raw in (1, 2, 200, 201, 253, 254)]
    found = dids.decode(many, book(text))
    assert found.value.tolist() == [1.0, 100.0]
    assert (found.no_measurement, found.out_of_range) == (1, 3)


def test_an_ecu_s_own_definition_holds_before_the_general_one() -> None:
    own = """
[[did]]
did = 0x0101
ecu = "7ec"
name = "another"

[[did.signal]]
path = "Vehicle.S2"
unit = ""
byte = 0
"""
    drawn = book(ONE + own)
    records = [Record(0, 0, ecu, 0x0101, bytes([7, 0, 8, 0])) for ecu in ("7ec", "7e8")]
    found = dids.decode(records, drawn)
    assert list(zip(found.record, found.signal, found.value, strict=True)) == [(0, 2, 7.0), (1, 1, 4.0)]


def test_an_earlier_file_holds_before_a_later_one() -> None:
    maker = ONE.replace("scale = 0.5", "scale = 2")
    drawn = dids.load("t", {"maker.toml": maker, "t.toml": ONE}, plain_catalogue(1))
    assert values(bytes([0, 0, 3, 0]), drawn) == {1: 6.0}
    other = dids.load("t", {"t.toml": ONE, "maker.toml": maker}, plain_catalogue(1))
    assert drawn.version != other.version


def test_several_identifiers_are_told_apart_by_their_lengths() -> None:
    text = ONE + '\n[[did]]\ndid = 0xF187\nname = "part"\nidentity = "part-number"\n'
    drawn = book(text)
    first = b"\x01\x01" + bytes([1, 2, 3, 4])
    assert dids.split(first + b"\xf1\x8791234-5", "7e8", drawn) == Split(
        ((0x0101, bytes([1, 2, 3, 4])), (0xF187, b"91234-5"))
    )
    assert dids.split(first + b"\x02\x02xyz", "7e8", drawn) == Split(
        ((0x0101, bytes([1, 2, 3, 4])),), 0x0202, b"xyz"
    )
    assert dids.split(first[:-1], "7e8", drawn) == Split(((0x0101, bytes([1, 2, 3])),))
    assert dids.split(first + b"\x00", "7e8", drawn) == Split(((0x0101, bytes([1, 2, 3, 4])),), rest=b"\x00")
    assert dids.split(b"", "7e8", drawn) == Split(())


def test_an_unknown_identifier_is_counted() -> None:
    found = dids.decode([Record(0, 0, "7e8", 0x0202, b"abc")] * 2, book())
    assert found.unknown == {0x0202: 2}
    assert len(found.value) == 0


def test_texts_are_read_where_a_file_says_so() -> None:
    records = [
        Record(0, 5, "7e8", 0xF190, b"A0DC00000N0000042"),
        Record(0, 6, "7e8", 0xF187, b"91234-5\x00\x00\xff"),
        Record(0, 7, "7e8", 0xF18C, b"\x20\x26\x11\x21\x80"),
        Record(0, 8, "7e8", 0xF186, b"\x01"),
    ]
    found = dids.identities(records, wiring.did_codebook())
    assert [(one.kind, one.at_us, *one.texts) for one in found] == [
        (IdentityKind.VIN, 5, "A0DC00000N0000042"),
        (IdentityKind.PART_NUMBER, 6, "91234-5"),
        (IdentityKind.SERIAL, 7, "2026112180"),
    ]


def test_rows_come_by_message_signal_and_time() -> None:
    records = [
        Record(message, t_us, "7e8", 0x0101, bytes([0, 0, 2 * t_us, 0]))
        for message, t_us in ((1, 3), (0, 9), (0, 4))
    ]
    rows = dids.decode(records, book()).rows(records)
    assert list(zip(rows.message, rows.t_us, rows.value, strict=True)) == [
        (0, 4, 4.0),
        (0, 9, 9.0),
        (1, 3, 3.0),
    ]


@st.composite
def fields(draw: DrawFn) -> dict[str, object]:
    """One signal anywhere in a long record."""
    form = draw(st.sampled_from(["unsigned", "signed", "float"]))
    bits = draw(st.sampled_from([32, 64]) if form == "float" else st.integers(1, 64))
    return {
        "byte": draw(st.integers(0, 300)),
        "bit": draw(st.integers(0, 7)),
        "bits": bits,
        "order": draw(st.sampled_from(["big", "little"])),
        "form": form,
        "scale": draw(st.sampled_from([1, 0.1, 0.00390625])),
        "offset": draw(st.sampled_from([0, -40, 0.1])),
    }


def by_hand(record: bytes, one: dict[str, object]) -> float:
    """The value, bit by bit."""
    byte, bit, bits = cast("int", one["byte"]), cast("int", one["bit"]), cast("int", one["bits"])
    if one["order"] == "big":
        text = "".join(f"{each:08b}" for each in record)[8 * byte + 7 - bit :][:bits]
    else:
        text = "".join(f"{each:08b}"[::-1] for each in record)[8 * byte + bit :][:bits][::-1]
    raw = int(text, 2)
    number: float = raw
    if one["form"] == "signed" and raw >> (bits - 1):
        number = raw - (1 << bits)
    if one["form"] == "float":
        kind = np.float32 if bits == 32 else np.float64
        number = float(np.frombuffer(raw.to_bytes(bits // 8, "little"), kind)[0])
    return float(number) * cast("float", one["scale"]) + cast("float", one["offset"])


@given(drawn=st.lists(fields(), min_size=1, max_size=4), data=st.data())
@settings(max_examples=100, deadline=None)
@np.errstate(all="ignore")
def test_a_value_is_read_wherever_it_stands(drawn: list[dict[str, object]], data: st.DataObject) -> None:
    text = HEAD + '[[did]]\ndid = 0x0101\nname = "long"\n'
    for number, one in enumerate(drawn, start=1):
        text += f'[[did.signal]]\npath = "Vehicle.S{number}"\nunit = ""\n'
        text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items())
    record = data.draw(st.binary(min_size=312, max_size=400))
    found = values(record, book(text))
    for number, one in enumerate(drawn, start=1):
        expected = by_hand(record, one)
        if math.isfinite(expected):
            assert found[number] == expected
        else:
            assert number not in found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ONE.replace("Vehicle.S1", "Vehicle.S9"), "t.toml:10: no path 'Vehicle.S9'; did you mean 'Vehicle.S"),
        (ONE.replace('unit = ""', 'unit = "kmh"'), "t.toml:10: no unit 'kmh'; did you mean 'km/h'?"),
        (ONE.replace('unit = ""', 'unit = "V"'), "t.toml:10: Vehicle.S1 is in '': no conversion from 'V'"),
        (ONE.replace("byte = 2", "byte = 4"), "t.toml:10: the record has 4 bytes, the value ends in byte 4"),
        (ONE.replace("byte = 2", "byte = 2\nbits = 65"), "t.toml:10: [[did.signal]]: Expected `int` <= 64"),
        (ONE.replace("byte = 2", "byte = 0\nbits = 33\nform = 'float'"), "a float has 32 or 64 bits, got 33"),
        (ONE.replace("scale = 0.5", "scal = 0.5"), "unknown field `scal`; did you mean 'scale'?"),
        (ONE.replace("0.5", "'1/0'"), "t.toml:10: a number, or a fraction like \"100/255\", got '1/0'"),
        (ONE.replace("0.5", "'1e999999999'"), "t.toml:10: a number, or a fraction like"),
        (ONE.replace("0.5", "nan"), "t.toml:10: a number, or a fraction"),
        (ONE.replace("bytes = 4", "bytes = 0"), "t.toml:5: [[did]]: Expected `int` >= 1 - at `$.bytes`"),
        (ONE.replace("0x0101", "0x10101"), "t.toml:5: [[did]]: Expected `int` <= 65535"),
        (ONE.replace("bytes = 4", 'identity = "name"'), "t.toml:5: [[did]]: Invalid enum value 'name'"),
        (ONE + ONE[len(HEAD) :], "t.toml:16: 0x0101 stands twice for every ECU"),
        (ONE + ONE[len(HEAD) :].replace("0101", "0102"), "Vehicle.S1 has a source already, in line 10"),
        (ONE.replace("[[did]]", "[did]", 1).replace("[[did.signal]]", "[x]"), "two brackets"),
        (ONE.replace("[dids]", "[did_s]"), "unknown table 'did_s'; did you mean 'dids'?"),
        (ONE.replace('origin = "test"\n', ""), "t.toml:1: [dids]: Object missing required field `origin`"),
        ("[[did]\n", "t.toml: "),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_file_and_line(text: str, says: str) -> None:
    with pytest.raises(CodebookError) as refused:
        book(text)
    assert says in str(refused.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(CodebookError) as refused:
        book(ONE.replace("Vehicle.S1", "Vehicle.S9").replace('unit = ""', 'unit = "kmh"'))
    assert len(str(refused.value).splitlines()) == 2


def test_a_source_that_stands_for_another_may_share_its_path() -> None:
    second = ONE[len(HEAD) :].replace("0101", "0102")
    drawn = book(ONE + "alternative = true\n" + second + "alternative = true\n")
    assert values(bytes([0, 0, 2, 0]), drawn, 0x0102) == {1: 1.0}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_refused_and_nothing_worse(data: st.DataObject) -> None:
    text = (GOLDEN / "kona.toml").read_text()
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from(["", "x", "9", '"', "\n", "[", "-", "=", "0x"]))
    damaged = text[:at] + new + text[at + data.draw(st.integers(0, 3)) :]
    with suppress(CodebookError):
        did_file.parse(damaged, wiring.catalogue(), where="damaged.toml")


def test_the_shipped_files_define_every_pid_up_to_65_and_what_identifies_an_ecu() -> None:
    drawn = wiring.did_codebook()
    assert all(drawn.size_bytes("7e8", 0xF400 | pid) for pid in (*range(0x66), 0xA6))
    assert drawn.size_bytes("7e8", 0xF190) == 17
    for name in dbc.names("_dids.toml") + dbc.names("_pids.toml"):
        for one in did_file.parse(dbc.read(name), wiring.catalogue(), where=name):
            assert one.ecu is None
