"""The first step of a batch: topics and envelopes read, what is none of ours or broken set aside."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from msgspec import Struct

from decoders import envelope, wire
from decoders.message import CanMessage, DiagMessage, DtcMessage, Message, SignalsMessage
from ingest import packets, topic
from ingest.delivery import Delivery, hash_of
from ingest.packets import PacketMessage
from ingest.refusal import Refusal
from vehicle.errors import DecodeError, VinMismatchError, WrongTypeError
from vehicle.vin import Vin

Readable = Message | PacketMessage
"""All kinds of messages."""


class Arrived(Struct, frozen=True, gc=False):
    """A message whose envelope could be read."""

    delivery: Delivery
    vin: Vin
    message: Readable
    body_hash: int


MOST_VALUES: Final = 250_000
"""What one transaction decodes at most, more or less: 200 bytes each while it is under way. A small
compressed body may hold a hundred thousand, so neither messages nor bytes bound it."""
_VALUES_PER_FRAME: Final = 12
_VALUES_PER_CODE: Final = 10
_VALUES_PER_PACKET: Final = 60
_ZLIB: Final = 0x78


@dataclass(slots=True)
class Reading:
    """A batch, or the first part of one that is too heavy, sorted by what can be done with it."""

    taken: int = 0
    """So many deliveries were read."""

    arrived: list[Arrived] = field(default_factory=list)
    """In order of arrival."""
    refusals: list[Refusal] = field(default_factory=list)
    oversize: list[tuple[Delivery, str]] = field(default_factory=list)
    """Packets the broker refused: its log line, and the client's id."""
    passing: int = 0
    """Packets that say nothing to keep: heartbeats, time checks."""
    broker_errors: dict[str, int] = field(default_factory=dict)
    """Errors that the broker reports of itself, by kind."""


def read(deliveries: Iterable[Delivery]) -> Reading:
    """Read envelopes up to `MOST_VALUES`; a bad one is set aside with its reason and harms no neighbour."""
    reading = Reading()
    values = 0
    for delivery in deliveries:
        if values > MOST_VALUES:
            break
        reading.taken += 1
        if topic.is_broker_log(delivery.topic):
            client = topic.oversize_client(delivery.body)
            if client is not None:
                reading.oversize.append((delivery, client))
            error = topic.broker_error(delivery.topic, delivery.body)
            if error is not None:
                reading.broker_errors[error] = reading.broker_errors.get(error, 0) + 1
            continue
        try:
            address = topic.parse(delivery.topic)
        except DecodeError as error:
            reading.refusals.append(Refusal.of(delivery, delivery.refused or error))
            continue
        arrived = _read_one(delivery, address)
        if isinstance(arrived, Arrived):
            reading.arrived.append(arrived)
            values += _values_in(arrived)
        elif arrived is None:
            reading.passing += 1
        else:
            reading.refusals.append(arrived)
    return reading


def _values_in(arrived: Arrived) -> int:
    """How many values a message may decode to, roughly."""
    message = arrived.message
    if isinstance(message, SignalsMessage):
        return len(message)
    if isinstance(message, CanMessage):
        return _VALUES_PER_FRAME * len(message)
    if isinstance(message, DtcMessage):
        return _VALUES_PER_CODE * sum(len(ecu.readings) for ecu in message.ecus)
    if isinstance(message, PacketMessage):
        return _VALUES_PER_PACKET
    return sum(len(one.payload) for one in message.answers)


def _read_one(delivery: Delivery, address: topic.Address) -> Arrived | Refusal | None:
    try:
        if delivery.refused is not None:
            raise delivery.refused
        if address.kind == PacketMessage.kind:
            packet = packets.read(delivery.body, address.vin)
            return None if packet is None else Arrived(delivery, address.vin, packet, packet.hash64)
        message = envelope.decode(address.kind, delivery.body)
        if message.envelope.vin != address.vin:
            raise VinMismatchError("the VIN of a body is its topic's, got another one")
        readable = _readable(message)
    except DecodeError as error:
        return _refusal(delivery, address, error)
    return Arrived(delivery, address.vin, readable, _body_hash(message, delivery.body))


def _refusal(delivery: Delivery, address: topic.Address, error: DecodeError) -> Refusal:
    """With the number that the message has all the same, if its envelope can be read: it was not lost."""
    has_head = delivery.refused is None and address.kind != PacketMessage.kind
    head = wire.head(delivery.body) if has_head else None
    if head is None or head.vin != address.vin:
        return Refusal.of(delivery, error, vin=address.vin)
    return Refusal.of(delivery, error, vin=address.vin, boot=head.boot, seq=head.seq, asks=head.ack)


def _body_hash(message: Message, body: bytes) -> int:
    """What the ledger tells this body by; a message sent again from a buffer is the same message."""
    is_as_sent = not message.envelope.resent and body[0] != _ZLIB
    return hash_of(body if is_as_sent else wire.first_sent(body))


def _readable(message: Message) -> Readable:
    if isinstance(message, DiagMessage):
        _require_words(one.ecu for one in message.answers)
    if isinstance(message, DtcMessage):
        codes = (reading.dtc.code for ecu in message.ecus for reading in ecu.readings)
        _require_words(chain((ecu.ecu for ecu in message.ecus), codes))
    return message


def _require_words(words: Iterable[str]) -> None:
    """PostgreSQL's text holds no zero byte, and nobody's code has one."""
    if any("\x00" in word for word in words):
        raise WrongTypeError("names of ECUs and codes have no zero byte, got one")
