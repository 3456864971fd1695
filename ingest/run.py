"""The loop: batches from the door into the store, for as long as the process lives."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from ingest import fault_points
from ingest.batcher import Batch, Batcher, Limits
from ingest.committer import BROKEN, StoppedError
from ingest.gbt_gate import Gate
from ingest.gbt_limits import ListenerOptions
from ingest.gbt_listener import Listener
from ingest.lanes import Lanes, Part
from ingest.metrics import Metrics, Tally
from ingest.mqtt import Broker, Door
from ingest.pipeline import Line
from ingest.watch import Health, Watch
from vehicle.errors import MigrationError

log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """Where to listen and to write, and how much at once."""

    database_url: str
    broker: Broker
    client_id: str = "odocare-ingest"
    """Names the broker's session: one process at a time may use it."""
    limits: Limits = field(default_factory=Limits)
    gbt32960: ListenerOptions | None = None
    """Where terminals connect that speak GB/T 32960; None: nowhere."""


async def run(
    options: Options,
    line: Line,
    metrics: Metrics,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[], None] = lambda: None,
    told: Callable[[Health], None] = lambda _: None,
) -> Tally:
    """Receive, store, acknowledge, until `stop` is set; then finish the batch in hand and tell what was done.

    `told` hears every second how it stands. Raises `MigrationError` where the schema is not this version's;
    nothing is acknowledged then.
    """
    batcher = Batcher(options.limits)
    door = _door(options, batcher, on_ready)
    line = replace(line, publish=door.publish)
    async with Lanes(options.database_url, line, metrics, stop) as lanes:
        watch = Watch(door, batcher, lanes, metrics, told)
        batch = broken = None
        try:
            await lanes.prepare()
            async with asyncio.TaskGroup() as tasks, _listening(options, batcher, metrics) as listener:
                others = [tasks.create_task(door.run()), tasks.create_task(watch.run())]
                try:
                    batch = await _keep_storing(batcher, door, lanes, watch, stop)
                    if listener is not None and batch is None:
                        batch = await drain(batcher, door, lanes, watch, listener)
                except BROKEN as error:
                    broken = error
                for task in others:
                    task.cancel()
        except StoppedError:
            pass
        if batch is not None:
            batcher.done(batch)  # the door is closed by now: this acknowledges nothing
    watch.tell()
    log.info("stopped")
    if broken is not None:
        what = type(broken).__name__
        raise MigrationError(f"the database is not as this version expects it: {what}") from broken
    return watch.total


@asynccontextmanager
async def _listening(options: Options, batcher: Batcher, metrics: Metrics) -> AsyncIterator[Listener | None]:
    """The listener for terminals, where one is wanted."""
    if options.gbt32960 is None:
        yield None
        return
    async with (
        Gate(options.database_url) as gate,
        Listener(options.gbt32960, batcher, gate, metrics) as listener,
    ):
        yield listener


async def drain(batcher: Batcher, door: Door, lanes: Lanes, watch: Watch, listener: Listener) -> Batch | None:
    """Store what terminals have sent by now, so that they are answered; the batch in hand if it fails."""
    listener.stop()
    for _ in range(batcher.batches_waiting):
        batch = batcher.take_now()
        if batch is None:  # the broker has gone meanwhile, and keeps what was its own
            break
        try:
            watch.count(await lanes.commit(await lanes.read(batch.deliveries)), batch)
        except StoppedError:
            return batch
        batcher.done(batch)
    await door.flush()
    return None


def _door(options: Options, batcher: Batcher, on_ready: Callable[[], None]) -> Door:
    return Door(
        options.broker,
        batcher,
        client_id=options.client_id,
        receive_maximum=2 * options.limits.messages,  # one batch is stored while the next one comes
        on_ready=on_ready,
    )


async def _keep_storing(
    batcher: Batcher, door: Door, lanes: Lanes, watch: Watch, stop: asyncio.Event
) -> Batch | None:
    """Store batch after batch until told to stop; returns the batch that was in hand and is not stored."""
    coming = asyncio.create_task(_next(batcher, lanes, stop))
    try:
        while (ready := await coming) is not None:
            batch, parts = ready
            fault_points.reach("received")
            coming = asyncio.create_task(_next(batcher, lanes, stop))  # read while this one is stored
            try:
                watch.count(await lanes.commit(parts), batch)
            except StoppedError:
                return batch
            fault_points.reach("before_ack")
            batcher.done(batch)
            door.relieve()
            if fault_points.is_armed("after_ack"):
                await door.flush()
                fault_points.reach("after_ack")
    finally:
        coming.cancel()
    await door.flush()
    return None


async def _next(batcher: Batcher, lanes: Lanes, stop: asyncio.Event) -> tuple[Batch, Sequence[Part]] | None:
    """The next batch and what it says; None when told to stop."""
    if stop.is_set():
        return None
    taking, stopping = asyncio.create_task(batcher.take()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not taking.done():
            return None
        batch = taking.result()
        return batch, await lanes.read(batch.deliveries)
    finally:
        taking.cancel()
        stopping.cancel()
