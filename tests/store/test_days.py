"""The stored days merge as `maintenance.daily.merge` does, row by row in SQL."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from maintenance import daily
from store import days, vehicles
from store.pool import Connection
from vehicle.feature_day import FeatureDays
from vehicle.vin import Vin

KNOWN_AT = datetime(2026, 3, 1, tzinfo=UTC)
DAY = (date(2026, 2, 27) - date(1970, 1, 1)).days
FLOATS = (
    "crank_min_v", "rest_v", "ambient_min_degc", "ambient_max_degc", "coolant_max_degc", "oil_life_pct",
    "engine_min_h", "engine_max_h",
)  # fmt: skip


def random_days(ids: list[int], seed: int) -> FeatureDays:
    """A few vehicle-days; half of every column is missing."""
    draw = np.random.default_rng(seed)
    chosen = sorted({(int(draw.choice(ids)), DAY + int(day)) for day in draw.integers(0, 3, size=5)})
    n = len(chosen)

    def some() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values = draw.integers(0, 4, n).astype(np.float64)
        values[draw.random(n) < 0.5] = np.nan
        return values

    return FeatureDays(
        vehicle_id=np.array([vehicle for vehicle, _ in chosen], np.int64),
        day=np.array([day for _, day in chosen], np.int32),
        starts_n=draw.integers(0, 3, n).astype(np.int32),
        samples_n=draw.integers(1, 9, n).astype(np.int64),
        **{name: some() for name in FLOATS},
    )


async def stored(conn: Connection) -> list[dict[str, object]]:
    names = list(FeatureDays.__dataclass_fields__)
    cur = await conn.execute(f"select {', '.join(names)} from vehicle_day order by vehicle_id, day".encode())
    found = [dict(zip(names, row, strict=True)) for row in await cur.fetchall()]
    for row in found:
        row["day"] = (row["day"] - date(1970, 1, 1)).days
    return found


def expected(merged: FeatureDays) -> list[dict[str, object]]:
    columns = {name: getattr(merged, name).tolist() for name in FeatureDays.__dataclass_fields__}
    return [
        {name: None if (x := column[number]) != x else x for name, column in columns.items()}
        for number in range(len(merged))
    ]


@pytest.mark.parametrize("seed", range(8))
async def test_batches_merge_into_the_days_that_are_there(conn: Connection, seed: int) -> None:
    found = await vehicles.by_vin(conn, [Vin("LRW3E7FA7NC000001"), Vin("LRW3E7FA7NC000002")])
    ids = [vehicle.id for vehicle in found.values()]
    merged = daily.empty()
    for number in range(6):
        part = random_days(ids, 100 * seed + number)
        await days.merge(conn, part, known_at=KNOWN_AT)
        merged = daily.merge(merged, part)
    assert await stored(conn) == expected(merged)


async def test_nothing_writes_nothing(conn: Connection) -> None:
    await days.merge(conn, daily.empty(), known_at=KNOWN_AT)
    assert await stored(conn) == []
