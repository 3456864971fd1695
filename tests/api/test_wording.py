from datetime import UTC, date, datetime, timedelta

import pytest
from babel import Locale

from api.wording import Wording

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


@pytest.fixture
def zh() -> Wording:
    return Wording(Locale.parse("zh_Hans_CN"), lambda text: text)


@pytest.fixture
def en() -> Wording:
    return Wording(Locale.parse("en_GB"), lambda text: text)


def test_windows_name_what_is_needed_and_no_more(zh: Wording, en: Wording) -> None:
    first, last = date(2026, 12, 8), date(2026, 12, 21)
    assert en.window(first, last, today=TODAY) == "8–21 Dec"
    assert zh.window(first, last, today=TODAY) == "12月8日至21日"
    assert en.likely(date(2026, 12, 14), first, last) == "14 Dec"
    assert zh.likely(date(2026, 12, 14), first, last) == "14日"
    later = date(2027, 2, 22)
    assert en.window(first, later, today=TODAY) == "8 Dec – 22 Feb 2027"
    assert zh.window(first, later, today=TODAY) == "12月8日至2027年2月22日"
    assert zh.likely(date(2027, 1, 8), first, later) == "1月8日"
    assert en.window(first, first, today=TODAY) == "8 Dec"


def test_ages_are_days_up_to_a_month(zh: Wording, en: Wording) -> None:
    ages = [timedelta(seconds=5), timedelta(minutes=4), timedelta(hours=23), timedelta(days=1, hours=20),
            timedelta(days=9), timedelta(days=60)]  # fmt: skip
    assert [en.ago(NOW - age, NOW) for age in ages] == [
        "just now", "4 minutes ago", "23 hours ago", "1 day ago", "9 days ago", "2 months ago",
    ]  # fmt: skip
    assert zh.ago(NOW - ages[4], NOW) == "9天前"
    assert en.ago(NOW + timedelta(minutes=3), NOW) == "just now"


def test_moments_name_their_zone(zh: Wording, en: Wording) -> None:
    assert en.moment(NOW) == "21 Nov 2026 14:00 UTC+8"
    assert zh.moment(NOW) == "2026年11月21日 14:00 UTC+8"


def test_numbers_follow_the_language(zh: Wording, en: Wording) -> None:
    assert en.km(13_832.875) == "13,833 km"
    assert zh.km(13_832.875) == "13,833公里"
    assert en.number(-0.923, decimals=2) == "-0.92"
    assert en.text_number("-0.8") == "-0.8"
    assert en.text_number("open") == "open"


def test_confidence_follows_the_width_of_the_window(en: Wording) -> None:
    widths = (13, 21, 22, 56, 57, 400)
    found = [en.confidence(TODAY, TODAY + timedelta(days=width)) for width in widths]
    assert [one.dots for one in found] == [3, 3, 2, 2, 1, 1]
    assert [one.word for one in found] == ["high", "high", "medium", "medium", "low", "low"]
    assert en.confidence(None, TODAY).dots == 0
