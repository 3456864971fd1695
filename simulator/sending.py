"""Sending many messages over one connection, and what came of it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from decoders.envelope import Message
from simulator.outgoing import Outgoing, outgoing
from simulator.publish import Delivery, Publisher
from simulator.truth import TruthWriter


@dataclass(frozen=True, slots=True)
class Sent:
    """A finished run."""

    messages: int
    bytes: int
    frames: int
    seconds: float
    delivery: Delivery | None
    """None: nothing was sent, only made."""

    @property
    def per_second(self) -> float:
        """Messages a second, making them included."""
        return self.messages / self.seconds if self.seconds > 0.0 else 0.0


class Count:
    """Adds up what is made; `on_message` is told after each how many there are now."""

    def __init__(self, on_message: Callable[[int], None] = lambda _: None) -> None:
        self.messages = self.bytes = self.frames = 0
        self._on_message = on_message

    def add(self, message: Outgoing) -> None:
        """One more."""
        self.messages += 1
        self.bytes += len(message.body)
        self.frames += message.frames_n
        self._on_message(self.messages)

    def finished(self, seconds: float, delivery: Delivery | None) -> Sent:
        """The sum."""
        return Sent(self.messages, self.bytes, self.frames, seconds, delivery)


async def send_all(
    messages: Iterable[Message],
    publisher: Publisher,
    on_message: Callable[[int], None] = lambda _: None,
    truth: TruthWriter | None = None,
) -> Sent:
    """Send messages as fast as the broker acknowledges them. Raises `PublishError`."""
    count, begun_s = Count(on_message), time.monotonic()
    for message in messages:
        ready = outgoing(message)
        if truth is not None:
            truth.sent(message, ready)
        await publisher.send(ready)
        count.add(ready)
    await publisher.drain()
    if truth is not None:
        truth.end()
    return count.finished(time.monotonic() - begun_s, publisher.delivery)


def make_all(messages: Iterable[Message], on_message: Callable[[int], None] = lambda _: None) -> Sent:
    """Make messages and send none."""
    count, begun_s = Count(on_message), time.monotonic()
    for message in messages:
        count.add(outgoing(message))
    return count.finished(time.monotonic() - begun_s, None)
