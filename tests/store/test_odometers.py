"""What sources showed merges as `maintenance.odometer_days.merge` does, row by row in SQL."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from maintenance import odometer_days
from store import odometers, vehicles
from store.odometers import Standing, TrueDays
from store.pool import Connection
from vehicle.day import at_of, us_of
from vehicle.odometer import OdometerDays
from vehicle.vin import Vin

KNOWN_AT = datetime(2026, 3, 1, tzinfo=UTC)
ON = date(2026, 2, 27)
DAY = (ON - date(1970, 1, 1)).days
T0_US = us_of(datetime(2026, 2, 27, tzinfo=UTC))
MOMENTS = ("first", "last", "low", "high", "glitch")


def random_days(ids: list[int], seed: int) -> OdometerDays:
    """A few rows with many equal kilometres and moments; some hold glitches only."""
    draw = np.random.default_rng(seed)
    chosen = sorted(
        {
            (int(draw.choice(ids)), DAY + int(day), int(draw.choice([1, 256])))
            for day in draw.integers(0, 2, 6)
        }
    )
    n = len(chosen)

    def km(missing: Any) -> Any:
        return np.where(missing, np.nan, draw.integers(0, 4, n).astype(np.float64))

    def us() -> Any:
        return T0_US + draw.integers(0, 3, n)

    none, glitched = draw.random(n) < 0.2, draw.random(n) < 0.4
    columns: dict[str, Any] = {f"{name}_km": km(none) for name in MOMENTS[:4]} | {
        f"{name}_us": us() for name in MOMENTS
    }
    counts: dict[str, Any] = {
        name: draw.integers(0, 9, n) for name in ("within_m", "speed_m", "readings_n", "glitches_n")
    }
    return OdometerDays(
        vehicle_id=np.array([one for one, _, _ in chosen], np.int64),
        day=np.array([one for _, one, _ in chosen], np.int32),
        source=np.array([one for _, _, one in chosen], np.int16),
        glitch_km=km(~glitched),
        settled_km=np.where(glitched, draw.integers(0, 2, n), np.nan),
        **columns,
        **counts,
    )


def comparable(days: OdometerDays) -> list[dict[str, object]]:
    columns = {name: getattr(days, name).tolist() for name in OdometerDays.__dataclass_fields__}
    rows = []
    for number in range(len(days)):
        row = {name: None if (x := column[number]) != x else x for name, column in columns.items()}
        for name in MOMENTS:
            if row[f"{name}_km"] is None:
                row[f"{name}_us"] = None
        rows.append(row)
    return rows


async def stored(conn: Connection) -> list[dict[str, object]]:
    names = list(OdometerDays.__dataclass_fields__)
    columns = ", ".join(name.replace("_us", "_at") for name in names)
    cur = await conn.execute(f"select {columns} from odometer_day order by vehicle_id, day, source".encode())
    found = [dict(zip(names, row, strict=True)) for row in await cur.fetchall()]
    for row in found:
        row["day"] = (row["day"] - date(1970, 1, 1)).days
        for name in MOMENTS:
            at = row[f"{name}_us"]
            row[f"{name}_us"] = None if at is None else us_of(at)
    return found


@pytest.mark.parametrize("seed", range(8))
async def test_batches_merge_into_the_days_that_are_there(conn: Connection, seed: int) -> None:
    found = await vehicles.by_vin(conn, [Vin("LRW3E7FA7NC000001"), Vin("LRW3E7FA7NC000002")])
    ids = [vehicle.id for vehicle in found.values()]
    merged = odometer_days.empty()
    for number in range(6):
        part = random_days(ids, 100 * seed + number)
        await odometers.merge(conn, part, known_at=KNOWN_AT)
        merged = odometer_days.merge(merged, part)
    assert await stored(conn) == comparable(merged)
    assert len(await odometers.read(conn, ids, as_of=KNOWN_AT)) == len(merged)
    assert len(await odometers.read(conn, ids, as_of=KNOWN_AT - timedelta(days=5))) == 0


async def test_true_days_are_written_onto_days_that_are_there(conn: Connection, vehicle_id: int) -> None:
    await conn.execute(
        "insert into vehicle_day (vehicle_id, day, known_at) values (%s, %s, now())", (vehicle_id, ON)
    )
    days = TrueDays(
        vehicle_id=np.array([vehicle_id, vehicle_id]),
        day=np.array([DAY, DAY + 1], np.int32),
        first_km=np.array([5.0, 6.0]),
        first_us=np.array([T0_US, T0_US]),
        last_km=np.array([7.0, 8.0]),
        last_us=np.array([T0_US + 1, T0_US + 1]),
    )
    await odometers.put_days(conn, days)
    query = "select day, odometer_first_km, odometer_last_km, odometer_last_at from vehicle_day"
    assert await (await conn.execute(query)).fetchall() == [(ON, 5.0, 7.0, at_of(T0_US + 1))]


async def test_a_standing_is_replaced_and_forgotten(conn: Connection, vehicle_id: int) -> None:
    one = Standing(vehicle_id, 83_223.0, KNOWN_AT, 1, 12.0, 1.0, 83_211.0, 1)
    query = "select km, source, offset_km, epoch from odometer"
    await odometers.put(conn, [vehicle_id], [one])
    await odometers.put(conn, [vehicle_id], [one])
    assert await (await conn.execute(query)).fetchall() == [(83_223.0, 1, 83_211.0, 1)]
    await odometers.put(conn, [vehicle_id], [])
    assert await (await conn.execute(query)).fetchall() == []
