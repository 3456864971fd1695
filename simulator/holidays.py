"""Working days and holidays of China, as data, for a run of days."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

EPOCH: Final = date(1970, 1, 1)

SPRING: Final[tuple[tuple[str, str], ...]] = (
    # first and last day off; to 2026 as the State Council announced, later the week from New Year's Eve
    ("2014-01-31", "2014-02-06"),
    ("2015-02-18", "2015-02-24"),
    ("2016-02-07", "2016-02-13"),
    ("2017-01-27", "2017-02-02"),
    ("2018-02-15", "2018-02-21"),
    ("2019-02-04", "2019-02-10"),
    ("2020-01-24", "2020-02-02"),
    ("2021-02-11", "2021-02-17"),
    ("2022-01-31", "2022-02-06"),
    ("2023-01-21", "2023-01-27"),
    ("2024-02-10", "2024-02-17"),
    ("2025-01-28", "2025-02-04"),
    ("2026-02-15", "2026-02-23"),
    ("2027-02-05", "2027-02-12"),
    ("2028-01-25", "2028-02-01"),
    ("2029-02-12", "2029-02-19"),
    ("2030-02-02", "2030-02-09"),
    ("2031-01-22", "2031-01-29"),
    ("2032-02-10", "2032-02-17"),
    ("2033-01-30", "2033-02-06"),
)
"""Spring Festival 春节. Shifted working days 调休 are left out."""

GOLDEN_WEEK_DAYS: Final = {2017: 8, 2020: 8, 2023: 8, 2025: 8}
"""Length of the National Day holiday 国庆 from 1 October; 7 days in the other years."""

LAST_DAY: Final = date(2033, 12, 31)
"""The table's end, and so the last day a fleet can be simulated for."""


@dataclass(frozen=True, slots=True)
class Holiday:
    """One run of days off, days since 1970-01-01, both included."""

    name: str
    first_day: int
    last_day: int


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """What kind of day each day of a run is. Arrays of length n."""

    first_day: int
    weekday: NDArray[np.int64]
    """Monday is 0."""
    is_off: NDArray[np.bool_]
    """Weekend or holiday."""
    is_holiday: NDArray[np.bool_]
    yearday: NDArray[np.float64]
    """Day of the year, 0 to 365.25, for what follows the seasons."""


def day_of(when: date) -> int:
    """A date as days since 1970-01-01."""
    return (when - EPOCH).days


def holidays() -> tuple[Holiday, ...]:
    """Every long holiday in the table, in order of time."""
    found = [Holiday("spring", _day(first), _day(last)) for first, last in SPRING]
    for year in range(2014, LAST_DAY.year + 1):
        labour = day_of(date(year, 5, 1))
        found.append(Holiday("labour", labour, labour + (4 if year >= 2020 else 2)))
        national = day_of(date(year, 10, 1))
        found.append(Holiday("national", national, national + GOLDEN_WEEK_DAYS.get(year, 7) - 1))
    return tuple(sorted(found, key=lambda holiday: holiday.first_day))


def work_calendar(first_day: int, days_n: int) -> WorkCalendar:
    """The calendar of `days_n` days from `first_day` (days since 1970-01-01)."""
    days = np.arange(first_day, first_day + days_n)
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
    is_holiday = np.zeros(days_n, dtype=np.bool_)
    for holiday in holidays():
        is_holiday |= (days >= holiday.first_day) & (days <= holiday.last_day)
    return WorkCalendar(
        first_day=first_day,
        weekday=weekday,
        is_off=(weekday >= 5) | is_holiday,
        is_holiday=is_holiday,
        yearday=np.mod(days, 365.25),
    )


def _day(text: str) -> int:
    return day_of(date.fromisoformat(text))
