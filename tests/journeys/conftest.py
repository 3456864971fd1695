"""The pages in a real Chromium over a real server; the clock of the pages stands still."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

from api.main import create_app
from api.options import AppOptions, FeatureMeaning
from odocare import wiring
from store import consumers, sessions
from store.pool import Connection, open_pool
from tests.api import town
from tests.api.conftest import ASSETS
from tests.api.town import NOW, Town

CHROMIUM = shutil.which("chromium")


def _require(there: object, what: str) -> None:
    if there:
        return
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@dataclass(slots=True)
class Site:
    """A served town, and what the browser complained about."""

    url: str
    made: Town
    conn: Connection
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    async def ticket(self) -> str:
        """A link that signs in."""
        consumer = await consumers.ensure(self.conn, "advisor")
        return f"{self.url}/login?ticket={await sessions.issue_ticket(self.conn, consumer, at=NOW)}"

    def watch(self, page: Page) -> None:
        """Note every error of scripts, requests and the content policy."""

        def console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.complaints.append(message.text)

        def request(sent: Request) -> None:
            self.requested.append(sent.url)

        page.on("console", console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", request)


@pytest.fixture
async def site(conn: Connection, database_url: str) -> AsyncIterator[Site]:
    """A town of 24 vehicles, served on a free port."""
    _require(CHROMIUM, "no Chromium: run `apt-get install -y chromium`")
    _require((ASSETS / "uplot").is_dir(), "no browser assets: run `make setup`")
    made = await town.build(conn)
    options = AppOptions(
        assets=ASSETS,
        catalogue=wiring.catalogue(),
        dtc=wiring.dtc_table(),
        features={"crank_rel_v": FeatureMeaning("V", "起动电压相对基线", "cranking voltage, relative")},
        now=lambda: NOW,
    )
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    async with open_pool(database_url, most=4) as pool:
        app = create_app(pool, options)
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", made, conn)
        server.should_exit = True
        await serving


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a screen."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        await started.close()


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser window of a Chinese reader."""
    opened = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    yield opened
    await opened.close()


@pytest.fixture
async def page(site: Site, context: BrowserContext) -> Page:
    """The list, signed in through a link."""
    opened = await context.new_page()
    site.watch(opened)
    await opened.goto(await site.ticket())
    await opened.wait_for_url(f"{site.url}/")
    return opened
