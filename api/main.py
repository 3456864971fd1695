"""The application: routes, limits and pages around one pool of connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI

from api import (
    assets,
    feeds,
    gaps,
    login,
    outcomes,
    pages,
    probes,
    problems,
    rejects,
    session,
    triggers,
    vehicle_pages,
    vehicles,
)
from api.assets import Assets
from api.context import Context
from api.guard import Guard
from api.language import Languages
from api.limits import Buckets
from api.metrics import Metrics
from api.options import AppOptions
from api.watch import FeedWatch
from store.pool import Pool

_DESCRIPTION: Final = """
Vehicles send data; the CRM gets the few things worth acting on, in time, with the reason.

Errors are problem details (RFC 9457); compare `type`, show `detail`. Vehicles are addressed by their random
id, never by VIN. Times are ISO 8601 with zone, days are the vehicle's local days, distances km.
""".strip()
_TAGS: Final = [
    {"name": "feeds", "description": "Events of triggers, in order, each at least once."},
    {"name": "outcomes", "description": "What became of triggers."},
    {"name": "triggers", "description": "The triggers themselves."},
    {"name": "vehicles", "description": "What is known of one vehicle."},
    {"name": "ingest", "description": "What became of messages that were not stored."},
    {"name": "probes", "description": "For machines that watch over this one."},
]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(context.watch.run())
        try:
            yield
        finally:
            watching.cancel()


def create_app(pool: Pool, options: AppOptions) -> FastAPI:
    """The whole HTTP side over an open pool. Its lifespan must run, or long polls only end by time."""
    limits = options.limits
    served = Assets(options.assets)
    metrics = Metrics()
    app = FastAPI(
        title="odocare",
        version=version("odocare"),
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # it loads scripts from elsewhere, which the content policy forbids
        redoc_url=None,
        openapi_tags=_TAGS,
        lifespan=_lifespan,
    )
    app.state.assets = served
    app.state.context = Context(
        pool=pool,
        options=options,
        metrics=metrics,
        watch=FeedWatch(pool),
        languages=Languages(served),
        per_key=Buckets(burst=limits.key_burst, per_s=limits.key_per_s),
        refused=Buckets(burst=limits.refused_burst, per_s=limits.refused_per_s),
    )
    for room in (
        probes,
        feeds,
        outcomes,
        triggers,
        vehicles,
        rejects,
        gaps,
        login,
        pages,
        vehicle_pages,
        assets,
    ):
        app.include_router(room.router)
    problems.install(app)
    session.install(app)
    app.add_middleware(Guard, metrics=metrics, body_bytes=limits.body_bytes)
    return app
