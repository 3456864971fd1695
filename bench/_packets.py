"""MQTT 5 packets as a vehicle's client writes them, built before anything is timed."""

import struct
from collections.abc import Iterable
from typing import Final

PUBACK_BYTES: Final = 4
"""Of one that says success (MQTT 5, section 3.4.2.1): without reason code and properties."""
LAST_PACKET_ID: Final = 0xFFFF

_QOS_1: Final = 0x32
_CLEAN: Final = 0x02
_WITH_NAME: Final = 0x80
_WITH_PASSWORD: Final = 0x40
_KEEPALIVE_S: Final = 600
_RECEIVE_MAXIMUM: Final = 0x21
_PROPERTY_BYTES: Final = {
    0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
"""Of a CONNACK's properties with a fixed size."""


def connect(client_id: str, user: str | None, password: str | None) -> bytes:
    """A CONNECT that begins a session anew (section 3.1)."""
    flags = _CLEAN | (_WITH_NAME if user else 0) | (_WITH_PASSWORD if password else 0)
    head = b"\x00\x04MQTT\x05" + bytes([flags]) + struct.pack(">H", _KEEPALIVE_S) + b"\x00"
    return _packet(
        0x10, head + b"".join(_text(one) for one in (client_id, user, password) if one is not None)
    )


def receive_maximum(connack: bytes) -> int:
    """How many messages the broker takes unacknowledged; raises `ValueError` where it lets nobody in."""
    if len(connack) < 5 or connack[0] != 0x20 or connack[3] != 0:
        raise ValueError(f"the broker's answer to CONNECT is a CONNACK of success, got {connack[:8].hex()}")
    end, place = 5 + connack[4], 5
    while place < end:
        identifier = connack[place]
        if identifier == _RECEIVE_MAXIMUM:
            (found,) = struct.unpack_from(">H", connack, place + 1)
            return int(found)
        if identifier in _PROPERTY_BYTES:
            place += 1 + _PROPERTY_BYTES[identifier]
        else:  # a text
            place += 3 + struct.unpack_from(">H", connack, place + 1)[0]
    return LAST_PACKET_ID


def publishes(messages: Iterable[tuple[str, bytes]]) -> tuple[bytes, list[int]]:
    """A PUBLISH at QoS 1 of each (topic, body), numbered around; where each ends in the bytes."""
    parts, ends, total = [], [], 0
    for number, (topic, body) in enumerate(messages):
        packet_id = struct.pack(">H", 1 + number % LAST_PACKET_ID)
        packet = _packet(_QOS_1, _text(topic) + packet_id + b"\x00" + body)
        parts.append(packet)
        total += len(packet)
        ends.append(total)
    return b"".join(parts), ends


def _packet(kind: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = rest >> 7, rest & 0x7F
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes([kind]) + bytes(length) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded
