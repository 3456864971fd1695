"""Vehicles that are registered and judged by a few short rules, for experiments that reach the feed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from odocare.judgement import Judge
from store.pool import Connection, Pool, open_pool
from tests.odocare.garage import RULES, Garage, judge_of


@asynccontextmanager
async def evaluating(conn: Connection, database_url: str) -> AsyncIterator[tuple[Garage, Pool, Judge]]:
    """A garage with a service plan, connections, and a judge."""
    async with open_pool(database_url, most=4) as pool:
        garage = Garage(conn)
        await garage.plan()
        yield garage, pool, judge_of(RULES)
