"""Master data of a fleet as files, in the formats of `odocare import` and `odocare campaign import`."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from simulator.days import Life, live
from simulator.fleet import Vehicle, vehicles
from simulator.history import Span
from simulator.holidays import EPOCH
from simulator.maker import DEALERS, MODELS, RECALLS, SOURCE, Recall, plan_of
from simulator.tbox import ZONE, begin_us, end_us
from simulator.visits import BATTERY, HOUR_RATIO, WorkshopVisit
from vehicle.day import at_of

MARKET: Final = "CN"
RECALL_MONTHS: Final = (3, 9)
"""Recalls are opened on the 15th of these."""


@dataclass(frozen=True, slots=True)
class MasterData:
    """How much was written."""

    vehicles: int
    dealers: int
    plans: int
    visits: int
    recalled: int


def write(folder: Path, asked: Span) -> MasterData:
    """Write dealers, vehicles, plans, visits and recalls of a fleet as it stands at the end of its span."""
    folder.mkdir(parents=True, exist_ok=True)
    fleet = list(vehicles(asked.seed, asked.vehicles_n, asked.until))
    dealers = _write_csv(
        folder / "dealers.csv",
        ["code", "name_zh", "name_en", "province", "city"],
        ([d.code, d.name_zh, d.name_en, d.province, d.city] for d in DEALERS),
    )
    _write_csv(folder / "vehicles.csv", _VEHICLE, (_vehicle_row(vehicle) for vehicle in fleet))
    plans = _write_csv(folder / "plans.csv", _PLAN, _plan_rows())
    visits = _write_csv(folder / "visits.csv", _VISIT, _visit_rows(fleet, asked))
    recalled = 0
    for recall in RECALLS:
        text, count = _recall(recall, fleet, asked.until)
        (folder / recall.file_name).write_text(text, encoding="utf-8")
        recalled += count
    return MasterData(len(fleet), dealers, plans, visits, recalled)


_VEHICLE: Final = [
    "vin",
    "plate",
    "model",
    "market",
    "use_class",
    "fuel",
    "tz",
    "built_on",
    "delivered_on",
    "dealer",
    "owner_ref",
]


def _vehicle_row(vehicle: Vehicle) -> list[object]:
    return [
        vehicle.vin,
        vehicle.plate,
        vehicle.model.name,
        MARKET,
        vehicle.use_class,
        vehicle.model.fuel,
        ZONE,
        _date(vehicle.built_day),
        _date(vehicle.delivered_day),
        vehicle.dealer.code,
        vehicle.owner_ref,
    ]


_PLAN: Final = [
    "model",
    "market",
    "item",
    "op_code",
    "name_zh",
    "name_en",
    "first_km",
    "first_d",
    "every_km",
    "every_d",
    "source",
]


def _plan_rows() -> Iterator[list[object]]:
    for model in MODELS:
        for item in plan_of(model):
            limits = [item.first_km, item.first_d, item.every_km, item.every_d]
            yield [
                model.name,
                MARKET,
                item.item,
                item.op_code,
                item.name_zh,
                item.name_en,
                *("" if limit is None else limit for limit in limits),
                SOURCE,
            ]


_VISIT: Final = ["vin", "visited_at", "odometer_km", "dealer", "repair_order", "items", "finding"]


def _visit_rows(fleet: Sequence[Vehicle], asked: Span) -> Iterator[list[object]]:
    for vehicle in fleet:
        life = live(vehicle)
        before = asked.last_day - vehicle.delivered_day
        been = [visit for visit in life.visits if visit.is_recorded and visit.day <= before]
        for number, visit in enumerate(been, start=1):
            yield _visit_row(life, visit, number)


def _visit_row(life: Life, visit: WorkshopVisit, number: int) -> list[object]:
    vehicle = life.vehicle
    begin, end = begin_us(life, visit.day), end_us(life, visit.day)
    at = at_of(begin + round((end - begin) * HOUR_RATIO)).astimezone(ZoneInfo(ZONE)).replace(microsecond=0)
    first_km, last_km = life.first_km[visit.day], life.last_km[visit.day]
    odometer_km = np.floor(first_km + (last_km - first_km) * HOUR_RATIO)
    return [
        vehicle.vin,
        at.isoformat(),
        f"{max(odometer_km, np.ceil(first_km)):.0f}",
        vehicle.dealer.code,
        f"RO-{vehicle.slot:06d}-{vehicle.generation}-{number:03d}",
        ";".join(item for item in visit.items if item != BATTERY),  # no item of a plan: nothing restarts
        visit.finding or "",
    ]


def _recall(recall: Recall, fleet: Iterable[Vehicle], until: date) -> tuple[str, int]:
    """A campaign as TOML, in it the vehicles built before it was opened, and how many."""
    opened_on = _opened_on(until)
    vins = [
        vehicle.vin
        for vehicle in fleet
        if vehicle.slot % recall.every_slot == recall.slot and _date(vehicle.built_day) < opened_on
    ]
    fields = {
        "id": f"ODO-{opened_on:%Y-%m}-{recall.suffix}",
        "title_zh": recall.title_zh,
        "title_en": recall.title_en,
        "remedy_zh": recall.remedy_zh,
        "remedy_en": recall.remedy_en,
    }
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    lines.append(f"do_not_drive = {str(recall.do_not_drive).lower()}")
    lines.append("parts_ready = true")
    lines.append(f"opened_on = {opened_on.isoformat()}")
    lines.append(f"source = {json.dumps(SOURCE)}")
    lines.append("vins = [")
    lines.extend(f'    "{vin}",' for vin in vins)
    lines.append("]")
    return "\n".join(lines) + "\n", len(vins)


def _opened_on(until: date) -> date:
    """The newest day in the demo maker's calendar on which a recall was opened."""
    days = [date(year, month, 15) for year in (until.year - 1, until.year) for month in RECALL_MONTHS]
    return max(day for day in days if day <= until)


def _write_csv(path: Path, header: list[str], rows: Iterable[list[object]]) -> int:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        count = 0
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _date(day: int) -> date:
    return EPOCH + timedelta(days=day)
