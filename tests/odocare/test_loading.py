"""Bulk loads: every value once, whatever the order and however often; a wrong file not at all."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import polars as pl
import pytest

from odocare import load_file, loading, wiring
from odocare.loading import Loaded
from store.pool import Connection
from vehicle.errors import ImportFileError
from vehicle.vin import Vin

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BEGIN = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
ONE, OTHER = Vin("A0DC0000000000001"), Vin("A0DC0000000000002")
ODOMETER, SPEED, LATITUDE = "Vehicle.TraveledDistance", "Vehicle.Speed", "Vehicle.CurrentLocation.Latitude"
CATALOGUE = wiring.catalogue()


@pytest.fixture
async def fleet(conn: Connection) -> None:
    await conn.execute(
        "insert into vehicle (vin, model, registered_at) select unnest(%s::text[]), 'Odo City', now()",
        ([ONE, OTHER],),
    )


def history(hours: int = 30, *, vin: str = ONE) -> pl.DataFrame:
    """A reading of two signals a minute: first all of one signal, then all of the other."""
    minutes = range(hours * 60)
    time = [BEGIN + timedelta(minutes=m) for m in minutes]
    odometer = {"signal": ODOMETER, "value": [1_000.0 * m for m in minutes], "unit": "m"}
    speed = {"signal": SPEED, "value": [60.0 + m % 7 for m in minutes], "unit": "km/h"}
    parts = [pl.DataFrame({"time": time, "vin": vin, **one}) for one in (odometer, speed)]
    return pl.concat(parts)


async def load(
    conn: Connection,
    folder: Path,
    table: pl.DataFrame,
    *,
    vin: Vin | None = None,
    advance: Callable[[int], None] = lambda _: None,
    portion_rows: int = 1_000,
) -> Loaded:
    path = folder / "history.parquet"
    table.write_parquet(path)
    file = load_file.open_file(path, vin)
    return await loading.load(conn, file, CATALOGUE, now=NOW, advance=advance, portion_rows=portion_rows)


async def rows(conn: Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    return await (await conn.execute(query)).fetchall()


OBSERVED: LiteralString = "select vehicle_id, at, path, value from observation order by 1, 3, 2, 4"
DERIVED: LiteralString = """
    select 'day', d.vehicle_id, d.day, d.samples_n::float8 from vehicle_day d
    union all select 'odometer', o.vehicle_id, o.day, o.last_km from odometer_day o
    union all select 'low', o.vehicle_id, o.day, o.first_km from odometer_day o
    union all select 'source', o.vehicle_id, o.day, o.source from odometer_day o
    union all select 'touched', t.vehicle_id, t.from_day, 0 from touched t
    union all select 'latest', l.vehicle_id, l.seen_at::date, l.value[1] from latest l
    order by 1, 2, 3, 4
"""


async def test_every_value_is_stored_with_what_follows_from_it(
    conn: Connection, tmp_path: Path, fleet: None
) -> None:
    table = history()
    done = await load(conn, tmp_path, table)
    assert (done.values, done.rows, done.vehicles) == (table.height, table.height, 1)
    observed = await rows(conn, OBSERVED)
    ordered = table.sort("signal", "time")
    assert [(at, path, value) for _, at, path, value in observed] == ordered.select(
        "time", "signal", "value"
    ).rows()
    local_days = {(at + timedelta(hours=8)).date() for at in table["time"]}
    days = await rows(conn, "select day, samples_n from vehicle_day")
    assert {day for day, _ in days} == local_days
    assert sum(n for _, n in days) == table.height
    shown = await rows(conn, "select min(first_km), max(last_km) from odometer_day")
    assert shown == [(0.0, 1_799.0)]
    assert await rows(conn, "select from_day, seen_at from touched join latest using (vehicle_id)") == [
        (min(local_days), table["time"].max())
    ]


async def test_the_same_file_again_adds_nothing(conn: Connection, tmp_path: Path, fleet: None) -> None:
    await load(conn, tmp_path, history())
    before = await rows(conn, OBSERVED), await rows(conn, DERIVED)
    again = await load(conn, tmp_path, history())
    assert (again.values, again.was_there) == (0, again.rows)
    assert (await rows(conn, OBSERVED), await rows(conn, DERIVED)) == before


async def test_a_load_that_was_cut_off_goes_on_where_it_was(
    conn: Connection, tmp_path: Path, fleet: None
) -> None:
    class CutOffError(Exception):
        pass

    def cut(n: int) -> None:
        if n:
            raise CutOffError

    with pytest.raises(CutOffError):
        await load(conn, tmp_path, history(), advance=cut)
    partly = await rows(conn, "select count(*) from observation")
    rest = await load(conn, tmp_path, history())
    assert 0 < rest.was_there < rest.rows
    assert partly == [(rest.was_there,)]
    assert rest.was_there + rest.values == rest.rows
    found = [(at, path, value) for _, at, path, value in await rows(conn, OBSERVED)]
    assert found == history().sort("signal", "time").select("time", "signal", "value").rows()


async def test_neither_the_order_of_rows_nor_of_vehicles_matters(
    conn: Connection, tmp_path: Path, fleet: None
) -> None:
    table = pl.concat([history(3), history(5, vin=OTHER)])
    await load(conn, tmp_path, table.sample(fraction=1, shuffle=True, seed=3))
    shuffled = await rows(conn, OBSERVED), await rows(conn, DERIVED)
    await conn.execute("truncate segment, vehicle_day, odometer_day, latest, touched, load")
    await load(conn, tmp_path, table)
    assert (await rows(conn, OBSERVED), await rows(conn, DERIVED)) == shuffled


async def test_history_does_not_move_the_latest_state_back(
    conn: Connection, tmp_path: Path, fleet: None
) -> None:
    await load(conn, tmp_path, history(5).tail(60))
    newest = await rows(conn, "select vehicle_id, seen_at, signal, at, value from latest")
    await load(conn, tmp_path, history(4))
    kept = await rows(conn, "select vehicle_id, seen_at, at[2], value[2] from latest")
    assert kept == [(one[0], one[1], one[3][0], one[4][0]) for one in newest]


async def test_one_wrong_row_keeps_the_file_out_and_is_named(
    conn: Connection, tmp_path: Path, fleet: None
) -> None:
    table = history(1).with_row_index("row").with_columns(
        signal=pl.when(pl.col("row") == 7).then(pl.lit("Vehicle.Sped")).otherwise("signal"),
        vin=pl.when(pl.col("row") >= 100).then(pl.lit("A0DC0000000000009")).otherwise("vin"),
        unit=pl.when(pl.col("row") == 80).then(pl.lit("V")).otherwise("unit"),
        time=pl.when(pl.col("row") == 3)
        .then(pl.lit(datetime(2009, 1, 1, tzinfo=UTC)))
        .when(pl.col("row") == 90)
        .then(pl.lit(NOW + timedelta(hours=1)))
        .otherwise("time"),
    )  # fmt: skip
    done = await load(conn, tmp_path, table)
    told = [(one.row, one.rows_n, one.what.split(":")[0].split(";")[0]) for one in done.problems]
    assert told == [
        (4, 1, "a time before the vehicle was built, or before 2010 where that is not known"),
        (8, 1, "the catalogue has no signal 'Vehicle.Sped'"),
        (81, 1, "Vehicle.Speed is in 'km/h', there is no conversion from 'V'"),
        (91, 1, "a time more than five minutes from now"),
        (101, 20, "no vehicle A0DC0000000000009 is registered"),
    ]
    assert await rows(conn, "select count(*) from segment") == [(0,)]


async def test_units_are_converted_and_what_is_no_measurement_is_counted(
    conn: Connection, tmp_path: Path, fleet: None
) -> None:
    await conn.execute("update vehicle set location_allowed = false")
    table = pl.DataFrame(
        {
            "time": [BEGIN.replace(tzinfo=None) + timedelta(seconds=k) for k in range(6)],
            "signal": [ODOMETER, ODOMETER, SPEED, SPEED, SPEED, LATITUDE],
            "value": [1.5, 2_000.0, None, float("nan"), 900.0, 31.2],
            "unit": ["km", "m", "km/h", "km/h", "km/h", None],
        }
    )
    done = await load(conn, tmp_path, table, vin=ONE)
    assert (done.values, done.no_measurement, done.out_of_range, done.positions) == (2, 2, 1, 1)
    assert [(path, value) for _, _, path, value in await rows(conn, OBSERVED)] == [
        (ODOMETER, 1_500.0),
        (ODOMETER, 2_000.0),
    ]


async def test_a_file_without_rows_is_loaded_at_once(conn: Connection, tmp_path: Path) -> None:
    done = await load(conn, tmp_path, history(1).clear())
    assert (done.rows, done.values, done.problems) == (0, 0, [])
    assert await rows(conn, "select rows_n, finished_at is not null from load") == [(0, True)]


@pytest.mark.parametrize(
    ("table", "vin", "what"),
    [
        (pl.DataFrame({"time": [BEGIN], "Speed": [1.0]}), ONE, "has no column signal, value"),
        (history(1), ONE, "has a column vin"),
        (history(1).drop("vin"), None, "has no column vin: give --vin"),
        (history(1).with_columns(time=pl.lit("noon")), None, "column time is a timestamp, got String"),
        (history(1).with_columns(value=pl.lit("much")), None, "column value is a number, got String"),
        (history(1).with_columns(signal=pl.lit(7)), None, "column signal is text, got Int"),
        (history(1).with_columns(signal=pl.lit(None, pl.String)), None, "signal is missing in row 1"),
    ],
)
def test_a_file_of_another_shape_is_refused(
    tmp_path: Path, table: pl.DataFrame, vin: Vin | None, what: str
) -> None:
    path = tmp_path / "other.parquet"
    table.write_parquet(path)
    with pytest.raises(ImportFileError, match=what):
        load_file.open_file(path, vin)


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ImportFileError, match=r"broken\.parquet"):
        load_file.open_file(path, None)
