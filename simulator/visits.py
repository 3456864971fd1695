"""Workshop visits of a vehicle's life: services on time, late, elsewhere or never, and repairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator.battery import Weakness
from simulator.faults import Episode
from simulator.fleet import LIFE_D, Vehicle
from simulator.maker import OIL, PlanItem, plan_of
from simulator.usage import Bools, Floats, next_drive

BATTERY: Final = "battery-12v"
"""Not of the service plan: done when needed."""
HOUR_RATIO: Final = 0.4
"""A visit happens after this share of its day's driving."""
EAGER_RATIO: Final = 0.9
"""An item is done along with the oil when it will be due within this share of the way to the next oil."""
_SLACK: Final = {
    # mean and spread of how much after the due date and the due distance somebody comes
    "punctual": (-6.0, 9.0, -150.0, 350.0),
    "late": (48.0, 26.0, 2_100.0, 1_100.0),
    "elsewhere": (10.0, 25.0, 600.0, 900.0),
    "never": (4.0, 16.0, 200.0, 600.0),
}
_NOTHING_FOUND_RATIO: Final = 0.08
_OTHER_FAULT_RATIO: Final = 0.06


@dataclass(frozen=True, slots=True)
class WorkshopVisit:
    """One visit; `day` is a day number of the vehicle's life, a driven one."""

    day: int
    items: tuple[str, ...]
    """Service items that were done."""
    finding: str | None
    """What a repair found: confirmed, not_found, other_fault."""
    is_recorded: bool
    """False: done somewhere else, the dealer knows nothing of it."""


def visits(
    rng: np.random.Generator,
    vehicle: Vehicle,
    drives: Bools,
    odometer_km: Floats,
    faults: Sequence[Episode],
    batteries: Sequence[Weakness],
) -> tuple[WorkshopVisit, ...]:
    """Every visit of a life in order of day. `odometer_km` is the reading at each day's end."""
    found = [*_services(rng, vehicle, drives, odometer_km)]
    found.extend(
        WorkshopVisit(weakness.replaced, (BATTERY,), "confirmed", is_recorded=True)
        for weakness in batteries
        if weakness.replaced < LIFE_D
    )
    found.extend(
        WorkshopVisit(_day_before(drives, episode), (), _finding(rng), is_recorded=True)
        for episode in faults
        if episode.repaired and episode.end < LIFE_D
    )
    return tuple(sorted(found, key=lambda visit: (visit.day, visit.items)))


def _finding(rng: np.random.Generator) -> str:
    drawn = rng.random()
    if drawn < _NOTHING_FOUND_RATIO:
        return "not_found"
    return "other_fault" if drawn < _NOTHING_FOUND_RATIO + _OTHER_FAULT_RATIO else "confirmed"


def _day_before(drives: Bools, episode: Episode) -> int:
    """The last driven day on which the fault was there."""
    return episode.onset + int(np.flatnonzero(drives[episode.onset : episode.end])[-1])


def _services(
    rng: np.random.Generator, vehicle: Vehicle, drives: Bools, odometer_km: Floats
) -> list[WorkshopVisit]:
    """Oil services as the owner's habit has them, other items along with them."""
    plan = plan_of(vehicle.model)
    done: dict[str, tuple[float, int]] = {}
    found: list[WorkshopVisit] = []
    stops_after = int(rng.integers(0, 4)) if vehicle.habit == "never" else LIFE_D
    while len(found) < stops_after:
        due_km, due_day = _limits(OIL, done)
        late_d, spread_d, late_km, spread_km = _SLACK[vehicle.habit]
        by_km = int(np.searchsorted(odometer_km, due_km + rng.normal(late_km, spread_km)))
        by_day = due_day + rng.normal(late_d, spread_d)
        earliest = done[OIL.item][1] + 14 if OIL.item in done else 14
        day = next_drive(drives, max(earliest, int(min(by_km, by_day))))
        if day >= LIFE_D:
            break
        items = tuple(
            item.item for item in plan if item is OIL or _is_near(item, done, float(odometer_km[day]), day)
        )
        done.update({item: (float(odometer_km[day]), day) for item in items})
        found.append(WorkshopVisit(day, items, None, is_recorded=vehicle.habit != "elsewhere"))
    return found


def _limits(item: PlanItem, done: dict[str, tuple[float, int]]) -> tuple[float, float]:
    """Odometer and day number at which an item is due; infinite where a limit does not apply."""
    if item.item in done:
        from_km, from_day = done[item.item]
        km, days = item.every_km, item.every_d
    else:
        from_km, from_day = 0.0, 0
        km, days = item.first_km or item.every_km, item.first_d or item.every_d
    return (np.inf if km is None else from_km + km), (np.inf if days is None else float(from_day + days))


def _is_near(item: PlanItem, done: dict[str, tuple[float, int]], odometer_km: float, day: int) -> bool:
    """Whether an item would not last until the next oil service of a car that is driven like this one."""
    assert OIL.every_km is not None
    assert OIL.every_d is not None
    km_per_day = max(odometer_km / day, 1.0)
    next_d = EAGER_RATIO * min(OIL.every_d, OIL.every_km / km_per_day)
    due_km, due_day = _limits(item, done)
    return odometer_km + next_d * km_per_day >= due_km or day + next_d >= due_day
