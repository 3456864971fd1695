"""Batches across vehicles: closed by count, bytes or age, in order of arrival, acknowledged together."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is closed, and how much may wait."""

    messages: int = 4000
    bytes: int = 8 * 1024 * 1024
    age_s: float = 0.1
    """A batch that is not full is taken when its first message has waited so long."""
    waiting_bytes: int = 32 * 1024 * 1024
    """Above this the door stops reading; the broker keeps the rest."""


@dataclass(slots=True, eq=False)
class Batch:
    """Messages that are stored together."""

    opened_at: float
    """Of the loop's clock."""
    settled: asyncio.Future[None]
    """Done when the door may acknowledge the messages, or when their connection is gone."""
    deliveries: list[Delivery] = field(default_factory=list)
    bytes: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    acknowledging: list[Callable[[], None]] = field(default_factory=list)
    """Called once when it settles, before `settle` returns; not where its messages are forgotten."""

    def settle(self) -> None:
        """Let the door acknowledge."""
        if not self.settled.done():
            self.settled.set_result(None)
        acknowledging, self.acknowledging = self.acknowledging, []
        for acknowledge in acknowledging:
            acknowledge()


class Batcher:
    """Collects deliveries for one taker; who puts is never blocked, but can see when it `is_pressed`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[Batch] = deque()
        self._arrived = asyncio.Event()
        self._relieved = asyncio.Event()
        self.waiting_bytes = 0
        """Of topics and bodies that were put and are not settled."""

    @property
    def batches_waiting(self) -> int:
        """How many batches nobody has taken yet."""
        return len(self._waiting)

    async def room(self) -> None:
        """Wait until it is not pressed."""
        while self.is_pressed:
            self._relieved.clear()
            await self._relieved.wait()

    @property
    def is_pressed(self) -> bool:
        """Whether more must not be put in for now."""
        return self.waiting_bytes > self._limits.waiting_bytes

    def put(self, delivery: Delivery) -> Batch:
        """Add a message to the open batch, and return that: when it settles, it may be acknowledged."""
        if not self._waiting or self._waiting[-1].full.is_set():
            loop = asyncio.get_running_loop()
            self._waiting.append(Batch(loop.time(), loop.create_future()))
            self._arrived.set()
        batch = self._waiting[-1]
        batch.deliveries.append(delivery)
        weight = _weight(delivery)
        batch.bytes += weight
        self.waiting_bytes += weight
        if len(batch.deliveries) >= self._limits.messages or batch.bytes >= self._limits.bytes:
            batch.full.set()
        return batch

    async def take(self) -> Batch:
        """The oldest batch, as soon as it is full or old enough. Settle it with `done`."""
        while True:
            await self._arrived.wait()
            batch = self._waiting[0]
            ripe_at = batch.opened_at + self._limits.age_s
            try:
                async with asyncio.timeout_at(ripe_at):
                    await batch.full.wait()
            except TimeoutError:
                pass
            if self._waiting and self._waiting[0] is batch:  # else it was forgotten meanwhile
                return self._pop()

    def take_now(self) -> Batch | None:
        """The oldest batch, however young; None where none waits."""
        return self._pop() if self._waiting else None

    def _pop(self) -> Batch:
        batch = self._waiting.popleft()
        if not self._waiting:
            self._arrived.clear()
        return batch

    def done(self, batch: Batch) -> None:
        """Say that a taken batch is stored."""
        self._release(batch.bytes)
        batch.settle()

    def forget(self) -> int:
        """Drop what was not taken and nobody asks for: the broker sends it again. Returns how many.

        What has a fate stays: its door has connections of its own, and waits for `settled`.
        """
        dropped = 0
        for batch in list(self._waiting):
            batch.acknowledging.clear()
            kept = [one for one in batch.deliveries if one.fate is not None]
            dropped += len(batch.deliveries) - len(kept)
            kept_bytes = sum(map(_weight, kept))
            self._release(batch.bytes - kept_bytes)
            batch.deliveries, batch.bytes = kept, kept_bytes
            if not kept:
                self._waiting.remove(batch)
                batch.settle()
        if not self._waiting:
            self._arrived.clear()
        return dropped

    def _release(self, n_bytes: int) -> None:
        self.waiting_bytes -= n_bytes
        if not self.is_pressed:
            self._relieved.set()


def _weight(delivery: Delivery) -> int:
    """In bytes; a topic may be 64 kB long, and a body empty."""
    return len(delivery.topic) + len(delivery.body)
