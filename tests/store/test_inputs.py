from datetime import UTC, datetime

import pytest

from store import inputs
from store.pool import Connection


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/Los_Angeles", "Asia/Kolkata"])
async def test_visits_are_taken_to_the_end_of_the_vehicles_own_day(
    conn: Connection, vehicle_id: int, zone: str
) -> None:
    await conn.execute("update vehicle set tz = %s", (zone,))
    await conn.execute(
        "insert into service_visit (vehicle_id, visited_at, repair_order, source)"
        " select %s, at::timestamp at time zone %s, at, 'import' from unnest(%s::text[]) at",
        (vehicle_id, zone, ["2026-05-01 12:00", "2026-05-02 12:00", "2026-05-02 23:59", "2026-05-03 00:00"]),
    )
    row = await (
        await conn.execute("select timestamp '2026-05-02 00:00' at time zone %s", (zone,))
    ).fetchone()
    assert row is not None
    morning: datetime = row[0]
    taken = (await inputs.read(conn, [vehicle_id], as_of=morning)).visits
    assert [(one.visited_at - morning).total_seconds() / 60 for one in taken] == [-720, 720, 1439]


@pytest.mark.parametrize(
    ("seen", "told"), [(None, None), ("2026-05-01", "2026-05-01"), ("2026-05-09", "2026-05-02")]
)
async def test_a_vehicle_that_never_sent_anything_was_never_seen(
    conn: Connection, vehicle_id: int, seen: str | None, told: str | None
) -> None:
    if seen is not None:
        await conn.execute(
            "insert into latest (vehicle_id, seen_at, known_at, signal, at, value)"
            " values (%s, %s::timestamp at time zone 'UTC', now(), '{}', '{}', '{}')",
            (vehicle_id, seen),
        )
    (row,) = (await inputs.read(conn, [vehicle_id], as_of=datetime(2026, 5, 2, tzinfo=UTC))).vehicles
    assert (None if row.seen_at is None else f"{row.seen_at.astimezone(UTC):%Y-%m-%d}") == told
