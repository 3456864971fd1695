from store.consumers import Scope
from store.pool import Connection
from tests.api.conftest import Client, Keys
from tests.store.test_gap_list import VIN, fill


async def test_gaps_are_listed_newest_first_with_totals_and_pages(
    client: Client, conn: Connection, key: Keys
) -> None:
    await fill(conn)
    header = await key(Scope.READ)
    first = (await client.get("/v1/gaps?limit=3", headers=header)).json()
    assert first["totals"] == {"vehicles": 2, "gaps": 4, "missing": 10, "late": 0}
    assert [(one["first_seq"], one["last_seq"]) for one in first["gaps"]] == [(0, 2), (8, 9), (6, 6)]
    rest = (await client.get(f"/v1/gaps?limit=3&before={first['next']}", headers=header)).json()
    assert (len(rest["gaps"]), rest["next"]) == (1, None)
    assert VIN not in str(rest)
    everything = (await client.get("/v1/gaps?open=false", headers=header)).json()
    assert (len(everything["gaps"]), everything["totals"]["late"]) == (5, 1)
    mine = {"vehicle": first["gaps"][0]["vehicle"]}
    assert len((await client.get("/v1/gaps", params=mine, headers=header)).json()["gaps"]) == 1


async def test_what_is_missing_is_measured(client: Client, conn: Connection) -> None:
    await fill(conn)
    told = (await client.get("/metrics")).text.splitlines()
    assert {"odocare_gaps_open 4.0", "odocare_gap_messages_missing 10.0"} <= set(told)


async def test_filters_of_the_address_are_checked(client: Client, key: Keys) -> None:
    header = await key(Scope.READ)
    for wrong in ("since=yesterday", "until=2026-01-01T00:00:00", "limit=0", "before=x", "vehicle=1"):
        assert (await client.get(f"/v1/gaps?{wrong}", headers=header)).status_code == 422, wrong
    assert (await client.get("/v1/gaps")).status_code == 401
