"""A stream is the same packets however it is cut, and whatever lies between them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.gbt32960 import packet
from decoders.gbt32960.packet import HEADER_BYTES, MAX_PACKET_BYTES, Packet
from decoders.gbt32960.splitter import Splitter
from decoders.gbt32960.words import AckFlag, Command, Edition
from tests.decoders.gbt32960 import files

VIN = "L0DEV1234N0000001"
WHOLE = [files.read(name).data for name in files.names()]


def split(stream: bytes, cuts: list[int]) -> tuple[list[bytes], int]:
    """The packets of a stream that comes in these chunks, and how much of it is garbage."""
    splitter = Splitter()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])
        assert splitter.pending_bytes <= MAX_PACKET_BYTES + 1
    return found + splitter.finish(), splitter.dropped_bytes


def garbage() -> st.SearchStrategy[bytes]:
    """Noise, and what looks like a packet at first."""
    near = st.sampled_from(
        [
            b"#",
            b"##",
            b"$$\x02\xfe",
            b"####",
            WHOLE[3][:40],
            b"##\x02\xfe" + VIN.encode() + b"\x01\x00\x02zzz",
        ]
    )
    return st.binary(max_size=12) | near


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_chunks_of_any_size_give_the_same_packets(data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.sampled_from(WHOLE) | garbage(), max_size=8))
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    found, dropped = split(stream, cuts)
    assert (found, dropped) == split(stream, [])
    assert sum(map(len, found)) + dropped == len(stream)


@given(st.lists(st.sampled_from(WHOLE), max_size=6), st.lists(st.binary(max_size=30), min_size=7, max_size=7))
def test_packets_are_found_again_after_garbage(sent: list[bytes], noise: list[bytes]) -> None:
    """Noise without start bytes, which could begin a packet that swallows the next."""
    clean = [one.replace(b"#", b"").replace(b"$", b"") for one in noise]
    stream = clean[0] + b"".join(one + between for one, between in zip(sent, clean[1:], strict=False))
    found, dropped = split(stream, [])
    assert found == sent
    assert dropped == len(stream) - sum(map(len, sent))


def test_byte_by_byte_is_a_stream_too() -> None:
    stream = b"".join(WHOLE)
    assert split(stream, list(range(1, len(stream)))) == (WHOLE, 0)


def test_a_packet_with_a_wrong_checksum_is_handed_on_where_another_follows_or_nothing() -> None:
    damaged = WHOLE[0][:-1] + bytes((WHOLE[0][-1] ^ 1,))
    assert split(damaged + WHOLE[1], []) == ([damaged, WHOLE[1]], 0)
    assert split(damaged, []) == ([damaged], 0)
    splitter = Splitter()
    assert splitter.feed(damaged) == []  # nobody knows yet
    assert splitter.feed(WHOLE[1]) == [damaged, WHOLE[1]]


def test_a_wrong_length_costs_one_packet_only() -> None:
    long = bytearray(WHOLE[0])
    long[23] += 40
    found, dropped = split(bytes(long) + WHOLE[1] + WHOLE[2] + WHOLE[3], [])
    assert found == WHOLE[1:4]
    assert dropped == len(long)


def test_a_length_beyond_the_limit_is_garbage_at_once() -> None:
    huge = packet.build(Packet(Edition.GBT_2016, Command.REPORT, AckFlag.COMMAND, VIN, 1, bytes(5000)))
    splitter = Splitter(max_body_bytes=4096)
    found = splitter.feed(huge[:HEADER_BYTES] + WHOLE[0])
    assert found == [WHOLE[0]]
    assert splitter.dropped_bytes == HEADER_BYTES


def test_an_endless_start_does_not_fill_the_memory() -> None:
    splitter = Splitter()
    for _ in range(200):
        splitter.feed(b"#" * 4096)
        assert splitter.pending_bytes < HEADER_BYTES
    header = b"##\x02\xfe" + VIN.encode() + b"\x01\xff\xfb"
    for _ in range(40):
        splitter.feed(header * 200)
        assert splitter.pending_bytes <= MAX_PACKET_BYTES + 1
    splitter.finish()
    assert splitter.pending_bytes == 0
    assert splitter.dropped_bytes == 200 * 4096 + 40 * 200 * len(header)
