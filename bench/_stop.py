"""How long it takes from a fault code that says *stop* to its event in the feed, while others send."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from bench import _fleet, _packets
from store import feed, vehicles
from store.pool import Connection, connect
from vehicle.trigger import Feed
from vehicle.vin import Vin

CODE: Final = "P0217"
"""The engine overheats: severity stop in dbc/dtc.toml."""
EVERY_S: Final = 0.35
BEFORE_S: Final = 3.0
"""The load runs that long before the first."""
AFTER_S: Final = 3.0
"""And is planned to run that long after the last."""
_LOOK_S: Final = 0.02
_PATIENCE_S: Final = 60.0
_BOOT: Final = 1 << 40
"""Far above those of the load."""


@dataclass(slots=True)
class Vehicle:
    """A connection that publishes one message at a time."""

    broker: socket.socket
    n: int = field(default=0)

    def send(self, topic: str, body: bytes) -> None:
        """Publish; the broker's acknowledgement is read later, for waiting would delay the next probe."""
        self.n += 1
        self.broker.sendall(_packets.publishes([(topic, body)])[0])


@contextmanager
def vehicle(url: str) -> Iterator[Vehicle]:
    """Connected as one who may send for every vehicle."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 1883), timeout=10) as broker:
        hello = _packets.connect("bench-stop", unquote(parts.username or ""), unquote(parts.password or ""))
        broker.sendall(hello)
        _packets.receive_maximum(broker.recv(4096))
        broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Vehicle(broker)


def report(vin: Vin) -> tuple[str, bytes]:
    """Topic and body of a confirmed stop code that is there now."""
    code = {"code": CODE, "status": 0x0F}
    body = {
        "v": 1,
        "vin": vin,
        "boot": _BOOT,
        "seq": 0,
        "t0_us": time.time_ns() // 1_000,
        "ack": False,
        "resent": False,
        "ecus": [{"ecu": "engine", "standard": "j2012", "complete": True, "dtcs": [code]}],
    }
    return f"tbox/v1/{vin}/up/dtc", json.dumps(body).encode()


async def delays_s(database_url: str, fleet_url: str, numbers: Sequence[int]) -> list[float]:
    """Publish a stop code of each of these vehicles, one every third of a second, whatever becomes of others.

    From publishing to the first look at the feed that shows it, looked at every 20 ms. One that has not come
    a minute after the last was sent counts as if it came then.
    """
    async with connect(database_url) as conn:
        whose = await _public_ids(conn, numbers)
        place = (await feed.read(conn, Feed.RECALL, None)).next
        sent: dict[str, float] = {}
        seen: dict[str, float] = {}
        await asyncio.sleep(BEFORE_S)
        began_s = time.monotonic()
        with vehicle(fleet_url) as probe:
            while len(seen) < len(numbers):
                now_s = time.monotonic()
                if len(sent) < len(numbers) and now_s >= began_s + EVERY_S * len(sent):
                    number = numbers[len(sent)]
                    sent[whose[number]] = time.monotonic()
                    probe.send(*report(_fleet.vin(number)))
                page = await feed.read(conn, Feed.RECALL, place)
                place = page.next
                for event in page.events:
                    seen.setdefault(event.payload["data"]["vehicle"]["id"], time.monotonic())
                if now_s > began_s + EVERY_S * len(numbers) + _PATIENCE_S:
                    break
                await asyncio.sleep(_LOOK_S)
    ended_s = time.monotonic()
    return [seen.get(one, ended_s) - sent[one] for one in whose.values()]


async def _public_ids(conn: Connection, numbers: Sequence[int]) -> dict[int, str]:
    return {n: str(await vehicles.public_id(conn, _fleet.vin(n))) for n in numbers}
