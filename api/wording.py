"""How dates, numbers and estimates are written for people, in one language."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_interval, format_skeleton, format_timedelta
from babel.numbers import format_decimal
from babel.units import format_unit

ZONE: Final = ZoneInfo("Asia/Shanghai")
"""The zone of the pages."""
_ZONE_NAME: Final = "UTC+8"
_SURE_D: Final = 21
"""A window this narrow, P10 to P90, lets a dealer book an appointment; up to"""
_FAIR_D: Final = 56
"""this it tells the month or two."""

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure a due window is, in words and dots."""

    word: str
    dots: int
    """Of three; 0 where nothing is estimated."""
    width_d: int


@dataclass(frozen=True, slots=True)
class Wording:
    """Filters and functions of the templates of one language."""

    locale: Locale
    translate: Translate

    def day(self, day: date, *, today: date | None = None) -> str:
        """`14 Dec`; with the year where it is not this year's."""
        with_year = today is None or day.year != today.year
        return str(format_skeleton("yMMMd" if with_year else "MMMd", day, locale=self.locale))

    def window(self, first: date, last: date, *, today: date) -> str:
        """`8–21 Dec`; `17 Dec – 22 Feb 2027` where it runs into another year."""
        if first == last:
            return self.day(first, today=today)
        if first.year == last.year:
            shape = "MMMd" if first.year == today.year else "yMMMd"
            return str(format_interval(first, last, shape, locale=self.locale))
        begin, end = self.day(first, today=today), self.day(last)
        return f"{begin}至{end}" if self.locale.language == "zh" else f"{begin} – {end}"

    def likely(self, day: date, first: date, last: date) -> str:
        """The likely day of a window, without the month that the window has said already (in Chinese)."""
        if self.locale.language == "zh" and (first.year, first.month) == (last.year, last.month):
            return str(format_skeleton("d", day, locale=self.locale))
        return str(format_skeleton("MMMd", day, locale=self.locale))

    def weekday(self, day: date) -> str:
        """`Saturday, 21 November 2026`."""
        return str(format_date(day, "full", locale=self.locale))

    def month(self, day: date) -> str:
        """`November 2026`."""
        return str(format_skeleton("yMMMM", day, locale=self.locale))

    def day_of(self, at: datetime) -> str:
        """The day a moment falls on in the pages' zone, with the year."""
        return self.day(at.astimezone(ZONE).date())

    def iso_day(self, text: str) -> str:
        """A day out of stored evidence, `2026-12-14`; as it is where it is none."""
        try:
            return self.day(date.fromisoformat(text))
        except ValueError:
            return text

    def moment(self, at: datetime) -> str:
        """A moment in the pages' zone, with the zone."""
        local = at.astimezone(ZONE)
        day = format_skeleton("yMMMd", local.date(), locale=self.locale)
        return f"{day} {local:%H:%M} {_ZONE_NAME}"

    def ago(self, at: datetime, now: datetime) -> str:
        """`3 days ago`; in whole days up to a month, so that a week is seven days and not `1 week`."""
        past = now - at
        if past < timedelta(minutes=1):
            return self.translate("just now")
        whole_days = timedelta(days=1) <= past <= timedelta(days=31)
        return str(
            format_timedelta(
                -timedelta(days=past.days) if whole_days else -past,
                granularity="day" if whole_days else "second",
                threshold=99 if whole_days else 1.2,
                add_direction=True,
                locale=self.locale,
            )
        )

    def km(self, km: float) -> str:
        """Whole kilometres with their unit."""
        return str(format_unit(round(km), "length-kilometer", "short", format="#,##0", locale=self.locale))

    def number(self, value: float, *, decimals: int = 0) -> str:
        """A number with at most so many decimals."""
        pattern = "#,##0" + ("." + "#" * decimals if decimals else "")
        return str(format_decimal(value, pattern, locale=self.locale))

    def text_number(self, text: str) -> str:
        """A limit out of a rule's text: written as a number where it is one."""
        try:
            return self.number(float(text), decimals=3)
        except ValueError:
            return text

    def unit(self, unit: str) -> str:
        """A feature's unit; days and starts are spelled out."""
        match unit:
            case "d":
                return self.translate("days")
            case "starts":
                return self.translate("starts")
        return unit

    def hold(self, text: str) -> str:
        """How long a rule's condition must hold: `3 d`, `3 starts`, `200 km`."""
        amount, _, unit = text.partition(" ")
        return f"{amount} {self.unit(unit)}".strip()

    def confidence(self, first: date | None, last: date | None) -> Confidence:
        """What the width of the window P10 to P90 says."""
        if first is None or last is None:
            return Confidence("", 0, 0)
        width_d = (last - first).days
        if width_d <= _SURE_D:
            return Confidence(self.translate("high"), 3, width_d)
        if width_d <= _FAIR_D:
            return Confidence(self.translate("medium"), 2, width_d)
        return Confidence(self.translate("low"), 1, width_d)

    def iso(self, at: datetime) -> str:
        """For the `datetime` attribute."""
        return at.astimezone(UTC).isoformat(timespec="seconds")
