import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dbc
from decoders import can, frames
from decoders.can import Decoded
from odocare import wiring
from tests.decoders import databases
from tests.decoders.databases import Drawn, wire_id_of
from tests.strategies import Frame, batch_of
from vehicle.frame import FrameBatch


def by_frame(batch: FrameBatch, decoded: Decoded) -> list[dict[int, float]]:
    """Values of each frame by signal number; every frame is a message of its own."""
    values: list[dict[int, float]] = [{} for _ in range(len(batch))]
    for message, signal, value in zip(
        decoded.rows.message.tolist(), decoded.rows.signal.tolist(), decoded.rows.value.tolist(), strict=True
    ):
        assert signal not in values[message]
        values[message][signal] = value
    return values


def one_message_each(drawn_frames: list[Frame]) -> FrameBatch:
    return batch_of(drawn_frames, np.arange(len(drawn_frames), dtype=np.int32))


def is_equal(ours: float, theirs: float, offset: float) -> bool:
    """Within one unit in the last place of the largest number the sum is made of."""
    largest = max(abs(ours), abs(theirs), abs(offset), abs(theirs - offset))
    return abs(ours - theirs) <= math.ulp(largest)


def assert_as_cantools(drawn: Drawn, drawn_frames: list[Frame]) -> None:
    batch = one_message_each(drawn_frames)
    found = by_frame(batch, can.decode(batch, drawn.codebook))
    offsets = {
        drawn.names[message.name, signal.name]: float(signal.offset)
        for message in drawn.database.messages
        for signal in message.signals
    }
    for frame, ours in zip(drawn_frames, found, strict=True):
        expected = drawn.expected(frame.wire_id, frame.payload)
        if expected is None:  # cantools knows no such multiplexer value; ours gives what is always there
            continue
        theirs = {number: value for number, value in expected.items() if math.isfinite(value)}
        assert ours.keys() == theirs.keys()
        for number, value in theirs.items():
            assert is_equal(ours[number], value, offsets[number]), (number, frame)


@given(drawn=databases.databases(), data=st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_values_equal_those_of_cantools_on_any_signal_file(drawn: Drawn, data: st.DataObject) -> None:
    message = st.sampled_from(drawn.database.messages)
    drawn_frames = []
    for one in data.draw(st.lists(message, min_size=1, max_size=8)):
        length = data.draw(st.just(one.length) | st.integers(0, one.length))
        payload = data.draw(st.binary(min_size=length, max_size=length))
        drawn_frames.append(Frame(wire_id_of(one), payload))
    assert_as_cantools(drawn, drawn_frames)


@pytest.mark.parametrize("file", dbc.names(".dbc"))
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_equal_those_of_cantools_on_the_shipped_files(file: str, data: st.DataObject) -> None:
    drawn = databases.load(dbc.read(file))
    drawn_frames = [
        Frame(wire_id_of(one), data.draw(st.binary(min_size=one.length, max_size=one.length)))
        for one in drawn.database.messages
    ]
    batch = one_message_each(drawn_frames)
    decoded = can.decode(batch, drawn.codebook)
    for frame, ours in zip(drawn_frames, by_frame(batch, decoded), strict=True):
        theirs = drawn.expected(frame.wire_id, frame.payload) or {}
        assert ours.keys() <= theirs.keys()
        for number, value in ours.items():
            assert is_equal(value, theirs[number], 0.0)


def test_a_frame_that_is_cut_off_gives_the_signals_that_are_there() -> None:
    block = (
        "BO_ 100 A: 8 X\n"
        ' SG_ first : 0|12@1+ (1,0) [0|0] "" X\n SG_ second : 16|16@1+ (1,0) [0|0] "" X\n'
        ' SG_ third : 39|8@0+ (1,0) [0|0] "" X\n'
    )
    text = databases.dbc([block])
    drawn = databases.load(text)
    batch = one_message_each([Frame(100, bytes(range(1, 1 + n))) for n in range(9)])
    decoded = can.decode(batch, drawn.codebook)
    assert [sorted(values) for values in by_frame(batch, decoded)] == [
        [], [], [1], [1], [1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3],
    ]  # fmt: skip
    assert decoded.short_frames == 8
    assert decoded.no_measurement == decoded.out_of_range == 0


def test_frames_of_no_message_are_counted_by_identifier() -> None:
    drawn = databases.load(databases.dbc(['BO_ 100 A: 8 X\n SG_ s : 0|8@1+ (1,0) [0|0] "" X\n']))
    batch = one_message_each([Frame(0x8000_0064, b"\1"), Frame(5, b""), Frame(100, b"\1" * 8), Frame(5, b"")])
    decoded = can.decode(batch, drawn.codebook)
    assert decoded.unknown_ids == {0x8000_0064: 1, 5: 2}
    assert len(decoded.rows) == 1


def test_a_multiplexer_value_nobody_knows_gives_what_is_always_there() -> None:
    block = (
        'BO_ 100 A: 3 X\n SG_ mux M : 0|8@1+ (1,0) [0|0] "" X\n SG_ always : 8|8@1+ (1,0) [0|0] "" X\n'
        ' SG_ seven m7 : 16|8@1+ (1,0) [0|0] "" X\n SG_ nine m9 : 16|8@1- (1,0) [0|0] "" X\n'
    )
    text = databases.dbc([block])
    drawn = databases.load(text)
    batch = one_message_each([Frame(100, bytes([n, 1, 0xFF])) for n in (7, 9, 8)])
    values = by_frame(batch, can.decode(batch, drawn.codebook))
    assert values == [{1: 7, 2: 1, 3: 255}, {1: 9, 2: 1, 4: -1}, {1: 8, 2: 1}]


def test_floats_that_are_no_numbers_give_no_rows() -> None:
    text = databases.dbc(
        ['BO_ 100 A: 8 X\n SG_ f : 0|32@1- (1,0) [0|0] "" X\n SG_ n : 32|8@1+ (1,0) [0|0] "" X\n'],
        ["SIG_VALTYPE_ 100 f : 1;"],
    )
    drawn = databases.load(text)
    floats = (1.5, math.nan, math.inf, -math.inf)
    payloads = [np.float32(value).tobytes() + b"\1\0\0\0" for value in floats]
    payloads.append(bytes.fromhex("0100a07f") + bytes(4))  # a signalling NaN
    batch = one_message_each([Frame(100, payload) for payload in payloads])
    decoded = can.decode(batch, drawn.codebook)
    assert by_frame(batch, decoded) == [{1: 1.5, 2: 1}, {2: 1}, {2: 1}, {2: 1}, {2: 0}]
    assert (decoded.no_measurement, decoded.out_of_range) == (2, 2)


def test_values_outside_the_range_of_the_file_are_dropped_and_counted() -> None:
    text = databases.dbc(['BO_ 100 A: 1 X\n SG_ s : 0|8@1+ (0.1,0) [0.5|19.95] "" X\n'])
    drawn = databases.load(text)
    batch = one_message_each([Frame(100, bytes([raw])) for raw in (4, 5, 199, 200, 255)])
    decoded = can.decode(batch, drawn.codebook)
    assert [sorted(one) for one in by_frame(batch, decoded)] == [[], [1], [1], [1], []]
    assert decoded.out_of_range == 2, "20.0 is the file's 19.95, which rounded its limit"


def test_values_are_converted_into_the_unit_of_the_catalogue() -> None:
    petrol = wiring.codebooks().by_name("odo_petrol")
    odometer = Frame(0x3E0, (123_456).to_bytes(4, "big") + bytes(4))
    rows = can.decode(one_message_each([odometer]), petrol).rows
    assert rows.signal.tolist() == [wiring.catalogue().of("Vehicle.TraveledDistance").number]
    assert rows.value.tolist() == [12_345_600.0]


@pytest.mark.parametrize(
    ("raw", "rpm"),
    [(0, 0.0), (0xFAFF, 8031.875), (0xFB00, None), (0xFE00, None), (0xFEFF, None), (0xFFFF, None)],
)
def test_j1939_values_that_say_error_or_not_available_give_no_rows(raw: int, rpm: float | None) -> None:
    book = wiring.codebooks().by_name("j1939")
    payload = b"\xff\xff\xff" + raw.to_bytes(2, "little") + b"\xff\xff\xff"
    decoded = can.decode(one_message_each([Frame(0x8CF00400, payload)]), book)
    assert decoded.rows.value.tolist() == ([] if rpm is None else [rpm])
    assert decoded.no_measurement == (rpm is None)
    assert decoded.out_of_range == 0


@pytest.mark.parametrize(
    ("bits", "last_valid"), [(1, 1), (2, 1), (4, 13), (8, 0xFA), (16, 0xFAFF), (24, 0xFAFFFF)]
)
def test_j1939_fields_end_where_the_standard_says(bits: int, last_valid: int) -> None:
    text = databases.dbc([f'BO_ {0x8CF00400} A: 8 X\n SG_ s : 0|{bits}@1+ (1,0) [0|0] "" X\n'])
    drawn = databases.load(text, bus="j1939")
    raws = sorted({0, last_valid, min(last_valid + 1, 2**bits - 1), 2**bits - 1})
    batch = one_message_each([Frame(0x8CF00400, raw.to_bytes(8, "little")) for raw in raws])
    found = can.decode(batch, drawn.codebook).rows.value.tolist()
    assert found == [raw for raw in raws if raw <= last_valid]


@given(priority=st.integers(0, 7), source=st.integers(0, 255))
@settings(max_examples=30)
def test_j1939_messages_match_whatever_the_priority_and_source(priority: int, source: int) -> None:
    book = wiring.codebooks().by_name("j1939")
    frame = Frame(0x8000_0000 | priority << 26 | 0xF004 << 8 | source, bytes.fromhex("607d84481400f084"))
    decoded = can.decode(one_message_each([frame]), book)
    assert decoded.rows.value.tolist() == [0x1448 * 0.125]
    assert not decoded.unknown_ids


def test_transport_and_dm1_frames_are_not_unknown() -> None:
    book = wiring.codebooks().by_name("j1939")
    ids = (0x9CECFF00, 0x9CEBFF00, 0x98FECA00, 0x98FECA01)
    decoded = can.decode(one_message_each([Frame(one, bytes(8)) for one in ids]), book)
    assert not decoded.unknown_ids
    assert len(decoded.rows) == 0


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_rows_rise_by_message_then_signal_then_time(data: st.DataObject) -> None:
    book = wiring.codebooks().by_name("odo_petrol")
    ids = st.sampled_from([0x0C4, 0x1A0, 0x2A4, 0x3E0, 0x3F2, 0x4B0, 0x7FF])
    frame = st.builds(
        Frame, wire_id=ids, payload=st.binary(min_size=8, max_size=8), t_us=st.integers(0, 2**40)
    )
    drawn_frames = data.draw(st.lists(frame, max_size=30))
    message = np.sort(
        data.draw(st.lists(st.integers(0, 5), min_size=len(drawn_frames), max_size=len(drawn_frames)))
    )
    batch = batch_of(drawn_frames, message.astype(np.int32))
    rows = can.decode(batch, book).rows
    order = list(zip(rows.message.tolist(), rows.signal.tolist(), rows.t_us.tolist(), strict=True))
    assert order == sorted(order)
    alone = defaultdict(list)
    for k, drawn_frame in enumerate(drawn_frames):
        single = can.decode(batch_of([drawn_frame], message[k : k + 1].astype(np.int32)), book).rows
        for n in range(len(single)):
            alone[int(single.message[n]), int(single.signal[n]), int(single.t_us[n])].append(
                float(single.value[n])
            )
    together = defaultdict(list)
    for key, value in zip(order, rows.value.tolist(), strict=True):
        together[key].append(value)
    assert {key: sorted(found) for key, found in alone.items()} == {
        key: sorted(found) for key, found in together.items()
    }


def test_many_messages_decode_as_each_does_alone() -> None:
    """More than 2^16 (message, signal) pairs: they are sorted another way."""
    book = wiring.codebooks().by_name("odo_petrol")
    rng = np.random.default_rng(5)
    n = 30_000
    ids = rng.choice([0x0C4, 0x1A0, 0x3F2], n)
    drawn_frames = [Frame(int(one), rng.bytes(8), t_us=k) for k, one in enumerate(ids)]
    batch = batch_of(drawn_frames, np.arange(n, dtype=np.int32))
    rows = can.decode(batch, book).rows
    middle = frames.take(batch, slice(20_000, 20_100))
    part = can.decode(middle, book).rows
    inside = (rows.message >= 20_000) & (rows.message < 20_100)
    assert np.array_equal(rows.value[inside], part.value)
    assert np.array_equal(rows.signal[inside], part.signal)


def test_an_empty_batch_and_an_empty_codebook_give_nothing() -> None:
    empty = frames.join([], [])
    assert len(can.decode(empty, wiring.codebooks().by_name("j1939")).rows) == 0
    nothing = databases.load(databases.dbc([]))
    assert can.decode(batch_of([Frame(1, b"\1")]), nothing.codebook).unknown_ids == {1: 1}


@pytest.mark.parametrize("width", [8, 64])
def test_a_classic_frame_means_the_same_among_longer_ones(width: int) -> None:
    book = wiring.codebooks().by_name("odo_petrol")
    company = [Frame(0x700, bytes(width))]
    alone = Frame(0x3E0, (123_456).to_bytes(4, "big") + bytes(4))
    rows = can.decode(one_message_each([alone, *company]), book).rows
    assert rows.value.tolist() == [12_345_600.0]
