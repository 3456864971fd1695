"""A message on its way to the broker, and how a vehicle's topics are spelled."""

from typing import NamedTuple

from decoders.envelope import CanMessage, Message, encode
from vehicle.vin import Vin


class Outgoing(NamedTuple):
    """One body for one topic."""

    topic: str
    body: bytes
    frames_n: int = 0
    """CAN frames inside, for the summary."""


def up_topic(vin: Vin, kind: str) -> str:
    """Where a vehicle sends messages of a kind to."""
    return f"tbox/v1/{vin}/up/{kind}"


def outgoing(message: Message) -> Outgoing:
    """A message encoded as MessagePack, addressed by its own VIN and kind."""
    frames_n = len(message) if isinstance(message, CanMessage) else 0
    return Outgoing(up_topic(message.envelope.vin, message.kind), encode(message), frames_n)
