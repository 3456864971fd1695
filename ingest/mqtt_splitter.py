"""A broker's stream of bytes into packets, many at a time; what a subscriber does not get is refused.

Most packets are messages, tens of thousands a second: `Splitter.feed` reads them without a call per field.
"""

from typing import Final

from ingest.mqtt_packets import (
    LONGEST_BYTES,
    Connack,
    Disconnect,
    Kind,
    Packet,
    PacketError,
    Pingresp,
    Publish,
    Suback,
)

_WIDTHS: Final = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
"""Bytes of the properties that are numbers (2.2.2.2)."""
_STRINGS: Final = {0x03: 1, 0x08: 1, 0x09: 1, 0x12: 1, 0x15: 1, 0x16: 1, 0x1A: 1, 0x1C: 1, 0x1F: 1, 0x26: 2}
"""How many strings or binaries other properties have."""
_SUBSCRIPTION: Final = 0x0B
"""Subscription Identifier: a Variable Byte Integer."""
_USER: Final = 0x26
"""User Property: a name and a value, as often as one likes."""
_PUBLISH: Final = int(Kind.PUBLISH)


class Splitter:
    """Cuts a stream into packets, wherever its parts begin and end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._pending_bytes = 0
        self._needed_bytes = 2
        """Before that many are there, there is no further packet."""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are whole by now. Raises `PacketError`, after which the stream is lost."""
        self._parts.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes < self._needed_bytes:
            return []
        if len(self._parts) > 1:
            data = b"".join(self._parts)
        found: list[Packet] = []
        start = self._split(data, found)
        rest = data[start:]
        self._parts = [rest] if rest else []
        self._pending_bytes = len(rest)
        return found

    def _split(self, data: bytes, found: list[Packet]) -> int:
        """Put whole packets into `found`; returns where the first that is not whole begins."""
        start, end_of_data = 0, len(data)
        while start + 2 <= end_of_data:
            first, length, at = data[start], data[start + 1], start + 2
            if length > 0x7F:
                length, at = _varint(data, start + 1, min(end_of_data, start + 5))
                if not at:  # its last byte has not come
                    break
            end = at + length
            if end - start > LONGEST_BYTES:
                raise PacketError(f"a packet has at most {LONGEST_BYTES} bytes, got {end - start}")
            if end > end_of_data:
                self._needed_bytes = end - start
                return start
            if first & 0xF0 == _PUBLISH:
                found.append(_publish(data, first, at, end))
            else:
                found.append(_other(first, data[at:end]))
            start = end
        self._needed_bytes = end_of_data - start + 1 if start < end_of_data else 2
        return start


def _publish(data: bytes, first: int, at: int, end: int) -> Publish:
    """A message between `at` and `end` (3.3)."""
    topic_at = at + 2
    if topic_at > end:
        raise PacketError(f"PUBLISH has a topic, got {end - at} bytes")
    at = topic_at + (data[at] << 8 | data[at + 1])
    qos = first >> 1 & 3
    if at + 2 * (qos == 1) >= end:
        raise PacketError("PUBLISH ends before its properties")
    if at == topic_at:
        raise PacketError("PUBLISH has a topic, for we allow no alias")
    packet_id, is_duplicate = 0, first & 8 != 0
    if qos == 1:
        packet_id = data[at] << 8 | data[at + 1]
        if not packet_id:
            raise PacketError("PUBLISH at QoS 1 has a packet identifier, got 0")
        body_at = at + 2
    elif qos or is_duplicate:
        raise PacketError(f"PUBLISH comes at QoS 0 without DUP or at QoS 1, got flags {first & 15:#x}")
    else:
        body_at = at
    length = data[body_at]
    body_at += 1
    if length > 0x7F:
        length, body_at = _varint(data, body_at - 1, min(end, body_at + 3))
        if not body_at:
            raise PacketError("PUBLISH ends before its properties")
    body_at += length
    if body_at > end:
        raise PacketError(f"PUBLISH has {length} bytes of properties, but ends before")
    # what is no UTF-8 goes on as a bad topic: refused here, it would come again with every connection
    topic = str(data[topic_at:at], "utf-8", "backslashreplace")
    return Publish(topic, data[body_at:end], packet_id, is_duplicate)


def _other(first: int, rest: bytes) -> Packet:
    """Any packet but a message, without its fixed header."""
    if first == Kind.CONNACK:
        return _connack(rest)
    if first == Kind.SUBACK:
        return _suback(rest)
    if first == Kind.PINGRESP:
        if rest:
            raise PacketError(f"PINGRESP is empty, got {len(rest)} bytes")
        return Pingresp()
    if first == Kind.DISCONNECT:
        return _disconnect(rest)
    raise PacketError(f"a subscriber at QoS 1 does not get packets that begin with {first:#04x}")


def _connack(rest: bytes) -> Connack:
    if len(rest) < 3 or rest[0] > 1:
        raise PacketError("CONNACK has flags 0 or 1, a reason and properties")
    properties, at = _properties("CONNACK", rest, 2)
    _require_end("CONNACK", rest, at)
    return Connack(bool(rest[0]), rest[1], properties)


def _suback(rest: bytes) -> Suback:
    if len(rest) < 4:
        raise PacketError("SUBACK has an identifier, properties and reasons")
    _, at = _properties("SUBACK", rest, 2)
    return Suback(rest[0] << 8 | rest[1], tuple(rest[at:]))


def _disconnect(rest: bytes) -> Disconnect:
    if len(rest) > 1:
        _, at = _properties("DISCONNECT", rest, 1)
        _require_end("DISCONNECT", rest, at)
    return Disconnect(rest[0] if rest else 0)


def _require_end(what: str, rest: bytes, at: int) -> None:
    if at != len(rest):
        raise PacketError(f"{what} has {len(rest) - at} bytes too many")


def _properties(what: str, data: bytes, at: int) -> tuple[dict[int, int], int]:
    """The properties that are numbers, and where they end (2.2.2)."""
    length, at = _varint(data, at, min(len(data), at + 4))
    end = at + length
    if not at or end > len(data):
        raise PacketError(f"{what} ends before its properties")
    found: dict[int, int] = {}
    while at < end:
        name = data[at]
        at += 1
        if width := _WIDTHS.get(name):
            value = int.from_bytes(data[at : at + width], "big")
            at += width
        elif name in _STRINGS:
            value = 0
            for _ in range(_STRINGS[name]):
                at += 2 + int.from_bytes(data[at : at + 2], "big")
        elif name == _SUBSCRIPTION:
            value, at = _varint(data, at, min(end, at + 4))
        else:
            raise PacketError(f"{what} has a property {name:#04x} that the standard does not know")
        if name in found and name != _USER:
            raise PacketError(f"{what} has the property {name:#04x} twice")
        found[name] = value
        if not 0 < at <= end:
            raise PacketError(f"{what} ends inside the property {name:#04x}")
    return {name: value for name, value in found.items() if name in _WIDTHS}, at


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A Variable Byte Integer and where it ends; (0, 0) where it does not end before `end` (1.5.5)."""
    value = shift = 0
    for place in range(at, end):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte and shift:
                raise PacketError("a variable byte integer is as short as can be")
            return value, place + 1
        shift += 7
    if end - at >= 4:
        raise PacketError("a variable byte integer has at most four bytes")
    return 0, 0
