"""Touched vehicles keep their earliest changed day, and listeners hear of them after the commit."""

import asyncio
from datetime import date

import numpy as np

from store import touched
from store.pool import Connection, connect

EPOCH = date(1970, 1, 1)


def days(*given: date) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([(day - EPOCH).days for day in given], np.int32)


async def test_the_earliest_day_stays(conn: Connection, vehicle_id: int) -> None:
    ids = np.array([vehicle_id])
    for day in (date(2026, 3, 5), date(2026, 3, 2), date(2026, 3, 9)):
        await touched.mark(conn, ids, days(day))
    assert await (await conn.execute("select vehicle_id, from_day from touched")).fetchall() == [
        (vehicle_id, date(2026, 3, 2))
    ]


async def test_a_vehicle_waits_since_it_was_touched_first(conn: Connection, vehicle_id: int) -> None:
    since = "select touched_at, xmin::text from touched"
    ids = np.array([vehicle_id])
    await touched.mark(conn, ids, days(date(2026, 3, 5)))
    first = await (await conn.execute(since)).fetchone()
    await touched.mark(conn, ids, days(date(2026, 3, 5)))
    second = await (await conn.execute(since)).fetchone()
    assert first is not None
    assert second is not None
    assert second[0] == first[0]
    assert second[1] != first[1], "an evaluation that began before must see that it was touched again"


async def test_the_bell_rings_at_the_commit(conn: Connection, vehicle_id: int, database_url: str) -> None:
    async with connect(database_url) as listener:
        await listener.execute("listen touched")
        async with conn.transaction():
            await touched.mark(conn, np.array([vehicle_id]), days(date(2026, 3, 5)))
            assert [one async for one in listener.notifies(timeout=0.05)] == []
        async with asyncio.timeout(20):
            heard = [one.channel async for one in listener.notifies(stop_after=1)]
        assert heard == [touched.CHANNEL]


async def test_nobody_touched_rings_nothing(conn: Connection) -> None:
    await touched.mark(conn, np.zeros(0, np.int64), days())
    assert await (await conn.execute("select count(*) from touched")).fetchone() == (0,)
