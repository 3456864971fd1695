from datetime import timedelta

import pytest

from store import consumers
from store.consumers import Scope
from store.pool import Connection
from tests.api.conftest import Client, Keys
from tests.api.town import NOW

FEED = "/v1/feeds/service/events"


async def test_a_key_opens_what_its_scopes_name(client: Client, key: Keys) -> None:
    header = await key(Scope.FEED_SERVICE)
    assert (await client.get(FEED, headers=header)).status_code == 200
    refused = await client.get("/v1/feeds/recall/events", headers=header)
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:odocare:problem:scope-missing"
    assert 'scope="feed:recall"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer x", "Basic b2RvOm9kbw==", "Bearer odo_abcdefghij_short"]
)
async def test_no_key_or_no_shape_of_one_is_401(client: Client, value: str | None) -> None:
    answer = await client.get(FEED, headers={} if value is None else {"Authorization": value})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_unknown_expired_and_revoked_keys_answer_alike(client: Client, conn: Connection) -> None:
    good = await consumers.create_key(conn, "crm", [Scope.READ], at=NOW, expires_at=NOW + timedelta(days=1))
    old = await consumers.create_key(conn, "old", [Scope.READ], at=NOW, expires_at=NOW)
    gone = await consumers.create_key(conn, "gone", [Scope.READ], at=NOW, expires_at=NOW + timedelta(days=1))
    await consumers.revoke(conn, gone.prefix, at=NOW)
    forged = consumers.Key(good.prefix, consumers.draw_key().secret)
    texts = set()
    for key in (old, gone, forged, consumers.draw_key()):
        answer = await client.get("/v1/triggers", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 401
        texts.add(answer.text)
    assert len(texts) == 1
    assert (await client.get("/v1/triggers", headers={"Authorization": f"Bearer {good}"})).status_code == 200


async def test_guessing_is_slowed_down_and_a_known_key_still_passes(client: Client, key: Keys) -> None:
    header = await key(Scope.READ)
    assert (await client.get("/v1/triggers", headers=header)).status_code == 200
    statuses = []
    for _ in range(40):
        guess = {"Authorization": f"Bearer {consumers.draw_key()}"}
        statuses.append((await client.get("/v1/triggers", headers=guess)).status_code)
    assert statuses[:20] == [401] * 20
    assert set(statuses[25:]) == {429}
    slowed = await client.get("/v1/triggers", headers={"Authorization": "Bearer nonsense"})
    assert slowed.status_code == 429
    assert int(slowed.headers["retry-after"]) >= 1
    assert (await client.get("/v1/triggers", headers=header)).status_code == 200


async def test_one_key_cannot_take_all_there_is(client: Client, key: Keys) -> None:
    busy, calm = await key(Scope.READ, name="busy"), await key(Scope.READ, name="calm")
    statuses = [(await client.get("/v1/triggers", headers=busy)).status_code for _ in range(400)]
    assert 429 in statuses
    assert (await client.get("/v1/triggers", headers=calm)).status_code == 200


async def test_nothing_secret_is_stored(conn: Connection) -> None:
    key = await consumers.create_key(conn, "crm", [Scope.READ], at=NOW, expires_at=NOW + timedelta(days=1))
    row = await (await conn.execute("select row_to_json(access_key)::text from access_key")).fetchone()
    assert row is not None
    assert key.secret not in row[0]
    assert key.secret not in repr(key)
    assert [one.prefix for one in await consumers.keys(conn)] == [key.prefix]
