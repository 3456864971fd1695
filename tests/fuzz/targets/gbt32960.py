"""GB/T 32960.3: packets, streams of them, and the reports of both editions."""

import zlib
from collections.abc import Collection, Sequence
from functools import cache
from typing import Final

import numpy as np

from decoders.gbt32960 import alarms, answers, messages, packet, report, signals
from decoders.gbt32960.messages import Message
from decoders.gbt32960.packet import HEADER_BYTES, MAX_PACKET_BYTES, Packet
from decoders.gbt32960.report import Extension, Report
from decoders.gbt32960.shanghai_bus import SHANGHAI_BUS
from decoders.gbt32960.splitter import Splitter
from decoders.gbt32960.words import AckFlag, Command, Edition
from odocare import wiring
from tests.decoders.gbt32960 import files
from tests.decoders.gbt32960.test_answers import NOW
from tests.fuzz.target import Mark, Target, place_of, require
from vehicle.errors import DecodeError
from vehicle.signal import Catalogue

IDENTIFIER: Final = "L0DEV1234N0000001"
TIME: Final = bytes((26, 11, 21, 12, 5, 6))
_EXTENSIONS: Final = (None, SHANGHAI_BUS)


@cache
def catalogue() -> Catalogue:
    return wiring.catalogue()


def check_packet(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """It is refused, or every byte of it comes back from what it says."""
    try:
        one = packet.parse(case)
    except DecodeError as error:
        return [(type(error), place_of(error))]
    require("a packet is its bytes", holds=packet.build(one) == case)
    if one.is_command:
        answered = packet.parse(answers.answer(one, AckFlag.OK, NOW))
        require("an answer is no command", holds=answered.command == one.command and not answered.is_command)
    marks: list[Mark] = [("packet", one.edition, one.command, one.is_command)]
    try:
        marks.append(("vin", len(one.vin)))
    except DecodeError as error:
        marks.append(place_of(error))
    for extension in _EXTENSIONS if thorough else _EXTENSIONS[:1]:
        try:
            packet.ledger_key(one)
            said = messages.decode(one, extension)
        except DecodeError as error:
            marks.append((type(error), place_of(error)))
            continue
        again = messages.encode(
            one.edition, Command(one.command), one.identifier, said, flag=one.flag, extension=extension
        )
        marks.append((type(said), one.edition))
        if isinstance(said, Report):
            require("a report is its bytes", holds=again.body == one.plain())
        else:
            require("what is encoded says the same", holds=_says(again) == said)
    return marks


def _says(one: Packet) -> Message | None:
    try:
        return messages.decode(one)
    except DecodeError:
        return None


def check_report(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """A case is a byte of choices and data units. What decodes is its bytes, and measured or missing."""
    found = _report(case)
    if not isinstance(found, Report):
        return [(type(found), place_of(found), str(found).split()[0])]
    extension = _extension(case)
    require("a report is its bytes", holds=report.encode(found, extension) == TIME + case[1:])
    mapped = signals.rows([found], [0], catalogue())
    require("values are finite", holds=bool(np.isfinite(mapped.rows.value).all()))
    told = alarms.reports(found, 0)
    if thorough:
        _check_neighbours(case, found)
        _check_position(case)
    marks: list[Mark] = [(found.edition, entry.name) for entry in found.entries]
    marks += [(entry.name, field) for entry in found.entries for field in entry.record.missing]
    marks += [("alarms", one.complete, min(len(one.readings), 4)) for one in told]
    return [*marks, ("values", len(mapped.rows)), ("out", min(mapped.out_of_range, 3))]


def _packet(case: bytes) -> Packet:
    choice = case[0] if case else 0
    edition = Edition.GBT_2025 if choice & 1 else Edition.GBT_2016
    command = Command.REISSUE if choice & 4 else Command.REPORT
    return Packet(edition, command, AckFlag.COMMAND, IDENTIFIER, 1, TIME + case[1:])


def _extension(case: bytes) -> Extension | None:
    return SHANGHAI_BUS if case and case[0] & 2 else None


def _report(case: bytes) -> Report | DecodeError:
    try:
        return report.decode(_packet(case), _extension(case))
    except DecodeError as error:
        return error


def _check_neighbours(case: bytes, found: Report) -> None:
    """The same values and faults, whoever is decoded beside it."""
    other = _report(bytes([(case or b"\0")[0] ^ 4]) + case[1:])
    beside = [one for one in (other, found, other) if isinstance(one, Report)]
    place = next(k for k, one in enumerate(beside) if one is found)
    alone = signals.rows([found], [7], catalogue()).rows
    joined = signals.rows(beside, [6, 7, 8], catalogue()).rows
    mine = joined.message == 6 + place
    for name in ("t_us", "signal", "value"):
        column: np.ndarray[tuple[int], np.dtype[np.generic]] = getattr(joined, name)
        require("neighbours change nothing", holds=column[mine].tolist() == getattr(alone, name).tolist())


def _check_position(case: bytes) -> None:
    extension = _extension(case)
    without = report.decode(report.without_position(_packet(case), extension), extension)
    require("a position that is cut out is gone", holds=without.last("position") is None)


def check_stream(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """However the stream is cut, the same packets come out of it, and no byte is lost or doubled."""
    splitter = Splitter()
    found = [*splitter.feed(case), *splitter.finish()]
    require(
        "every byte is a packet's or garbage",
        holds=sum(map(len, found)) + splitter.dropped_bytes == len(case),
    )
    require("nothing is left", holds=splitter.pending_bytes == 0)
    seed = zlib.crc32(case)
    for size in (1 + seed % 7, 1 + seed % 97, *((1, 24, 25) if thorough else ())):
        again = _split(case, size)
        require("however it is cut, packets are the same", holds=again == (found, splitter.dropped_bytes))
    marks: list[Mark] = [("packets", min(len(found), 4)), ("garbage", splitter.dropped_bytes.bit_length())]
    for one in found:
        try:
            packet.parse(one)
        except DecodeError as error:
            marks.append(error.reason)
    return marks


def _split(stream: bytes, size: int) -> tuple[list[bytes], int]:
    splitter, found = Splitter(), []
    for at in range(0, len(stream), size):
        found += splitter.feed(stream[at : at + size])
        require("little is pending", holds=splitter.pending_bytes <= MAX_PACKET_BYTES + 1)
    found += splitter.finish()
    return found, splitter.dropped_bytes


def sealed(case: bytes) -> bytes:
    """The same as one packet whose length and checksum are right."""
    if len(case) < HEADER_BYTES:
        return case
    data = (
        case[: HEADER_BYTES - 2]
        + (len(case) - HEADER_BYTES - 1 & 0xFFFF).to_bytes(2, "big")
        + case[HEADER_BYTES:-1]
    )
    return data + bytes((packet.checksum(data, 2, len(data)),))


def resealed(case: bytes) -> bytes:
    """The same stream; each packet that a length still fits has a right checksum."""
    data, at = bytearray(case), 0
    while (
        at := min((place for start in (b"##", b"$$") if (place := data.find(start, at)) >= 0), default=-1)
    ) >= 0:
        end = at + HEADER_BYTES + int.from_bytes(data[at + HEADER_BYTES - 2 : at + HEADER_BYTES], "big")
        if at + HEADER_BYTES <= end < len(data):
            data[end] = packet.checksum(bytes(data), at + 2, end)
            at = end + 1
        else:
            at += 1
    return bytes(data)


def _golden() -> list[bytes]:
    return [files.read(name).data for name in files.names()]


def _packet_starts() -> Sequence[bytes]:
    bodies = {
        Command.QUERY: TIME + bytes((2, 1, 4)),
        Command.SET: TIME + bytes((3, 2, 0, 10, 4, 3, 5)) + b"abc",
        Command.CONTROL: TIME + b"\x01",
        Command.PLATFORM_LOGOUT: TIME + b"\x00\x01",
        Command.LOGOUT: TIME + b"\x00\x01",
        Command.TIME_SYNC: b"",
    }
    made = [
        packet.build(Packet(edition, command, AckFlag.COMMAND, IDENTIFIER, 1, body))
        for edition in Edition
        for command, body in bodies.items()
    ]
    return _golden() + made


def _report_starts() -> Sequence[bytes]:
    found = []
    for data in _golden():
        one = packet.parse(data)
        if one.command in (Command.REPORT, Command.REISSUE) and one.encryption == 1:
            found.append(bytes([one.edition is Edition.GBT_2025]) + one.body[len(TIME) :])
    found += [bytes([edition << 1 & 2]) + unit for edition in (0, 1) for unit in _bus_units()]
    return [*found, b"\x00", b"\x01\xff\x01\x00\x02ab\x00\x00"]


def _bus_units() -> list[bytes]:
    pedals = b"\x01\x32\x02\x00\x03\x01\x00\x04\x27\x10"
    helped = pedals + b"\x05\x01\x06\x01\x07\x01\x08\x01\x09\x01\x0a\x01\x0b\x01\x0c\x01\x0d\x00\x01"
    return [b"\x80\x00\x30" + bytes(48), b"\x81" + pedals * 10, b"\x82" + helped * 10]


def _stream_starts() -> Sequence[bytes]:
    golden = _golden()
    short = sorted(golden, key=len)
    return [
        *short[:4],
        b"".join(short[:3]),
        b"#" * 30 + short[0] + b"$#$" + short[1],
        short[0][:-1] + short[1] + short[0][:20],
        b"##" + bytes((2, 0xFE)) + IDENTIFIER.encode() + b"\x01\xff\xff" + short[0],
    ]


_UNIT_WORDS: Final = tuple(bytes.fromhex(one) for one in (
    "ff", "fe", "ffff", "fffe", "ffffffff", "fffffffe", "00", "01", "0100", "80", "800030", "81", "82",
    "30", "31", "32",
    "05000000000000000000", "0500", "ff01", "0000", "fd", "fdff", "7f",
))  # fmt: skip
PACKET_WORDS: Final = (
    *_UNIT_WORDS,
    b"##",
    b"$$",
    b"\xfe",
    b"\x00" * 6,
    TIME,
    IDENTIFIER.encode(),
    b"\x01\xfe",
)
TARGETS: Final = (
    Target("gbt32960-packet", check_packet, _packet_starts, PACKET_WORDS, repair=sealed),
    Target("gbt32960-report", check_report, _report_starts, _UNIT_WORDS),
    Target("gbt32960-stream", check_stream, _stream_starts, PACKET_WORDS, repair=resealed, max_bytes=900),
)
