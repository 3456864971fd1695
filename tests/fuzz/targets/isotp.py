"""ISO-TP: frames of several conversations, normal and extended addresses, cut into batches."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from decoders import diag, frames, isotp
from decoders.addressing import Addressing
from decoders.isotp import MAX_BYTES, MAX_REQUEST_BYTES, MAX_SESSIONS, Reassembled
from decoders.isotp_carry import Carry
from tests.decoders.isotp_frames import segments
from tests.fuzz.target import Mark, Target, require
from tests.fuzz.targets.framed import RECORD_BYTES, batch_of, cut, record
from vehicle.frame import FrameBatch

ADDRESSING: Final = Addressing(
    normal=frozenset({0x123, 0x80001234}),
    extended=frozenset({0x456}),
    pairs=(((0x6F1, 0x12), (0x612, 0xF1)), ((0x701, None), (0x709, None))),
)
WIRE_IDS: Final = np.array(
    [0x7E0, 0x7E8, 0x7DF, 0x7E9, 0x98DA10F1, 0x98DAF110, 0x98DB33F1, 0x6F1, 0x612, 0x123, 0x80001234, 0x456,
     0x701, 0x709, 0x321, 0x8CF00400],
    np.uint32,
)  # fmt: skip


def reassembled(batches: Sequence[FrameBatch]) -> Reassembled:
    """One batch behind the other, what is unfinished carried on as bytes."""
    messages, lost, carry = [], Counter[str](), Carry()
    for batch in batches:
        found = isotp.reassemble(batch, carry, addressing=ADDRESSING)
        messages += found.messages
        lost.update(found.lost)
        carry = Carry.load(found.carry.dump())
        require("what is carried on comes back equal", holds=carry == found.carry)
    return Reassembled(messages, carry, lost)


def check(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """Whatever the frames, payloads are bounded, and cutting them or other buses change nothing."""
    batch = batch_of(case, WIRE_IDS)
    found = reassembled([batch])
    payloads = sum(len(one.data) for one in found.messages)
    require("payloads are made of frames", holds=payloads <= int(batch.length.sum(dtype=np.int64)))
    for one in found.messages:
        require("payloads have 1 to 4095 bytes", holds=0 < len(one.data) <= MAX_BYTES)
        require("requests are kept short", holds=len(one.request or b"") <= MAX_REQUEST_BYTES)
    held = found.carry
    require("few are held", holds=len(held.sessions) <= MAX_SESSIONS and len(held.requests) <= MAX_SESSIONS)
    require("what is held is unfinished", holds=all(len(one.data) < one.size_bytes for one in held.sessions))
    if thorough:
        _check_independence(batch, found)
    marks: list[Mark] = [(reason, min(n, 3)) for reason, n in found.lost.items()]
    marks += [(one.wire_id, len(one.data).bit_length(), one.request is None) for one in found.messages]
    return marks + [("held", one.wire_id, one.next_number) for one in held.sessions]


def _check_independence(batch: FrameBatch, found: Reassembled) -> None:
    for pieces in (2, 3, max(1, len(batch))):
        again = reassembled(cut(batch, pieces))
        require("however it is cut, payloads are the same", holds=again.messages == found.messages)
        require("however it is cut, counts are the same", holds=dict(again.lost) == dict(found.lost))
        require("however it is cut, the rest is the same", holds=again.carry == found.carry)
    for bus in (0, 1):
        alone = reassembled([frames.take(batch, batch.bus == bus)])
        mine = [one for one in found.messages if one.bus == bus]
        require("another bus changes nothing", holds=alone.messages == mine)
    answers = diag.of_isotp(found.messages)
    require("answers are payloads", holds=len(answers) <= len(found.messages))


def _conversation(choice: int, data: bytes, *, bus: int = 0, frame_bytes: int = 8) -> list[bytes]:
    wire_id = int(WIRE_IDS[choice])
    address = 0x12 if ADDRESSING.has_address(wire_id) else None
    made = segments(wire_id, data, address=address, frame_bytes=frame_bytes)
    return [record(choice, one.payload, length=len(one.payload), bus=bus) for one in made]


def _starts() -> Sequence[bytes]:
    long = bytes([0x62, 0x01, 0x01]) + bytes(range(60))
    asked = _conversation(0, b"\x22\x01\x01")
    answered = _conversation(1, long)
    flow = record(0, b"\x30\x00\x0a")
    others = [
        _conversation(choice, long[: 9 + 4 * choice], bus=choice & 1) for choice in range(len(WIRE_IDS))
    ]
    mixed = [
        one
        for three in zip(answered, _conversation(5, long), _conversation(8, long), strict=False)
        for one in three
    ]
    pending = [
        *_conversation(0, b"\x19\x02\xff"),
        *_conversation(1, b"\x7f\x19\x78"),
        *_conversation(1, b"\x59\x02\xff"),
    ]
    huge = record(1, b"\x10\x00\xff\xff\xff\xff\x00\x00")
    fd = [record(1, b"\x00\x3e" + bytes(6), length=64), record(1, b"\x10\x80" + bytes(6), length=64)]
    return [
        b"".join(asked + answered[:1] + [flow] + answered[1:]),
        *(b"".join(one) for one in others),
        b"".join(mixed),
        b"".join(pending),
        huge + b"".join(answered),
        b"".join(fd) + record(1, b"\x21" + bytes(7), length=64) * 2,
        b"".join(_conversation(1, bytes(range(256)) * 2)),
        b"".join([*answered[:2], record(0, b"\x32\x00\x0a"), *answered[2:]]),
    ]  # fmt: skip


TARGETS: Final = (
    Target("isotp", check, _starts, (b"\x10\x00", b"\x30", b"\x31", b"\x32", b"\x21", b"\x2f",
    b"\x7f\x19\x78"),
           record_bytes=RECORD_BYTES, max_bytes=36 * RECORD_BYTES),
)  # fmt: skip
