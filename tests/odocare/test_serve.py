"""`odocare serve`, `odocare key` and `odocare audit` as a user runs them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from odocare import children
from store import audit
from store.pool import Connection
from tests.api import town


@dataclass(frozen=True, slots=True)
class Site:
    """A database and a home of this test's own."""

    env: dict[str, str]
    home: Path

    def run(self, *arguments: str, exit_code: int = 0) -> str:
        """What a subcommand prints, on stderr where it refuses."""
        done = subprocess.run(
            [sys.executable, "-m", "odocare", *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == exit_code, done.stderr
        return done.stderr if exit_code else done.stdout

    def json(self, *arguments: str) -> Any:
        """The same with `--json`."""
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture
async def site(conn: Connection, database_url: str, tmp_path: Path) -> Site:
    return Site({**os.environ, "ODOCARE_DATABASE_URL": database_url, "ODOCARE_HOME": str(tmp_path)}, tmp_path)


async def test_keys_are_made_listed_and_revoked(site: Site) -> None:
    made = site.json("key", "create", "crm", "--scope", "feed:service", "--scope", "read", "--days", "7")
    assert made["key"].startswith(f"odo_{made['prefix']}_")
    assert made["scopes"] == ["feed:service", "read"]
    listed = site.json("key", "list")["keys"]
    assert [(row["prefix"], row["state"]) for row in listed] == [(made["prefix"], "valid")]
    assert made["key"].split("_", 2)[2] not in site.run("key", "list")
    assert site.json("key", "revoke", made["prefix"]) == {"revoked": [made["prefix"]]}
    assert site.json("key", "list")["keys"][0]["state"] == "revoked"
    site.run("key", "revoke", made["prefix"], exit_code=1)
    site.run("key", "create", "crm", "--scope", "everything", exit_code=2)
    site.run("key", "create", "Not A Name", "--scope", "read", exit_code=1)


async def test_it_serves_signs_in_and_stops_at_once(site: Site, conn: Connection) -> None:
    await town.build(conn, 6)
    ready = site.home / "ready"
    arguments = ("--port", "0", "--ready-file", str(ready))
    with children.running("serve", arguments, log=site.home / "log", env=site.env) as child:
        url = (await asyncio.to_thread(children.wait_ready, child, ready)).strip()
        key = site.json("key", "create", "crm", "--scope", "feed:service")["key"]
        ticket = site.json("key", "ticket", "--url", url)["url"]
        assert ticket.startswith(f"{url}/login?ticket=")
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/readyz")).json() == {"status": "ready"}
            feed = await client.get("/v1/feeds/service/events", headers={"Authorization": f"Bearer {key}"})
            assert len(feed.json()) == 4
            shown = await client.get(ticket, headers={"Accept": "text/html"})
            assert shown.status_code == 200
            # a reader that waits for events does not hold up the end
            waiting = asyncio.create_task(
                client.get(
                    "/v1/feeds/service/events",
                    params={"after": feed.headers["feed-next-cursor"], "wait": 30},
                    headers={"Authorization": f"Bearer {key}"},
                    timeout=60,
                )
            )
            text = ""
            while "odocare_feed_long_polls 1.0" not in text:
                text = (await client.get("/metrics")).text
            child.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(child.process.wait, 10)
            await asyncio.gather(waiting, return_exceptions=True)
    told = (site.home / "log").read_text()
    assert "ticket" not in told
    assert key not in told
    assert "Traceback" not in told


async def test_a_taken_port_and_a_bare_database_are_said_plainly(site: Site, conn: Connection) -> None:
    ready = site.home / "ready"
    with children.running(
        "serve", ("--port", "0", "--ready-file", str(ready)), log=site.home / "log", env=site.env
    ) as child:
        url = (await asyncio.to_thread(children.wait_ready, child, ready)).strip()
        told = site.run("serve", "--port", url.rsplit(":", 1)[1], exit_code=1)
    assert "cannot listen on 127.0.0.1" in told
    await conn.execute("delete from migration where number = (select max(number) from migration)")
    assert "run `odocare migrate`" in site.run("serve", "--port", "0", exit_code=1)


async def test_the_audit_is_verified(site: Site, conn: Connection) -> None:
    for _ in range(3):
        await audit.append(conn, at=town.NOW, actor="a", action="b", purpose="c")
    assert site.json("audit", "verify") == {"rows": 3, "broken_at": None}
    await conn.execute("update audit set actor = 'x' where id = 2")
    assert "broken at row 2" in site.run("audit", "verify", exit_code=1)
