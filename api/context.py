"""What every request of one application shares."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request, Response

from api.language import Languages
from api.limits import Buckets, Recent
from api.metrics import Metrics
from api.options import AppOptions
from api.problems import Problem
from api.watch import FeedWatch
from store.pool import Connection, Pool


@dataclass(slots=True)
class Context:
    """Made once by `create_app`."""

    pool: Pool
    options: AppOptions
    metrics: Metrics
    watch: FeedWatch
    languages: Languages
    per_key: Buckets
    refused: Buckets
    known: Recent = field(default_factory=Recent)
    """Hashes of keys that were good when last seen: they are looked up even from an address that guesses."""
    waits: dict[int, int] = field(default_factory=dict)
    """Open long polls by key."""

    def error_page(self, request: Request, problem: Problem) -> Response | None:
        """The problem as a page where a person asked for one."""
        if request.url.path.startswith(("/v1/", "/static/")):
            return None
        if "text/html" not in request.headers.get("accept", ""):
            return None
        return self.languages.page(
            request, "error.html", status=problem.status, headers=problem.headers, problem=problem
        )


def context(request: Request) -> Context:
    """The application's context."""
    found = request.app.state.context
    assert isinstance(found, Context)
    return found


Shared = Annotated[Context, Depends(context)]


async def _connection(shared: Shared) -> AsyncIterator[Connection]:
    async with shared.pool.connection() as conn:
        yield conn


Conn = Annotated[Connection, Depends(_connection, scope="function")]
"""A connection for the route's own body: what it did is committed before the answer goes out."""


@asynccontextmanager
async def brief(shared: Context) -> AsyncIterator[Connection]:
    """A connection for a moment, committed on leaving."""
    async with shared.pool.connection() as conn:
        yield conn
