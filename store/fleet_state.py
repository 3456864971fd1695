"""The latest state of all vehicles at once, as columns: for maps, models and exports of the whole fleet."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from store import arrays
from store.latest import Readings
from store.pool import Connection

READ: Final = """
    select string_agg(int8send(vehicle_id), '') as vehicle_id,
           string_agg(timestamptz_send(seen_at), '') as seen_at,
           string_agg(int4send(cardinality(signal)), '') as sizes,
           string_agg(substr(array_send(signal), 21), '') as signal,
           string_agg(substr(array_send(at), 21), '') as at,
           string_agg(substr(array_send(value), 21), '') as value
    from latest
"""
"""An array is sent with a head of 20 bytes, an empty one of twelve."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """What is known of every vehicle that was ever heard of, in no order."""

    vehicle_id: NDArray[np.int64]
    seen_us: NDArray[np.int64]
    """Newest event time of each, microseconds since 1970 UTC."""
    readings: Readings
    """The newest of each vehicle and signal, the vehicles in the same order."""


async def read(conn: Connection) -> FleetState:
    """All of it in one answer; PostgreSQL sends up to 1 GB of it, some million vehicles."""
    async with conn.cursor(binary=True) as cur:
        await cur.execute(READ)
        row = await cur.fetchone()
    assert row is not None
    ids, seen, sizes, signal, at, value = (part or b"" for part in row)
    vehicle_id = np.frombuffer(ids, ">i8").astype(np.int64)
    return FleetState(
        vehicle_id=vehicle_id,
        seen_us=np.frombuffer(seen, ">i8").astype(np.int64) + arrays.EPOCH_US,
        readings=Readings(
            vehicle_id=np.repeat(vehicle_id, np.frombuffer(sizes, ">i4")),
            signal=_elements(signal, ">i2").astype(np.int16),
            t_us=_elements(at, ">i8").astype(np.int64) + arrays.EPOCH_US,
            value=_elements(value, ">f8").astype(np.float64),
        ),
    )


def _elements(sent: bytes, dtype: str) -> NDArray[np.generic]:
    """Elements behind their lengths, none of which is null."""
    return np.frombuffer(sent, [("length", ">i4"), ("value", dtype)])["value"]
