from datetime import timedelta
from urllib.parse import quote

import pytest

from api.session import COOKIE, local_path
from store import consumers, sessions
from store.consumers import Scope
from store.pool import Connection
from tests.api import town
from tests.api.browser import HTML, form_of, send_login, sign_in, ticket
from tests.api.conftest import Client
from tests.api.town import NOW


async def test_pages_send_who_is_not_signed_in_to_the_form(client: Client) -> None:
    answer = await client.get("/vehicles?dealer=D01", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fvehicles%3Fdealer%3DD01"
    swap = await client.get("/", headers={"HX-Request": "true"})
    assert (swap.status_code, swap.headers["hx-redirect"]) == (401, "/login")


@pytest.mark.parametrize("path", ["/", "/vehicles"])
async def test_a_whole_vin_is_not_kept_for_after_the_log_in(client: Client, path: str) -> None:
    answer = await client.get(path, params={"q": town.vin_of(3), "dealer": "D01"}, headers=HTML)
    assert answer.status_code == 303
    there = answer.headers["location"]
    assert there == "/login?next=" + quote(f"{path}?q=000003&dealer=D01", safe="")
    assert town.vin_of(3) not in there


async def test_a_ticket_opens_one_session_once(client: Client, conn: Connection) -> None:
    given = await ticket(conn)
    shown = await client.get("/login", params={"ticket": given}, headers=HTML)
    again = await client.get("/login", params={"ticket": given}, headers=HTML)  # a preview spends nothing
    assert shown.status_code == again.status_code == 200
    opened = await send_login(client, ticket=given, after="/upcoming")
    assert (opened.status_code, opened.headers["location"]) == (303, "/upcoming")
    cookie = next(value for value in opened.headers.get_list("set-cookie") if value.startswith(COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await client.get("/", headers=HTML)).status_code == 200
    second = await send_login(client, ticket=given)
    assert second.status_code == 401


async def test_an_old_ticket_is_refused(client: Client, conn: Connection) -> None:
    consumer = await consumers.ensure(conn, "advisor")
    old = await sessions.issue_ticket(conn, consumer, at=NOW - timedelta(minutes=15))
    assert (await send_login(client, ticket=old)).status_code == 401


async def test_a_key_opens_a_session_only_with_the_scope(client: Client, conn: Connection) -> None:
    until = NOW + timedelta(days=1)
    program = await consumers.create_key(conn, "crm", [Scope.READ], at=NOW, expires_at=until)
    person = await consumers.create_key(conn, "anna", [Scope.PAGES], at=NOW, expires_at=until)
    assert (await send_login(client, key=str(program))).status_code == 401
    assert (await send_login(client, key=f" {person} ")).status_code == 303
    assert "anna" in (await client.get("/", headers=HTML)).text
    await consumers.revoke(conn, person.prefix, at=NOW)
    assert (await client.get("/", headers=HTML)).status_code == 303


async def test_a_session_ends_by_time_and_by_signing_out(client: Client, conn: Connection) -> None:
    await sign_in(client, conn)
    page = await client.get("/", headers=HTML)
    token = client.cookies[COOKIE]
    assert await sessions.visitor(conn, token, at=NOW + timedelta(hours=11)) is not None
    assert await sessions.visitor(conn, token, at=NOW + timedelta(hours=12)) is None
    assert (await client.post("/logout", data={"form": "forged"}, headers=HTML)).status_code == 403
    out = await client.post("/logout", data={"form": form_of(page.text)}, headers=HTML)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    client.cookies.set(COOKIE, token)
    assert (await client.get("/", headers=HTML)).status_code == 303


async def test_a_form_from_elsewhere_is_refused(client: Client, conn: Connection) -> None:
    given = await ticket(conn)
    bare = await client.post("/login", data={"ticket": given}, headers=HTML)
    assert bare.status_code == 403
    page = await client.get("/login", headers=HTML)
    fields = {"ticket": given, "form": form_of(page.text)}
    foreign = await client.post("/login", data=fields, headers={**HTML, "Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert (await client.post("/login", data=fields, headers=HTML)).status_code == 303


async def test_a_link_from_another_site_is_asked_again_from_here(client: Client) -> None:
    answer = await client.get("/vehicles", headers={**HTML, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.text


async def test_guessing_tickets_is_slowed_down(client: Client, conn: Connection) -> None:
    statuses = [(await send_login(client, ticket=f"guess-{n}")).status_code for n in range(30)]
    assert statuses[:20] == [401] * 20
    assert set(statuses[22:]) == {429}
    del conn


@pytest.mark.parametrize(
    "there", ["//evil.test", "/\\evil.test", "https://evil.test", "javascript:alert(1)", "/login", "", None,
              "/a\nb", "/x\\y", "/" + "a" * 600],
)  # fmt: skip
def test_log_in_leads_nowhere_foreign(there: str | None) -> None:
    assert local_path(there) == "/"


def test_log_in_leads_back() -> None:
    assert local_path("/vehicles/1?x=2#y") == "/vehicles/1?x=2#y"
