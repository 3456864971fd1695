import csv
import io
import re

import pytest

from store import audit, vehicle_list
from store import trigger_history as history
from store.pool import Connection
from store.vehicle_list import Wanted
from tests.api import town
from tests.api.browser import HTML, sign_in
from tests.api.conftest import Client
from tests.api.town import NOW, Town


@pytest.fixture
async def made(client: Client, conn: Connection) -> Town:
    """The town, and somebody signed in."""
    built = await town.build(conn)
    await sign_in(client, conn)
    return built


async def page(client: Client, address: str, lang: str = "en") -> str:
    answer = await client.get(address, headers={**HTML, "Accept-Language": lang})
    assert answer.status_code == 200, answer.text
    return answer.text


def rows(text: str) -> list[str]:
    """VIN tails of the list, in order."""
    return re.findall(r"VIN</abbr> …(\d{6})", text)


async def test_the_worst_come_first_then_the_earliest(client: Client, made: Town) -> None:
    tails = rows(await page(client, "/"))
    assert set(tails[:2]) == {"000000", "000008"}  # recalls with a ban on driving
    assert set(tails[2:4]) == {"000003", "000011"}  # urgent, and overdue since the ninth
    assert set(tails[4:6]) == {"000001", "000009"}
    assert len(tails) == len(made.triggers)


async def test_a_job_says_when_why_and_how_sure(client: Client, made: Town) -> None:
    english, chinese = await page(client, "/?q=000004"), await page(client, "/?q=000004", "zh")
    assert "24 Nov – 21 Dec" in english.replace("\u2009", " ")
    assert "likely 3 Dec" in english
    assert "Expected due in 12 days, by distance" in english
    assert "medium" in english
    assert "11月24日至12月21日" in chinese
    assert "最可能12月3日" in chinese
    assert "Engine oil and filter" in english
    assert "机油及滤清器" in chinese
    assert made.triggers


@pytest.mark.parametrize(
    ("query", "tails"),
    [
        ("recall=1", {"000000", "000008"}),
        ("overdue=1", {"000003", "000011"}),
        ("severity=stop", {"000000", "000008"}),
        ("type=wear", {"000002", "000010"}),
        ("dealer=D02&type=fault", {"000001", "000009"}),
        ("q=misfire", {"000001", "000009"}),
        ("q=1096", {"000008"}),
        ("q=失火", {"000001", "000009"}),
        ("due=7&severity=soon", {"000002", "000010"}),
        ("severity=nonsense&due=999&type=x&page=-5&q=000004", {"000004"}),
        ("q=%25", set()),
    ],
)
async def test_filters_live_in_the_address(client: Client, made: Town, query: str, tails: set[str]) -> None:
    assert set(rows(await page(client, f"/?{query}"))) == tails


async def test_filtering_leaves_a_short_address(client: Client, made: Town) -> None:
    address = "/?q=&dealer=&due=14&severity=&type=&overdue=1"
    answer = await client.get(address, headers={**HTML, "HX-Request": "true"})
    assert answer.headers["hx-push-url"] == "/?due=14&overdue=1"


async def test_a_whole_vin_never_stays_in_the_address(client: Client, made: Town) -> None:
    for path in ("/", "/upcoming", "/vehicles"):
        answer = await client.get(path, params={"q": town.vin_of(4).lower()}, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?q=000004")


async def test_no_page_shows_a_whole_vin_or_plate(client: Client, made: Town) -> None:
    for address in ("/", "/upcoming", "/vehicles", f"/vehicles/{made.vehicles[0]}", "/worklist.csv"):
        text = await page(client, address)
        assert "LDEM" not in text
        assert "沪A" not in text
        assert "crm-0" not in text


async def test_an_empty_list_says_so(client: Client, made: Town) -> None:
    assert "No open job fits these filters." in await page(client, "/?q=zzzz")
    assert "没有符合筛选条件的工单。" in await page(client, "/?q=zzzz", "zh")


async def test_the_csv_has_no_contacts_and_no_formulas(client: Client, conn: Connection, made: Town) -> None:
    await conn.execute("update trigger set words_en = '=cmd()' where id = %s", (made.triggers[4],))
    answer = await client.get("/worklist.csv?q=000004", headers={"Accept-Language": "en"})
    assert answer.headers["content-disposition"] == 'attachment; filename="odocare-2026-11-21.csv"'
    head, row = csv.reader(io.StringIO(answer.text.lstrip("\ufeff")))
    assert row[head.index("Why")] == "'=cmd()"
    assert row[head.index("VIN ends in")] == "000004"
    assert row[head.index("Due from")] == "2026-11-24"
    verified = await audit.verify(conn)
    assert verified.broken_at is None
    assert verified.rows == 2  # signing in, and this


async def test_what_is_expected_has_no_job_yet(client: Client, made: Town) -> None:
    text = await page(client, "/upcoming?q=000005")
    assert rows(text) == ["000005"]
    assert "Brake fluid" in text
    assert "Engine oil" not in text  # it is a job of today already


async def test_every_vehicle_can_be_found_also_who_nobody_registered(client: Client, made: Town) -> None:
    text = await page(client, "/vehicles")
    assert len(rows(text)) == 24
    assert "1 of them unregistered" in text
    assert rows(await page(client, "/vehicles?unregistered=1")) == ["000023"]
    one = await page(client, f"/vehicles/{made.vehicles[23]}", "zh")
    assert "未登记" in one


async def test_a_vehicle_page_shows_evidence_limits_and_history(client: Client, made: Town) -> None:
    text = await page(client, f"/vehicles/{made.vehicles[2]}")
    assert "-0.92 V" in text
    assert "below -0.8" in text
    assert "crank_rel_v &lt; -0.8 and ambient_degc &gt; -10" in text
    assert "limit: demo vehicle, invented" in text
    assert "revision 1" in text
    assert 'id="odometer-data"' in text
    booked = await page(client, f"/vehicles/{made.vehicles[6]}")
    assert re.search(r"State changed: Booked", booked)


async def test_sales_are_not_the_workshops_business(client: Client, conn: Connection, made: Town) -> None:
    address = f"/vehicles/{made.vehicles[4]}"
    assert made.triggers[4] in [one.id for one in await history.of_vehicle(conn, made.ids[4])]
    before = {one.vehicle: one.jobs for one in await vehicle_list.page(conn, Wanted(), limit=50)}
    words = "Invented words of a trade-in"
    await conn.execute(
        "update trigger set feed = 'sales', type = 'trade_in', words_en = %s where id = %s",
        (words, made.triggers[4]),
    )
    assert words not in await page(client, address)
    after = {one.vehicle: one.jobs for one in await vehicle_list.page(conn, Wanted(), limit=50)}
    assert after == {**before, made.vehicles[4]: before[made.vehicles[4]] - 1}


async def test_opening_a_vehicle_is_audited_by_its_pseudonym(
    client: Client, conn: Connection, made: Town
) -> None:
    for _ in range(3):
        await page(client, f"/vehicles/{made.vehicles[2]}")
    seen = await audit.of_subject(conn, made.vehicles[2], limit=10)
    assert [(row.actor, row.action, row.at) for row in seen] == [("advisor", "vehicle.open", NOW)] * 3
    assert (await audit.verify(conn)).broken_at is None


async def test_markup_in_data_stays_text(client: Client, conn: Connection, made: Town) -> None:
    evil = "<script>alert(1)</script>"
    await conn.execute("update trigger set words_en = %s, words_zh = %s, job = %s", (evil, evil, evil))
    await conn.execute("update vehicle set model = %s, plate = %s", (evil, evil))
    await conn.execute("update dealer set name_en = %s, name_zh = %s", (evil, evil))
    await conn.execute("update fault set code = %s || id, ecu = %s", (evil, evil))
    await conn.execute("update service_visit set repair_order = %s", (evil,))
    for address in ("/", "/upcoming", "/vehicles", f"/vehicles/{made.vehicles[0]}", f"/?q={evil}"):
        assert "<script>alert" not in await page(client, address)


async def test_an_unknown_vehicle_is_a_page_that_says_so(client: Client, made: Town) -> None:
    answer = await client.get(f"/vehicles/{made.triggers[0]}", headers={**HTML, "Accept-Language": "en"})
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


async def test_the_language_is_asked_remembered_and_told(client: Client, made: Town) -> None:
    assert '<html lang="zh-CN">' in (await client.get("/", headers=HTML)).text
    assert '<html lang="en">' in await page(client, "/", "en-GB,en;q=0.9")
    assert '<html lang="zh-CN">' in await page(client, "/", "fr")
    asked = await client.get("/?lang=en", headers=HTML)
    assert asked.headers["content-language"] == "en"
    assert '<html lang="en">' in await page(client, "/", "zh")
