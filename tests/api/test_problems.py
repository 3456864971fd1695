import json
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.problems import from_validation
from store.consumers import Scope
from store.pool import Connection
from tests.api import town
from tests.api.conftest import Client, Keys

MEMBERS = {"type", "title", "status", "detail"}
NASTY = (
    "' or 1=1 --",
    "'; drop table trigger; --",
    '"><script>alert(1)</script>',
    "{{7*7}}${7*7}",
    "%00",
    "\x00",
    "\ud7ff\ufffe",
    "../../../../etc/passwd",
    "%s%s%s%n",
    "a" * 5_000,
    "=cmd()",
    "𝕏\u202e",
    "-1",
    "NaN",
)


async def test_every_kind_of_error_is_a_problem(client: Client, key: Keys) -> None:
    header = await key(*Scope)
    cases = {
        404: await client.get("/v1/nothing", headers=header),
        405: await client.delete("/v1/triggers", headers=header),
        422: await client.get("/v1/triggers?limit=x", headers=header),
        401: await client.get("/v1/triggers"),
        400: await client.get("/v1/feeds/service/events?after=x", headers=header),
    }
    for status, answer in cases.items():
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) >= MEMBERS
        assert answer.json()["status"] == status
    assert "GET" in cases[405].headers["allow"]


async def test_a_mistake_of_ours_tells_nothing(client: Client, app: FastAPI) -> None:
    async def broken() -> None:
        raise RuntimeError("the password is swordfish")

    app.add_api_route("/v1/broken", broken)
    answer = await client.get("/v1/broken")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:odocare:problem:internal"
    assert "swordfish" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_database_that_does_not_answer_is_503(client: Client, app: FastAPI, key: Keys) -> None:
    header = await key(Scope.READ)
    await app.state.context.pool.close()
    answer = await client.get("/v1/triggers", headers=header)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["type"] == "urn:odocare:problem:database-unavailable"
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/healthz")).status_code == 200
    assert "odocare_database_up 0.0" in (await client.get("/metrics")).text


def test_what_was_sent_is_not_repeated() -> None:
    problem = from_validation(
        [{"loc": ("body", "outcomes", 3, "key"), "msg": "Field required", "input": "odo_secret"}]
    )
    assert problem.members["errors"] == [{"pointer": "/outcomes/3/key", "detail": "Field required"}]
    assert "odo_secret" not in json.dumps(problem.members)


@pytest.mark.parametrize("text", NASTY)
async def test_nasty_texts_never_break_anything(
    client: Client, conn: Connection, key: Keys, text: str
) -> None:
    await town.build(conn, 6)
    header = await key(*Scope)
    before = await _rows(conn)
    for path, params in (
        ("/v1/triggers", {"dealer": text}),
        ("/v1/triggers", {"state": text}),
        ("/v1/triggers", {"after": text}),
        ("/v1/feeds/service/events", {"after": text}),
        ("/v1/feeds/service/events", {"type": text}),
        ("/v1/vehicles/5b2ebfc7-ece6-5b26-84ff-2476d1896f82/signals", {"path": text}),
        ("/login", {"ticket": text, "next": text}),
        ("/", {"q": text, "dealer": text, "page": text}),
    ):
        answer = await client.get(path, params=params, headers=header)
        assert answer.status_code < 500, (path, answer.text)
        assert "<script>alert" not in answer.text
    answer = await client.post(
        "/v1/outcomes",
        json={"outcomes": [{"trigger_id": text, "state": text, "happened_at": text, "reason": text}]},
        headers={**header, "Idempotency-Key": "a"},
    )
    assert answer.status_code < 500
    assert await _rows(conn) == before


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
async def test_any_json_is_an_answer(client: Client, body: Any) -> None:
    answer = await client.post("/v1/outcomes", content=json.dumps(body), headers={"Idempotency-Key": "a"})
    assert answer.status_code in {401, 422}


async def _rows(conn: Connection) -> list[tuple[Any, ...]]:
    return await (
        await conn.execute(
            "select (select count(*) from trigger), (select count(*) from outcome),"
            " (select count(*) from vehicle), (select count(*) from trigger_event)"
        )
    ).fetchall()
