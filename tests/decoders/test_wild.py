"""Signal files as people share them: what is repaired has a name and a place, and gives cantools' values."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoders.enumeration import choices
from decoders.signal_files import database
from decoders.signal_files.database import Database
from tests.decoders import databases, one_by_one
from tests.decoders.databases import Drawn
from tests.decoders.test_can import is_equal
from vehicle.errors import CodebookError

WILD = Path(__file__).parent / "wild"
NAMES = sorted(file.name for file in WILD.iterdir())
REMARKS = {
    "sedan.dbc": [
        (15, "message-left-out"),
        (20, "unreadable-limits"),
        (20, "number-spelling"),
        (23, "id-not-marked-extended"),
        (24, "name-starts-with-digit"),
        (25, "missing-receiver"),
        (26, "duplicate-signal-name"),
        (27, "zero-length-signal"),
        (28, "signal-beyond-message"),
        (32, "overlapping-signals"),
        (34, "name-is-keyword"),
        (34, "quote-in-unit"),
        (37, "message-left-out"),
        (41, "message-left-out"),
        (53, "unused-value-table"),
        (54, "unused-value-table"),
        (55, "unreadable-value-table"),
        (56, "unused-statement"),
        (57, "float-of-odd-size"),
        (58, "multiplexer-range"),
        (59, "missing-semicolon"),
        (60, "unknown-section"),
    ],
    "bom_and_crlf.dbc": [(1, "byte-order-mark")],
    "windows_1252.dbc": [(6, "encoding-guessed")],
    "chinese.dbc": [(6, "encoding-guessed")],
    "cluster.kcd": [(6, "id-not-marked-extended")],
    "engine.sym": [(1, "sym-version-comment"), (15, "id-not-marked-extended")],
    "body.arxml": [],
}


def load(name: str) -> Database:
    return database.load({name: (WILD / name).read_bytes()})


@pytest.mark.parametrize("name", NAMES)
def test_every_repair_has_a_name_and_a_line(name: str) -> None:
    found = load(name)
    assert [(one.line, one.name) for one in found.remarks] == REMARKS[name]
    assert {one.file for one in found.remarks} <= {name}


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_signal_of_a_wild_file_equals_cantools_reading_it_alone(name: str, data: st.DataObject) -> None:
    found, book, numbers = one_by_one.mapped({name: (WILD / name).read_bytes()})
    placed = data.draw(st.sampled_from(list(found.messages.values())))
    payload = data.draw(one_by_one.payloads(placed))
    theirs = {
        signal: value
        for signal, value in one_by_one.expected(placed, payload).items()
        if np.isfinite(value) and (placed.message.name, signal) in numbers.values()
    }
    ours = one_by_one.decoded(book, numbers, placed, payload)
    limited = {name for name, (one, *_) in placed.signals.items() if one.maximum is not None}
    assert ours.keys() <= theirs.keys() <= ours.keys() | limited
    for signal, value in ours.items():
        assert is_equal(value, theirs[signal], float(placed.signals[signal][0].offset)), signal


def test_what_a_wild_file_names_keeps_its_name() -> None:
    found = load("sedan.dbc")
    assert found.messages["LONG_DISTANCE"].signals["3RD_ROW"][0].unit is None
    assert found.messages["BRAKES"].signals["FILTER"][0].multiplexer_ids == [0, *range(2, 256)]
    assert found.messages["BRAKES"].signals["FILTER"][0].unit == '"'
    gears = choices(found.messages["BRAKES"].signals["GEAR"][0])
    assert gears == {0: "P", 1: "R", 2: "N", 3: "D", 15: "SNA"}
    assert found.messages["LONG_DISTANCE"].message.is_extended_frame


def test_what_is_left_out_says_why() -> None:
    left_out = load("sedan.dbc").left_out
    assert left_out["LOST"].startswith("sedan.dbc:37: line 38: a signal is SG_ NAME")
    assert left_out["LONG_DISTANCE.Nothing"] == "sedan.dbc:27: Nothing has no bits"
    assert left_out["FAR"] == "sedan.dbc:41: line 41: an identifier has at most 29 bits, got 0xffffffff"


@pytest.mark.parametrize(
    ("name", "message", "signal", "unit"),
    [
        ("windows_1252.dbc", "CLIMATE", "Cabin", "°C"),
        ("chinese.dbc", "CLIMATE", "Cabin", "℃"),
        ("bom_and_crlf.dbc", "CLIMATE", "Cabin", "°C"),
        ("engine.sym", "Engine", "Temperature", "°C"),
        ("cluster.kcd", "Doors", "Level", "%"),
    ],
)
def test_units_survive_their_encoding(name: str, message: str, signal: str, unit: str) -> None:
    assert load(name).messages[message].signals[signal][0].unit == unit


def test_a_signal_at_several_places_is_one_signal() -> None:
    doors = load("cluster.kcd").messages["Doors"]
    assert [(one.start, one.multiplexer_ids) for one in doors.signals["Lock"]] == [(16, [0]), (18, [1])]
    assert [(one.start, one.multiplexer_ids) for one in doors.signals["Angle"]] == [(8, [0, 1])]


def test_files_of_all_formats_are_one_codebook() -> None:
    names = ("sedan.dbc", "cluster.kcd", "engine.sym", "body.arxml")
    found = database.load({name: (WILD / name).read_bytes() for name in names})
    assert {placed.file.name for placed in found.messages.values()} == set(names)


DAMAGES = st.sampled_from(
    [
        ("\n", "\r\n"),
        (" X\n", "\n"),
        ("BU_: X\n", ""),
        ("BU_: X", "BU_: 4X a-b"),
        ("VERSION", "// no version\nVERSION"),
        ("\nBO_ ", "\nUNKNOWN_ 1 2;\nBO_ "),
        ("BU_: X\n", 'BU_: X\nBA_ "Nothing" 1;\nCM_ "a "quoted" word";\nBS_: 500\n'),
        (" [0|0] ", " [-1.#IND|1.#INF] "),
        ("@1", " @ 1"),
        ("|", " | "),
    ]
)


@given(drawn=databases.databases(), damages=st.lists(DAMAGES, min_size=1, max_size=4), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damage_that_can_be_repaired_changes_no_value(
    drawn: Drawn, damages: list[tuple[str, str]], data: st.DataObject
) -> None:
    text = drawn.text
    for old, new in damages:
        text = text.replace(old, new)
    text += 'VAL_ 4711 nobody 0 "x" ;\n'
    whole, book, numbers = one_by_one.mapped({"a.dbc": drawn.text})
    again, mended, same = one_by_one.mapped({"a.dbc": text})
    assert numbers == same
    placed = data.draw(st.sampled_from(list(whole.messages.values())))
    payload = data.draw(one_by_one.payloads(placed))
    twin = again.messages[placed.message.name]
    assert one_by_one.decoded(mended, same, twin, payload) == one_by_one.decoded(
        book, numbers, placed, payload
    )


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_file_torn_anywhere_loads_or_is_refused_by_name(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    content = bytearray((WILD / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        end = min(len(content), at + data.draw(st.integers(0, 40)))
        content[at:end] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b'"', b"\n", b";", b"BO_ ", b"<"])
        )
    try:
        one_by_one.mapped({name: bytes(content)})
    except CodebookError as error:
        said = str(error).splitlines()
    else:
        said = []
    assert all(line.startswith((name, "all.toml")) for line in said)


def test_the_real_signal_files_equal_cantools_reading_each_signal_alone() -> None:
    folder = os.environ.get("ODOCARE_FIXTURES")
    if folder is None:
        pytest.skip("no real signal files: set ODOCARE_FIXTURES to the folder of captures")
    rng = np.random.default_rng(1)
    for file in sorted(Path(folder).glob("*/*.dbc")):
        found, book, numbers = one_by_one.mapped({file.name: file.read_bytes()})
        assert found.remarks == ()
        for placed in found.messages.values():
            mapped = {signal for message, signal in numbers.values() if message == placed.message.name}
            for _ in range(100):
                size = min(64, placed.message.length)
                payload = rng.choice([0, 1, 0x62, 0xFF, *range(256)], size).astype(np.uint8).tobytes()
                theirs = one_by_one.expected(placed, payload)
                ours = one_by_one.decoded(book, numbers, placed, payload)
                unlimited = {name for name in theirs if placed.signals[name][0].maximum is None}
                assert mapped & unlimited <= ours.keys()
                for name, value in ours.items():
                    assert is_equal(value, theirs[name], float(placed.signals[name][0].offset)), name
