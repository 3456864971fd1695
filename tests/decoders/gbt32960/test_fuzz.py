"""Whatever comes in, a decoder raises `DecodeError` or decodes; nothing else, and never for long."""

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decoders.gbt32960 import alarms, answers, messages, packet, report, signals
from decoders.gbt32960.messages import Message
from decoders.gbt32960.packet import HEADER_BYTES, Packet
from decoders.gbt32960.report import Extension, Report
from decoders.gbt32960.shanghai_bus import SHANGHAI_BUS
from decoders.gbt32960.splitter import Splitter
from decoders.gbt32960.words import AckFlag, Edition
from odocare import wiring
from tests.decoders.gbt32960 import files
from tests.decoders.gbt32960.test_answers import NOW
from vehicle.errors import DecodeError

CATALOGUE = wiring.catalogue()
WHOLE = [files.read(name).data for name in files.names()]
SEEDS = [
    "",
    "23",
    "2323",
    "24240000",
    "2323ffff" + "00" * 21,
    "2424ffff" + "ff" * 21 + "ffff",
]
"""Inputs that were thought of, or that once found something."""


def survive(data: bytes) -> None:
    """Everything that is done with bytes from outside."""
    with suppress(DecodeError):
        use(packet.parse(data))
    splitter = Splitter()
    found = [*splitter.feed(data), *splitter.finish()]
    assert sum(map(len, found)) + splitter.dropped_bytes == len(data)


def use(one: Packet) -> None:
    assert packet.parse(packet.build(one)) == one
    if one.is_command:
        packet.parse(answers.answer(one, AckFlag.OK, NOW))
    for extension in (None, SHANGHAI_BUS):
        with suppress(DecodeError):
            packet.ledger_key(one)
            say(one, messages.decode(one, extension), extension)


def say(one: Packet, message: Message, extension: Extension | None) -> None:
    if isinstance(message, Report):
        assert report.encode(message, extension) == one.body
        signals.rows([message], [0], CATALOGUE)
        alarms.reports(message, 0)
        report.without_position(one, extension)


def sealed(header: bytes, body: bytes) -> bytes:
    """A packet whose length and checksum are right, whatever is in it."""
    data = header[: HEADER_BYTES - 2] + len(body).to_bytes(2, "big") + body
    return data + bytes((packet.checksum(data, 2, len(data)),))


@pytest.mark.parametrize("seed", SEEDS)
def test_kept_seeds_do_no_harm(seed: str) -> None:
    survive(bytes.fromhex(seed))


@given(st.binary(max_size=300))
def test_noise_does_no_harm(data: bytes) -> None:
    survive(data)


@given(st.sampled_from(Edition), st.integers(0, 255), st.sampled_from(AckFlag), st.binary(max_size=120))
@example(Edition.GBT_2025, 2, AckFlag.COMMAND, b"")
@settings(max_examples=300, deadline=None)
def test_noise_in_a_sealed_packet_does_no_harm(
    edition: Edition, command: int, flag: int, body: bytes
) -> None:
    survive(packet.build(Packet(edition, command, flag, "L0DEV1234N0000001", 1, body)))


@given(st.sampled_from(Edition), st.binary(max_size=120))
@settings(max_examples=300, deadline=None)
def test_noise_as_data_units_does_no_harm(edition: Edition, units: bytes) -> None:
    body = bytes((26, 11, 21, 12, 5, 6)) + units
    survive(packet.build(Packet(edition, 2, AckFlag.COMMAND, "L0DEV1234N0000001", 1, body)))


def damaged(draw: random.Random) -> bytes:
    """A golden packet with a few bytes changed, doubled or gone, its length and checksum made right again."""
    data = draw.choice(WHOLE)
    header, body = bytearray(data[:HEADER_BYTES]), bytearray(data[HEADER_BYTES:-1])
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(body) + 1)
        match draw.randrange(5):
            case 0 if place < len(body):
                body[place] = draw.choice([draw.randrange(256), 0, 1, 0xFD, 0xFE, 0xFF])
            case 1:
                del body[place : place + draw.randint(1, 9)]
            case 2:
                body[place:place] = body[place : place + draw.randint(1, 9)]
            case 3:
                header[2] = draw.randrange(12)
            case _:
                header[0:2] = draw.choice([b"##", b"$$"])
    return sealed(bytes(header), bytes(body[:5000]))


def cases(n: int, seed: int) -> Iterator[bytes]:
    """Damaged packets, always the same for a seed."""
    draw = random.Random(seed)
    for _ in range(n):
        yield damaged(draw)


def test_damaged_packets_do_no_harm() -> None:
    refused = 0
    for data in cases(2_000, seed=1):
        survive(data)
        try:
            messages.decode(packet.parse(data))
        except DecodeError:
            refused += 1
    assert 500 < refused < 1_900  # near misses, not only noise
