import asyncio
from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from api import cursor
from store import feed as feeds
from store.consumers import Scope
from store.feed import Position
from store.pool import Connection
from tests.api import town
from tests.api.conftest import Client, Keys
from tests.api.town import NOW
from vehicle.trigger import Feed

SERVICE = "/v1/feeds/service/events"


async def test_a_reader_gets_every_event_once_in_order(client: Client, conn: Connection, key: Keys) -> None:
    await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    seen, after = [], ""
    while True:
        answer = await client.get(SERVICE, params={"after": after, "limit": 4}, headers=header)
        assert answer.headers["content-type"] == "application/cloudevents-batch+json"
        after = answer.headers["feed-next-cursor"]
        if not answer.json():
            break
        assert answer.json()[-1]["cursor"] == after
        seen += [event["id"] for event in answer.json()]
    rows = await (
        await conn.execute(
            "select payload ->> 'id' from trigger_event where feed = 'service' order by position"
        )
    ).fetchall()
    assert seen == [row[0] for row in rows]
    assert len(seen) == 15
    assert float(answer.headers["feed-lag-seconds"]) == 0.0


async def test_every_event_carries_the_cursor_to_go_on_from(
    client: Client, conn: Connection, key: Keys
) -> None:
    await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    whole = (await client.get(SERVICE, headers=header)).json()
    rest = await client.get(SERVICE, params={"after": whole[6]["cursor"]}, headers=header)
    assert rest.json() == whole[7:]


async def test_recalls_go_to_their_own_feed(client: Client, conn: Connection, key: Keys) -> None:
    await town.build(conn)
    header = await key(Scope.FEED_SERVICE, Scope.FEED_RECALL, Scope.FEED_SALES)
    recalls = (await client.get("/v1/feeds/recall/events", headers=header)).json()
    assert {event["source"] for event in recalls} == {"//odocare.local/feeds/recall"}
    assert len(recalls) == 2
    assert (await client.get("/v1/feeds/sales/events", headers=header)).json() == []


async def test_a_type_can_be_asked_for(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    answer = await client.get(SERVICE, params={"type": ["fault", "wear"]}, headers=header)
    assert {event["subject"] for event in answer.json()} == {str(made.triggers[n]) for n in (1, 2, 9, 10)}
    assert (await client.get(SERVICE, params={"type": "nonsense"}, headers=header)).status_code == 422


async def test_an_unchanged_page_is_304(client: Client, conn: Connection, key: Keys) -> None:
    await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    first = await client.get(SERVICE, headers=header)
    again = await client.get(SERVICE, headers={**header, "If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["feed-next-cursor"] == first.headers["feed-next-cursor"]
    assert again.content == b""


async def test_a_bad_cursor_is_400_and_says_so(client: Client, key: Keys) -> None:
    header = await key(Scope.FEED_SERVICE)
    foreign = cursor.spell(Position(Feed.RECALL, 1, 0))
    for bad in ("x", "A" * 24, foreign, "' or 1=1 --", "A" * 150):
        answer = await client.get(SERVICE, params={"after": bad}, headers=header)
        assert answer.status_code == 400, bad
        assert answer.json()["type"] == "urn:odocare:problem:bad-cursor"


async def test_an_expired_cursor_is_410_with_the_earliest(
    client: Client, conn: Connection, key: Keys
) -> None:
    await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    old = (await client.get(SERVICE, params={"limit": 1}, headers=header)).headers["feed-next-cursor"]
    await conn.execute("delete from trigger_event where feed = 'service' and position <= 5")
    answer = await client.get(SERVICE, params={"after": old}, headers=header)
    assert answer.status_code == 410
    assert answer.json()["type"] == "urn:odocare:problem:expired-cursor"
    earliest = answer.json()["earliest_cursor"]
    assert len((await client.get(SERVICE, params={"after": earliest}, headers=header)).json()) == 10


async def test_a_cursor_from_before_a_restore_is_410(client: Client, conn: Connection, key: Keys) -> None:
    await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    end = (await client.get(SERVICE, headers=header)).headers["feed-next-cursor"]
    await feeds.renew_epochs(conn)
    assert (await client.get(SERVICE, params={"after": end}, headers=header)).status_code == 410
    ahead = cursor.spell(Position(Feed.SERVICE, 2, 10**9))
    assert (await client.get(SERVICE, params={"after": ahead}, headers=header)).status_code == 410


@pytest.mark.parametrize(
    "query", ["limit=1000000000", "limit=0", "limit=-1", "limit=1e3", "wait=31", "wait=-1", "limit="]
)
async def test_limits_out_of_range_are_422(client: Client, key: Keys, query: str) -> None:
    answer = await client.get(f"{SERVICE}?{query}", headers=await key(Scope.FEED_SERVICE))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.split("=")[0]


async def test_an_unknown_feed_is_404(client: Client, key: Keys) -> None:
    assert (await client.get("/v1/feeds/nope/events", headers=await key(*Scope))).status_code == 404


async def test_a_waiting_reader_is_woken_by_an_event(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    end = (await client.get(SERVICE, headers=header)).headers["feed-next-cursor"]
    waiting = asyncio.create_task(
        client.get(SERVICE, params={"after": end, "wait": 30}, headers=header, timeout=40)
    )
    await _until_waiting(client)
    await town.add_event(conn, made.triggers[4], made.vehicles[4], "service", "revised", 2)
    await feeds.sequence(conn)
    answer = await asyncio.wait_for(waiting, 10)
    assert [event["id"] for event in answer.json()] == [f"{made.triggers[4]}.2"]


async def test_a_waiting_reader_of_a_type_sleeps_through_others(
    client: Client, conn: Connection, key: Keys
) -> None:
    made = await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    end = (await client.get(SERVICE, headers=header)).headers["feed-next-cursor"]
    waiting = asyncio.create_task(
        client.get(SERVICE, params={"after": end, "wait": 30, "type": "fault"}, headers=header, timeout=40)
    )
    await _until_waiting(client)
    for n, kind in ((4, "service_due"), (1, "fault")):
        await town.add_event(conn, made.triggers[n], made.vehicles[n], "service", "revised", 2)
        await feeds.sequence(conn)
        if kind == "service_due":
            await _until_waiting(client)
    answer = await asyncio.wait_for(waiting, 10)
    assert [event["id"] for event in answer.json()] == [f"{made.triggers[1]}.2"]


async def test_a_wait_without_events_ends_empty(client: Client, conn: Connection, key: Keys) -> None:
    await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    end = (await client.get(SERVICE, headers=header)).headers["feed-next-cursor"]
    answer = await client.get(SERVICE, params={"after": end, "wait": 1}, headers=header)
    assert answer.json() == []
    assert answer.headers["feed-next-cursor"] == end


async def test_one_key_may_only_hold_a_few_long_polls(client: Client, conn: Connection, key: Keys) -> None:
    await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    end = (await client.get(SERVICE, headers=header)).headers["feed-next-cursor"]
    polls = [client.get(SERVICE, params={"after": end, "wait": 1}, headers=header) for _ in range(20)]
    statuses = sorted([answer.status_code for answer in await asyncio.gather(*polls)])
    assert statuses == [200] * 8 + [429] * 12


async def test_uncommitted_events_are_not_there_yet(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    header = await key(Scope.FEED_SERVICE)
    end = (await client.get(SERVICE, headers=header)).headers["feed-next-cursor"]
    await town.add_event(
        conn, made.triggers[4], made.vehicles[4], "service", "revised", 2, at=NOW - timedelta(days=400)
    )
    answer = await client.get(SERVICE, params={"after": end}, headers=header)
    assert answer.json() == []
    assert float(answer.headers["feed-lag-seconds"]) > 0
    await feeds.sequence(conn)
    assert len((await client.get(SERVICE, params={"after": end}, headers=header)).json()) == 1


async def test_event_data_come_through_unchanged(client: Client, conn: Connection, key: Keys) -> None:
    made = await town.build(conn)
    payload = {"id": "x", "data": {"words": {"zh": "机油 <b>\u2028", "en": "0.1"}, "n": 1e-7, "none": None}}
    await conn.execute(
        "update trigger_event set payload = %s where trigger_id = %s", (Jsonb(payload), made.triggers[1])
    )
    events = (await client.get(SERVICE, headers=await key(Scope.FEED_SERVICE))).json()
    assert [event["data"] for event in events if event["id"] == "x"] == [payload["data"]]


async def _until_waiting(client: Client) -> None:
    text = ""
    async with asyncio.timeout(10):
        while "odocare_feed_long_polls 1.0" not in text:
            text = (await client.get("/metrics")).text
