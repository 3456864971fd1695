"""MQTT 5 packets against the standard: golden bytes, round trips, any cut of the stream, any bytes."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from ingest import mqtt_packets
from ingest.mqtt_packets import (
    Connack,
    Disconnect,
    Greeting,
    Packet,
    PacketError,
    Pingresp,
    Publish,
    Suback,
    varint,
)
from ingest.mqtt_splitter import Splitter

GOLDEN: Final = json.loads((Path(__file__).parents[1] / "golden/mqtt/packets.json").read_text("utf-8"))
SENT: Final[dict[str, Callable[..., bytes]]] = {
    "connect": lambda **of: Greeting(**of).packet(),
    "connect_anonymous": lambda **of: Greeting(**of).packet(),
    "subscribe": mqtt_packets.subscribe,
    "pubacks": mqtt_packets.pubacks,
    "publish": lambda topic, body_hex: mqtt_packets.publish(topic, bytes.fromhex(body_hex)),
    "pingreq": lambda: mqtt_packets.PINGREQ,
    "disconnect": lambda: mqtt_packets.DISCONNECT,
}


def golden_packet(kind: str, *values: Any) -> Packet:
    """A packet as the golden file spells it."""
    if kind == "Publish":
        topic, body, packet_id, is_duplicate = values
        return Publish(topic, bytes.fromhex(body), packet_id, is_duplicate)
    if kind == "Connack":
        present, reason, properties = values
        return Connack(present, reason, {int(name): value for name, value in properties.items()})
    if kind == "Suback":
        return Suback(values[0], tuple(values[1]))
    return Disconnect(*values) if kind == "Disconnect" else Pingresp()


def text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def spelled(first: int, rest: bytes) -> bytes:
    return bytes([first]) + varint(len(rest)) + rest


@pytest.mark.parametrize("name", GOLDEN["sent"])
def test_what_we_say_is_what_the_standard_has(name: str) -> None:
    one = GOLDEN["sent"][name]
    assert SENT[name](**one["of"]).hex() == one["hex"].replace(" ", "")


@pytest.mark.parametrize("name", GOLDEN["received"])
def test_what_a_broker_says_is_read(name: str) -> None:
    one = GOLDEN["received"][name]
    assert Splitter().feed(bytes.fromhex(one["hex"])) == [golden_packet(*one["is"])]


@pytest.mark.parametrize("name", GOLDEN["refused"])
def test_what_the_standard_or_our_subscription_forbids_is_refused(name: str) -> None:
    with pytest.raises(PacketError):
        Splitter().feed(bytes.fromhex(GOLDEN["refused"][name]["hex"]))


@pytest.mark.parametrize(
    ("value", "spelling"),  # Table 1-1
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (268_435_455, "ffffff7f"),
    ],
)
def test_lengths_are_spelled_as_in_the_standards_table(value: int, spelling: str) -> None:
    assert varint(value).hex() == spelling


@pytest.mark.parametrize("value", [-1, 268_435_456])
def test_a_length_that_cannot_be_spelled_is_refused(value: int) -> None:
    with pytest.raises(PacketError, match="variable byte integer"):
        varint(value)


def test_a_topic_that_is_no_text_goes_on_as_a_bad_one() -> None:
    packet = spelled(0x32, text(b"a/\xff") + b"\x00\x0a\x00body")
    assert Splitter().feed(packet) == [Publish("a/\\xff", b"body", 10, is_duplicate=False)]


def test_reasons_have_words_or_numbers() -> None:
    assert mqtt_packets.reason(0x87) == "not authorized"
    assert mqtt_packets.reason(0xFE) == "reason 0xfe"


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(Greeting("a", 1, 1, 1, "u", "s3cret"))


@st.composite
def properties(draw: DrawFn) -> tuple[bytes, dict[int, int]]:
    """Spelled properties of any packet, and those that are numbers."""
    widths = {0x01: 1, 0x13: 2, 0x21: 2, 0x27: 4, 0x11: 4, 0x28: 1}
    numbers = draw(st.dictionaries(st.sampled_from(sorted(widths)), st.integers(0, 255), max_size=4))
    parts = [bytes([name]) + value.to_bytes(widths[name], "big") for name, value in numbers.items()]
    short = st.binary(max_size=5).map(text)
    strings = draw(st.dictionaries(st.sampled_from([0x03, 0x12, 0x1F]), short, max_size=2))
    parts += [bytes([name]) + value for name, value in strings.items()]
    parts += [b"\x26" + name + value for name, value in draw(st.lists(st.tuples(short, short), max_size=3))]
    if draw(st.booleans()):
        parts.append(b"\x0b" + varint(draw(st.integers(1, 268_435_455))))
    whole = b"".join(draw(st.permutations(parts)))
    return varint(len(whole)) + whole, numbers


@st.composite
def packets(draw: DrawFn) -> tuple[bytes, Packet]:
    """A packet as a broker spells it, and what it says."""
    kind = draw(st.sampled_from(["publish", "publish", "publish", "connack", "suback", "pong", "end"]))
    spelling, numbers = draw(properties())
    if kind == "publish":
        topic = draw(st.text(min_size=1, max_size=40))
        body = draw(st.binary(max_size=300))
        packet_id = draw(st.integers(0, 65_535))
        is_duplicate = bool(packet_id) and draw(st.booleans())
        first = 0x30 | (2 if packet_id else 0) | (8 if is_duplicate else 0) | draw(st.integers(0, 1))
        identifier = packet_id.to_bytes(2, "big") if packet_id else b""
        rest = text(topic.encode()) + identifier + spelling + body
        return spelled(first, rest), Publish(topic, body, packet_id, is_duplicate)
    reason = draw(st.integers(0, 255))
    if kind == "connack":
        present = draw(st.booleans())
        return spelled(0x20, bytes([present, reason]) + spelling), Connack(present, reason, numbers)
    if kind == "suback":
        packet_id, reasons = draw(st.integers(1, 65_535)), draw(st.binary(min_size=1, max_size=4))
        return spelled(0x90, packet_id.to_bytes(2, "big") + spelling + reasons), Suback(
            packet_id, tuple(reasons)
        )
    if kind == "pong":
        return b"\xd0\x00", Pingresp()
    return spelled(0xE0, bytes([reason]) + spelling), Disconnect(reason)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


@settings(max_examples=60, deadline=None)
@given(st.lists(packets(), max_size=12), st.lists(st.integers(0, 1 << 20), max_size=12))
def test_a_stream_is_the_same_packets_wherever_it_is_cut(
    drawn: list[tuple[bytes, Packet]], places: list[int]
) -> None:
    stream = b"".join(spelling for spelling, _ in drawn)
    splitter = Splitter()
    found = [packet for part in cut(stream, places) for packet in splitter.feed(part)]
    assert found == [packet for _, packet in drawn]


@settings(max_examples=25, deadline=None)
@given(st.lists(packets(), min_size=1, max_size=3))
def test_a_stream_may_come_byte_by_byte(drawn: list[tuple[bytes, Packet]]) -> None:
    splitter = Splitter()
    found = [
        packet
        for byte in b"".join(spelling for spelling, _ in drawn)
        for packet in splitter.feed(bytes([byte]))
    ]
    assert found == [packet for _, packet in drawn]


def outcome(parts: list[bytes]) -> tuple[list[Packet], bool]:
    """What was read, and whether it was refused; nothing else may come of it."""
    splitter, found = Splitter(), []
    try:
        for part in parts:
            found += splitter.feed(part)
    except PacketError:
        return found, True
    return found, False


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_any_bytes_are_packets_or_refused_wherever_they_are_cut(data: bytes, places: list[int]) -> None:
    whole, refused = outcome([data])
    parts, refused_in_parts = outcome(cut(data, places))
    assert refused == refused_in_parts
    if not refused:
        assert parts == whole


@settings(max_examples=120, deadline=None)
@given(packets(), st.data())
def test_a_packet_with_a_changed_byte_is_a_packet_or_refused(
    drawn: tuple[bytes, Packet], data: st.DataObject
) -> None:
    changed = bytearray(drawn[0])
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    outcome([bytes(changed)])


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=60), st.binary(max_size=300))
def test_what_we_publish_is_read_by_a_subscriber(topic: str, body: bytes) -> None:
    assert Splitter().feed(mqtt_packets.publish(topic, body)) == [
        Publish(topic, body, packet_id=0, is_duplicate=False)
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 65_535), max_size=50))
def test_acknowledgements_are_one_packet_each_in_order(packet_ids: list[int]) -> None:
    found = mqtt_packets.pubacks(packet_ids)
    assert found == b"".join(b"\x40\x02" + one.to_bytes(2, "big") for one in packet_ids)


def test_a_large_packet_in_small_parts_is_joined_once() -> None:
    body = bytes(range(256)) * 2000
    packet = spelled(0x32, text(b"a/b") + b"\x00\x0a\x00" + body)
    splitter = Splitter()
    found = [one for at in range(0, len(packet), 7) for one in splitter.feed(packet[at : at + 7])]
    assert found == [Publish("a/b", body, 10, is_duplicate=False)]
