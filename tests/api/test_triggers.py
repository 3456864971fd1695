from uuid import uuid4

from store.consumers import Scope
from store.pool import Connection
from tests.api import town
from tests.api.conftest import Client, Keys


async def test_paging_through_open_triggers_meets_each_once(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn)
    header = await key(Scope.READ)
    seen: list[str] = []
    after: str | None = None
    while True:
        params = {"limit": "5"} | ({"after": after} if after else {})
        page = (await client.get("/v1/triggers", params=params, headers=header)).json()
        seen += [trigger["id"] for trigger in page["triggers"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(str(trigger) for trigger in made.triggers)


async def test_filters_narrow(client: Client, conn: Connection, key: Keys) -> None:
    await town.build(conn)
    header = await key(Scope.READ)

    async def count(**params: str) -> int:
        answer = await client.get("/v1/triggers", params=params, headers=header)
        assert answer.status_code == 200
        return len(answer.json()["triggers"])

    assert await count() == 16
    assert await count(state="booked") == 1
    assert await count(type="recall") == 2
    assert await count(dealer="D01") == 8
    assert await count(dealer="D99") == 0
    assert await count(state="completed") == 0
    await conn.execute("update trigger set state = 'withdrawn', closed_at = now() where type = 'wear'")
    assert await count() == 14
    assert await count(state="all") == 16


async def test_a_trigger_tells_its_evidence(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    answer = await client.get(f"/v1/triggers/{made.triggers[2]}", headers=await key(Scope.READ))
    told = answer.json()
    assert told["values"] == {"crank_rel_v": -0.923, "ambient_degc": 6.0}
    assert told["due"]["p10_on"] < told["due"]["p90_on"]
    assert told["words_zh"] != told["words_en"]
    assert "vin" not in answer.text.lower()


async def test_sales_triggers_need_the_sales_scope(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    await conn.execute(
        "update trigger set type = 'trade_in', feed = 'sales' where id = %s", (made.triggers[4],)
    )
    reader = await key(Scope.READ)
    seller = await key(Scope.READ, Scope.FEED_SALES, name="sales")
    url = f"/v1/triggers/{made.triggers[4]}"
    assert (await client.get(url, headers=reader)).status_code == 404
    assert (await client.get(url, headers=seller)).status_code == 200
    assert len((await client.get("/v1/triggers", headers=reader)).json()["triggers"]) == 15


async def test_what_is_not_there_is_404_and_what_makes_no_sense_422(client: Client, key: Keys) -> None:
    header = await key(Scope.READ)
    assert (await client.get(f"/v1/triggers/{uuid4()}", headers=header)).status_code == 404
    assert (await client.get("/v1/triggers/x", headers=header)).status_code == 404
    for query in ("state=x", "type=x", "limit=501", "after=x", "dealer=" + "x" * 65):
        assert (await client.get(f"/v1/triggers?{query}", headers=header)).status_code == 422
