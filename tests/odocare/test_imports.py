import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from odocare import import_columns
from odocare.cli import cli
from odocare.csv_file import Row
from odocare.import_columns import COLUMNS, CellError, Kind
from odocare.import_report import ImportReport
from odocare.import_rows import read
from odocare.imports import load
from store.pool import Connection
from store.vehicles import by_vin
from vehicle.errors import ImportFileError
from vehicle.vin import parse_vin

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
VIN = "1G4AH59H45G118341"
OTHER = "1G4AH59H65G118342"
Import = Callable[..., Awaitable[ImportReport]]


@pytest.fixture
def bring(conn: Connection, tmp_path: Path) -> Import:
    """Import lines as a file of a kind."""

    async def run(kind: Kind, *lines: str, encoding: str = "utf-8", **options: Any) -> ImportReport:
        path = tmp_path / f"{kind}.csv"
        path.write_bytes("\n".join(lines).encode(encoding))
        return await load(conn, kind, path, now=NOW, **options)

    return run


async def rows(conn: Connection, query: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(query.encode())).fetchall()


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.stored.new, report.stored.changed, report.stored.unchanged, report.refused


async def test_a_file_goes_in_once_and_changes_nothing_the_second_time(
    bring: Import, conn: Connection
) -> None:
    lines = ("code,name_zh,name_en,province,city", "D1,上海店,Shanghai,上海市,上海市", "D2,北京店,Beijing,,")
    assert counts(await bring(Kind.DEALERS, *lines)) == (2, 0, 0, 0)
    assert counts(await bring(Kind.DEALERS, *lines)) == (0, 0, 2, 0)
    assert counts(await bring(Kind.DEALERS, lines[0], "D2,北京店,Peking,,")) == (0, 1, 0, 0)
    assert await rows(conn, "select code, name_zh, name_en from dealer order by code") == [
        ("D1", "上海店", "Shanghai"),
        ("D2", "北京店", "Peking"),
    ]


async def test_a_bad_row_is_told_with_line_column_expected_and_came_and_the_good_ones_go_in(
    bring: Import, conn: Connection
) -> None:
    report = await bring(
        Kind.VEHICLES,
        "vin,model,built_on,delivered_on,tz",
        f"{VIN},Odo City,2026-01-02,2026-02-01,Asia/Urumqi",
        "SHORT,Odo City,soon,,Mars/North",
        f"{OTHER},,2027-01-01,,",
        "1G4AH59H85G118343,Odo City,2026-02-01,2026-01-01,",
    )
    assert counts(report) == (1, 0, 0, 3)
    assert [str(problem) for problem in report.problems] == [
        "line 3, column vin: expected 17 characters of A-Z without I, O, Q and 0-9, came 'SHORT'",
        "line 3, column tz: expected a time zone such as Asia/Shanghai, came 'Mars/North'",
        "line 3, column built_on: expected a date such as 2026-03-01, came 'soon'",
        "line 4, column model: expected a value, came nothing",
        "line 5, column delivered_on: expected a day not before built_on, 2026-02-01, came 2026-01-01",
    ]
    assert await rows(conn, "select vin, tz, registered_at is not null from vehicle") == [
        (VIN, "Asia/Urumqi", True)
    ]


async def test_a_dry_run_counts_the_same_and_stores_nothing(bring: Import, conn: Connection) -> None:
    lines = ("vin,model", f"{VIN},Odo City", "NO,Odo City")
    report = await bring(Kind.VEHICLES, *lines, dry_run=True)
    assert counts(report) == (1, 0, 0, 1)
    assert "nothing was stored" in report.summary()
    assert await rows(conn, "select count(*) from vehicle") == [(0,)]
    assert await rows(conn, "select count(*) from touched") == [(0,)]


async def test_strictly_one_bad_row_keeps_the_whole_file_out(bring: Import, conn: Connection) -> None:
    lines = ("vin,model", f"{VIN},Odo City", "NO,Odo City")
    report = await bring(Kind.VEHICLES, *lines, strict=True)
    assert counts(report) == (0, 0, 0, 1)
    assert await rows(conn, "select count(*) from vehicle") == [(0,)]
    assert counts(await bring(Kind.VEHICLES, *lines[:2], strict=True)) == (1, 0, 0, 0)
    assert await rows(conn, "select count(*) from vehicle") == [(1,)]


async def test_a_vehicle_that_sent_before_is_registered_by_its_row(bring: Import, conn: Connection) -> None:
    async with conn.transaction():
        await by_vin(conn, [parse_vin(VIN)])
    report = await bring(Kind.VEHICLES, "vin,model", f"{VIN},Odo City", f"{OTHER},Odo City")
    assert counts(report) == (1, 1, 0, 0)
    assert report.stored.registered == 1
    assert await rows(conn, "select count(*) from vehicle where registered_at is null") == [(0,)]
    assert await rows(conn, "select count(*) from touched") == [(2,)]


async def test_a_column_that_is_not_in_the_file_keeps_what_is_stored(bring: Import, conn: Connection) -> None:
    await bring(Kind.DEALERS, "code,name_zh,name_en", "D1,店,Shop")
    await bring(Kind.VEHICLES, "vin,model,plate,use_class,dealer", f"{VIN},Odo City,沪A1,taxi,D1")
    assert counts(await bring(Kind.VEHICLES, "vin,model,plate", f"{VIN},Odo City,沪A2")) == (0, 1, 0, 0)
    query = "select plate, use_class, dealer_id is not null from vehicle"
    assert await rows(conn, query) == [("沪A2", "taxi", True)]
    assert counts(await bring(Kind.VEHICLES, "vin,model,plate,dealer", f"{VIN},Odo City,,")) == (0, 1, 0, 0)
    assert await rows(conn, query) == [(None, "taxi", False)]


async def test_what_is_hardly_meant_goes_in_with_a_warning(bring: Import) -> None:
    report = await bring(
        Kind.VEHICLES,
        "vin,model,use_class,owner_ref",
        f"{VIN},Odo City,private,crm-1",
        "1G4AH59H65G118341,Odo City,pirate,13812345678",
    )
    assert counts(report) == (2, 0, 0, 0)
    assert [(warning.line, warning.column) for warning in report.warnings] == [
        (3, "vin"),
        (3, "use_class"),
        (3, "owner_ref"),
    ]
    assert "check digit 4" in report.warnings[0].expected


async def test_a_visit_needs_a_known_vehicle_and_a_repair_order(bring: Import, conn: Connection) -> None:
    await bring(Kind.VEHICLES, "vin,model,built_on", f"{VIN},Odo City,2026-01-01")
    report = await bring(
        Kind.VISITS,
        "vin,visited_at,odometer_km,repair_order,items,finding",
        f"{VIN},2026-08-01 10:30,5020.5,RO1,oil;brake-fluid;oil,confirmed",
        f"{OTHER},2026-08-01,5020,RO2,oil,",
        f"{VIN},2026-08-01,5020,,oil,",
        f"{VIN},2026-11-23,5020,RO4,oil,",
        f"{VIN},2025-08-01,5020,RO5,oil,",
        f'{VIN},2026-08-01,"5,020",RO6,oil,perhaps',
        f"{VIN},2026-08-02,5020,RO1,oil,",
    )
    assert counts(report) == (1, 0, 0, 6)
    assert [(problem.line, problem.column) for problem in report.problems] == [
        (4, "repair_order"),
        (7, "odometer_km"),
        (7, "finding"),
        (8, "repair_order"),
        (3, "vin"),
        (5, "visited_at"),
        (6, "visited_at"),
    ]
    query = "select visited_at, odometer_km, repair_order, items, finding, source from service_visit"
    assert await rows(conn, query) == [
        (
            datetime(2026, 8, 1, 2, 30, tzinfo=UTC),
            5020.5,
            "RO1",
            ["brake-fluid", "oil"],
            "confirmed",
            "import",
        )
    ]


async def test_a_visit_is_in_the_vehicles_own_time_and_touches_it_from_that_day(
    bring: Import, conn: Connection
) -> None:
    await bring(Kind.VEHICLES, "vin,model,tz", f"{VIN},Odo City,Europe/Berlin")
    await conn.execute("delete from touched")
    header = "vin,visited_at,repair_order,items"
    await bring(Kind.VISITS, header, f"{VIN},2026/8/1,RO1,oil", f"{VIN},2026-08-02T23:30:00Z,RO2,")
    assert await rows(conn, "select visited_at from service_visit order by repair_order") == [
        (datetime(2026, 8, 1, 10, tzinfo=UTC),),
        (datetime(2026, 8, 2, 23, 30, tzinfo=UTC),),
    ]
    assert await rows(conn, "select from_day from touched") == [(date(2026, 8, 1),)]


async def test_a_visit_that_moves_touches_the_vehicle_from_the_earlier_day(
    bring: Import, conn: Connection
) -> None:
    await bring(Kind.VEHICLES, "vin,model", f"{VIN},Odo City")
    await bring(Kind.VISITS, "vin,visited_at,repair_order,items", f"{VIN},2026-08-01,RO1,oil")
    await conn.execute("delete from touched")
    report = await bring(Kind.VISITS, "vin,visited_at,repair_order", f"{VIN},2026-09-01,RO1")
    assert counts(report) == (0, 1, 0, 0)
    assert await rows(conn, "select from_day from touched") == [(date(2026, 8, 1),)]
    assert await rows(conn, "select items from service_visit") == [(["oil"],)]


async def test_an_item_that_is_in_no_plan_of_the_model_is_warned_of_once(bring: Import) -> None:
    await bring(Kind.PLANS, "model,item,op_code,name_zh,name_en,every_km,source", "Odo City,oil,o,油,Oil,9,x")
    await bring(Kind.VEHICLES, "vin,model", f"{VIN},Odo City")
    report = await bring(
        Kind.VISITS,
        "vin,visited_at,repair_order,items",
        f"{VIN},2026-08-01,RO1,oil；wipers",
        f"{VIN},2026-09-01,RO2,wipers",
    )
    assert [(warning.column, warning.came) for warning in report.warnings] == [("items", "'wipers'")]


async def test_a_changed_plan_touches_the_registered_vehicles_of_its_model(
    bring: Import, conn: Connection
) -> None:
    await bring(Kind.VEHICLES, "vin,model", f"{VIN},Odo City", f"{OTHER},Odo Trail")
    await conn.execute("delete from touched")
    header = "model,item,op_code,name_zh,name_en,first_km,first_d,every_km,every_d,source"
    line = "Odo City,oil,oil-service,机油,Oil,5000,180,10000,365,invented"
    report = await bring(
        Kind.PLANS, header, line, "Odo City,odd,x,x,x,,,,,x", "Odo City,half,x,x,x,,1.5,9,,x"
    )
    assert counts(report) == (1, 0, 0, 2)
    assert [(problem.line, problem.column) for problem in report.problems] == [
        (3, "every_km"),
        (4, "first_d"),
    ]
    assert await rows(conn, "select v.vin from touched join vehicle v on v.id = vehicle_id") == [(VIN,)]
    await conn.execute("delete from touched")
    assert (await bring(Kind.PLANS, header, line)).stored.touched == 0
    assert (await bring(Kind.PLANS, header, line.replace("10000", "8000"))).stored.touched == 1


@pytest.mark.parametrize(
    ("encoding", "told"), [("utf-8-sig", "utf-8"), ("gb18030", "gb18030"), ("gbk", "gb18030")]
)
async def test_chinese_is_read_however_it_was_saved(
    bring: Import, conn: Connection, encoding: str, told: str
) -> None:
    report = await bring(Kind.DEALERS, "code,name_zh,name_en", "D1,上海浦东店,Pudong", encoding=encoding)
    assert report.as_json()["encoding"] == told
    assert ("GBK" in report.summary()) == (told != "utf-8")
    assert await rows(conn, "select name_zh from dealer") == [("上海浦东店",)]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["code,name_cn,name_en"], "unknown column 'name_cn': did you mean 'name_zh'"),
        (["code,name_zh"], "missing name_en"),
        (["code,code,name_zh,name_en"], "stands twice"),
        (["code;name_zh;name_en", "a;b;c"], "separated by commas, found semicolons"),
        ([], "is empty"),
        (["code,name_zh,name_en", "D1,ok,ok", 'D2,"half'], r"line 3: unexpected end of data"),
        (["PK\x03\x04 and so on"], "Excel workbook"),
        (["code,name_zh,name_en", "D1,\0,x"], "zero bytes"),
    ],
)
async def test_a_file_that_is_none_is_refused_before_anything_is_stored(
    bring: Import, conn: Connection, lines: list[str], told: str
) -> None:
    with pytest.raises(ImportFileError, match=told):
        await bring(Kind.DEALERS, *lines)
    assert await rows(conn, "select count(*) from dealer") == [(0,)]


async def test_lines_are_counted_through_blank_lines_and_cells_of_several_lines(bring: Import) -> None:
    report = await bring(
        Kind.DEALERS, "code,name_zh,name_en", "", '"D1","a\nb",x', "D2,a", "D3,好,Good", " , , "
    )
    assert counts(report) == (1, 0, 0, 2)
    assert [(problem.line, problem.column) for problem in report.problems] == [(3, "name_zh"), (5, "")]
    assert report.rows == 3


async def test_more_rows_than_one_part_are_all_stored(
    bring: Import, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odocare.imports._PART_ROWS", 7)
    told: list[int] = []
    lines = [f"D{number},店,Shop" for number in range(30)]
    report = await bring(Kind.DEALERS, "code,name_zh,name_en", *lines, "D3,店,Shop", on_rows=told.append)
    assert counts(report) == (30, 0, 0, 1)
    assert (sum(told), told[0]) == (31, 7)
    assert await rows(conn, "select count(*) from dealer") == [(30,)]


def test_the_command_tells_what_happened_and_fails_when_a_row_is_refused(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    path = tmp_path / "vehicles.csv"
    path.write_text(f"vin,model\n{VIN},Odo City\nNO,Odo City\n", encoding="utf-8")
    told = CliRunner().invoke(cli, ["import", "vehicles", str(path)])
    assert told.exit_code == 1
    assert told.stdout == (
        "2 vehicles read: 1 new, 0 changed, 0 unchanged, 1 refused; 1 vehicles will be evaluated again\n"
    )
    assert "vehicles.csv, line 3, column vin: expected 17 characters" in told.stderr
    path.write_text(f"vin,model\n{VIN},Odo City\n", encoding="utf-8")
    again = CliRunner().invoke(cli, ["import", "vehicles", str(path), "--json"])
    assert again.exit_code == 0
    assert json.loads(again.stdout)["unchanged"] == 1


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(Kind)),
    st.lists(
        st.text(max_size=40) | st.sampled_from(["2026-02-30", "1e9", "nan", "-1", VIN, "x;y"]), max_size=12
    ),
)
def test_any_cells_are_read_or_refused_never_worse(kind: Kind, cells: list[str]) -> None:
    header = list(COLUMNS[kind])
    named = dict(zip(header, cells, strict=False))
    entry, problems = read(kind, Row(2, named, len(cells)), header)
    assert (entry is None) == bool(problems)
    assert all(problem.line == 2 and problem.expected and problem.came for problem in problems)


@settings(max_examples=100)
@given(st.datetimes(datetime(1950, 1, 2), datetime(2099, 12, 30)), st.sampled_from(["-", "/"]))  # noqa: DTZ001
def test_dates_and_times_are_read_as_they_were_written(at: datetime, separator: str) -> None:
    written = at.replace(microsecond=0).isoformat(sep=" ").replace("-", separator)
    assert import_columns.moment(written) == at.replace(microsecond=0)
    assert import_columns.day(written[:10]) == at.date()


@pytest.mark.parametrize(
    "cell", ["0001-01-01", "1949-12-31", "2100-01-01", "0001-01-01T00:00+08:00", "9999-12-31T23:59:59-08:00"]
)
async def test_a_date_that_no_car_has_is_refused(bring: Import, conn: Connection, cell: str) -> None:
    """PostgreSQL keeps what Python cannot read back, and then nothing more is said of the vehicle."""
    await bring(Kind.VEHICLES, "vin,model", f"{VIN},Odo City")
    report = await bring(Kind.VISITS, "vin,visited_at,repair_order", f"{VIN},{cell},R1")
    told = f"line 2, column visited_at: expected a date from 1950 to 2099, came {cell!r}"
    assert [str(problem) for problem in report.problems] == [told]
    report = await bring(Kind.VEHICLES, "vin,model,built_on", f"{VIN},Odo City,{cell[:10]}")
    assert [problem.expected for problem in report.problems] == ["a date from 1950 to 2099"]
    assert await rows(conn, "select count(*) from service_visit") == [(0,)]


@pytest.mark.parametrize("cell", ["2026-13-01", "46000", "01.02.2026", "2026-02-30", "gestern"])
def test_what_is_no_date_is_refused(cell: str) -> None:
    with pytest.raises(CellError):
        import_columns.day(cell)
    with pytest.raises(CellError):
        import_columns.moment(cell)
