"""What is carried from batch to batch, read back from bytes: ISO-TP and J1939."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from decoders import isotp, isotp_carry, j1939
from tests.fuzz.target import Mark, Target, place_of, require
from tests.fuzz.targets import isotp as isotp_target
from tests.fuzz.targets import j1939 as j1939_target
from tests.fuzz.targets.framed import RECORD_BYTES, STEPS_US, T0_US, batch_of, record
from vehicle.errors import DecodeError

_FRAMES_BYTES: Final = 6 * RECORD_BYTES
"""A case begins with frames that go on with what is carried."""


def check_isotp(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """It is refused, or it can be gone on with."""
    batch = batch_of(case[:_FRAMES_BYTES], isotp_target.WIRE_IDS)
    try:
        carry = isotp_carry.Carry.load(case[_FRAMES_BYTES:])
    except DecodeError as error:
        return [(place_of(error), str(error)[:60])]
    require("what is carried comes back equal", holds=isotp_carry.Carry.load(carry.dump()) == carry)
    found = isotp.reassemble(batch, carry, addressing=isotp_target.ADDRESSING)
    isotp_carry.Carry.load(found.carry.dump())
    require("payloads are bounded", holds=all(0 < len(one.data) <= isotp.MAX_BYTES for one in found.messages))
    return [("read", len(carry.sessions), len(carry.requests), len(found.messages)), *found.lost]


def check_j1939(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """It is refused, or it can be gone on with."""
    batch = batch_of(case[:_FRAMES_BYTES], j1939_target.WIRE_IDS)
    try:
        carry = j1939.Carry.load(case[_FRAMES_BYTES:])
    except DecodeError as error:
        return [(place_of(error), str(error)[:60])]
    require("what is carried comes back equal", holds=j1939.Carry.load(carry.dump()) == carry)
    found = j1939.reassemble(batch, carry)
    j1939.Carry.load(found.carry.dump())
    longest = j1939.MAX_TRANSPORTED_BYTES
    require("payloads are bounded", holds=all(0 < len(one.data) <= longest for one in found.messages))
    return [("read", len(carry.sessions), len(found.messages)), *found.lost]


_LAST_US: Final = T0_US - int(STEPS_US[3])


def _isotp_starts() -> Sequence[bytes]:
    data = bytes([0x62, 1, 1, 4, 5, 6])
    wire_id = int(isotp_target.WIRE_IDS[1])
    session = isotp_carry.Session(0, wire_id, None, 12, 8, _LAST_US, _LAST_US, 1, data, b"\x22\x01\x01")
    far = isotp_carry.Session(1, 0x612, 0xF1, 40, 8, _LAST_US, _LAST_US, 1, data, None)
    asked = isotp_carry.Request(0, 0x7E0, None, _LAST_US, b"\x22\x01\x01")
    frames = record(1, b"\x21" + bytes(7)) + record(0, b"\x03\x22\x01\x01") * 5
    return [frames + isotp_carry.Carry((session, far), (asked,)).dump(), frames]


def _j1939_starts() -> Sequence[bytes]:
    parts = {number: bytes([number]) * 7 for number in (1, 3)}
    session = j1939.Session(0, 0, 0xFF, 0xFECA, 20, _LAST_US, parts)
    direct = j1939.Session(1, 0x11, 0, 0xFECB, 9, _LAST_US, {})
    frames = record(1, b"\x02" + bytes(7)) + record(0, bytes(8)) * 5
    return [frames + j1939.Carry((session, direct)).dump(), frames]


_WORDS: Final = (
    *(msgspec.msgpack.encode(one) for one in isotp_carry.Session.__slots__ + j1939.Session.__slots__),
    *(msgspec.msgpack.encode(one) for one in (None, -1, 0, 1, 15, 16, 255, 256, 2**31, 2**63, 2**64 - 1,
    b"", b"x" * 7)),
    b"\x80", b"\x90", b"\x91", b"\xdd\xff\xff\xff\xff",
)  # fmt: skip
TARGETS: Final = (
    Target("isotp-carry", check_isotp, _isotp_starts, _WORDS),
    Target("j1939-carry", check_j1939, _j1939_starts, _WORDS),
)
