"""A browser without a screen: cookies and forms over the application, for tests of the pages."""

import re
from typing import Any

import httpx

from store import consumers, sessions
from store.pool import Connection
from tests.api.conftest import Client
from tests.api.town import NOW

HTML = {"Accept": "text/html"}


async def ticket(conn: Connection, name: str = "advisor") -> str:
    """A fresh ticket."""
    return await sessions.issue_ticket(conn, await consumers.ensure(conn, name), at=NOW)


def form_of(page: str) -> str:
    """The token of the page's form."""
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found is not None
    return found[1]


async def send_login(client: Client, **fields: Any) -> httpx.Response:
    """Open the log-in page and send its form."""
    page = await client.get("/login", headers=HTML)
    return await client.post("/login", data={"form": form_of(page.text), **fields}, headers=HTML)


async def sign_in(client: Client, conn: Connection) -> None:
    """Sign in with a ticket."""
    answer = await send_login(client, ticket=await ticket(conn))
    assert answer.status_code == 303, answer.text
