from dataclasses import replace
from datetime import date
from typing import Any

from store import campaigns
from store.campaigns import Campaign, Enlisted
from store.pool import Connection
from vehicle.vin import Vin

BRAKES = Campaign(
    id="SAMR-2026-001",
    title_zh="制动",
    title_en="Brakes",
    remedy_zh="",
    remedy_en="",
    do_not_drive=True,
    parts_ready=True,
    opened_on=date(2026, 5, 1),
    closed_on=None,
    source="invented",
)
KNOWN, STRANGE, UNSEEN = Vin("LDEMA1B25PH000001"), Vin("LDEMA1B25PH000002"), Vin("LDEMA1B25PH000003")


async def touched(conn: Connection) -> list[Any]:
    """Vehicles waiting to be evaluated, which are then forgotten."""
    rows = await (await conn.execute("delete from touched returning vehicle_id")).fetchall()
    return [row[0] for row in rows]


async def test_vehicles_are_enlisted_whether_known_or_not(conn: Connection, vehicle_id: int) -> None:
    await conn.execute("insert into vehicle (vin) values (%s)", (STRANGE,))
    assert await campaigns.put(conn, BRAKES)
    assert await campaigns.enlist(conn, BRAKES.id, [KNOWN, STRANGE, UNSEEN, KNOWN]) == Enlisted(3, 0, 0, 0, 1)
    assert await touched(conn) == [vehicle_id]
    (funnel,) = await campaigns.status(conn, BRAKES.id)
    assert (funnel.total_n, funnel.open_n, funnel.notified_n, funnel.remedied_n, funnel.removed_n) == (
        3,
        3,
        0,
        0,
        0,
    )
    assert (funnel.registered_n, funnel.unregistered_n, funnel.unknown_n) == (1, 1, 1)


async def test_an_import_again_changes_nothing_and_leaves_nobody_out(
    conn: Connection, vehicle_id: int
) -> None:
    await campaigns.put(conn, BRAKES)
    await campaigns.enlist(conn, BRAKES.id, [KNOWN, UNSEEN])
    await touched(conn)
    assert not await campaigns.put(conn, BRAKES)
    assert await campaigns.enlist(conn, BRAKES.id, [KNOWN]) == Enlisted(0, 0, 1, 0, 0)
    assert await touched(conn) == []
    (funnel,) = await campaigns.status(conn)
    assert funnel.open_n == 2


async def test_a_change_of_the_campaign_touches_its_vehicles(conn: Connection, vehicle_id: int) -> None:
    await campaigns.put(conn, BRAKES)
    await campaigns.enlist(conn, BRAKES.id, [KNOWN])
    await touched(conn)
    assert await campaigns.put(conn, replace(BRAKES, parts_ready=False))
    assert await touched(conn) == [vehicle_id]
    assert await campaigns.find(conn, BRAKES.id) == replace(BRAKES, parts_ready=False)


async def test_removal_is_explicit_and_can_be_taken_back_but_a_remedy_cannot(
    conn: Connection, vehicle_id: int
) -> None:
    await campaigns.put(conn, BRAKES)
    await campaigns.enlist(conn, BRAKES.id, [KNOWN, STRANGE])
    assert await campaigns.remove(conn, BRAKES.id, [KNOWN, UNSEEN]) == 1
    await conn.execute(
        "update campaign_vehicle set state = 'remedied', remedied_at = now() where vin = %s", (STRANGE,)
    )
    assert await campaigns.enlist(conn, BRAKES.id, [KNOWN, STRANGE]) == Enlisted(0, 1, 0, 1, 1)
    (funnel,) = await campaigns.status(conn, BRAKES.id)
    assert (funnel.open_n, funnel.remedied_n, funnel.removed_n) == (1, 1, 0)


async def test_a_campaign_that_is_not_there_has_no_status(conn: Connection) -> None:
    assert await campaigns.status(conn, "nope") == []
    assert await campaigns.find(conn, "nope") is None
