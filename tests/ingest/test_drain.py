"""The end of a process with two doors."""

import asyncio

from ingest.batcher import Batcher, Limits
from ingest.gbt_gate import Gate
from ingest.gbt_limits import ListenerOptions
from ingest.gbt_listener import Listener
from ingest.lanes import Lanes
from ingest.metrics import Metrics
from ingest.mqtt import Broker, Door
from ingest.pipeline import Line
from ingest.run import drain
from ingest.watch import Watch
from store.pool import Connection
from tests.ingest.senders import ODOMETER, deliver, signals, vin


async def test_the_end_does_not_wait_for_what_was_left_to_a_broker_that_has_gone(
    conn: Connection, database_url: str, line: Line
) -> None:
    batcher, metrics = Batcher(Limits(messages=1)), Metrics()
    door = Door(Broker("127.0.0.1", 1), batcher, client_id="end", receive_maximum=1)
    batches = [batcher.put(deliver(signals(vin(1), seq, {ODOMETER: 5.0}))) for seq in range(2)]
    async with (
        Lanes(database_url, line, metrics, asyncio.Event()) as lanes,
        Gate(database_url) as gate,
    ):
        await lanes.prepare()
        listener = Listener(ListenerOptions("127.0.0.1", 0), batcher, gate, metrics)
        watch = Watch(door, batcher, lanes, metrics)
        asyncio.get_running_loop().call_soon(batcher.forget)  # while the first is being stored
        async with asyncio.timeout(20):
            assert await drain(batcher, door, lanes, watch, listener) is None
    assert [one.settled.done() for one in batches] == [True, True]
    assert (watch.total.stored, batcher.batches_waiting) == (1, 0)
    row = await (await conn.execute("select count(*) from message")).fetchone()
    assert row == (1,)
