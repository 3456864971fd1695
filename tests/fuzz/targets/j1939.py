"""J1939: transport sessions, DM1 and the other lists, identifications."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from decoders import dm1, frames, j1939, j1939_diag
from decoders.j1939 import MAX_SESSIONS, MAX_TRANSPORTED_BYTES, Carry, Reassembled
from tests.fuzz.target import Mark, Target, require
from tests.fuzz.targets.framed import RECORD_BYTES, batch_of, cut, record
from vehicle.dtc import DtcReading
from vehicle.frame import FrameBatch

_GROUPS: Final = (
    0xECFF,
    0xEBFF,
    0xEC11,
    0xEB11,
    0xEC00,
    0xFECA,
    0xFECB,
    0xFECF,
    0xFED4,
    0xFDB5,
    0xFEEC,
    0xFEEB,
    0xFEDA,
    0xE8FF,
    0xF004,
)
_SOURCES: Final = (0x00, 0x11, 0xFE)
WIRE_IDS: Final = np.array(
    [0x98000000 | group << 8 | source for source in _SOURCES for group in _GROUPS] + [0x7E8], np.uint32
)


def reassembled(batches: Sequence[FrameBatch]) -> Reassembled:
    """One batch behind the other, what is unfinished carried on as bytes."""
    messages, lost, carry = [], Counter[str](), Carry()
    for batch in batches:
        found = j1939.reassemble(batch, carry)
        messages += found.messages
        lost.update(found.lost)
        carry = Carry.load(found.carry.dump())
        require("what is carried on comes back equal", holds=carry == found.carry)
    return Reassembled(messages, carry, lost)


def check(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """Whatever the frames, payloads are bounded, codes are codes, and cutting changes nothing."""
    batch = batch_of(case, WIRE_IDS)
    found = reassembled([batch])
    for one in found.messages:
        require("payloads have 1 to 1785 bytes", holds=0 < len(one.data) <= MAX_TRANSPORTED_BYTES)
    require("few are held", holds=len(found.carry.sessions) <= MAX_SESSIONS)
    if thorough:
        _check_independence(batch, found)
    reports = dm1.reports(batch, found.messages)
    lists = j1939_diag.code_lists(batch, found.messages)
    known = j1939_diag.identities(batch, found.messages)
    readings = [reading for report in reports for reading in report.readings]
    told = j1939_diag.reports(lists)
    readings += [reading for report in told for reading in report.readings]
    cleared = j1939_diag.clears(batch)
    require("codes are codes", holds=all(map(_is_code, readings)))
    require("texts are printable", holds=all(text.isprintable() for one in known for text in one.texts))
    marks: list[Mark] = [(reason, min(n, 3)) for reason, n in found.lost.items()]
    marks += [(one.pgn, one.destination_address, len(one.data).bit_length()) for one in found.messages]
    marks += [("codes", len(report.readings), report.mil) for report in reports]
    marks += [(one.kind, len(one.content.readings)) for one in lists]
    marks += [("clear", one.ecu, one.scope) for one in cleared]
    marks += [(one.kind, len(one.texts), min(len(text) for text in one.texts or [""])) for one in known]
    return marks + [("held", min(len(one.packets), 9)) for one in found.carry.sessions]


def _is_code(one: DtcReading) -> bool:
    spn, fmi = one.dtc.spn, one.dtc.fmi
    is_spn = spn is None or 0 < spn < 0x7FFFF
    return (
        is_spn
        and fmi is not None
        and 0 <= fmi <= 31
        and (one.occurrences is None or 0 <= one.occurrences < 127)
    )


def _check_independence(batch: FrameBatch, found: Reassembled) -> None:
    for pieces in (2, 3, max(1, len(batch))):
        again = reassembled(cut(batch, pieces))
        require("however it is cut, payloads are the same", holds=again.messages == found.messages)
        require("however it is cut, counts are the same", holds=dict(again.lost) == dict(found.lost))
        require("however it is cut, the rest is the same", holds=again.carry == found.carry)
    alone = [reassembled([frames.take(batch, batch.bus == bus)]).messages for bus in (0, 1)]
    buses = Counter(map(repr, [*alone[0], *alone[1]]))
    require("another bus changes nothing", holds=buses == Counter(map(repr, found.messages)))


def _choice(group: int, source: int = 0) -> int:
    return _SOURCES.index(source) * len(_GROUPS) + _GROUPS.index(group)


def _transported(group: int, data: bytes, *, source: int = 0, to: int = 0xFF) -> list[bytes]:
    packets = -(-len(data) // 7)
    control = 32 if to == 0xFF else 16
    head = bytes([control, len(data) & 0xFF, len(data) >> 8, packets, 0xFF]) + group.to_bytes(3, "little")
    made = [record(_choice(0xEC00 | to, source), head)]
    for number in range(packets):
        part = data[7 * number : 7 * number + 7].ljust(7, b"\xff")
        made.append(record(_choice(0xEB00 | to, source), bytes([number + 1]) + part))
    return made


def _starts() -> Sequence[bytes]:
    lamps = b"\x40\xff"
    codes = b"".join(bytes([spn & 0xFF, spn >> 8 & 0xFF, spn >> 16 << 5 | fmi, count])
                     for spn, fmi, count in ((980, 9, 126), (3216, 20, 2), (0x7FFFE, 31, 0x85)))  # fmt: skip
    singles = [record(_choice(group), lamps + codes[:4] + b"\xff\xff") for group in _GROUPS[5:10]]
    long = [_transported(group, lamps + codes) for group in (0xFECA, 0xFECB, 0xFDB5)]
    names = [
        _transported(0xFEEC, b"L0DEV1234N0000001*"),
        _transported(0xFEEB, b"ODO*MODEL*123**", source=0x11),
        _transported(0xFEDA, b"\x02SW1*SW2*", source=0xFE),
        [record(_choice(0xFEDA), b"\x01AB*\xff\xff\xff\xff")],
    ]
    cts = record(_choice(0xEC00, 0x11), b"\x11\x02\x01\xff\xff\xca\xfe\x00")
    abort = record(_choice(0xEC00, 0x11), b"\xff\x03\xff\xff\xff\xca\xfe\x00")
    direct = _transported(0xFECA, lamps + codes, to=0x11)
    mixed = [
        one
        for two in zip(long[0], _transported(0xFECB, lamps + codes, source=0x11), strict=True)
        for one in two
    ]
    return [
        b"".join(singles),
        *(b"".join(one) for one in long + names),
        b"".join([*direct[:2], cts, *direct[2:]]),
        b"".join([*direct[:2], abort]),
        b"".join(mixed),
        record(_choice(0xE8FF), b"\x00\xff\xff\xff\xff\xd3\xfe\x00"),
        record(_choice(0xE8FF), b"\x00\xff\xff\xff\xff\xcc\xfe\x00"),
        b"".join(_transported(0xFECA, lamps + codes * 12)),
    ]


TARGETS: Final = (
    Target("j1939", check, _starts, (b"\x20\x0e\x00\x02\xff\xca\xfe\x00", b"*", b"\xff\xff",
    b"\xca\xfe\x00", b"\x10"),
           record_bytes=RECORD_BYTES, max_bytes=36 * RECORD_BYTES),
)  # fmt: skip
