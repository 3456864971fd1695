from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest

from store import audit, identities, segments
from store.consumers import Scope
from store.identities import Sighting
from store.messages import MessageKeys
from store.pool import Connection
from tests.api import town
from tests.api.conftest import Client, Keys
from tests.api.town import NOW
from vehicle.day import us_of
from vehicle.frame import SignalRows


async def test_a_vehicle_is_read_by_its_random_id_and_audited(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn, 6)
    answer = await client.get(f"/v1/vehicles/{made.vehicles[0]}", headers=await key(Scope.READ))
    assert answer.json()["vin"] == town.vin_of(0)
    assert answer.json()["odometer_km"] == pytest.approx(town.odometer_km(0, 540))
    assert answer.json()["owner_ref"] == "crm-0"
    seen = await audit.of_subject(conn, made.vehicles[0], limit=10)
    assert [(row.actor, row.action) for row in seen] == [("crm", "vehicle.read")]


async def test_a_vin_is_no_address(client: Client, conn: Connection, key: Keys) -> None:
    await town.build(conn, 6)
    header = await key(Scope.READ)
    assert (await client.get(f"/v1/vehicles/{town.vin_of(0)}", headers=header)).status_code == 404
    assert (await client.get(f"/v1/vehicles/{uuid4()}", headers=header)).status_code == 404


async def test_whether_a_vehicle_exists_is_told_only_with_a_key(client: Client, conn: Connection) -> None:
    made = await town.build(conn, 6)
    for vehicle in (made.vehicles[0], uuid4()):
        assert (await client.get(f"/v1/vehicles/{vehicle}")).status_code == 401
        assert (await client.get(f"/v1/vehicles/{vehicle}/days")).status_code == 401


async def test_faults_come_with_their_meaning_in_both_languages(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn, 6)
    answer = await client.get(f"/v1/vehicles/{made.vehicles[1]}/faults", headers=await key(Scope.READ))
    first, second = answer.json()["faults"]
    assert (first["code"], first["ended_at"]) == ("P0301", None)
    assert first["meaning_zh"] != first["meaning_en"]
    assert (first["state"], second["state"]) == ("active", "healed")
    assert (second["code"], second["ended_why"]) == ("P0420", "healed")


async def test_what_ecus_say_of_themselves_is_told_with_what_it_replaced(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn, 6)
    ((number,),) = await (
        await conn.execute("select id from vehicle where public_id = %s", [made.vehicles[0]])
    ).fetchall()
    for day, version in enumerate(("1.0", "1.1", "1.1")):
        at_us = 1_760_000_000_000_000 + day * 86_400_000_000
        await identities.merge(conn, [Sighting(number, "7e8", "software", version, at_us)], known_us=at_us)
    answer = await client.get(f"/v1/vehicles/{made.vehicles[0]}/identities", headers=await key(Scope.READ))
    (told,) = answer.json()["identities"]
    assert (told["ecu"], told["kind"], told["value"], told["before"]) == ("7e8", "software", "1.1", "1.0")
    assert (told["since"][:10], told["until"][:10]) == ("2025-10-10", "2025-10-11")


async def test_predictions_come_earliest_first(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn, 6)
    answer = await client.get(f"/v1/vehicles/{made.vehicles[2]}/predictions", headers=await key(Scope.READ))
    found = answer.json()["predictions"]
    assert [one["item"] for one in found] == ["engine-oil", "brake-fluid"]
    assert found[0]["p10_on"] < found[0]["p50_on"] < found[0]["p90_on"]
    assert found[0]["evidence"]["km_per_day"] == 32.0


async def test_days_are_bounded_and_leave_gaps_out(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn, 6)
    header = await key(Scope.READ)
    url = f"/v1/vehicles/{made.vehicles[0]}/days"
    found = (await client.get(url, headers=header, params={"since": "2026-06-20"})).json()["days"]
    days = [row["day"] for row in found]
    assert days[0] >= "2026-06-20"
    assert days[-1] == "2026-11-21"
    assert "2026-07-06" not in days
    for wrong in (
        {"until": "0001-01-02"},
        {"since": "2010-01-01"},
        {"since": "2026-11-21", "until": "2026-11-01"},
        {"since": "x"},
    ):
        assert (await client.get(url, headers=header, params=wrong)).status_code == 422


async def test_a_signal_is_down_sampled(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn, 6)
    start = NOW - timedelta(hours=2)
    minute = np.arange(0, 120, 10)
    dt_us = np.array([0, 1_000_000, 2_000_000, 500_000])
    at_us = us_of(start) + minute[:, None] * 60_000_000 + dt_us
    speed = minute[:, None] + [0.0, 1.0, 2.0]
    rows = SignalRows(
        message=np.repeat(np.arange(12, dtype=np.int32), 4),
        t_us=at_us.reshape(-1),
        signal=np.tile(np.array([2, 2, 2, 6], np.int16), 12),
        value=np.hstack([speed, np.full((12, 1), 20.0)]).reshape(-1),
    )
    ones = np.ones(12, dtype=np.int64)
    keys = MessageKeys(made.ids[0] * ones, ones, 0 * ones, minute)
    await segments.append(conn, keys, [None] * 12, rows)
    header = await key(Scope.READ)
    url = f"/v1/vehicles/{made.vehicles[0]}/signals"
    wanted = {
        "path": "Vehicle.Speed",
        "since": start.isoformat(),
        "until": NOW.isoformat(),
        "points": "4",
    }
    answer = (await client.get(url, params=wanted, headers=header)).json()
    assert (answer["unit"], answer["kind"]) == ("km/h", "gauge")
    assert [(b["n"], b["minimum"], b["maximum"], b["mean"], b["last"]) for b in answer["buckets"]] == [
        (9, 0, 22, 11, 22),
        (9, 30, 52, 41, 52),
        (9, 60, 82, 71, 82),
        (9, 90, 112, 101, 112),
    ]
    other = {**wanted, "path": "Vehicle.Exterior.AirTemperature", "points": "1"}
    (bucket,) = (await client.get(url, params=other, headers=header)).json()["buckets"]
    assert (bucket["n"], bucket["mean"]) == (12, 20.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "Vehicle.Nonsense"},
        {"path": "Vehicle.CurrentLocation.Latitude"},
        {"path": "Vehicle.Speed", "since": "2020-01-01T00:00:00Z"},
        {"path": "Vehicle.Speed", "since": "2026-11-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"},
        {"path": "Vehicle.Speed", "until": "0001-01-01T00:00:00Z"},
        {"path": "Vehicle.Speed", "points": "1000000000"},
        {},
    ],
)
async def test_a_series_has_a_known_signal_and_a_checked_span(
    client: Client, conn: Connection, key: Keys, wrong: dict[str, str]
) -> None:
    made = await town.build(conn, 6)
    answer = await client.get(
        f"/v1/vehicles/{made.vehicles[0]}/signals", params=wrong, headers=await key(Scope.READ)
    )
    assert answer.status_code == 422
