"""Vehicles are found by VIN, and made unregistered on their first message."""

from datetime import date

from store import vehicles
from store.pool import Connection
from store.vehicles import VehicleRef
from vehicle.vin import Vin

A, B, C = Vin("LRW3E7FA7NC000001"), Vin("LRW3E7FA7NC000002"), Vin("LRW3E7FA7NC000003")


async def test_an_unknown_vin_gets_an_unregistered_row_without_location(conn: Connection) -> None:
    found = await vehicles.by_vin(conn, [A, B, A])
    assert found[A] == VehicleRef(found[A].id, A, None, "Asia/Shanghai", None, False, False)
    assert set(found) == {A, B}
    assert await vehicles.by_vin(conn, [A]) == {A: found[A]}


async def test_a_registered_vehicle_is_told_with_what_decides_its_reading(conn: Connection) -> None:
    await conn.execute(
        "insert into vehicle (vin, model, tz, built_on, registered_at, location_allowed)"
        " values (%s, 'Odo City', 'Europe/Berlin', '2024-05-06', now(), true)",
        [A],
    )
    (found,) = (await vehicles.by_vin(conn, [A])).values()
    assert found == VehicleRef(found.id, A, "Odo City", "Europe/Berlin", date(2024, 5, 6), True, True)


async def test_asking_makes_no_row(conn: Connection) -> None:
    await vehicles.by_vin(conn, [A])
    assert set(await vehicles.known(conn, [A, C])) == {A}
    assert await vehicles.known(conn, []) == {}
