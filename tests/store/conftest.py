"""Rows that tests of several tables begin with."""

from collections.abc import AsyncIterator

import pytest

from store.pool import Connection, Pool, open_pool


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Connections in autocommit mode to this test's database."""
    async with open_pool(database_url, most=12) as opened:
        yield opened


@pytest.fixture
async def vehicle_id(conn: Connection) -> int:
    """One registered vehicle of a dealer."""
    row = await (
        await conn.execute(
            "with d as (insert into dealer (code, name_zh, name_en) values ('D1', '一店', 'One')"
            " returning id) insert into vehicle (vin, model, dealer_id, registered_at)"
            " select 'LDEMA1B25PH000001', 'odo-petrol', d.id, now() from d returning id"
        )
    ).fetchone()
    assert row is not None
    return int(row[0])
