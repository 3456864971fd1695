from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from decoders import frames, j1939
from decoders.j1939 import Carry, TransportMessage, pgn, reassemble, source_address
from tests.strategies import Frame, batch_of
from vehicle.errors import DecodeError

CM, DT = 0x9CEC0000, 0x9CEB0000
EVERYONE = 0xFF


def opening(source: int, to: int, group: int, size: int) -> Frame:
    """RTS, or BAM where it is for everyone."""
    packets = -(-size // 7)
    control = 32 if to == EVERYONE else 16
    payload = bytes([control, *size.to_bytes(2, "little"), packets, 0xFF, *group.to_bytes(3, "little")])
    return Frame(CM | to << 8 | source, payload)


def packets_of(source: int, to: int, data: bytes) -> list[Frame]:
    parts = [data[k : k + 7].ljust(7, b"\xff") for k in range(0, len(data), 7)]
    return [Frame(DT | to << 8 | source, bytes([n]) + part) for n, part in enumerate(parts, start=1)]


def clear_to_send(source: int, to: int) -> Frame:
    return Frame(CM | to << 8 | source, bytes([17, 2, 1, 0xFF, 0xFF, 0xCA, 0xFE, 0]))


def at(frames_in_order: list[Frame], step_us: int = 50_000, start_us: int = 0) -> list[Frame]:
    return [
        Frame(one.wire_id, one.payload, start_us + k * step_us, one.bus)
        for k, one in enumerate(frames_in_order)
    ]


def transfer(source: int, to: int, group: int, data: bytes) -> list[Frame]:
    return [opening(source, to, group, len(data)), *packets_of(source, to, data)]


def heard(drawn_frames: list[Frame], carry: Carry | None = None) -> j1939.Reassembled:
    return reassemble(batch_of(drawn_frames), carry or Carry())


def test_the_truck_s_first_broadcast_is_put_together() -> None:
    data = bytes.fromhex("43ffd403097e900c140261020901610c0303")[:18]
    found = heard(at(transfer(0, EVERYONE, 0xFECA, data)))
    assert found.messages == [TransportMessage(0xFECA, 0, EVERYONE, 150_000, 0, data)]
    assert found.carry == Carry()
    assert not found.lost


def test_a_connection_is_followed_by_listening() -> None:
    data = bytes(range(20))
    rts, *packets = transfer(3, 0xF9, 0xFEE3, data)
    found = heard(at([rts, clear_to_send(0xF9, 3), *packets]))
    assert [(one.pgn, one.source_address, one.destination_address, one.data) for one in found.messages] == [
        (0xFEE3, 3, 0xF9, data)
    ]


@pytest.mark.parametrize(("to", "longest_us"), [(EVERYONE, 750_000), (0xF9, 1_250_000)])
def test_a_transfer_that_pauses_too_long_is_lost(to: int, longest_us: int) -> None:
    for pause_us, lost in ((longest_us, {}), (longest_us + 1, {"timed-out": 1, "without-transfer": 2})):
        first, *rest = transfer(0, to, 0xFECA, bytes(14))
        found = heard([first, *at(rest, start_us=pause_us)])
        assert found.lost == lost
        assert len(found.messages) == (not lost)


def test_a_hold_message_keeps_a_connection_alive() -> None:
    first, *rest = transfer(0, 0xF9, 0xFECA, bytes(14))
    found = heard([first, *at([clear_to_send(0xF9, 0)], start_us=1_000_000), *at(rest, start_us=2_000_000)])
    assert len(found.messages) == 1


def test_a_lost_packet_loses_the_transfer_and_a_new_one_begins_afresh() -> None:
    first, *packets = transfer(0, EVERYONE, 0xFECA, bytes(21))
    whole = transfer(0, EVERYONE, 0xFECA, bytes(range(21)))
    found = heard(at([first, packets[0], packets[2], *whole]))
    assert [one.data for one in found.messages] == [bytes(range(21))]
    assert found.lost == {"out-of-order": 1, "replaced": 1}


def test_doubled_and_swapped_packets_are_counted_and_put_right() -> None:
    data = bytes(range(21))
    first, one, two, three = transfer(0, EVERYONE, 0xFECA, data)
    found = heard(at([first, two, one, one, three]))
    assert [message.data for message in found.messages] == [data]
    assert found.lost == {"out-of-order": 2, "duplicate": 1}


def test_an_abort_ends_a_transfer_from_either_side() -> None:
    abort = bytes([255, 1, 0xFF, 0xFF, 0xFF, 0xCA, 0xFE, 0])
    for wire_id in (CM | 0xF9 << 8, CM | 0xF9):
        first, *packets = transfer(0, 0xF9, 0xFECA, bytes(14))
        found = heard(at([first, Frame(wire_id, abort), *packets]))
        assert not found.messages
        assert found.lost == {"aborted": 1, "without-transfer": 2}


@pytest.mark.parametrize(
    "payload",
    [
        bytes([32, 18, 0, 4, 0xFF, 0xCA, 0xFE, 0]),  # four packets for 18 bytes
        bytes([32, 0, 0, 0, 0xFF, 0xCA, 0xFE, 0]),
        bytes([32, 0xFF, 0xFF, 255, 0xFF, 0xCA, 0xFE, 0]),
        bytes([16, 18, 0, 3, 0xFF, 0xCA, 0xFE, 0]),  # a connection with everyone
        bytes([32, 18, 0]),
    ],
)
def test_an_opening_that_does_not_add_up_opens_nothing(payload: bytes) -> None:
    found = heard([Frame(CM | EVERYONE << 8, payload)])
    assert found.carry == Carry()
    assert found.lost == {"malformed": 1}


def test_an_abort_that_comes_too_late_finds_a_transfer_that_timed_out() -> None:
    begun = transfer(0, 0x11, 0xFECA, bytes(20))[:2]
    abort = Frame(CM | 0x11 << 8, bytes([255, 3, 0xFF, 0xFF, 0xFF, 0xCA, 0xFE, 0]), 10_000_000)
    assert heard([*begun, abort]).lost == {"timed-out": 1}


def test_frames_of_eleven_bits_are_no_transport() -> None:
    plain = [Frame(one.wire_id & 0x7FF, one.payload) for one in transfer(0, EVERYONE, 0xFECA, bytes(9))]
    assert heard(plain) == j1939.Reassembled([], Carry(), {})


def test_buses_do_not_mix() -> None:
    data = (bytes(range(14)), bytes(range(50, 64)))
    first, second = (transfer(0, EVERYONE, 0xFECA, one) for one in data)
    mixed = [Frame(one.wire_id, one.payload, k, k % 2) for k, one in enumerate(
        one for pair in zip(first, second, strict=True) for one in pair
    )]  # fmt: skip
    assert [one.data for one in heard(mixed).messages] == list(data)


def test_no_more_sessions_are_kept_than_the_limit() -> None:
    many = [opening(source, to, 0xFECA, 1785) for source in range(20) for to in range(20)]
    found = heard(at(many, step_us=10))
    assert len(found.carry.sessions) == j1939.MAX_SESSIONS
    assert found.lost == {"too-many": 400 - j1939.MAX_SESSIONS}


@dataclass(frozen=True)
class Talk:
    """Frames of several ECUs on one bus, disturbed."""

    frames: list[Frame]


@st.composite
def talks(draw: DrawFn) -> Talk:
    """Transfers interleaved at random, with frames lost, doubled and delayed."""
    sources = draw(st.lists(st.integers(0, 5), min_size=1, max_size=5))
    queues = [
        transfer(
            source, draw(st.sampled_from([EVERYONE, 0xF9])), 0xFECA, draw(st.binary(min_size=9, max_size=40))
        )
        for source in sources
    ]
    t_us = 0
    heard_frames = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        frame = queue.pop(0)
        t_us += draw(st.sampled_from([0, 10_000, 50_000, 50_000, 800_000]))
        repeats = draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
        heard_frames += [Frame(frame.wire_id, frame.payload, t_us)] * repeats
    return Talk(heard_frames)


@given(talk=talks(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_cutting_the_frames_into_batches_changes_nothing(talk: Talk, data: st.DataObject) -> None:
    whole = heard(talk.frames)
    batch = batch_of(talk.frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(talk.frames)), max_size=6)))
    carry = Carry()
    messages: list[TransportMessage] = []
    lost: dict[str, int] = {}
    for start, end in zip([0, *cuts], [*cuts, len(talk.frames)], strict=True):
        part = reassemble(frames.take(batch, slice(start, end)), Carry.load(carry.dump()))
        assert part.carry == Carry.load(part.carry.dump())
        carry = part.carry
        messages += part.messages
        for reason, n in part.lost.items():
            lost[reason] = lost.get(reason, 0) + n
    assert messages == whole.messages
    assert carry == whole.carry
    assert lost == whole.lost


def test_what_is_kept_for_the_next_batch_is_bytes_or_nothing() -> None:
    assert Carry().dump() == b""
    for broken in (b"nonsense", b"\xc1", b"\x91\x01"):
        with pytest.raises(DecodeError):
            Carry.load(broken)


@pytest.mark.parametrize(
    ("can_id", "group", "source"),
    [
        (0x0CF00400, 0xF004, 0x00),
        (0x18FEEE21, 0xFEEE, 0x21),
        (0x18EAFF05, 0xEA00, 0x05),
        (0x1CECFF00, 0xEC00, 0x00),
        (0x19FECA03, 0x1FECA, 0x03),
        (0x1DEF1103, 0x1EF00, 0x03),
    ],
)
def test_identifiers_are_taken_apart(can_id: int, group: int, source: int) -> None:
    assert (pgn(can_id), source_address(can_id)) == (group, source)


@given(st.lists(st.integers(0, 0x1FFF_FFFF), max_size=20))
@settings(max_examples=50)
def test_arrays_of_identifiers_mean_what_each_does(can_ids: list[int]) -> None:
    array = np.array(can_ids, np.uint32)
    assert pgn(array).tolist() == [pgn(one) for one in can_ids]
    assert source_address(array).tolist() == [source_address(one) for one in can_ids]


@pytest.mark.parametrize(
    "changes",
    [
        {"packets": {0: bytes(7)}},
        {"packets": {4: bytes(7)}},
        {"packets": {1: bytes(6)}},
        {"packets": {1: bytes(7), 2: bytes(7), 3: bytes(7)}},
        {"size_bytes": 0},
        {"size_bytes": 1786},
        {"bus": -1},
        {"last_us": 2**63},
    ],
)
def test_transfers_that_cannot_be_are_not_carried_on(changes: dict[str, object]) -> None:
    good = {
        "bus": 0,
        "source_address": 0,
        "destination_address": EVERYONE,
        "pgn": 0xFECA,
        "size_bytes": 20,
        "last_us": 0,
        "packets": {1: bytes(7)},
    }
    assert len(Carry.load(msgspec.msgpack.encode([good])).sessions) == 1
    with pytest.raises(DecodeError, match="unfinished"):
        Carry.load(msgspec.msgpack.encode([good | changes]))
