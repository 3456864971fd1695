"""The state of the whole fleet is what the state of each vehicle is."""

import numpy as np

from store import fleet_state, latest
from store.latest import Readings, Seen
from store.pool import Connection


async def test_the_fleet_s_state_is_that_of_every_vehicle(conn: Connection) -> None:
    await conn.execute(
        "insert into vehicle (vin) select 'A0DC000000000000' || k from generate_series(1, 4) k"
    )
    cur = await conn.execute("select id from vehicle order by id")
    ids = np.array([row[0] for row in await cur.fetchall()], dtype=np.int64)
    seen_us = np.array([4_000, 1_000, 3_000], dtype=np.int64) + 1_795_219_200_000_000
    readings = Readings(
        vehicle_id=ids[[0, 0, 2]],
        signal=np.array([3, 1, 3], dtype=np.int16),
        t_us=seen_us[[0, 0, 2]] - 7,
        value=np.array([0.1, -2.0, 1e300]),
    )
    await latest.merge(conn, Seen(ids[:3], seen_us, seen_us), readings)
    found = await fleet_state.read(conn)
    order = np.argsort(found.vehicle_id)
    assert found.vehicle_id[order].tolist() == ids[:3].tolist()
    assert found.seen_us[order].tolist() == seen_us.tolist()
    rows = zip(
        found.readings.vehicle_id.tolist(),
        found.readings.signal.tolist(),
        found.readings.t_us.tolist(),
        found.readings.value.tolist(),
        strict=True,
    )
    assert sorted(rows) == [
        (ids[0], 1, seen_us[0] - 7, -2.0),
        (ids[0], 3, seen_us[0] - 7, 0.1),
        (ids[2], 3, seen_us[2] - 7, 1e300),
    ]


async def test_an_empty_fleet_has_no_state(conn: Connection) -> None:
    found = await fleet_state.read(conn)
    assert len(found.vehicle_id) == len(found.readings.value) == 0
