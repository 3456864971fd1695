"""Captures: candump text and BLF."""

import zlib
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from decoders.captures import blf, candump
from decoders.captures.findings import Findings
from decoders.frames import concatenate
from tests.decoders.captures.blf_file import (
    a_file,
    an_object,
    can_fd_message,
    can_fd_message_64,
    can_message,
    container,
)
from tests.fuzz.target import Mark, Target, place_of, require
from vehicle.errors import DecodeError
from vehicle.frame import FrameBatch

_COLUMNS: Final = ("t_us", "can_id", "is_extended", "bus", "length")


class Reader(Protocol):
    """Of one capture, a portion at a time."""

    findings: Findings

    def feed(self, portion: bytes) -> FrameBatch:
        """The frames that end in it."""

    def close(self) -> FrameBatch:
        """What is left."""


def check_candump(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """Any bytes give frames and counted problems, however they are cut; a bad line harms no other."""
    whole, findings = _read(candump.lines(), case, len(case) + 1)
    _check_frames(whole)
    if thorough:
        for size in (1 + zlib.crc32(case) % (len(case) + 1), 19):
            again, counted = _read(candump.lines(), case, size)
            # buses whose names have no number are numbered as they come, within a portion by shape
            require("however it is cut, frames are the same", holds=_rows(again)[:-1] == _rows(whole)[:-1])
            require("however it is cut, problems are the same", holds=_counts(counted) == _counts(findings))
        _check_lines(case, whole)
    return _marks(whole, findings)


def _check_lines(case: bytes, whole: FrameBatch) -> None:
    """Each line alone gives what it gives among the others; buses without a number are numbered in order."""
    alone = [_read(candump.lines(), line, len(line) + 1)[0] for line in case.split(b"\n") if line]
    require("a bad line harms no other", holds=_rows(concatenate(alone))[:3] == _rows(whole)[:3])


def check_blf(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """It is refused for its first bytes, or gives frames and counted problems, however it is cut."""
    try:
        whole, findings = _read(blf.Blf(), case, len(case) + 1)
    except DecodeError as error:
        return [place_of(error)]
    _check_frames(whole)
    if thorough:
        for size in (1 + zlib.crc32(case) % len(case), 61):
            again, _ = _read(blf.Blf(), case, size)
            require("however it is cut, frames are the same", holds=_rows(again) == _rows(whole))
    return _marks(whole, findings)


def _read(reader: Reader, case: bytes, size: int) -> tuple[FrameBatch, Findings]:
    batches = [reader.feed(case[at : at + size]) for at in range(0, len(case), size)]
    return concatenate([*batches, reader.close()]), reader.findings


def _check_frames(batch: FrameBatch) -> None:
    last = np.where(batch.is_extended, 0x1FFF_FFFF, 0x7FF)
    require("identifiers are some", holds=bool((batch.can_id <= last).all()))
    require("lengths are some", holds=bool((batch.length <= batch.data.shape[1]).all()))
    behind = np.arange(batch.data.shape[1]) >= batch.length[:, np.newaxis]
    require("behind a payload there is nothing", holds=not batch.data[behind].any())


def _rows(batch: FrameBatch) -> list[object]:
    payloads = [row[:size].tobytes() for row, size in zip(batch.data, batch.length.tolist(), strict=True)]
    columns = {name: getattr(batch, name).tolist() for name in _COLUMNS}
    return [
        columns["t_us"],
        columns["can_id"],
        payloads,
        columns["is_extended"],
        columns["length"],
        columns["bus"],
    ]


def _counts(findings: Findings) -> tuple[object, ...]:
    return findings.broken_n, findings.error_frames_n, findings.remote_frames_n, findings.cut_off


def _marks(batch: FrameBatch, findings: Findings) -> Collection[Mark]:
    texts = [" ".join(one.what.split()[:3]).strip("0123456789") for one in findings.problems]
    frames = [("length", size) for size in set(batch.length.tolist())]
    found = min(len(batch), 5), bool(findings.error_frames_n), bool(findings.remote_frames_n)
    return [*texts, *frames, found, ("cut off", findings.cut_off is None), ("wide", batch.data.shape[1])]


_CANDUMP: Final = b"""(1608041699.326500) can1 7BB#10266201007E5007
 (1608041699.326500)  can1  7BB   [8]  10 26 62 01 00 7E 50 07
(1608041699.326500) can0 18FEF100##1000102030405060708090A0B
(1608041699.3) vcan 123#R
 (2020-12-15 14:14:59.326500)  can0  1FFFFFFF  [12]  00 01 02 03 04 05 06 07 08 09 0A 0B
(0000000001.000000) can2 7FF#
 (000.000001)  can0  RX - -  20000080   [8]  00 00 00 00 00 00 00 00   ERRORFRAME
(1608041699.326500) can1 123#11.22
"""


def _candump_starts() -> Sequence[bytes]:
    lines = [line + b"\n" for line in _CANDUMP.splitlines()]
    return [*lines, *(one + other for one, other in pairwise(lines))]


def _blf_starts() -> Sequence[bytes]:
    some = can_message(1_500, 1, 0x7BB, b"\1\2\3") + can_message(
        10**9, 3, 0x98FEF100, bytes(range(8)), kind=86
    )
    wide = can_fd_message(0, 2, 0x123, b"Z" * 48) + can_fd_message_64(0, 2, 0x123, b"Z" * 12, there=9)
    other = an_object(65, 0, b"some other object")
    return [
        a_file(container(some)),
        a_file(container(some, is_packed=False), other, container(wide)),
        a_file(container(wide + other + some, is_packed=False)),
        a_file(container(some[:37], is_packed=False), container(some[37:], is_packed=False)),
    ]


_CANDUMP_WORDS: Final = (
    *_CANDUMP.splitlines(), b"\n", b"\r\n", b"(", b")", b" can0 ", b"##1", b"#R8", b"[64]", b"[9]", b"[16]",
    b" 00",
    b"1FFFFFFF#", b"20000004#", b"FFFFFFFF#", b"800#", b"_9", b" R", b" T", b"remote request", b"'....'",
    b"#", b"\t",
    b"9999999999.999999999", b"\x00", b"\xff", b"(1.0) ", b"7BB#", b"18FEF100#",
)  # fmt: skip
_BLF_WORDS: Final = (
    b"LOBJ", b"LOGG", b"\x10\x00", b"\x20\x00\x01\x00", b"\x01\x00\x00\x00", b"\x0a\x00\x00\x00",
    b"\x56\x00\x00\x00",
    b"\x64\x00\x00\x00", b"\x65\x00\x00\x00", b"\x02\x00", b"\x00" * 8, b"\xff" * 8, b"\x30\x00\x00\x00",
)  # fmt: skip
TARGETS: Final = (
    Target("candump", check_candump, _candump_starts, _CANDUMP_WORDS, max_bytes=240, slow=4),
    Target("blf", check_blf, _blf_starts, _BLF_WORDS, max_bytes=600, slow=4),
)
