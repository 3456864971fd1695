"""The odometer chart's numbers: days, gaps, services, and the fan to the next limit. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from api.wording import ZONE
from store.vehicle_page import Day, Forecast, Visit

GAP_D: Final = 7
"""Longer without a reading is a gap; shorter, the car may just have stood still."""


@dataclass(frozen=True, slots=True)
class Fan:
    """Where the odometer is expected to reach a limit: at `first` driven hard, at `last` driven little."""

    item: str
    item_zh: str | None
    item_en: str | None
    from_on: date
    from_km: float
    limit_km: float
    first: date
    likely: date
    last: date
    slow: date
    """When the limit is reached driven little; after `last` where the calendar comes first."""


@dataclass(frozen=True, slots=True)
class Month:
    """One row of the chart's table."""

    month: date
    """Its first day."""
    days_n: int
    """Days with a reading."""
    last_km: float
    driven_km: float | None
    """Since the last reading of an earlier month in the table; None for the first."""


@dataclass(frozen=True, slots=True)
class OdometerChart:
    """What is drawn, and the same as a table."""

    data: dict[str, Any]
    """JSON for the script: aligned columns over days; null where nothing is known."""
    months: list[Month]
    fan: Fan | None
    gaps: int
    """Stretches of more than `GAP_D` days without a reading between the first and the last one."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.months


def odometer_chart(
    days: Sequence[Day], forecasts: Sequence[Forecast], visits: Sequence[Visit], *, today: date
) -> OdometerChart:
    """Daily odometer, one column per calendar day so that gaps stay gaps, and the fan of the next limit."""
    read = [(day.day, day.odometer_last_km) for day in days if day.odometer_last_km is not None]
    fan = _fan(forecasts)
    km_on = dict(read)
    first = min(km_on, default=today)
    last = max([*km_on, today, *([fan.last] if fan else [])])
    axis = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    data: dict[str, Any] = {
        "t": [_noon_s(day) for day in axis],
        "km": [km_on.get(day) for day in axis],
        "low": [_on_line(day, fan, fan.slow) if fan else None for day in axis],
        "likely": [_on_line(day, fan, fan.likely) if fan else None for day in axis],
        "high": [_on_line(day, fan, fan.first) if fan else None for day in axis],
        "limit_km": fan.limit_km if fan else None,
        "today": _noon_s(today),
        "gap_d": GAP_D,
        "visits": [
            {"t": visit.visited_at.timestamp(), "km": visit.odometer_km}
            for visit in visits
            if visit.visited_at.astimezone(ZONE).date() >= first
        ],
    }
    gaps = sum(1 for (one, _), (other, _) in pairwise(read) if (other - one).days > GAP_D)
    return OdometerChart(data=data, months=_months(read), fan=fan, gaps=gaps)


def _fan(forecasts: Sequence[Forecast]) -> Fan | None:
    """Of the forecast with a distance limit that comes first; the forecasts are in that order."""
    for row in forecasts:
        fan = _fan_of(row)
        if fan is not None:
            return fan
    return None


def _fan_of(row: Forecast) -> Fan | None:
    limit_km = row.evidence.get("limit_km")
    if not isinstance(limit_km, int | float) or row.odometer_km is None or row.odometer_at is None:
        return None
    if row.binding != "distance" or row.p10_on is None or row.p50_on is None or row.p90_on is None:
        return None
    from_on = row.odometer_at.astimezone(ZONE).date()
    if limit_km <= row.odometer_km or row.p90_on <= from_on:
        return None
    first, likely = (max(day, from_on + timedelta(days=1)) for day in (row.p10_on, row.p50_on))
    return Fan(
        item=row.item,
        item_zh=row.item_zh,
        item_en=row.item_en,
        from_on=from_on,
        from_km=row.odometer_km,
        limit_km=float(limit_km),
        first=first,
        likely=likely,
        last=row.p90_on,
        slow=_slow(row, from_on, first, likely),
    )


def _slow(row: Forecast, from_on: date, first: date, likely: date) -> date:
    """The late end of the fan: P90, or, where the calendar cut that off, as far in ratio as P10 is early."""
    assert row.p90_on is not None
    if row.evidence.get("limit_on") != row.p90_on.isoformat():
        return row.p90_on
    early_d, middle_d = (first - from_on).days, (likely - from_on).days
    return max(row.p90_on, from_on + timedelta(days=round(middle_d**2 / early_d)))


def _on_line(day: date, fan: Fan, end: date) -> float | None:
    """The odometer on a day if the limit is reached on `end`, where it stays; None outside the fan."""
    if not fan.from_on <= day <= fan.last:
        return None
    share = min((day - fan.from_on).days / (end - fan.from_on).days, 1.0)
    return round(fan.from_km + share * (fan.limit_km - fan.from_km), 1)


def _months(read: Sequence[tuple[date, float]]) -> list[Month]:
    months: list[Month] = []
    for day, km in read:
        start = day.replace(day=1)
        if months and months[-1].month == start:
            before = months[-2].last_km if len(months) > 1 else None
            months[-1] = Month(start, months[-1].days_n + 1, km, None if before is None else km - before)
        else:
            months.append(Month(start, 1, km, km - months[-1].last_km if months else None))
    return months[::-1]


def _noon_s(day: date) -> int:
    """Noon of a local day in the pages' zone, seconds since 1970 UTC."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZONE)
    return int(noon.astimezone(UTC).timestamp())
