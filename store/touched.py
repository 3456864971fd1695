"""Vehicles whose data changed since they were last evaluated, and the bell that says so."""

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from store import arrays
from store.pool import Connection

CHANNEL: Final = "touched"

MARK: Final = """
    insert into touched as t (vehicle_id, from_day, urgent)
    select vehicle_id, from_day, vehicle_id = any(%(urgent)s::bigint[])
    from unnest(%(vehicle_id)s, %(from_day)s) as n (vehicle_id, from_day)
    on conflict (vehicle_id) do update set
        from_day = least(t.from_day, excluded.from_day), urgent = t.urgent or excluded.urgent, cleaned = false
"""
NOTIFY: Final = "notify touched"


async def mark(
    conn: Connection,
    vehicle_id: NDArray[np.int64],
    from_day: NDArray[np.int32],
    *,
    urgent: Collection[int] = (),
) -> None:
    """Ask for an evaluation of vehicles, rising by number, from their earliest changed local day.

    Days are counted since 1970-01-01. Those of the vehicles that are `urgent` come first. Listeners hear of
    it when the transaction commits.
    """
    if not len(vehicle_id):
        return
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            MARK,
            {
                "vehicle_id": arrays.int8s(vehicle_id),
                "from_day": arrays.dates(from_day),
                "urgent": sorted(urgent),
            },
        )
        await cur.execute(NOTIFY)
