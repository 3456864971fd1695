"""A door of ingest that is open, what is sent to it, and what it has received."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest.batcher import Batch, Batcher, Limits
from ingest.mqtt import Broker, Door
from tests.ingest.broker import OwnBroker, publish

FEW = Limits(messages=10, age_s=0.01)


@asynccontextmanager
async def open_door(
    url: str,
    batcher: Batcher,
    *,
    receive_maximum: int = 20,
    client_id: str = "test-door",
    keep_alive_s: int = 20,
) -> AsyncIterator[Door]:
    """A door that is subscribed."""
    ready = asyncio.Event()
    door = Door(
        Broker.parse(url),
        batcher,
        client_id=client_id,
        receive_maximum=receive_maximum,
        on_ready=ready.set,
        keep_alive_s=keep_alive_s,
    )
    running = asyncio.create_task(door.run())
    try:
        await asyncio.wait_for(ready.wait(), 30)
        yield door
    finally:
        running.cancel()
        await asyncio.wait([running])


def numbered(n: int, *, size: int = 4) -> list[tuple[str, bytes]]:
    return [
        ("tbox/v1/LRW3E7FA7NC000001/up/signals", b"%04d" % number + bytes(size - 4)) for number in range(n)
    ]


def bodies(*batches: Batch) -> list[int]:
    return [int(delivery.body[:4]) for batch in batches for delivery in batch.deliveries]


def waiting(batcher: Batcher) -> int:
    return sum(len(batch.deliveries) for batch in batcher._waiting)


async def send(broker: OwnBroker, messages: list[tuple[str, bytes]]) -> None:
    await asyncio.to_thread(publish, broker.port, "test-sender", messages)
