from fastapi import FastAPI

from tests.api.conftest import Client


async def test_the_description_names_every_address_and_parameter(client: Client) -> None:
    described = (await client.get("/v1/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    assert {
        "/v1/feeds/{feed}/events",
        "/v1/outcomes",
        "/v1/triggers",
        "/v1/triggers/{trigger_id}",
        "/v1/rejects",
        "/v1/gaps",
        "/v1/vehicles/{vehicle_id}",
        "/v1/vehicles/{vehicle_id}/signals",
        "/v1/vehicles/{vehicle_id}/faults",
        "/v1/vehicles/{vehicle_id}/identities",
        "/v1/vehicles/{vehicle_id}/odometer",
        "/v1/vehicles/{vehicle_id}/predictions",
        "/v1/vehicles/{vehicle_id}/days",
        "/healthz",
        "/readyz",
        "/metrics",
    } == set(described["paths"])
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"


async def test_every_address_under_v1_needs_a_key(client: Client, app: FastAPI) -> None:
    described = (await client.get("/v1/openapi.json")).json()
    for path, methods in described["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for method in methods:
            filled = path.replace("{feed}", "service").replace(
                "{vehicle_id}", "5b2ebfc7-ece6-5b26-84ff-2476d1896f82"
            )
            filled = filled.replace("{trigger_id}", "5b2ebfc7-ece6-5b26-84ff-2476d1896f82")
            answer = await client.request(method, filled, params={"path": "Vehicle.Speed"})
            assert answer.status_code == 401, (method, filled)


async def test_every_answer_has_the_security_headers(client: Client) -> None:
    for path in ("/v1/openapi.json", "/nothing", "/login", "/healthz", "/static/page.css"):
        headers = (await client.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
    assert (await client.get("/healthz")).headers["cache-control"] == "no-store"
