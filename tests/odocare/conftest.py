"""What tests of the evaluation share: rules, connections, a garage."""

from collections.abc import AsyncIterator

import pytest

from odocare.judgement import Judge
from store.pool import Connection, Pool, open_pool
from tests.odocare.garage import RULES, Garage, judge_of


@pytest.fixture(scope="session")
def by() -> Judge:
    """The judge of these tests."""
    return judge_of(RULES)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Connections to this test's database."""
    async with open_pool(database_url, most=6) as opened:
        yield opened


@pytest.fixture
async def garage(conn: Connection) -> Garage:
    """An empty garage with a service plan."""
    made = Garage(conn)
    await made.plan()
    return made
