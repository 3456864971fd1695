"""Batches across vehicles: closed by count, bytes or age, in order of arrival, acknowledged together."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from ingest.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is closed, and how much may wait."""

    messages: int = 1000
    bytes: int = 8 * 1024 * 1024
    age_s: float = 0.05
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

    def settle(self) -> None:
        """Let the door acknowledge."""
        if not self.settled.done():
            self.settled.set_result(None)


class Batcher:
    """Collects deliveries for one taker; who puts is never blocked, but can see when it `is_pressed`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[Batch] = deque()
        self._arrived = asyncio.Event()
        self.waiting_bytes = 0
        """Of bodies that were put and are not settled."""

    @property
    def is_pressed(self) -> bool:
        """Whether more must not be put in for now."""
        return self.waiting_bytes > self._limits.waiting_bytes

    def put(self, delivery: Delivery) -> asyncio.Future[None]:
        """Add a message to the open batch; the result is done when it may be acknowledged."""
        if not self._waiting or self._waiting[-1].full.is_set():
            loop = asyncio.get_running_loop()
            self._waiting.append(Batch(loop.time(), loop.create_future()))
            self._arrived.set()
        batch = self._waiting[-1]
        batch.deliveries.append(delivery)
        batch.bytes += len(delivery.body)
        self.waiting_bytes += len(delivery.body)
        if len(batch.deliveries) >= self._limits.messages or batch.bytes >= self._limits.bytes:
            batch.full.set()
        return batch.settled

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
                self._waiting.popleft()
                if not self._waiting:
                    self._arrived.clear()
                return batch

    def done(self, batch: Batch) -> None:
        """Say that a taken batch is stored."""
        self.waiting_bytes -= batch.bytes
        batch.settle()

    def forget(self) -> int:
        """Drop what was not taken: its connection is gone and the broker sends it again. Returns how many."""
        dropped = list(self._waiting)
        self._waiting.clear()
        self._arrived.clear()
        for batch in dropped:
            self.done(batch)
        return sum(len(batch.deliveries) for batch in dropped)
