"""Bodies that are small on the wire and would be large, deep or endless once read."""

import zlib
from functools import cache
from typing import Final

import msgspec

from decoders import wire
from decoders.envelope import encode
from tests.ingest.senders import can, envelope, signals
from vehicle.vin import Vin

LIMIT: Final = wire.MAX_WIRE_BYTES
Bomb = tuple[str, bytes, str]
"""Kind, body, and the reason of its refusal."""


@cache
def bombs(of: Vin) -> dict[str, Bomb]:
    """Every sort by name, each at the size that the broker lets pass at most."""
    head = msgspec.json.encode(
        {
            "v": 1,
            "vin": of,
            "boot": 1,
            "seq": 1,
            "t0_us": envelope(of, 0).t0_us,
            "ack": False,
            "resent": False,
        }
    )[:-1]
    packed_head = b"\x88" + encode(signals(of, 1, {}))[1:-9]  # without `signals` and its empty map
    assert packed_head.endswith(b"\xc2")
    deep = LIMIT // 2 - 200
    return {
        "zlib of zeros": ("signals", zlib.compress(bytes(32 << 20), 9)[:LIMIT], "inflates-beyond-limit"),
        "zlib in zlib": ("signals", _zlib_again(), "inflates-beyond-limit"),
        "zlib of brackets": ("signals", zlib.compress(b"[" * (wire.MAX_INFLATED_BYTES - 9)), "wrong-type"),
        "msgpack map of 4 billion": (
            "signals", packed_head + b"\xa7signals\xdf\xff\xff\xff\xff", "wrong-type",
        ),
        "msgpack string of 4 GB": (
            "signals", packed_head + b"\xa7signals\x81\xdb\xff\xff\xff\xff" + b"x" * 9, "broken-msgpack",
        ),
        "msgpack binary of 4 GB": ("can", packed_head + b"\xa4data\xc6\xff\xff\xff\xff", "broken-msgpack"),
        "msgpack nesting": ("signals", packed_head + b"\xa7signals" + b"\x91" * deep, "wrong-type"),
        "msgpack nesting in a field nobody knows": (
            "signals", packed_head + b"\xa7unknown" + b"\x91" * deep + b"\xc0", "broken-msgpack",
        ),
        "json nesting": ("signals", head + b',"signals":' + b"[" * deep + b"]" * deep + b"}", "wrong-type"),
        "json nesting in a field nobody knows": (
            "signals", head + b',"unknown":' + b"[" * deep + b"]" * deep + b"}", "broken-json",
        ),
        "json number of 200,000 digits": (
            "signals", head.replace(b'"seq":1', b'"seq":' + b"9" * 200_000) + b',"signals":{}}', "wrong-type",
        ),
        "json exponent": (
            "signals", head.replace(b'"seq":1', b'"seq":1e999999999') + b',"signals":{}}', "wrong-type",
        ),
        "json value of 200,000 digits": (
            "signals",
            head + b',"signals":{"x":{"dt_us":[0],"value":[' + b"9" * 200_000 + b"]}}}",
            "wrong-type",
        ),
        "json path of 200,000 letters": (
            "signals",
            head + b',"signals":{"' + b"x" * 200_000 + b'":{"dt_us":[],"value":[]}}}',
            "wrong-type",
        ),
        "json many keys": (
            "signals",
            zlib.compress(
                head
                + b',"signals":{'
                + b",".join(b'"k%06d":{"dt_us":[],"value":[]}' % n for n in range(100_000))
                + b"}}"
            ),
            "too-large",
        ),
        "json many numbers": (
            "signals",
            zlib.compress(head + b',"signals":{"x":{"dt_us":[' + b"0," * 2_000_000 + b"0]}}}"),
            "too-large",
        ),
        "msgpack many numbers": (
            "signals",
            zlib.compress(
                packed_head + b"\xa7signals\x81\xa1x\x82\xa5dt_us\xdd" + (4_000_000).to_bytes(4, "big")
                + bytes(4_000_000) + b"\xa5value\x90"
            ),
            "too-large",
        ),
        "frames beyond the limit": (
            "can",
            encode(can(of, 1, [(0, 1, b"")] * (wire.MAX_FRAMES + 1)), compress=True),
            "too-large",
        ),
        "answers that are numbers": (
            "diag",
            zlib.compress(head + b',"diag":[' + b"0," * 130_000 + b"0]}"),
            "wrong-type",
        ),
        "json many codes": (
            "dtc",
            zlib.compress(
                head + b',"ecus":[{"ecu":"e","standard":"j2012","complete":true,"dtcs":['
                + b",".join([b'{"code":"P0001"}'] * 60_000) + b"]}]}"
            ),
            "wrong-type",
        ),
        "json freeze frame of many keys": (
            "dtc",
            zlib.compress(
                head + b',"ecus":[{"ecu":"e","standard":"j2012","complete":true,"dtcs":['
                + b'{"code":"P0001","freeze_frame":{'
                + b",".join(b'"k%06d":1' % n for n in range(80_000)) + b'},"oc":-1}]}]}'
            ),
            "wrong-type",
        ),
        "json the same key again and again": (
            "signals", zlib.compress(head + b',"signals":{}' * 300_000 + b',"seq":-1}'), "too-large",
        ),
    }  # fmt: skip


def _zlib_again() -> bytes:
    """Inflates to a compressed body, which nobody inflates again; padded beyond the limit."""
    inner = zlib.compress(bytes(8 << 20), 9)
    return zlib.compress(inner * (wire.MAX_INFLATED_BYTES // len(inner) + 2), 9)
