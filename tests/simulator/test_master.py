import csv
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from odocare.campaign_file import campaign, read_toml
from odocare.import_columns import COLUMNS, Kind
from simulator import master
from simulator.fleet import vehicles
from simulator.history import Span
from simulator.holidays import day_of
from simulator.maker import MODELS, OIL, RECALLS
from tests.simulator.conftest import UNTIL, life_of

ASKED = Span(seed=1, vehicles_n=210, days_n=30, until=UNTIL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("master") / "data"
    master.write(path, ASKED)
    return path


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


WRITTEN = [Kind.DEALERS, Kind.VEHICLES, Kind.PLANS, Kind.VISITS]
"""A demo maker's cars have no SIM cards of their own and no fault codes of their own."""


@pytest.mark.parametrize("kind", WRITTEN)
def test_files_are_what_import_reads(folder: Path, kind: Kind) -> None:
    found = rows(folder, kind.value)
    assert list(found[0]) == [name for name in COLUMNS[kind] if name != "iccid"]
    for row in found:
        for name, column in COLUMNS[kind].items():
            assert row.get(name) or not column.is_required
            if row.get(name):
                column.read(row[name])


def test_every_vehicle_is_registered_with_a_dealer_and_a_plan(folder: Path) -> None:
    found = rows(folder, "vehicles")
    assert [row["vin"] for row in found] == [v.vin for v in vehicles(1, 210, UNTIL)]
    assert {row["dealer"] for row in found} <= {row["code"] for row in rows(folder, "dealers")}
    plans = rows(folder, "plans")
    assert {row["model"] for row in found} <= {row["model"] for row in plans}
    assert len({row["plate"] for row in found}) == len(found)
    oil = [row for row in plans if row["item"] == OIL.item]
    assert len(oil) == len(MODELS)
    for row in oil:
        assert [float(row[name]) for name in ("first_km", "first_d", "every_km", "every_d")] == [
            5000,
            180,
            10_000,
            365,
        ]


def test_visits_fit_the_odometer_and_are_over(folder: Path) -> None:
    by_vin = {life_of(slot).vehicle.vin: life_of(slot) for slot in range(40)}
    checked = 0
    for row in rows(folder, "visits"):
        at = datetime.fromisoformat(row["visited_at"])
        assert at.date() <= UNTIL
        life = by_vin.get(row["vin"])  # type: ignore[call-overload]  # a VIN out of a file is plain text
        if life is not None:
            day = day_of(at.date()) - life.vehicle.delivered_day
            assert (
                life.first_km[day]
                <= float(row["odometer_km"])
                <= max(life.last_km[day], life.first_km[day] + 1.0)
            )
            checked += 1
    assert checked > 100


def test_visits_name_items_of_the_plan_only(folder: Path) -> None:
    planned = {row["item"] for row in rows(folder, "plans")}
    done = {item for row in rows(folder, "visits") for item in row["items"].split(";") if item}
    assert done == planned


def test_repair_orders_are_unique_and_stay_when_time_goes_on(folder: Path, tmp_path: Path) -> None:
    before = {row["repair_order"]: row for row in rows(folder, "visits")}
    assert len(before) == len(rows(folder, "visits"))
    master.write(tmp_path, Span(1, 210, 30, UNTIL + timedelta(days=60)))
    after = {row["repair_order"]: row for row in rows(tmp_path, "visits")}
    assert len(after) > len(before)
    shared = before.keys() & after.keys()
    assert len(shared) > 0.9 * len(before)
    assert all(before[order] == after[order] for order in shared)


def test_services_stand_where_dealers_wait_for_some_of_them(folder: Path) -> None:
    newest: dict[str, date] = {}
    for row in rows(folder, "visits"):
        if OIL.item in row["items"].split(";"):
            newest[row["vin"]] = max(
                newest.get(row["vin"], date.min), datetime.fromisoformat(row["visited_at"]).date()
            )
    states: Counter[str] = Counter()
    for row in rows(folder, "vehicles"):
        age_d = (UNTIL - date.fromisoformat(row["delivered_on"])).days
        if row["vin"] not in newest:
            states["before first" if age_d <= 180 else "first missed"] += 1
        else:
            since_d = (UNTIL - newest[row["vin"]]).days
            states["overdue" if since_d > 365 else "done lately" if since_d < 180 else "in between"] += 1
    assert min(states[state] for state in ("before first", "first missed", "overdue", "done lately")) >= 5


def test_findings_tell_that_some_repairs_found_nothing(folder: Path) -> None:
    told = Counter(row["finding"] for row in rows(folder, "visits"))
    assert told["confirmed"] > told["not_found"] > 0
    assert told[""] > told["confirmed"]


def test_recalls_are_campaigns_with_vehicles_of_the_fleet(folder: Path) -> None:
    fleet = {row["vin"] for row in rows(folder, "vehicles")}
    told = []
    for recall in RECALLS:
        text = (folder / recall.file_name).read_text(encoding="utf-8")
        fields, found = read_toml(text, where=recall.file_name)
        read = campaign(fields, None, where=recall.file_name)
        assert read.do_not_drive == recall.do_not_drive
        assert read.opened_on == date(2026, 9, 15)
        assert found.problems == ()
        assert 0 < len(found.vins) <= 0.03 * len(fleet)
        assert set(found.vins) <= fleet
        told.append(read.id)
    assert told == ["ODO-2026-09-R1", "ODO-2026-09-R2"]


def test_the_same_span_writes_the_same_files(folder: Path, tmp_path: Path) -> None:
    counted = master.write(tmp_path, ASKED)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    assert counted.vehicles == 210
    assert counted.visits == len(rows(tmp_path, "visits"))


def test_recalls_are_opened_twice_a_year() -> None:
    opened = [master._opened_on(UNTIL + timedelta(days=30 * month)) for month in range(13)]
    assert opened[0] == date(2026, 9, 15)
    assert opened[-1] == date(2027, 9, 15)
    assert all((after - before).days in (0, 181, 184) for before, after in pairwise(opened))
