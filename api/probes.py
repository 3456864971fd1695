"""`/healthz`, `/readyz` and `/metrics`: for machines that watch over us; no personal data, no key."""

import psycopg
from fastapi import APIRouter, Response

from api import metrics, problems
from api.context import Shared, brief
from api.problems import Problem
from store import gap_list, health
from vehicle.errors import MigrationError

router = APIRouter(tags=["probes"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Whether the process answers; asks nobody else."""
    return {"status": "alive"}


@router.get(
    "/readyz", responses={503: {"description": "The database does not answer or has another schema."}}
)
async def ready(shared: Shared) -> dict[str, str]:
    """Whether requests can be served: the database answers and its schema is this version's."""
    try:
        async with brief(shared) as conn:
            await health.require_ready(conn)
    except MigrationError as error:
        raise Problem(503, "schema-not-current", str(error)) from error
    except psycopg.OperationalError as error:
        raise problems.unavailable() from error
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
async def measured(shared: Shared) -> Response:
    """Prometheus metrics: requests, refusals, long polls, where the feeds stand, what vehicles lost."""
    try:
        async with brief(shared) as conn:
            shared.metrics.feeds(await health.feeds(conn))
            shared.metrics.gaps(*await gap_list.still_open(conn))
    except psycopg.OperationalError:
        shared.metrics.feeds(None)
    return Response(shared.metrics.text(), media_type=metrics.MEDIA_TYPE)
