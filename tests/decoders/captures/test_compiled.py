"""The kernel reads captures as numpy does: the same frames, the same problems, whatever the bytes."""

import random
from dataclasses import fields
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.captures import asc, blf, candump, trc
from decoders.captures.compiled import Compiled
from decoders.captures.findings import Findings
from decoders.captures.lines import Lines
from decoders.frames import concatenate
from tests.decoders.captures.blf_file import a_file, an_object, can_fd_message, can_message, container
from tests.decoders.compiled import kernel
from vehicle.errors import DecodeError
from vehicle.frame import FrameBatch

CANDUMP = b"""(1608041699.326500) can1 7BB#10266201007E5007
(1608041699.326500999) can1 7bb#10aB6f
(3.5) vcan0 18FEF100#
(1608041699.326500) can0 18FEF100##1000102030405060708090A0B
(1608041699.326500) can0 20000080#0000000000000000
(1608041699.326500) can0 FFF#00
(1608041699.326500) vcan 123#R
 (1608041699.326500)  can1  7BB   [7]  10 26 62 01 00 7E 50
 (2020-12-15 14:14:59.326500)  can0  1FFFFFFF  [5]  00 01 02 03 04   'ABCDE'
 (000.000001)  can0  RX - -  20000080   [8]  00 00 00 00 00 00 00 00   ERRORFRAME
"""
ASC = b"""date Tue Nov 14 10:13:20.000 pm 2023
base hex  timestamps absolute
   0.008010 1  7BB             Rx   d 3 10 26 62  Length = 0 BitCount = 64 ID = 1979
   0.008011 2  18FEF100x       Rx   d 8 00 01 02 03 04 05 06 07
   0.008012 1  ErrorFrame
"""
TRC = b""";$FILEVERSION=1.1
;$STARTTIME=45244.9259259259
      1)      1059.9  Rx        0300  7  00 01 02 03 04 05 06
      2)      1283.2  Rx    18FEF100  8  00 01 02 03 04 05 06 07
"""
TEXTS = {"candump": CANDUMP, "asc": ASC, "trc": TRC}


class Reader(Protocol):
    """Of one capture, a portion at a time."""

    findings: Findings
    compiled: Compiled | None

    def feed(self, portion: bytes) -> FrameBatch:
        """The frames that end in it."""

    def close(self) -> FrameBatch:
        """What is left."""


def text_reader(name: str) -> Lines:
    if name == "candump":
        return candump.lines()
    return asc.lines(ASC) if name == "asc" else trc.lines(TRC)


def read(reader: Reader, content: bytes, size: int, compiled: Compiled | None) -> tuple[FrameBatch, Findings]:
    reader.compiled = compiled
    batches = [reader.feed(content[at : at + size]) for at in range(0, len(content), size)]
    return concatenate([*batches, reader.close()]), reader.findings


def check_same(one: tuple[FrameBatch, Findings], other: tuple[FrameBatch, Findings]) -> None:
    for column in fields(FrameBatch):
        np.testing.assert_array_equal(
            getattr(one[0], column.name), getattr(other[0], column.name), err_msg=column.name
        )
    found, expected = one[1], other[1]
    assert found.broken_n == expected.broken_n
    assert found.error_frames_n == expected.error_frames_n
    assert found.remote_frames_n == expected.remote_frames_n
    assert found.cut_off == expected.cut_off
    whats = [
        [problem.what.split(" at its byte")[0] for problem in each.problems] for each in (found, expected)
    ]
    assert whats[0] == whats[1]


def damaged(content: bytes, dice: random.Random, flaws: int) -> bytes:
    found = bytearray(content)
    for _ in range(flaws):
        at = dice.randrange(len(found))
        if dice.random() < 0.5:
            found[at] = dice.choice(b"0123456789abcdefABCDEFgG@`/: #\n\r\0\xff")
        else:
            del found[at]
    return bytes(found)


@pytest.mark.parametrize("name", TEXTS)
@given(seed=st.integers(0, 2**32), flaws=st.integers(0, 40), size=st.sampled_from([37, 500, 1 << 20]))
@settings(max_examples=80, deadline=None)
def test_lines_are_the_same(name: str, seed: int, flaws: int, size: int) -> None:
    dice = random.Random(seed)
    some = TEXTS[name].splitlines(keepends=True)
    content = damaged(b"".join(dice.choices(some, k=60)), dice, flaws)
    compiled = Compiled.of(kernel())
    check_same(read(text_reader(name), content, size, compiled), read(text_reader(name), content, size, None))


@given(seed=st.integers(0, 2**32), flaws=st.integers(0, 3), size=st.sampled_from([97, 1 << 20]))
@settings(max_examples=150, deadline=None)
def test_objects_are_the_same(seed: int, flaws: int, size: int) -> None:
    dice = random.Random(seed)
    some = [
        can_message(
            dice.randrange(1 << 40), dice.choice([0, 1, 300]), dice.randrange(0x800), dice.randbytes(8)
        ),
        can_message(1_499, 1, 0x98FEF100, dice.randbytes(dice.randrange(9)), kind=86),
        can_message(1_500, 2, 0x7BB, b"\1\2", flags=0x80),
        an_object(1, 700, can_message(0, 3, 0x123, b"\7" * 8)[32:48], version=2, units=1),
        an_object(65, 0, dice.randbytes(dice.randrange(20)) + b"LOBJ"),
        an_object(2, 0, bytes(8)),
    ]
    if dice.random() < 0.2:
        some.append(can_fd_message(0, 2, 0x123, b"Z" * 48))
    stream = damaged(b"".join(dice.choices(some, k=40)), dice, flaws)
    cut = dice.randrange(len(stream))
    content = a_file(container(stream[:cut], is_packed=False), container(stream[cut:]))
    compiled = Compiled.of(kernel())
    try:
        expected = read(blf.Blf(), content, size, None)
    except DecodeError:
        return
    check_same(read(blf.Blf(), content, size, compiled), expected)
