"""Ingest's own MQTT client whose messages are thrown away and acknowledged: `python -m bench._discard`.

It says on its output how many it has acknowledged.
"""

import asyncio
import os
import sys
from typing import Final

from ingest.batcher import Batcher, Limits
from ingest.mqtt import Broker, Door
from odocare import logs

URL: Final = "BENCH_MQTT_URL"


async def main() -> None:
    """Acknowledge until killed."""
    logs.configure()
    limits = Limits()
    batcher = Batcher(limits)
    door = Door(
        Broker.parse(os.environ[URL]),
        batcher,
        client_id="bench-discard",
        receive_maximum=2 * limits.messages,  # as ingest does
        on_ready=lambda: say(0),
    )
    receiving = asyncio.create_task(door.run())
    n = 0
    while not receiving.done():
        batch = await batcher.take()
        n += len(batch.deliveries)
        batcher.done(batch)
        door.relieve()
        say(n)


def say(n: int) -> None:
    """So many by now."""
    sys.stdout.write(f"{n}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
