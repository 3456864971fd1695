"""The latest state only goes forward, whatever the order of arrival."""

import asyncio
import random

import numpy as np
import pytest

from store import latest, vehicles
from store.latest import Readings, Seen
from store.pool import Connection, connect
from vehicle.day import us_of
from vehicle.vin import Vin

T0_US = 1_760_000_000_000_000
Reading = tuple[int, int, int, float]
"""Vehicle, signal, moment, value."""


async def fleet(conn: Connection) -> list[int]:
    found = await vehicles.by_vin(conn, [Vin("LRW3E7FA7NC000001"), Vin("LRW3E7FA7NC000002")])
    return sorted(vehicle.id for vehicle in found.values())


def readings(*given: Reading) -> Readings:
    return Readings(
        np.array([one[0] for one in given], np.int64),
        np.array([one[1] for one in given], np.int16),
        np.array([T0_US + one[2] for one in given], np.int64),
        np.array([one[3] for one in given], np.float64),
    )


def seen(*given: Reading, known_us: int = T0_US) -> Seen:
    ids = sorted({one[0] for one in given})
    newest = [T0_US + max(one[2] for one in given if one[0] == vehicle) for vehicle in ids]
    return Seen(np.array(ids), np.array(newest), np.full(len(ids), known_us))


async def stored(conn: Connection) -> dict[int, tuple[int, dict[int, tuple[int, float]]]]:
    """Vehicle to newest moment and, per signal, moment and value; moments from T0."""
    cur = await conn.execute("select vehicle_id, seen_at, signal, at, value from latest")
    return {
        vehicle: (
            us_of(at) - T0_US,
            {g: (us_of(t) - T0_US, x) for g, t, x in zip(signal, moments, value, strict=True)},
        )
        for vehicle, at, signal, moments, value in await cur.fetchall()
    }


async def test_two_that_bring_the_first_values_of_a_vehicle_at_once_lose_none(
    conn: Connection, database_url: str
) -> None:
    a, b = await fleet(conn)
    mine, other = [(a, 1, 100, 10.0)], [(a, 2, 90, 20.0), (b, 1, 50, 30.0)]
    async with connect(database_url) as second, connect(database_url) as third:

        async def bring() -> None:
            async with second.transaction():
                await latest.merge(second, seen(*other), readings(*other))

        async with conn.transaction():
            await latest.merge(conn, seen(*mine), readings(*mine))
            bringing = asyncio.create_task(bring())
            await blocked(third)
        await bringing
    assert await stored(conn) == {a: (100, {1: (100, 10.0), 2: (90, 20.0)}), b: (50, {1: (50, 30.0)})}


async def blocked(conn: Connection) -> None:
    """Wait until another connection to this database waits for a lock."""
    async with asyncio.timeout(20):
        while True:
            cur = await conn.execute(
                "select count(*) from pg_stat_activity"
                " where datname = current_database() and wait_event_type = 'Lock'"
            )
            if await cur.fetchone() != (0,):
                return
            await asyncio.sleep(0.01)


async def test_newer_values_replace_older_ones_and_late_ones_do_not(conn: Connection) -> None:
    a, b = await fleet(conn)
    first = [(a, 1, 100, 10.0), (a, 2, 100, 20.0), (b, 1, 50, 30.0)]
    await latest.merge(conn, seen(*first), readings(*first))
    late = [(a, 1, 99, -1.0), (a, 2, 101, 21.0), (a, 4, 5, 40.0)]
    await latest.merge(conn, seen(*late), readings(*late))
    assert await stored(conn) == {
        a: (101, {1: (100, 10.0), 2: (101, 21.0), 4: (5, 40.0)}),
        b: (50, {1: (50, 30.0)}),
    }


async def test_a_vehicle_without_values_is_seen_all_the_same(conn: Connection) -> None:
    a, _ = await fleet(conn)
    await latest.merge(conn, Seen(np.array([a]), np.array([T0_US + 5]), np.array([T0_US])), readings())
    await latest.merge(conn, Seen(np.array([a]), np.array([T0_US + 3]), np.array([T0_US])), readings())
    assert await stored(conn) == {a: (5, {})}


@pytest.mark.parametrize("seed", range(5))
async def test_any_order_ends_in_the_same_state(conn: Connection, seed: int) -> None:
    a, b = await fleet(conn)
    draw = random.Random(seed)
    given = [
        (draw.choice([a, b]), draw.choice([1, 2, 4]), draw.randrange(4), draw.choice([1.0, 2.0, 3.0]))
        for _ in range(30)
    ]
    expected: dict[int, dict[int, tuple[int, float]]] = {a: {}, b: {}}
    for vehicle, signal, moment, value in given:
        known = expected[vehicle].get(signal, (-1, 0.0))
        expected[vehicle][signal] = max(known, (moment, value))
    while given:
        part, given = given[:7], given[7:]
        await latest.merge(conn, seen(*part), readings(*part))
    assert {vehicle: state for vehicle, (_, state) in (await stored(conn)).items()} == expected
