"""The application over a private database, with a clock that stands still."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.main import create_app
from api.options import AppOptions, FeatureMeaning
from odocare import wiring
from store import consumers
from store.consumers import Scope
from store.pool import Connection, Pool, open_pool
from tests.api.town import NOW

REPOSITORY = Path(__file__).parents[2]
ASSETS = REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare") / "assets" / "node_modules"
Client = httpx.AsyncClient
Keys = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, most=4) as opened:
        yield opened


@pytest.fixture
def options() -> AppOptions:
    return AppOptions(
        assets=ASSETS,
        catalogue=wiring.catalogue(),
        dtc=wiring.dtc_table(),
        features={
            "crank_rel_v": FeatureMeaning(
                "V", "起动电压相对基线", "cranking voltage against its own baseline"
            )
        },
        now=lambda: NOW,
    )


@pytest.fixture
async def app(pool: Pool, options: AppOptions) -> AsyncIterator[FastAPI]:
    made = create_app(pool, options)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[Client]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with Client(transport=transport, base_url="http://odocare.test") as opened:
        yield opened


@pytest.fixture
def key(conn: Connection) -> Keys:
    """Makes an access key and gives the header that carries it."""

    async def make(*scopes: Scope, name: str = "crm") -> dict[str, str]:
        made = await consumers.create_key(conn, name, scopes, at=NOW, expires_at=NOW + timedelta(days=30))
        return {"Authorization": f"Bearer {made}"}

    return make
