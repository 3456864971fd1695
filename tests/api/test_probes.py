from store import migrate
from store.pool import Connection
from tests.api import town
from tests.api.conftest import Client


async def test_it_is_alive_and_not_ready_before_the_schema_is(client: Client, conn: Connection) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    newest = migrate.read_migrations()[-1]
    await conn.execute("delete from migration where number = %s", [newest.number])
    early = await client.get("/readyz")
    assert early.status_code == 503
    assert early.json()["type"] == "urn:odocare:problem:schema-not-current"
    await conn.execute(migrate.RECORD, newest.record)
    assert (await client.get("/readyz")).json() == {"status": "ready"}


async def test_metrics_tell_where_the_feeds_stand(client: Client, conn: Connection) -> None:
    made = await town.build(conn)
    await town.add_event(conn, made.triggers[4], made.vehicles[4], "service", "revised", 2)
    text = (await client.get("/metrics")).text
    assert 'odocare_feed_position{feed="service"} 15.0' in text
    assert 'odocare_feed_unnumbered_events{feed="service"} 1.0' in text
    assert 'odocare_feed_unnumbered_events{feed="recall"} 0.0' in text
    assert "odocare_database_up 1.0" in text


async def test_requests_are_counted_by_route_and_never_by_address(client: Client) -> None:
    for n in range(30):
        await client.get(f"/v1/vehicles/{n}")
        await client.get(f"/nothing/{n}")
    text = (await client.get("/metrics")).text
    assert 'route="/v1/vehicles/{vehicle_id}",status="401"' in text or 'status="404"' in text
    assert "/nothing/" not in text
    assert len(text.splitlines()) < 300
