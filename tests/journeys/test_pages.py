"""What an advisor does at the pages, in a real browser."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.api import town
from tests.journeys.conftest import Site

COUNT = "#list [role=status]"


async def test_a_link_signs_in_and_shows_the_jobs(site: Site, page: Page) -> None:
    await expect(page).to_have_title("今日工单 · odocare")
    await expect(page.locator(COUNT)).to_have_text(re.compile("16"))
    await expect(page.locator("a.row")).to_have_count(16)
    cookies = await page.context.cookies()
    (session,) = [cookie for cookie in cookies if cookie.get("name") == "odocare_session"]
    assert session.get("httpOnly")
    assert session.get("sameSite") == "Strict"
    assert site.complaints == []


async def test_filters_swap_the_list_and_keep_the_place(site: Site, page: Page) -> None:
    await page.get_by_label("优先级").focus()
    await page.get_by_label("优先级").select_option("stop")
    await expect(page.locator("a.row")).to_have_count(2)
    assert page.url == f"{site.url}/?severity=stop"
    assert await page.evaluate("document.activeElement.name") == "severity"
    await page.get_by_label("优先级").select_option("")
    await page.get_by_label("搜索").press_sequentially("失火", delay=20)
    await expect(page.locator("a.row")).to_have_count(2)
    assert await page.evaluate("document.activeElement.id") == "q"
    await page.reload()
    await expect(page.locator("a.row")).to_have_count(2)
    await page.go_back()
    await expect(page.locator("a.row")).to_have_count(16)
    assert site.complaints == []


async def test_the_keyboard_is_enough(site: Site, page: Page) -> None:
    first = (await page.locator("a.row").first.get_attribute("href")) or ""
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    assert await page.evaluate("document.activeElement.getAttribute('href')") == first
    await page.keyboard.press("/")
    assert await page.evaluate("document.activeElement.id") == "q"
    await page.keyboard.press("?")  # typed, not a shortcut, while in a field
    assert await page.input_value("#q") == "?"
    await page.fill("#q", "")
    await expect(page.locator("a.row")).to_have_count(16)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#help")).to_be_hidden()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{site.url}{first}")
    assert await page.evaluate("document.activeElement.id") == first.split("#")[1]
    assert site.complaints == []


async def test_single_keys_can_be_switched_off(page: Page) -> None:
    await page.keyboard.press("?")
    await page.get_by_label("启用单键").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_hidden()


async def test_a_whole_vin_never_leaves_the_browser(site: Site, page: Page) -> None:
    await page.fill("#q", town.vin_of(4))
    await expect(page.locator("a.row")).to_have_count(1)
    assert page.url.endswith("q=000004")
    assert not [url for url in site.requested if "LDEM" in url]


async def test_the_vehicle_page_draws_its_odometer_and_tells_it_as_a_table(site: Site, page: Page) -> None:
    await page.goto(f"{site.url}/vehicles/{site.made.vehicles[2]}")
    await expect(page.locator("#odometer[data-drawn=yes] canvas")).to_have_count(1)
    wide = await page.evaluate("document.querySelector('#odometer canvas').getBoundingClientRect().width")
    assert wide > 500
    await page.get_by_role("button", name="1 年").click()
    await expect(page.locator("[data-days='365']")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#odometer canvas")).to_have_count(1)
    await page.get_by_text("以表格查看").click()
    await expect(page.get_by_role("row", name=re.compile("2026年11月"))).to_be_visible()
    await expect(page.get_by_text("低于 -0.8")).to_be_visible()
    assert site.complaints == []


async def test_the_language_changes_and_stays(site: Site, page: Page) -> None:
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.goto(f"{site.url}/upcoming")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Next 90 days")
    await page.get_by_role("link", name="中文").click()
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


async def test_signing_out_ends_it(site: Site, page: Page) -> None:
    await page.get_by_role("button", name="退出").click()
    await expect(page).to_have_url(f"{site.url}/login")
    await page.goto(f"{site.url}/vehicles")
    await expect(page).to_have_url(f"{site.url}/login?next=%2Fvehicles")
    assert site.complaints == []


@pytest.mark.parametrize("width", [320, 700, 1000, 1201])
async def test_nothing_runs_out_of_the_window(site: Site, page: Page, width: int) -> None:
    """320 px is a phone, and 1280 px at 400 % zoom; 700 is a tablet, and 1400 at 200 %."""
    await page.set_viewport_size({"width": width, "height": 800})
    for path in ("/", "/upcoming", "/vehicles", f"/vehicles/{site.made.vehicles[1]}", "/?lang=en"):
        await page.goto(f"{site.url}{path}")
        over = await page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        assert over <= 0, f"{path} is {over} px too wide at {width} px"


async def test_without_scripts_everything_still_works(site: Site, browser: Browser) -> None:
    context = await browser.new_context(locale="en-GB", java_script_enabled=False)
    page = await context.new_page()
    site.watch(page)
    await page.goto(await site.ticket())
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{site.url}/")
    await page.get_by_label("Priority").select_option("urgent")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator("a.row")).to_have_count(4)
    await page.locator("a.row").first.click()
    await expect(page.get_by_role("heading", name="Odometer and forecast")).to_be_visible()
    await context.close()
    assert site.complaints == []


async def test_a_link_from_the_crm_keeps_one_signed_in(site: Site, page: Page) -> None:
    """The strict cookie does not come along from another site; the page is asked for again from here."""
    target = f"{site.url}/vehicles/{site.made.vehicles[1]}"
    other = site.url.replace("127.0.0.1", "localhost")  # another site to the browser
    await page.goto(f"{other}/login")
    await page.evaluate("address => { location.href = address }", target)
    await expect(page).to_have_url(target)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Odo P2")


async def test_markup_in_data_runs_nowhere(site: Site, page: Page) -> None:
    evil = "<img src=x onerror=\"document.title='pwned'\"></script><script>document.title='pwned'</script>"
    await site.conn.execute("update trigger set words_zh = %s, job = %s", (evil, evil))
    await site.conn.execute("update vehicle set model = %s, plate = %s", (evil, evil))
    await site.conn.execute("update prediction set item = %s || item, evidence = evidence || '{}'", (evil,))
    for path in ("/", "/upcoming", "/vehicles", f"/vehicles/{site.made.vehicles[1]}"):
        await page.goto(f"{site.url}{path}")
        assert "pwned" not in await page.title() or "<img" in await page.title()
        assert await page.locator("img").count() == 0
    assert site.complaints == []
