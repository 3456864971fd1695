import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from decoders import frames, isotp
from decoders.addressing import EXTENDED, Addressing, ecu_name
from decoders.isotp import Carry, IsoTpMessage, Reassembled
from tests.decoders import kona
from tests.decoders.isotp_frames import STEP_US, flow_control, segments
from tests.strategies import Frame, batch_of
from vehicle.errors import DecodeError

GOLDEN = Path(__file__).parent.parent / "golden/diag"
ENGINE, TESTER = 0x7E8, 0x7E0
FIXED_ECU, FIXED_TESTER = EXTENDED | 0x18DAF110, EXTENDED | 0x18DA10F1
OBD = Addressing()
BMW = Addressing(pairs=(((0x6F1, 0x12), (0x612, 0xF1)),))
"""Extended addressing: the first byte says who is meant."""


def heard(drawn: list[Frame], carry: Carry | None = None, *, addressing: Addressing = OBD) -> Reassembled:
    return isotp.reassemble(batch_of(drawn), carry or Carry(), addressing=addressing)


def at(drawn: list[Frame], start_us: int, step_us: int = STEP_US) -> list[Frame]:
    return [replace(one, t_us=start_us + k * step_us) for k, one in enumerate(drawn)]


def data_of(found: Reassembled) -> list[bytes]:
    return [one.data for one in found.messages]


@pytest.mark.parametrize("size", [1, 6, 7, 8, 13, 14, 20, 62, 118, 119, 127, 128, 4095])
@pytest.mark.parametrize("frame_bytes", [8, 12, 64])
@pytest.mark.parametrize(
    ("wire_id", "address", "addressing"),
    [(ENGINE, None, OBD), (FIXED_ECU, None, OBD), (0x612, 0xF1, BMW), (0x7BB, None, kona.ADDRESSING)],
)
def test_what_a_sender_cuts_up_is_put_together(
    size: int, frame_bytes: int, wire_id: int, address: int | None, addressing: Addressing
) -> None:
    data = bytes(k * 7 % 251 for k in range(size))
    drawn = segments(wire_id, data, address=address, frame_bytes=frame_bytes, start_us=5)
    found = heard(drawn, addressing=addressing)
    assert found.messages == [IsoTpMessage(0, wire_id, address, 5, drawn[-1].t_us, 0, data)]
    assert found.carry.sessions == ()
    assert not found.lost


def test_longer_payloads_are_followed_where_that_is_wanted() -> None:
    data = bytes(k % 253 for k in range(5000))
    drawn = segments(ENGINE, data, frame_bytes=64)
    found = isotp.reassemble(batch_of(drawn), Carry(), addressing=OBD, max_bytes=5000)
    assert data_of(found) == [data]
    refused = isotp.reassemble(batch_of(drawn), Carry(), addressing=OBD, max_bytes=4999)
    assert not refused.messages
    assert refused.lost == {"too-long": 1, "without-transfer": len(drawn) - 1}


def test_an_answer_knows_its_request_whoever_was_asked() -> None:
    for asker, ecu in ((TESTER, ENGINE), (0x7DF, ENGINE), (FIXED_TESTER, FIXED_ECU)):
        asked = segments(asker, b"\x19\x02\xff")
        answer = segments(ecu, b"\x59\x02\xff" + bytes(16), start_us=40_000)
        found = heard([*asked, *answer])
        assert [one.request for one in found.messages] == [None, b"\x19\x02\xff"]
    everyone = segments(EXTENDED | 0x18DB33F1, b"\x03")
    assert heard([*everyone, *segments(FIXED_ECU, b"\x43\x00")]).messages[1].request == b"\x03"
    asked = segments(0x6F1, b"\x22\xf1\x90", address=0x12)
    answer = segments(0x612, b"\x62\xf1\x90" + bytes(17), address=0xF1)
    assert heard([*asked, *answer], addressing=BMW).messages[1].request == b"\x22\xf1\x90"


@pytest.mark.parametrize(
    ("asker", "question", "ecu", "answer", "pause_us"),
    [
        (TESTER, b"\x19\x02\xff", ENGINE, b"\x62\x01\x01\x00", 1),  # another service
        (TESTER, b"\x19\x02\xff", 0x7E9, b"\x59\x02\xff", 1),  # another ECU
        (0x7DF, b"\x03", FIXED_ECU, b"\x43\x00", 1),
        (TESTER, b"\x19\x02\xff", ENGINE, b"\x59\x02\xff", 5_000_001),
        (TESTER, b"\x19\x02\xff", ENGINE, b"\x59\x02\xff", -1),
    ],
)
def test_nobody_answers_what_they_were_not_asked(
    asker: int, question: bytes, ecu: int, answer: bytes, pause_us: int
) -> None:
    found = heard([*segments(asker, question, start_us=10), *segments(ecu, answer, start_us=10 + pause_us)])
    assert [one.request for one in found.messages] == [None, None]


def test_a_pending_answer_makes_its_request_wait_longer() -> None:
    asked = segments(TESTER, b"\x19\x02\x0d")
    pending = segments(ENGINE, b"\x7f\x19\x78", start_us=4_000_000)
    answer = segments(ENGINE, b"\x59\x02\xff", start_us=8_000_000)
    found = heard([*asked, *pending, *answer])
    assert [one.request for one in found.messages] == [None, b"\x19\x02\x0d", b"\x19\x02\x0d"]
    late = segments(ENGINE, b"\x59\x02\xff", start_us=9_000_001)
    assert heard([*asked, *pending, *late]).messages[-1].request is None


def test_a_payload_that_pauses_too_long_is_lost() -> None:
    first, *rest = segments(ENGINE, bytes(20))
    assert len(heard([first, *at(rest, 1_000_000)]).messages) == 1
    found = heard([first, *at(rest, 1_000_001)])
    assert not found.messages
    assert found.lost == {"timed-out": 1, "without-transfer": 2}


def test_flow_control_keeps_a_payload_alive_or_ends_it() -> None:
    first, *rest = segments(ENGINE, bytes(range(20)))
    wait = flow_control(TESTER, 1, t_us=900_000)
    go_on = flow_control(TESTER, 0, t_us=1_800_000)
    assert data_of(heard([first, wait, go_on, *at(rest, 2_500_000)])) == [bytes(range(20))]
    found = heard([first, flow_control(TESTER, 2, t_us=10), *at(rest, 20)])
    assert not found.messages
    assert found.lost == {"aborted": 1, "without-transfer": 2}
    assert not heard([flow_control(TESTER, 0), flow_control(0x7DF, 0)]).lost


@pytest.mark.parametrize(
    ("gone", "lost"),
    [
        (1, {"broken": 1, "missing": 1, "without-transfer": 3}),
        (2, {"broken": 1, "missing": 1, "without-transfer": 2}),
        (5, {}),
    ],
)
def test_a_lost_frame_loses_the_payload(gone: int, lost: dict[str, int]) -> None:
    drawn = segments(ENGINE, bytes(range(40)))
    del drawn[gone]
    found = heard(drawn)
    assert not found.messages
    assert found.lost == lost
    assert len(found.carry.sessions) == (not lost)


def test_doubled_frames_are_counted_and_harmless() -> None:
    drawn = segments(ENGINE, bytes(range(40)))
    found = heard([one for one in drawn[:-1] for _ in range(2)] + drawn[-1:])
    assert data_of(found) == [bytes(range(40))]
    assert found.lost == {"duplicate": len(drawn) - 1}


def test_a_frame_out_of_order_ends_the_payload() -> None:
    first, one, two, three, *rest = segments(ENGINE, bytes(range(40)))
    found = heard(at([first, one, two, one, three, *rest], 0))
    assert not found.messages
    assert found.lost == {"broken": 1, "out-of-order": 1, "without-transfer": 1 + len(rest)}


def test_numbers_wrap_at_sixteen() -> None:
    data = bytes(k % 256 for k in range(6 + 7 * 40))
    drawn = segments(ENGINE, data)
    assert [one.payload[0] for one in drawn[14:19]] == [0x2E, 0x2F, 0x20, 0x21, 0x22]
    assert data_of(heard(drawn)) == [data]


def test_a_new_payload_replaces_the_one_before() -> None:
    first, *_ = segments(ENGINE, bytes(20))
    found = heard(at([first, *segments(ENGINE, bytes(range(20)))], 0))
    assert data_of(found) == [bytes(range(20))]
    assert found.lost == {"replaced": 1}
    assert heard([first, *segments(ENGINE, b"\x41\x0c\x10\x00")]).lost == {"replaced": 1}


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "00",
        "00aaaaaaaaaaaaaa",  # a single frame of nothing
        "0541",  # more promised than there is
        "0841414141414141",  # a length that classic CAN has not
        "1007414141414141",  # a first frame for what fits in a single one
        "10084141",  # a first frame that is not full
        "1000000003e84141",  # a 32-bit length for what 12 bits can say
        "30",
        "3300000000000000",  # no such flow status
        "4000000000000000",
        "ff00000000000000",
        "03414141414141414141aaaa",  # CAN FD: the length has a byte of its own
        "000b4141414141414141aaaa",
        "00004141414141414141aaaa",
        "100a4141414141414141aaaa",
    ],
)
def test_a_frame_that_does_not_add_up_is_counted(payload: str) -> None:
    found = heard([Frame(ENGINE, bytes.fromhex(payload))])
    assert found == Reassembled([], Carry(), {"malformed": 1})


def test_a_short_frame_in_the_middle_ends_the_payload() -> None:
    first, one, two = segments(ENGINE, bytes(20))
    found = heard([first, replace(one, payload=one.payload[:6]), two])
    assert found.lost == {"broken": 1, "malformed": 1, "without-transfer": 1}


def test_the_last_frame_may_be_short() -> None:
    *most, last = segments(ENGINE, bytes(range(20)))
    assert data_of(heard([*most, replace(last, payload=last.payload[:8])])) == [bytes(range(20))]


def test_only_diagnostic_identifiers_are_listened_to() -> None:
    others = [0x7BB, 0x100, 0x7F0, 0x7DE, EXTENDED | 0x7E8, EXTENDED | 0x18DA1020, EXTENDED | 0x18DB33F2]
    for wire_id in others:
        assert heard(segments(wire_id, b"\x41\x00")) == Reassembled([], Carry(), {})
    assert heard(segments(ENGINE, b"\x41\x00"), addressing=Addressing(with_obd=False)).messages == []
    wide = Addressing(normal=frozenset({EXTENDED | 0x18DA1020, EXTENDED | 0x123}))
    for wire_id in (EXTENDED | 0x18DA1020, EXTENDED | 0x123):
        assert data_of(heard(segments(wire_id, b"\x41\x00"), addressing=wide)) == [b"\x41\x00"]


def test_no_more_is_kept_than_the_limits_allow() -> None:
    many = [segments(EXTENDED | 0x18DAF100 | ecu, bytes(4095))[0] for ecu in range(200)]
    asked = [segments(EXTENDED | 0x18DA00F1 | ecu << 8, b"\x22\xf1\x90")[0] for ecu in range(200)]
    found = heard(at(many + asked, 0, step_us=10))
    assert len(found.carry.sessions) == len(found.carry.requests) == isotp.MAX_SESSIONS
    assert found.lost == {"too-many": 200 - isotp.MAX_SESSIONS}


def test_an_ecu_without_a_name_is_called_by_its_identifier() -> None:
    names = [ecu_name(one) for one in ((ENGINE, None), (FIXED_ECU, None), (0x612, 0xF1), (0x12, None))]
    assert names == ["7e8", "18daf110", "612-f1", "012"]


def test_golden_frames_become_the_payloads_that_were_written_down() -> None:
    found = heard(kona.read_log(GOLDEN / "frames.log"))
    assert not found.lost
    assert [
        {"from": ecu_name(one.endpoint), "payload": one.data.hex()}
        | ({} if one.request is None else {"request": one.request.hex()})
        for one in found.messages
    ] == json.loads((GOLDEN / "payloads.json").read_text())


MIXED = Addressing(normal=frozenset({0x7BB}), pairs=BMW.pairs)
ENDPOINTS = [(ENGINE, None), (TESTER, None), (FIXED_ECU, None), (0x7BB, None), (0x612, 0xF1), (0x612, 0xF2)]


@st.composite
def talks(draw: DrawFn) -> list[Frame]:
    """Conversations interleaved at random, with frames lost, doubled, swapped and delayed."""
    queues = []
    for endpoint in draw(st.lists(st.sampled_from(ENDPOINTS), min_size=1, max_size=5)):
        data = draw(st.sampled_from([b"\x22\x01\x01", b"\x59\x02\xff", b""])) + draw(
            st.binary(min_size=1, max_size=60) | st.binary(min_size=120, max_size=160)
        )
        width = draw(st.sampled_from([8, 8, 8, 64]))
        bus = draw(st.integers(0, 1))
        queues.append(segments(endpoint[0], data, address=endpoint[1], frame_bytes=width, bus=bus))
    if draw(st.booleans()):
        queues.append([flow_control(TESTER, draw(st.integers(0, 3)))])
    t_us = 0
    found = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        frame = queue.pop(draw(st.sampled_from([0, 0, 0, 0, 0, 0, 0, -1])))
        t_us += draw(st.sampled_from([0, 10_000, 10_000, 1_100_000]))
        repeats = draw(st.sampled_from([1, 1, 1, 1, 1, 0, 2]))
        found += [replace(frame, t_us=t_us)] * repeats
    return found


def cut(drawn: list[Frame], cuts: list[int], addressing: Addressing) -> Reassembled:
    """The same frames, batch by batch."""
    batch = batch_of(drawn)
    carry = Carry()
    messages: list[IsoTpMessage] = []
    lost: dict[str, int] = {}
    for start, end in pairwise([0, *cuts, len(drawn)]):
        part = isotp.reassemble(
            frames.take(batch, slice(start, end)),
            Carry.load(carry.dump()),
            addressing=addressing,
            max_sessions=4,
        )
        assert part.carry == Carry.load(part.carry.dump())
        carry = part.carry
        messages += part.messages
        for reason, n in part.lost.items():
            lost[reason] = lost.get(reason, 0) + n
    return Reassembled(messages, carry, lost)


@given(drawn=talks(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_cutting_the_frames_into_batches_changes_nothing(drawn: list[Frame], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(drawn)), max_size=6)))
    assert cut(drawn, cuts, MIXED) == cut(drawn, [], MIXED)


@given(
    payloads=st.lists(st.binary(min_size=1, max_size=100), min_size=len(ENDPOINTS), max_size=len(ENDPOINTS)),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_conversations_do_not_mix_however_they_are_interleaved(
    payloads: list[bytes], data: st.DataObject
) -> None:
    queues = [
        segments(endpoint[0], payload, address=endpoint[1])
        for endpoint, payload in zip(ENDPOINTS, payloads, strict=True)
    ]
    drawn = []
    while any(queues):
        drawn.append(data.draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    found = heard(at(drawn, 0), addressing=MIXED)
    assert {one.endpoint: one.data for one in found.messages} == dict(zip(ENDPOINTS, payloads, strict=True))
    assert not found.lost


@given(st.lists(st.builds(
    Frame,
    wire_id=st.sampled_from([endpoint[0] for endpoint in ENDPOINTS]),
    payload=st.binary(max_size=8) | st.binary(min_size=64, max_size=64),
    t_us=st.integers(0, 3_000_000),
), max_size=30))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_frames_at_all_become_payloads_or_counts(drawn: list[Frame]) -> None:
    found = heard(sorted(drawn, key=lambda one: one.t_us), addressing=MIXED)
    assert all(0 < len(one.data) <= isotp.MAX_BYTES for one in found.messages)
    assert all(len(one.data) < one.size_bytes for one in found.carry.sessions)


def test_what_is_kept_for_the_next_batch_is_bytes_or_nothing() -> None:
    assert Carry().dump() == b""
    for broken in (b"nonsense", b"\xc1", b"\x91\x01"):
        with pytest.raises(DecodeError):
            Carry.load(broken)


def test_the_car_s_payloads_are_as_many_and_as_long_as_its_readme_says() -> None:
    found = heard(kona.frames(), addressing=kona.ADDRESSING)
    assert len(found.messages) == 270
    # first frames that nothing follows; the capture ends with one more
    assert found.lost == {"timed-out": 29}
    assert len(found.carry.sessions) == 1
    climate = [one.data for one in found.messages if one.wire_id == kona.CLIMATE]
    battery = [one.data for one in found.messages if one.wire_id == kona.BATTERY]
    assert (len(climate), {len(data) for data in climate}) == (150, {38})
    assert (len(battery), {len(data) for data in battery}) == (120, {62})
    assert {data[:3] for data in climate} == {b"\x62\x01\x00"}
    assert {data[:3] for data in battery} == {b"\x62\x01\x01"}


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_the_car_cut_into_messages_of_any_size_says_the_same(data: st.DataObject) -> None:
    drawn = kona.frames()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(drawn)), max_size=100)))
    assert cut(drawn, cuts, kona.ADDRESSING) == cut(drawn, [], kona.ADDRESSING)


@pytest.mark.parametrize(
    "changes", [{"size_bytes": 6}, {"frame_bytes": 7}, {"next_number": 16}, {"data": b""}, {"last_us": 2**63}]
)
def test_payloads_that_cannot_be_are_not_carried_on(changes: dict[str, object]) -> None:
    good = {
        "bus": 0,
        "wire_id": ENGINE,
        "address": None,
        "size_bytes": 20,
        "frame_bytes": 8,
        "first_us": 0,
        "last_us": 0,
        "next_number": 1,
        "data": b"\x62\1\2\3\4\5",
        "request": None,
    }
    assert len(Carry.load(msgspec.msgpack.encode({"sessions": [good]})).sessions) == 1
    with pytest.raises(DecodeError, match="unfinished"):
        Carry.load(msgspec.msgpack.encode({"sessions": [good | changes]}))
