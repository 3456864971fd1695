"""Reads the histories of tests/golden/odometer; its README says what they hold."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maintenance.inputs import DAY_US, SourceDays, VehicleInput, Visit
from vehicle import odometer

FOLDER = Path(__file__).parent.parent / "golden" / "odometer"
DAY = 20_000
HOUR_US = 3_600_000_000
NUMBERS = {odometer.name(number): number for number in (*range(6), *range(256, 768))}
_PLACES = ("first", "low", "high", "last")


@dataclass(frozen=True)
class Golden:
    """One file."""

    title: str
    given: dict[str, Any]

    @property
    def last(self) -> list[tuple[int, float]]:
        """Day and true kilometres at its end."""
        return [(day, float(km)) for day, km in self.given["expect"]["last"]]

    @property
    def anomalies(self) -> list[tuple[str, int, float | None, float | None, int]]:
        """Kind, day, before, after, readings that do not count."""
        return [
            (kind, day, None if before is False else before, None if after is False else after, readings_n)
            for kind, day, before, after, readings_n in self.given["expect"]["anomalies"]
        ]

    @property
    def without(self) -> list[int]:
        """Days that move no due date."""
        return list(self.given.get("without", []))

    def vehicle(self, *, leave_out: list[int] | None = None, **more: Any) -> VehicleInput:
        """The history as the models read it, some days left out."""
        skip = set(leave_out or [])
        sources = tuple(_source(one, skip) for one in self.given.get("source", []))
        built = self.given.get("built")
        return VehicleInput(
            1,
            built_day=None if built is None else DAY + built,
            visits=tuple(Visit(DAY + day, float(km)) for day, km in self.given.get("visits", [])),
            odometers=sources or (SourceDays.build(0, []),),
            **more,
        )


def golden() -> list[Golden]:
    """All of them."""
    found = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))]
    return [Golden(one["title"], one) for one in found]


def _source(given: dict[str, Any], skip: set[int]) -> SourceDays:
    days = [row for row in given["days"] if row[0] not in skip]
    day = np.array([row[0] for row in days]) + DAY
    column: dict[str, Any] = {
        f"{place}_{unit}": np.full(len(day), np.nan) for place in _PLACES for unit in ("km", "us")
    }
    column |= {name: np.zeros(len(day)) for name in ("within_m", "speed_m", "glitches_n")}
    column |= {name: np.full(len(day), np.nan) for name in ("glitch_us", "glitch_km", "settled_km")}
    for k, (_, first, last) in enumerate(days):
        for place, km, hour in (("first", first, 8), ("last", last, 18)):
            column[f"{place}_km"][k], column[f"{place}_us"][k] = km, day[k] * DAY_US + hour * HOUR_US
        least, most = ("first", "last") if first <= last else ("last", "first")
        for place, of in (("low", least), ("high", most)):
            for unit in ("km", "us"):
                column[f"{place}_{unit}"][k] = column[f"{of}_{unit}"][k]
    where = {int(one) - DAY: k for k, one in enumerate(day)}
    for name in ("low", "high"):
        for on, km, hour in given.get(f"{name}s", []):
            k = where[on]
            column[f"{name}_km"][k], column[f"{name}_us"][k] = km, day[k] * DAY_US + hour * HOUR_US
    for on, km in given.get("trips", []):
        if on in where:
            k = where[on]
            column["speed_m"][k] = 1000.0 * km
            column["within_m"][k] = 1000.0 * (column["last_km"][k] - column["first_km"][k])
    for on, shown, settled, n in given.get("glitches", []):
        k = where[on]
        column["glitch_us"][k], column["glitches_n"][k] = day[k] * DAY_US + 7 * HOUR_US, n
        column["glitch_km"][k], column["settled_km"][k] = shown, settled
    return SourceDays.build(NUMBERS[given["name"]], day, **column)
