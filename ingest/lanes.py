"""Several committers beside each other: while the database works for one, the other's rows are made.

A vehicle's messages of a batch are in one lane, in order, and the next batch begins when every lane is done.
So nothing of a vehicle ever overtakes anything else of it, and no two transactions want the same rows.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from ingest.committer import Committer, StoppedError
from ingest.delivery import Delivery
from ingest.metrics import Metrics, Tally
from ingest.pipeline import Line, Prepared

LANES: Final = 2
"""Transactions at once. Python makes the rows of one while the database stores the other's."""
_WORTHWHILE: Final = 200
"""Messages below which a batch is not split: a transaction has a price of its own."""
_VIN: Final = slice(len("tbox/v1/"), len("tbox/v1/") + 17)
"""Where it stands in a vehicle's topic; what has no such topic has no order to keep."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one lane gets of a batch."""

    deliveries: Sequence[Delivery]
    prepared: Prepared | None
    """None where it could not be read ahead."""


class Lanes:
    """Commits batches, each in several transactions at once; never gives one up."""

    def __init__(
        self, database_url: str, line: Line, metrics: Metrics, stop: asyncio.Event, *, lanes: int = LANES
    ) -> None:
        self._committers = [Committer(database_url, line, metrics, stop) for _ in range(lanes)]
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Lanes":
        for one in self._committers:
            await self._stack.enter_async_context(one)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def away_since(self) -> float | None:
        """Moment of the loop's clock since which the database has not answered."""
        return min((one.away_since for one in self._committers if one.away_since is not None), default=None)

    async def prepare(self) -> None:
        """Wait for the database and see that it can be worked with; raises as `Committer.prepare` does."""
        await self._committers[0].prepare()

    async def read(self, deliveries: Sequence[Delivery]) -> list[Part]:
        """Split a batch and read its parts, ahead of their commit."""
        parts = split(deliveries, len(self._committers))
        read = [await self._committers[0].read(part) for part in parts]
        return [Part(part, prepared) for part, prepared in zip(parts, read, strict=True)]

    async def commit(self, parts: Sequence[Part]) -> Tally:
        """Store a batch, however long it takes. Raises as `Committer.commit` does, once every lane rests."""
        lanes = zip(self._committers, parts, strict=False)
        done = await asyncio.gather(
            *(lane.commit(part.deliveries, part.prepared) for lane, part in lanes), return_exceptions=True
        )
        total = Tally()
        failures = [one for one in done if isinstance(one, BaseException)]
        for error in sorted(failures, key=lambda error: isinstance(error, StoppedError)):
            raise error  # what is broken tells more than that we were told to stop
        for one in done:
            assert isinstance(one, Tally)
            total.add(one)
        return total


def split(deliveries: Sequence[Delivery], lanes: int) -> list[list[Delivery]]:
    """At most so many parts, each vehicle's messages in one of them, in order; at least one part."""
    if lanes < 2 or len(deliveries) < _WORTHWHILE:
        return [list(deliveries)]
    parts: list[list[Delivery]] = [[] for _ in range(lanes)]
    for one in deliveries:
        parts[hash(one.topic[_VIN]) % lanes].append(one)
    return [part for part in parts if part] or [[]]
