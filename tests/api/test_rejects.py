from store.consumers import Scope
from store.pool import Connection
from tests.api.conftest import Client, Keys
from tests.store.test_reject_list import VIN, fill


async def test_refusals_are_listed_newest_first_with_counts_and_pages(
    client: Client, conn: Connection, key: Keys
) -> None:
    await fill(conn)
    header = await key(Scope.READ)
    first = (await client.get("/v1/rejects?limit=4", headers=header)).json()
    assert first["counts"] == {"bad-topic": 3, "truncated": 3}
    assert [one["reason"] for one in first["rejects"]] == ["truncated", "bad-topic"] * 2
    rest = (await client.get(f"/v1/rejects?limit=4&before={first['next']}", headers=header)).json()
    assert (len(rest["rejects"]), rest["next"]) == (2, None)
    one = rest["rejects"][-1]
    assert one["vehicle"] is not None
    assert VIN not in str(rest)


async def test_filters_of_the_address_are_checked(client: Client, conn: Connection, key: Keys) -> None:
    await fill(conn)
    header = await key(Scope.READ)
    found = await client.get(
        "/v1/rejects",
        params={"reason": "truncated", "kind": "can", "waiting": "true", "until": "2100-01-01T00:00:00Z"},
        headers=header,
    )
    assert len(found.json()["rejects"]) == 2
    for wrong in ("since=yesterday", "since=2026-01-01T00:00:00", "limit=0", "before=x", "reason=a%20b"):
        answer = await client.get(f"/v1/rejects?{wrong}", headers=header)
        assert answer.status_code == 422, wrong
    assert (await client.get("/v1/rejects")).status_code == 401
