"""Bodies of the wire contract: MessagePack, JSON, zlib; every kind.

The first byte of a case chooses the kind and, with bit 2, that the rest is compressed before it is sent.
"""

import math
import re
import zlib
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from decoders import wire
from decoders.envelope import CanMessage, DtcMessage, Message, SignalsMessage, decode, encode
from tests.fuzz.target import Mark, Target, place_of, require
from vehicle.errors import DecodeError

KINDS: Final = ("can", "signals", "dtc", "diag")
COMPRESSED: Final = 0x04
VIN: Final = "L0DEV1234N0000001"

HEAD: Final[dict[str, Any]] = {
    "v": 1, "vin": VIN, "boot": 3, "seq": 7, "t0_us": 1_700_000_000_000_000, "ack": True, "resent": False,
}  # fmt: skip
_CODES: Final[list[dict[str, Any]]] = [
    {"code": "P0301", "status": 0x2F, "oc": 3, "at_us": 1_700_000_000_000_000},
    {"code": "C0123", "freeze_frame": {"Vehicle.Speed": 50.5, "Vehicle.A": -1e300}},
]
_PLAIN: Final[dict[str, dict[str, Any]]] = {
    "can": {
        "dt_us": [0, 10, 2**32 - 1], "id": [0x7FF, 0x8CF00400, 0x9FFFFFFF], "len": [2, 8, 0], "bus": [0, 1,
        255],
        "data": "0102" + "0a" * 8, "codebook": "j1939",
    },
    "signals": {"signals": {"Vehicle.Speed": {"dt_us": [0, -5, 2**53], "value": [50, None, -0.5]}, "é": {
        "dt_us": [], "value": []}}},
    "dtc": {"ecus": [
        {"ecu": "ecm", "standard": "j2012", "complete": True, "dtcs": _CODES},
        {"ecu": "sa-00", "standard": "j1939", "complete": False,
         "dtcs": [{"code": "SPN 980 FMI 9"}, {"code": "x", "spn": 524287, "fmi": 31}]},
        {"ecu": "e", "standard": "uds", "complete": True, "dtcs": [{"code": "P0301", "ftb": 17}]},
        {"ecu": "v", "standard": "gbt32960", "complete": True, "dtcs": [{"code": "LEVEL 3"}]},
    ]},
    "diag": {"diag": [
        {"dt_us": 5, "ecu": "7e8", "payload": "4100be1fa813", "request": "0100"},
        {"dt_us": -1, "ecu": "7ec", "payload": "5902ff03011128"},
    ]},
}  # fmt: skip
_PACKED_CAN: Final[dict[str, Any]] = {
    "dt_us": b"\0\0\0\0\x0a\0\0\0", "id": b"\xff\x07\0\0\x00\x04\xf0\x8c", "len": b"\x02\x08",
    "bus": b"\0\x01",
    "data": b"\x01\x02" + bytes(8),
}  # fmt: skip

_NAMES: Final = sorted(
    {*HEAD, "dt_us", "id", "len", "data", "bus", "codebook", "signals", "value", "ecus", "ecu", "standard",
     "complete", "dtcs", "code", "ftb", "status", "spn", "fmi", "oc", "at_us", "freeze_frame", "diag",
     "payload",
     "request", "j2012", "uds", "j1939", "gbt32960", "Vehicle.Speed", VIN, "P0301", "SPN 980 FMI 9", "\x00",
     "码"}
)  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1, 255, 256, 2**31, 2**32 - 1, 2**53, 2**57, 2**63, 2**64 - 1, 1.5, -1e308, 5e-324,
    math.inf,
    math.nan, "", b"", [], {}, [0], "ff", msgspec.msgpack.Ext(1, b"x"),
)  # fmt: skip
PACKED_WORDS: Final = (
    *(msgspec.msgpack.encode(name) for name in _NAMES),
    *(msgspec.msgpack.encode(value) for value in _VALUES),
    *(msgspec.msgpack.encode(name.encode()) for name in ("x", "abcd")),
    b"\xc1", b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xde\xff\xff", b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff", b"\x91" * 40, b"\x81\xa1a" * 30, b"\xca\x7f\xc0\x00\x00",
    b"\xca\x7f\x80\x00\x00",
    b"\xa4\xed\xa0\x80a", b"\xa1\xff",
)  # fmt: skip
PLAIN_WORDS: Final = (
    *(msgspec.json.encode(name) for name in _NAMES),
    b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"false", b"0", b"-0", b"-0.0", b"1e999",
    b"-1e999", b"1e-999",
    b"18446744073709551616", b"9223372036854775808", b"4294967296", b"1.0", b"1" * 60, b"0." + b"3" * 60,
    b"NaN",
    b"Infinity", b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\u0000"', b'"\xff"', b"\xef\xbb\xbf", b"[" * 40,
    b'{"a":' * 30,
    b"01", b'"0a"', b'"0A 0b"', b"\x00",
)  # fmt: skip


_DIGITS: Final = re.compile(r"[0-9a-f]{2,}|[0-9]|'.*?'")


def sent(case: bytes) -> tuple[str, bytes]:
    """Kind and body of a case."""
    choice = case[0] if case else 0
    body = case[1:]
    return KINDS[choice & 3], zlib.compress(body, 1) if choice & COMPRESSED else body


def check(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """It is refused in words that repeat no VIN, or comes back equal from both encodings."""
    kind, body = sent(case)
    try:
        message = decode(kind, body)
    except DecodeError as error:
        text = str(error)
        require("a refusal has a reason of its own", holds=error.reason != DecodeError.reason)
        require("a refusal repeats no VIN", holds=VIN not in text)
        require("a refusal is short", holds=len(text) < 1_000)
        return [(kind, error.reason, place_of(error), _DIGITS.sub("", text))]
    require("numbers are finite or absent", holds=_is_finite(message))
    require("it comes back from MessagePack", holds=decode(kind, encode(message)) == message)
    require("it comes back from JSON", holds=decode(kind, encode(message, as_json=True)) == message)
    if thorough:
        require("it comes back from zlib", holds=decode(kind, encode(message, compress=True)) == message)
    return _marks(message)


def _is_finite(message: Message) -> bool:
    if isinstance(message, SignalsMessage):  # NaN is their word for "no measurement"
        return not any(math.isinf(one) for _, value in message.signals.values() for one in value.tolist())
    if isinstance(message, DtcMessage):
        frames = (reading.freeze_frame for ecu in message.ecus for reading in ecu.readings)
        return all(math.isfinite(value) for frame in frames for value in frame.values())
    return True


def _marks(message: Message) -> Collection[Mark]:
    if isinstance(message, CanMessage):
        lengths = set(message.length.tolist())
        return [
            ("can", min(len(message), 9)),
            ("can", message.codebook is None),
            ("can", len(lengths), max(lengths, default=0)),
        ]
    if isinstance(message, SignalsMessage):
        return [("signals", len(message.signals), min(len(message), 9))]
    if isinstance(message, DtcMessage):
        readings = [one for ecu in message.ecus for one in ecu.readings]
        fields = [
            (
                one.dtc.standard,
                one.status is None,
                one.occurrences is None,
                one.at_us is None,
                len(one.freeze_frame),
            )
            for one in readings
        ]
        return [("dtc", len(message.ecus), len(readings)), *fields]
    answers = [(len(one.payload).bit_length(), one.request is None) for one in message.answers]
    return [("diag", len(message.answers)), *answers]


def _packed(kind: str) -> bytes:
    body = _PLAIN[kind]
    if kind == "can":
        body = _PACKED_CAN | {"codebook": "j1939"}
    elif kind == "diag":
        body = {"diag": [{name: bytes.fromhex(one) if name in {"payload", "request"} else one
                          for name, one in answer.items()} for answer in body["diag"]]}  # fmt: skip
    return msgspec.msgpack.encode(HEAD | body)


def _crooked() -> list[bytes]:
    """Columns of frames that do not fit one another: far from each other in mutations."""
    n = len(_PACKED_CAN["len"])
    changes: list[dict[str, Any]] = [
        *({name: column + b"\0"} for name, column in _PACKED_CAN.items()),
        *({name: column[: len(column) // n]} for name, column in _PACKED_CAN.items()),
        {"id": b"\x00\x08\0\0" * n},
        {"len": b"\x41" * n, "data": bytes(0x41 * n)},
        {name: column[:0] for name, column in _PACKED_CAN.items()},
    ]
    return [b"\x00" + msgspec.msgpack.encode(HEAD | _PACKED_CAN | change) for change in changes]


def _packed_starts() -> Sequence[bytes]:
    return [*(bytes([choice]) + _packed(kind) for choice, kind in enumerate(KINDS)), *_crooked()]


def _plain_starts() -> Sequence[bytes]:
    good = [bytes([choice]) + msgspec.json.encode(HEAD | _PLAIN[kind]) for choice, kind in enumerate(KINDS)]
    uneven: dict[str, Any] = {"signals": {"Vehicle.Speed": {"dt_us": [0, 1], "value": [1]}}}
    crooked: list[dict[str, Any]] = [
        {"data": "0"},
        {"data": "zz" * 10},
        {"len": [65, 8, 0]},
        {"id": [0x800, 1, 2]},
        {"bus": []},
    ]
    return [
        *good,
        b"\x01" + msgspec.json.encode(HEAD | uneven),
        *(b"\x00" + msgspec.json.encode(HEAD | _PLAIN["can"] | change) for change in crooked),
    ]


def _compressed_starts() -> Sequence[bytes]:
    bodies = [*_packed_starts(), *_plain_starts()]
    levels = [bytes([one[0]]) + zlib.compress(one[1:], level) for one in bodies for level in (0, 1, 9)]
    inside = [bytes([one[0] | COMPRESSED]) + one[1:] for one in bodies]
    twice = [bytes([one[0] | COMPRESSED]) + zlib.compress(one[1:]) for one in bodies[:1]]
    bomb = [b"\x00" + zlib.compress(bytes(2 * wire.MAX_INFLATED_BYTES), 9)[:400]]
    return levels + inside + twice + bomb


TARGETS: Final = (
    Target("envelope-msgpack", check, _packed_starts, PACKED_WORDS),
    Target("envelope-json", check, _plain_starts, PLAIN_WORDS),
    Target("envelope-zlib", check, _compressed_starts,
           (b"\x78\x9c", b"\x78\x01", b"\x00\x00\xff\xff", b"\x03\x00", b"\x4b", b"\x01\x00\x00\xff\xff")),
)  # fmt: skip
