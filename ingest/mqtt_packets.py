"""MQTT 5.0 packets as far as a subscriber needs them: bytes in, packets out, and back; no I/O.

Sections are those of the OASIS standard "MQTT Version 5.0" (2019-03-07). What a broker must not send a
subscriber of QoS 1, or not in this form, raises `PacketError`: the connection is worth nothing then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from vehicle.errors import OdocareError

LONGEST_BYTES: Final = 1 << 20
"""Of a packet; we tell the broker. The wire contract allows 256 kB."""
HIGHEST_RECEIVE_MAXIMUM: Final = 65_535
"""As many packet identifiers as there are."""
_LONGEST_STANDARD_BYTES: Final = 268_435_455


class Kind(IntEnum):
    """The first byte of a control packet with its flags, where they are fixed (2.1.2, 2.1.3)."""

    CONNECT = 0x10
    CONNACK = 0x20
    PUBLISH = 0x30
    PUBACK = 0x40
    SUBSCRIBE = 0x82
    SUBACK = 0x90
    PINGREQ = 0xC0
    PINGRESP = 0xD0
    DISCONNECT = 0xE0


class Property(IntEnum):
    """The properties that are read or written here (2.2.2.2)."""

    SESSION_EXPIRY_INTERVAL = 0x11
    SERVER_KEEP_ALIVE = 0x13
    RECEIVE_MAXIMUM = 0x21
    MAXIMUM_PACKET_SIZE = 0x27


class PacketError(OdocareError):
    """The bytes are no packet that belongs there."""


class Publish(NamedTuple):
    """A message (3.3)."""

    topic: str
    body: bytes
    packet_id: int
    """0 at QoS 0, which is not acknowledged."""
    is_duplicate: bool


@dataclass(frozen=True, slots=True)
class Connack:
    """The answer to CONNECT (3.2)."""

    session_present: bool
    reason: int
    properties: Mapping[int, int] = field(default_factory=dict)
    """Those that are numbers, by identifier."""


@dataclass(frozen=True, slots=True)
class Suback:
    """The answer to SUBSCRIBE: a code for each filter (3.9)."""

    packet_id: int
    reasons: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pingresp:
    """The answer to PINGREQ (3.13)."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The broker ends the connection (3.14)."""

    reason: int


Packet = Publish | Connack | Suback | Pingresp | Disconnect

REASONS: Final = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9F: "connection rate exceeded",
    0xA2: "wildcard subscriptions not supported",
}
"""Words for what a broker says (2.4)."""
REFUSED: Final = 0x80
"""Reason codes from here on are refusals."""
TAKEN_OVER: Final = 0x8E


def reason(code: int) -> str:
    """A reason code for people."""
    return REASONS.get(code, f"reason {code:#04x}")


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a client says first (3.1); it asks for the session it has."""

    client_id: str
    keep_alive_s: int
    receive_maximum: int
    session_expiry_s: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def packet(self) -> bytes:
        """CONNECT with Clean Start 0."""
        flags = 0
        fields = [_text(self.client_id)]
        if self.username is not None:
            flags |= 0x80
            fields.append(_text(self.username))
        if self.password is not None:
            flags |= 0x40
            fields.append(_text(self.password))
        properties = (
            bytes([Property.SESSION_EXPIRY_INTERVAL])
            + self.session_expiry_s.to_bytes(4, "big")
            + bytes([Property.RECEIVE_MAXIMUM])
            + self.receive_maximum.to_bytes(2, "big")
            + bytes([Property.MAXIMUM_PACKET_SIZE])
            + LONGEST_BYTES.to_bytes(4, "big")
        )
        head = _text("MQTT") + bytes([5, flags]) + self.keep_alive_s.to_bytes(2, "big")
        return _packet(Kind.CONNECT, head + varint(len(properties)) + properties + b"".join(fields))


PINGREQ: Final = bytes([Kind.PINGREQ, 0])
DISCONNECT: Final = bytes([Kind.DISCONNECT, 0])
"""With reason 0x00: the session stays (3.14.2.1)."""
_RETAINED_ONLY_IF_NEW: Final = 0x10
"""Retain Handling 1: a reconnect brings no retained message once more (3.8.3.1)."""


def subscribe(packet_id: int, filters: Sequence[str]) -> bytes:
    """SUBSCRIBE at QoS 1."""
    options = bytes([_RETAINED_ONLY_IF_NEW | 1])
    wanted = b"".join(_text(one) + options for one in filters)
    return _packet(Kind.SUBSCRIBE, packet_id.to_bytes(2, "big") + b"\x00" + wanted)


def pubacks(packet_ids: Sequence[int]) -> bytes:
    """A PUBACK with reason 0x00 for each, in this order (3.4.2.1: two bytes remain)."""
    packets = np.empty((len(packet_ids), 2), ">u2")
    packets[:, 0] = Kind.PUBACK << 8 | 2
    packets[:, 1] = packet_ids
    return packets.tobytes()


def publish(topic: str, body: bytes) -> bytes:
    """PUBLISH at QoS 0."""
    return _packet(Kind.PUBLISH, _text(topic) + b"\x00" + body)


def varint(value: int) -> bytes:
    """A Variable Byte Integer (1.5.5)."""
    if not 0 <= value <= _LONGEST_STANDARD_BYTES:
        raise PacketError(f"a variable byte integer is 0 to {_LONGEST_STANDARD_BYTES}, got {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _packet(first: int, rest: bytes) -> bytes:
    return bytes([first]) + varint(len(rest)) + rest


def _text(value: str) -> bytes:
    encoded = value.encode()
    if len(encoded) > 0xFFFF:
        raise PacketError(f"a string has at most 65535 bytes, got {len(encoded)}")
    return len(encoded).to_bytes(2, "big") + encoded
