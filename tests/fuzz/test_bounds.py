"""What can be made of few bytes stays small, and nothing is done over and over: by counts, not by clocks."""

import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import msgspec
import numpy as np
import pytest

from decoders import diag, isotp, j1939, uds_dtc, wire
from decoders.addressing import Addressing
from decoders.diag import Heard
from decoders.envelope import CanMessage, decode
from decoders.gbt32960 import packet
from decoders.gbt32960.splitter import Splitter
from decoders.isotp import MAX_BYTES, MAX_SESSIONS
from odocare import wiring
from tests.fuzz.targets.envelope import HEAD
from tests.strategies import Frame, batch_of
from vehicle.errors import DecodeError, TooLargeError

FRAMES = 20_000


class Calls:
    """How often functions of ours are called."""

    def __init__(self) -> None:
        self.by_name: dict[str, int] = {}


@contextmanager
def counted() -> Iterator[Calls]:
    """Counts calls of Python functions by name."""
    calls = Calls()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            name = frame.f_code.co_name
            calls.by_name[name] = calls.by_name.get(name, 0) + 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def test_a_flood_of_broadcasts_opens_few_transfers_and_looks_at_them_seldom() -> None:
    head = bytes([32, 9, 0, 2, 255]) + (0xFECA).to_bytes(3, "little")
    frames = [Frame(0x98ECFF00 | k % 254, head, t_us=k, bus=k // 254 & 0xFF) for k in range(FRAMES)]
    batch = batch_of(frames)
    with counted() as calls:
        found = j1939.reassemble(batch, j1939.Carry())
    assert len(found.carry.sessions) == j1939.MAX_SESSIONS
    assert found.lost == {"too-many": FRAMES - j1939.MAX_SESSIONS}
    assert calls.by_name["expire"] <= 3
    assert calls.by_name["_alive"] <= FRAMES + 3 * j1939.MAX_SESSIONS


def test_a_flood_of_first_frames_opens_few_payloads_and_looks_at_them_seldom() -> None:
    frames = [
        Frame(0x98DAF100 | k % 250, b"\x10\x20\x62\1\2\3\4\5", t_us=k, bus=k // 250 & 0xFF)
        for k in range(FRAMES)
    ]
    with counted() as calls:
        found = isotp.reassemble(batch_of(frames), isotp.Carry(), addressing=Addressing())
    assert len(found.carry.sessions) == MAX_SESSIONS
    assert found.lost == {"too-many": FRAMES - MAX_SESSIONS}
    assert calls.by_name["expire"] <= 3


def test_a_first_frame_of_four_gigabytes_is_counted_and_nothing_is_held() -> None:
    frames = [Frame(0x7E8, b"\x10\x00\xff\xff\xff\xff\x62\x01"), Frame(0x7E8, b"\x21" + bytes(7), t_us=1)]
    found = isotp.reassemble(batch_of(frames), isotp.Carry(), addressing=Addressing())
    assert (found.messages, found.carry, found.lost) == (
        [],
        isotp.Carry(),
        {"too-long": 1, "without-transfer": 1},
    )


def test_what_is_held_of_iso_tp_is_bounded_whatever_comes() -> None:
    first = [Frame(0x98DAF100 | k, (0x1000 | MAX_BYTES).to_bytes(2, "big") + bytes(6)) for k in range(100)]
    more = [
        Frame(one.wire_id, bytes([0x20 | n & 15]) + bytes(7)) for n in range(1, 300) for one in first[36:]
    ]
    found = isotp.reassemble(batch_of(first + more), isotp.Carry(), addressing=Addressing())
    assert sum(len(one.data) for one in found.carry.sessions) <= MAX_SESSIONS * MAX_BYTES
    assert len(found.carry.sessions) == MAX_SESSIONS


@pytest.mark.parametrize("chunk", [1, 1460, 1_000_000])
@pytest.mark.parametrize("filling", [b"#", b"$#", b"##\x02\xfe" + b"A" * 14])
def test_a_stream_of_start_bytes_is_dropped_and_nothing_is_kept_waiting(filling: bytes, chunk: int) -> None:
    stream = (filling * 1_000_000)[: 1_000_000 if chunk > 1 else 10_000]
    splitter = Splitter()
    with counted() as calls:
        for at in range(0, len(stream), chunk):
            assert splitter.feed(stream[at : at + chunk]) == []
            assert splitter.pending_bytes < packet.HEADER_BYTES
        assert splitter.finish() == []
    assert splitter.dropped_bytes == len(stream)
    feeds = len(stream) // chunk + 1
    assert calls.by_name["_end_of"] <= feeds + packet.HEADER_BYTES + 1


def test_headers_that_promise_the_longest_packet_cost_one_checksum_each() -> None:
    header = b"##\x02\xfeL0DEV1234N0000001\x01\xff\xf0"
    stream = header.replace(b"\xff\xf0", b"\xff\xe0") * 6_000
    splitter = Splitter()
    with counted() as calls:
        found = [*splitter.feed(stream), *splitter.finish()]
    assert sum(map(len, found)) + splitter.dropped_bytes == len(stream)
    assert calls.by_name.get("checksum", 0) <= 6_000


def test_a_diag_body_is_bounded_by_what_it_may_become() -> None:
    body = {"diag": [{"dt_us": 0, "ecu": "e", "payload": b"\x62" + b"\xf4\x0d\x32" * 90_000}]}
    with pytest.raises(TooLargeError, match="diag body has at most 262144 bytes"):
        decode("diag", zipped(HEAD | body))


def test_every_look_at_codes_does_not_go_through_every_lamp() -> None:
    n = 1_000
    lamp, codes = bytes.fromhex("410181076500"), bytes.fromhex("43010301")
    answers = [Heard(0, k, "7e8", codes if k % 2 else lamp) for k in range(2 * n)]
    with counted() as calls:
        found = diag.read(answers, wiring.did_codebook(), wiring.catalogue())
    assert len(found.reports) == n
    assert all(one.mil for one in found.reports)
    assert max(calls.by_name.values()) < 40 * n


class Copied(bytes):
    """Bytes that count how many of them are copied."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if not isinstance(found, bytes):
            return found
        Copied.copied += len(found)
        return Copied(found)


def test_snapshots_do_not_copy_what_is_left_for_every_record() -> None:
    body = bytes.fromhex("0403011128") + bytes.fromhex("0101f40d32") * 2_000
    Copied.copied = 0
    detail = uds_dtc.parse(Copied(body), size_of=lambda _: 1)
    assert isinstance(detail, uds_dtc.DtcDetail)
    assert len(detail.records) == 2_000
    assert Copied.copied < 4 * len(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x82\xa1v\x01\xa7signals\xdf\x00\x0f\x42\x40" + b"\xa1a\x80" * 80_000,
        id="a million keys"),
        pytest.param(b"\x91" * 200_000, id="nested arrays"),
        pytest.param(b"\x82\xa1v\x01\xa1x" + b"\x81\xa1a" * 60_000, id="nested maps"),
        pytest.param(b'{"v":1,"x":' + b'{"a":' * 40_000, id="nested objects"),
        pytest.param(b'{"v":1,"boot":' + b"9" * 250_000 + b"}", id="a long number"),
        pytest.param(b'{"v":1,"signals":{"a":{"dt_us":[],"value":[0.' + b"3" * 250_000 + b"]}}}",
        id="a long fraction"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="four gigabytes of bytes"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="four thousand million elements"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", sorted(wire.KINDS))
def test_claims_and_depths_are_refused_in_one_step(kind: str, body: bytes) -> None:
    with counted() as calls, pytest.raises(DecodeError) as refused:
        decode(kind, body)
    assert refused.value.reason != DecodeError.reason
    assert sum(calls.by_name.values()) < 100


def test_minimal_frames_of_the_largest_body_stay_columns() -> None:
    n = wire.MAX_FRAMES
    columns = {"dt_us": bytes(4 * n), "id": bytes(4 * n), "len": bytes(n), "data": b""}
    with counted() as calls:
        message = decode("can", zipped(HEAD | columns))
    assert isinstance(message, CanMessage)
    assert np.array_equal(message.length, np.zeros(n))
    assert sum(calls.by_name.values()) < 200
    with pytest.raises(TooLargeError):
        decode(
            "can", zipped(HEAD | {name: value + b"\0" * (len(value) // n) for name, value in columns.items()})
        )


def zipped(body: dict[str, object]) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(body))
