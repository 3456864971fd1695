import json
import math
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import can, envelope, frames, wire
from decoders.envelope import (
    CanMessage,
    DiagMessage,
    DtcMessage,
    Envelope,
    Message,
    SignalsMessage,
    decode,
    encode,
)
from odocare import wiring
from tests.strategies import can_messages, dtc_messages, messages, signals_messages
from vehicle.dtc import DtcStandard, DtcStatus
from vehicle.errors import DecodeError
from vehicle.vin import Vin

HEAD: dict[str, Any] = {
    "v": 1,
    "vin": "LFV2A21K6A3000001",
    "boot": 3,
    "seq": 7,
    "t0_us": 1_700_000_000_000_000,
    "ack": True,
    "resent": False,
}
BODIES: dict[str, dict[str, Any]] = {
    "can": {"dt_us": [0, 10], "id": [0x123, 0x8CF00400], "len": [2, 8], "data": "0102" + "00" * 8},
    "signals": {"signals": {"Vehicle.Speed": {"dt_us": [0, 1], "value": [50, 50.5]}}},
    "dtc": {"ecus": [{"ecu": "ecm", "standard": "j2012", "complete": True, "dtcs": [{"code": "p0301"}]}]},
    "diag": {"diag": [{"dt_us": 5, "ecu": "7e8", "payload": "4100be1fa813"}]},
}
PACKED_CAN = {
    "dt_us": b"\0\0\0\0\x0a\0\0\0",
    "id": (0x123).to_bytes(4, "little") + (0x8CF00400).to_bytes(4, "little"),
    "len": b"\x02\x08",
    "data": b"\x01\x02" + bytes(8),
}


def reason_of(kind: str, body: bytes) -> str:
    with pytest.raises(DecodeError) as refused:
        decode(kind, body)
    return refused.value.reason


def reason_or_none(kind: str, body: bytes) -> str | None:
    try:
        decode(kind, body)
    except DecodeError as error:
        return error.reason
    return None


def as_json(kind: str, **changes: object) -> bytes:
    body = HEAD | BODIES[kind] | changes
    return json.dumps({key: value for key, value in body.items() if value is not ...}).encode()


def packed(kind: str, **changes: object) -> bytes:
    body = HEAD | (PACKED_CAN if kind == "can" else BODIES[kind]) | changes
    return msgspec.msgpack.encode({key: value for key, value in body.items() if value is not ...})


@given(message=messages(), plain=st.booleans(), compress=st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_message_comes_back_from_every_encoding(
    message: Message, *, plain: bool, compress: bool
) -> None:
    assert decode(message.kind, encode(message, as_json=plain, compress=compress)) == message


@given(message=can_messages() | signals_messages() | dtc_messages())
@settings(max_examples=40, deadline=None)
def test_both_encodings_mean_the_same(message: Message) -> None:
    assert decode(message.kind, encode(message)) == decode(message.kind, encode(message, as_json=True))


@given(message=messages(), cut=st.floats(0, 1), flip=st.integers(0, 7), plain=st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_damaged_body_is_refused_with_a_reason_or_still_a_message(
    message: Message, *, cut: float, flip: int, plain: bool
) -> None:
    body = bytearray(encode(message, as_json=plain))
    place = int(cut * (len(body) - 1))
    body[place] ^= 1 << flip
    for damaged in (bytes(body), bytes(body[:place])):
        assert reason_or_none(message.kind, damaged) != "malformed"


@given(kind=st.sampled_from(sorted(wire.KINDS)), body=st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_refused_with_a_reason(kind: str, body: bytes) -> None:
    assert reason_of(kind, body) != "malformed"


def test_a_frame_of_json_is_a_frame() -> None:
    message = decode("can", as_json("can", bus=[0, 1], codebook="j1939"))
    assert isinstance(message, CanMessage)
    assert message.envelope.vin == HEAD["vin"]
    assert message.dt_us.tolist() == [0, 10]
    assert message.can_id.tolist() == [0x123, 0x8CF00400]
    assert message.bus.tolist() == [0, 1]
    assert message.length.tolist() == [2, 8]
    assert message.data.tobytes() == bytes.fromhex("0102") + bytes(8)
    assert message.codebook == "j1939"
    assert decode("can", packed("can", bus=b"\0\x01", codebook="j1939")) == message


def test_without_a_bus_every_frame_is_of_bus_zero() -> None:
    message = decode("can", as_json("can"))
    assert isinstance(message, CanMessage)
    assert message.bus.tolist() == [0, 0]


def test_signals_are_columns_and_null_is_no_measurement() -> None:
    series = {
        "Vehicle.Speed": {"dt_us": [0, 1], "value": [50, None]},
        "Vehicle.Empty": {"dt_us": [], "value": []},
    }
    message = decode("signals", as_json("signals", signals=series))
    assert isinstance(message, SignalsMessage)
    dt_us, value = message.signals["Vehicle.Speed"]
    assert dt_us.tolist() == [0, 1]
    assert value[0] == 50.0
    assert np.isnan(value[1])
    assert len(message.signals["Vehicle.Empty"][0]) == 0
    assert len(message) == 2


def test_words_for_what_is_no_number_are_no_measurements() -> None:
    infinite = {"Vehicle.Speed": {"dt_us": [0, 1, 2], "value": [math.inf, -math.inf, math.nan]}}
    assert reason_of("signals", as_json("signals", signals=infinite)) == "broken-json"
    message = decode("signals", packed("signals", signals=infinite))
    assert isinstance(message, SignalsMessage)
    assert np.isnan(message.signals["Vehicle.Speed"][1]).all()
    code = {"code": "P0301", "freeze_frame": {"Vehicle.Speed": 1.5, "A": math.nan, "B": math.inf}}
    ecus = [{"ecu": "ecm", "standard": "j2012", "complete": True, "dtcs": [code]}]
    frozen = decode("dtc", packed("dtc", ecus=ecus))
    assert isinstance(frozen, DtcMessage)
    assert frozen.ecus[0].readings[0].freeze_frame == {"Vehicle.Speed": 1.5}


def test_codes_get_one_spelling() -> None:
    dtcs = [{"code": "980/9", "spn": 980, "fmi": 9, "oc": 126}, {"code": "SPN 609 FMI 12"}]
    ecus = [
        {"ecu": "ecm", "standard": "j2012", "complete": False, "dtcs": [{"code": "p0301", "status": 0x2F}]},
        {"ecu": "sa-00", "standard": "j1939", "complete": True, "dtcs": dtcs},
    ]
    message = decode("dtc", as_json("dtc", ecus=ecus))
    assert isinstance(message, DtcMessage)
    petrol, truck = message.reports(4)
    assert petrol.readings[0].dtc.code == "P0301"
    assert petrol.readings[0].status == DtcStatus(0x2F)
    assert not petrol.complete
    assert [(one.dtc.code, one.dtc.spn, one.dtc.fmi) for one in truck.readings] == [
        ("SPN 980 FMI 9", 980, 9),
        ("SPN 609 FMI 12", 609, 12),
    ]
    assert (truck.message, truck.at_us, truck.standard) == (4, HEAD["t0_us"], DtcStandard.J1939)


def test_diagnostic_payloads_are_bytes() -> None:
    message = decode("diag", as_json("diag"))
    assert isinstance(message, DiagMessage)
    assert message.answers[0].payload == bytes.fromhex("4100be1fa813")
    assert message.answers[0].request is None


@pytest.mark.parametrize("kind", sorted(BODIES))
@pytest.mark.parametrize("field", list(HEAD))
def test_every_field_of_the_envelope_is_required(kind: str, field: str) -> None:
    assert reason_of(kind, as_json(kind, **{field: ...})) == "wrong-type"
    assert reason_of(kind, packed(kind, **{field: ...})) == "wrong-type"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("boot", -1),
        ("boot", 2**63),
        ("boot", "3"),
        ("seq", -1),
        ("seq", 1.5),
        ("t0_us", -1),
        ("t0_us", 2**57 + 1),
        ("t0_us", True),
        ("ack", 1),
        ("resent", None),
        ("vin", "LFV2A21K6A300000"),
        ("vin", "LFV2A21K6A3OOOOO1"),
        ("v", "1"),
    ],
)
def test_an_envelope_outside_its_ranges_is_refused(field: str, value: object) -> None:
    assert reason_of("can", as_json("can", **{field: value})) == "wrong-type"
    if value != 2**63:
        assert reason_of("can", packed("can", **{field: value})) == "wrong-type"


def test_another_version_is_named_whatever_else_it_changed() -> None:
    assert reason_of("signals", as_json("signals", v=2)) == "wrong-version"
    assert reason_of("can", packed("can", v=2, dt_us="none", boot=...)) == "wrong-version"


def test_fields_that_a_later_version_adds_are_passed_over() -> None:
    assert decode("can", as_json("can", later={"a": [1]})) == decode("can", as_json("can"))


@pytest.mark.parametrize("kind", ["gbt32960", "", "Can", "down"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    assert reason_of(kind, as_json("can")) == "unknown-kind"


def test_what_cannot_be_read_is_named_by_its_encoding() -> None:
    assert reason_of("can", b"") == "broken-msgpack"
    assert reason_of("can", packed("can")[:-3]) == "broken-msgpack"
    assert reason_of("can", b"\xc1") == "broken-msgpack"
    assert reason_of("can", as_json("can")[:-3]) == "broken-json"
    assert reason_of("can", b"{nonsense}") == "broken-json"
    assert reason_of("can", b'{"v":1,"vin":"\xff\xfe"}') == "broken-json"
    assert reason_of("can", b"\x82\xa1v\x01\xa3vin\xa2\xff\xfe") in {"broken-msgpack", "wrong-type"}
    assert reason_of("can", zlib.compress(packed("can"))[:-2]) == "broken-zlib"
    assert reason_of("can", b"\x78\x9c" + b"nonsense") == "broken-zlib"
    assert reason_of("can", zlib.compress(packed("can")) + b"more") == "broken-zlib"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"len": [8, 8]}, "truncated"),
        ({"len": [2, 8, 0]}, "truncated"),
        ({"id": [0x123]}, "truncated"),
        ({"bus": [0]}, "truncated"),
        ({"len": [2, 7]}, "wrong-type"),
        ({"len": [2, 65]}, "wrong-type"),
        ({"len": [2, 256]}, "wrong-type"),
        ({"data": "0"}, "wrong-type"),
        ({"data": "zz"}, "wrong-type"),
        ({"id": [0x800, 0x123]}, "wrong-type"),
        ({"id": [0x4000_0001, 0x123]}, "wrong-type"),
        ({"id": [0xA000_0000, 0x123]}, "wrong-type"),
        ({"dt_us": [0, -1]}, "wrong-type"),
        ({"dt_us": [0, 2**32]}, "wrong-type"),
        ({"codebook": ""}, "wrong-type"),
    ],
)
def test_frames_that_do_not_add_up_are_refused(changes: dict[str, object], reason: str) -> None:
    assert reason_of("can", as_json("can", **changes)) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"len": b"\x08\x08"}, "truncated"),
        ({"dt_us": b"\0\0\0\0\0\0\0"}, "truncated"),
        ({"id": b"\0\0\0\0"}, "truncated"),
        ({"len": b"\x02\x41"}, "wrong-type"),
        ({"dt_us": [0, 10]}, "wrong-type"),
    ],
)
def test_columns_that_do_not_add_up_are_refused(changes: dict[str, object], reason: str) -> None:
    assert reason_of("can", packed("can", **changes)) == reason


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("signals", {"signals": {"Vehicle.Speed": {"dt_us": [0, 1], "value": [1]}}}, "truncated"),
        ("signals", {"signals": {"Vehicle.Speed": {"dt_us": [0], "value": ["1"]}}}, "wrong-type"),
        ("signals", {"signals": {"": {"dt_us": [], "value": []}}}, "wrong-type"),
        ("signals", {"signals": {"Vehicle.Speed": {"dt_us": [2**60], "value": [1]}}}, "wrong-type"),
        ("dtc", {"ecus": [{"ecu": "e", "standard": "obd", "complete": True, "dtcs": []}]}, "wrong-type"),
        (
            "dtc",
            {"ecus": [{"ecu": "e", "standard": "j2012", "complete": True, "dtcs": [{"code": "X0301"}]}]},
            "wrong-type",
        ),
        (
            "dtc",
            {
                "ecus": [
                    {"ecu": "e", "standard": "j1939", "complete": True, "dtcs": [{"code": "1", "spn": 1}]}
                ]
            },
            "wrong-type",
        ),
        ("diag", {"diag": [{"dt_us": 0, "ecu": "7e8", "payload": "4"}]}, "wrong-type"),
        ("diag", {"diag": [{"dt_us": 0, "ecu": "7e8"}]}, "wrong-type"),
    ],
)
def test_other_bodies_that_do_not_add_up_are_refused(
    kind: str, changes: dict[str, object], reason: str
) -> None:
    assert reason_of(kind, as_json(kind, **changes)) == reason


def test_a_refusal_never_repeats_the_vin() -> None:
    with pytest.raises(DecodeError) as refused:
        decode("can", as_json("can", vin="SECRETOOOOOOOOOO1"))
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("standard", ["LFV2A21K6A3000001", "x - at y" * 999])
def test_a_refusal_never_repeats_a_word_of_the_body(standard: str) -> None:
    ecus = [{"ecu": "ecm", "standard": standard, "complete": True, "dtcs": []}]
    for body in (packed("dtc", ecus=ecus), as_json("dtc", ecus=ecus)):
        with pytest.raises(DecodeError, match=r"^Invalid enum value - at `\$\.ecus\[0\]\.standard`$"):
            decode("dtc", body)


def test_a_refusal_never_repeats_a_path_of_the_body() -> None:
    good: dict[str, list[int]] = {"dt_us": [], "value": []}
    series = {"Vehicle.Speed": good, "LFV2A21K6A3000001": good | {"dt_us": [1]}}
    with pytest.raises(DecodeError, match=r"^signal 2 of 2, with 1 times, needs 8 bytes, got 0$"):
        decode("signals", packed("signals", signals=series))


def test_a_refusal_never_repeats_a_code_of_the_body() -> None:
    ecus = [{"ecu": "e", "standard": "j2012", "complete": True, "dtcs": [{"code": "LFV2A21K6A3000001"}]}]
    with pytest.raises(DecodeError) as refused:
        decode("dtc", packed("dtc", ecus=ecus))
    assert str(refused.value) == "a J2012 code is P, C, B or U, a digit 0-3 and three of 0-9A-F"


def test_limits_are_named() -> None:
    assert reason_of("can", b"\x80" + bytes(envelope.MAX_WIRE_BYTES)) == "too-large"
    bomb = zlib.compress(bytes(64 * 1024 * 1024))
    assert len(bomb) < envelope.MAX_WIRE_BYTES
    assert reason_of("can", bomb) == "inflates-beyond-limit"
    nearly = zlib.compress(b"{" + b" " * (envelope.MAX_INFLATED_BYTES - 1))
    assert reason_of("can", nearly) == "broken-json"


def test_more_frames_or_samples_than_allowed_are_refused() -> None:
    n = wire.MAX_FRAMES + 1
    frames = {"dt_us": bytes(4 * n), "id": bytes(4 * n), "len": bytes(n), "data": b""}
    assert reason_of("can", zlib.compress(packed("can", **frames))) == "too-large"
    many = {f"Vehicle.S{k}": {"dt_us": [0] * 60_000, "value": [0] * 60_000} for k in range(5)}
    assert reason_of("signals", zlib.compress(packed("signals", signals=many))) == "too-large"
    assert reason_of("signals", zlib.compress(as_json("signals", signals=many))) == "too-large"


def _bombs() -> dict[str, tuple[str, bytes]]:
    """Bodies that would become large once read, each just below what may be inflated."""
    size = envelope.MAX_INFLATED_BYTES - 300
    deep = 300_000
    numbers = msgspec.Raw(b"\xdd" + (size - 20).to_bytes(4, "big") + b"\x01" * (size - 20))
    samples = {"dt_us": msgspec.Raw(b"\x90"), "value": numbers}
    many = {"dt_us": [0] * 100_000, "value": [0] * 100_000}
    code = {"code": "1", "freeze_frame": {str(k): 0 for k in range(9)}}
    ecus = [{"ecu": "e", "standard": "uds", "complete": True, "dtcs": [code] * 1000} for _ in range(20)]
    return {
        "one signal": ("signals", packed("signals", signals={"Vehicle.S": samples})),
        "many samples": ("signals", packed("signals", signals={str(k): many for k in range(20)})),
        "json samples": ("signals", b'{"v":1,"signals":{"a":{"value":[' + b"0," * (size // 2) + b"0]}}}"),
        "json frames": ("can", b'{"v":1,"dt_us":[' + b"1000," * (size // 5) + b"0]}"),
        "unknown fields": ("can", b"\x82\xa1v\x01\xa5later\xdd" + size.to_bytes(4, "big") + b"\x90" * size),
        "codes": ("dtc", packed("dtc", ecus=ecus)),
        "deep": ("can", b"\x82\xa1v\x01\xa5later" + b"\x91" * deep + b"\x90"),
        "deep json": ("can", b'{"v":1,"later":' + b"[" * deep + b"]" * deep + b"}"),
        "false length": ("signals", b"\x82\xa1v\x01\xa7signals\xdf\xff\xff\xff\xff"),
    }


_MEASURE = """
import pathlib, sys
from decoders.envelope import decode
from vehicle.errors import DecodeError

def highest_kb():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

body = sys.stdin.buffer.read()
before = highest_kb()
reason = "none"
try:
    decode(sys.argv[1], body)
except DecodeError as error:
    reason = error.reason
print(reason, highest_kb() - before)
"""


@pytest.mark.parametrize("name", list(_bombs()))
def test_no_body_grows_memory_by_fifty_megabytes(name: str) -> None:
    kind, body = _bombs()[name]
    assert len(body) <= envelope.MAX_INFLATED_BYTES
    received = zlib.compress(body)
    assert len(received) <= envelope.MAX_WIRE_BYTES
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE, kind], input=received, capture_output=True, check=True
    )
    reason, grown_kb = run.stdout.split()
    assert reason in {b"broken-msgpack", b"broken-json", b"too-large", b"wrong-type", b"none"}
    assert int(grown_kb) < 50 * 1024


def test_a_whole_message_of_the_largest_size_is_read() -> None:
    rng = random.Random(1)
    n = 15_000
    body = packed(
        "can",
        dt_us=np.arange(n, dtype="<u4").tobytes(),
        id=np.full(n, 0x123, "<u4").tobytes(),
        len=bytes([8]) * n,
        data=rng.randbytes(8 * n),
    )
    assert len(body) < envelope.MAX_WIRE_BYTES
    message = decode("can", body)
    assert isinstance(message, CanMessage)
    assert len(message) == n


def test_golden_frames_mean_what_was_written_down() -> None:
    body = (Path(__file__).parents[1] / "golden" / "wire" / "can.json").read_bytes()
    message = decode("can", body)
    assert isinstance(message, CanMessage)
    assert message.envelope == Envelope(
        Vin("A0DC00000N0000042"), 12, 345, 1_795_219_200_000_000, ack=True, resent=False
    )
    rows = can.decode(frames.join([message], [0]), wiring.codebooks().by_name("odo_petrol")).rows
    path = wiring.catalogue().by_number
    assert [
        (path[number].path, t_us - message.envelope.t0_us, value)
        for number, t_us, value in zip(
            rows.signal.tolist(), rows.t_us.tolist(), rows.value.tolist(), strict=True
        )
    ] == [
        ("Vehicle.TraveledDistance", 0, 12_345_600.0),
        ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure", 20_000, 231.0),
    ]
