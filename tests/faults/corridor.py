"""Ingest without a process and without a broker: messages through the corridor, and what came of them."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from ingest import pipeline
from ingest.delivery import Delivery
from ingest.lexicon import Lexicon
from ingest.metrics import Tally
from ingest.pipeline import Line
from odocare import wiring
from store import rejects
from store.pool import Connection
from store.rejects import Reject
from store.sealed import Seal
from tests.ingest.senders import contents
from vehicle.vin import Vin

TELLING: Final = (
    "message", "segment", "raw_frame", "latest", "vehicle_day", "odometer_day", "fault_report",
    "fault_event", "fault",
)  # fmt: skip
"""Tables whose rows begin with the vehicle's VIN, as `contents` reads them."""


@cache
def line() -> Line:
    """The shipped catalogue, codebooks and code table, with a key of the tests."""
    lexicon = Lexicon.of(wiring.catalogue(), wiring.codebooks(), wiring.dtc_table(), wiring.diagnostics())
    return Line(lexicon, Seal(bytes(range(32))))


async def stored(
    conn: Connection, deliveries: Iterable[Delivery], by: Line | None = None, *, at_once: int = 200
) -> Tally:
    """Store them in batches; what became of them, which adds up."""
    rest, total = list(deliveries), Tally()
    while rest:
        tally, taken = await pipeline.store(conn, rest[:at_once], by or line())
        total.add(tally)
        rest = rest[taken:]
    assert total.received == total.stored + total.doubled + total.rejected
    return total


async def told_of(conn: Connection, vins: Iterable[Vin]) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables say of some vehicles."""
    wanted = set(vins)
    found = await contents(conn, *TELLING)
    return {table: [row for row in rows if row[0] in wanted] for table, rows in found.items()}


async def refused(conn: Connection) -> list[Reject]:
    """Everything that is kept as refused, oldest first."""
    return list(reversed(await rejects.newest(conn, reason=None, limit=100_000)))


async def originals(conn: Connection, kept: Sequence[Reject]) -> set[tuple[str, bytes]]:
    """Topic and body of what was refused, as it came."""
    found = [await rejects.original(conn, line().seal, one.id) for one in kept]
    return {(one.topic, one.body) for one in found if one is not None}


async def rows(conn: Connection, query: str) -> list[tuple[Any, ...]]:
    """What a query says."""
    return await (await conn.execute(query.encode())).fetchall()
