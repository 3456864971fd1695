import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx

from store.consumers import Scope
from store.pool import Connection
from tests.api import town
from tests.api.conftest import Client, Keys

URL = "/v1/outcomes"
AT = "2026-11-21T10:00:00+08:00"
CRM = (Scope.OUTCOMES, Scope.FEED_SERVICE, Scope.FEED_RECALL)


def booked(trigger: UUID, **more: Any) -> dict[str, Any]:
    return {"trigger_id": str(trigger), "state": "booked", "happened_at": AT, **more}


async def post(
    client: Client, header: dict[str, str], name: str, outcomes: list[dict[str, Any]]
) -> httpx.Response:
    return await client.post(URL, json={"outcomes": outcomes}, headers={**header, "Idempotency-Key": name})


async def test_an_outcome_moves_its_trigger_and_shows_in_the_feed(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn)
    header = await key(*CRM, Scope.READ)
    events = "/v1/feeds/service/events"
    end = (await client.get(events, headers=header)).headers["feed-next-cursor"]
    answer = await post(client, header, "a", [booked(made.triggers[4])])
    assert answer.status_code == 200
    assert [result["status"] for result in answer.json()["results"]] == [200]
    assert answer.json()["results"][0]["state"] == "booked"
    told = await client.get(f"/v1/triggers/{made.triggers[4]}", headers=header)
    assert told.json()["state"] == "booked"
    after = (await client.get(events, params={"after": end}, headers=header)).json()
    assert [event["data"]["state"] for event in after] == ["booked"]


async def test_every_row_has_a_status_of_its_own(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    header = await key(*CRM)
    rows: list[dict[str, Any]] = [
        booked(made.triggers[4]),
        booked(uuid4()),
        {"trigger_id": str(made.triggers[5]), "state": "nonsense", "happened_at": AT},
        {"trigger_id": str(made.triggers[7]), "state": "completed", "happened_at": AT},
        {},
        booked(made.triggers[12]),
    ]
    answer = await post(client, header, "a", rows)
    assert answer.status_code == 200
    assert [row["status"] for row in answer.json()["results"]] == [200, 404, 422, 422, 422, 200]
    assert all(row["detail"] for row in answer.json()["results"][1:5])


async def test_a_completed_visit_is_stored_with_its_items(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn)
    done = {
        "trigger_id": str(made.triggers[4]),
        "state": "completed",
        "happened_at": AT,
        "repair_order": "RO-9001",
        "odometer_km": 31_000.0,
        "finding": "confirmed",
    }
    await post(client, await key(*CRM), "a", [done])
    row = await (
        await conn.execute("select items, finding from service_visit where repair_order = 'RO-9001'")
    ).fetchone()
    assert row == (["engine-oil"], "confirmed")


async def test_the_same_request_again_is_answered_alike_and_changes_nothing(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn)
    header = await key(*CRM)
    first = await post(client, header, "a", [booked(made.triggers[4]), booked(uuid4())])
    again = await post(client, header, "a", [booked(made.triggers[4]), {**first.json()["results"][1]}])
    assert again.status_code == 422
    assert again.json()["type"] == "urn:odocare:problem:idempotency-key-reused"
    outcomes = [booked(made.triggers[5])]
    one, two = await post(client, header, "b", outcomes), await post(client, header, "b", outcomes)
    assert two.content == one.content
    assert two.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in one.headers
    row = await (
        await conn.execute("select count(*) from outcome where trigger_id = %s", (made.triggers[5],))
    ).fetchone()
    assert row == (1,)


async def test_two_requests_at_once_with_one_key_act_once(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn)
    header = await key(*CRM)
    outcomes = [booked(made.triggers[5])]
    answers = await asyncio.gather(*[post(client, header, "same", outcomes) for _ in range(6)])
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


async def test_keys_of_two_consumers_do_not_meet(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    east, west = await key(*CRM, name="east"), await key(*CRM, name="west")
    assert (await post(client, east, "a", [booked(made.triggers[4])])).status_code == 200
    assert (await post(client, west, "a", [booked(made.triggers[5])])).status_code == 200


async def test_a_body_that_does_not_fit_is_422(client: Client, key: Keys) -> None:
    header = {**await key(*CRM), "Idempotency-Key": "a"}
    bodies: tuple[Any, ...] = (
        {},
        {"outcomes": []},
        {"outcomes": [{}] * 201},
        {"outcomes": [1]},
        [],
        {"rows": []},
        None,
    )
    for body in bodies:
        answer = await client.post(URL, json=body, headers=header)
        assert answer.status_code == 422, body
        assert answer.json()["type"] == "urn:odocare:problem:not-valid"
    broken = await client.post(
        URL, content=b'{"outcomes": [', headers={**header, "Content-Type": "application/json"}
    )
    assert broken.status_code == 422


async def test_the_idempotency_key_is_required_and_short(client: Client, key: Keys) -> None:
    header = await key(*CRM)
    for name in (None, "", "a" * 201, "a b"):
        named = header if name is None else {**header, "Idempotency-Key": name}
        answer = await client.post(URL, json={"outcomes": [{}]}, headers=named)
        assert answer.status_code == 422, name


async def test_a_key_without_the_scope_is_refused(client: Client, key: Keys) -> None:
    header = await key(Scope.READ)
    assert (await post(client, header, "a", [{}])).status_code == 403


async def test_a_key_acts_only_on_triggers_of_feeds_it_may_read(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn)
    row = await (await conn.execute("select id from trigger where feed = 'recall' limit 1")).fetchone()
    assert row is not None
    done = {**booked(row[0], repair_order="RO-1"), "state": "completed"}
    sent = [booked(made.triggers[4]), done]
    expected = {
        (Scope.OUTCOMES, Scope.READ): [404, 404],
        (Scope.OUTCOMES, Scope.READ, Scope.FEED_SERVICE): [200, 404],
        (Scope.OUTCOMES, Scope.FEED_RECALL): [404, 200],
    }
    for n, (scopes, statuses) in enumerate(expected.items()):
        answer = await post(client, await key(*scopes, name=f"crm-{n}"), "a", sent)
        assert [one["status"] for one in answer.json()["results"]] == statuses


async def test_rows_that_cannot_be_stored_spoil_no_other(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    header = {**await key(*CRM), "Idempotency-Key": "a", "Content-Type": "application/json"}
    bad = [
        {**booked(made.triggers[5]), **change}
        for change in (
            {"result": "a\u0000b"},
            {"repair_order": "\ud800"},
            {"trigger_id": "\ud800"},
            {"trigger_id": "a\u0000b"},
            {"\ud800": 1},
            {"happened_at": "0001-01-01T00:00:00+08:00"},
            {"odometer_km": float("nan")},
            {"odometer_km": 10**40},
        )
    ]
    body = json.dumps({"outcomes": [booked(made.triggers[4]), *bad, booked(made.triggers[6])]})
    answer = await client.post(URL, content=body, headers=header)
    assert answer.status_code == 200
    statuses = [one["status"] for one in answer.json()["results"]]
    assert statuses == [200, *[422] * len(bad), 200]
    again = await client.post(URL, content=body, headers=header)
    assert again.content == answer.content


async def test_too_large_a_body_is_413_before_it_is_read(client: Client, key: Keys) -> None:
    header = {**await key(*CRM), "Idempotency-Key": "a", "Content-Type": "application/json"}
    announced = await client.post(URL, content=b"x" * (1 << 20) + b"y", headers=header)
    assert announced.status_code == 413

    async def endless() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    streamed = await client.post(URL, content=endless(), headers=header)
    assert streamed.status_code == 413
    assert streamed.json()["type"] == "urn:odocare:problem:too-large"
