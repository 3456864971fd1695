"""`odocare load` beside binary COPY: of the rows of its file, and of the very segments that it writes."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import psycopg

from bench import _fleet
from bench._copying import HEADER, TRAILER, Copier
from odocare import load_file, loading, wiring
from odocare.loading import Loaded
from store import arrays
from store.pool import connect

VEHICLES: Final = 20
DAYS: Final = 3
_EVERY_US: Final = 10_000_000
"""A value of each signal every ten seconds, while the vehicle drives: eight hours of a day."""
_DRIVEN_US: Final = 8 * 3_600_000_000
_DAY_US: Final = 86_400_000_000
_NARROW_ROWS: Final = 400_000
"""So many of a file's, for it takes long."""
_NARROW: Final = [
    ("fields", ">i2"), ("vehicle_bytes", ">i4"), ("vehicle", ">i8"), ("time_bytes", ">i4"), ("time", ">i8"),
    ("signal_bytes", ">i4"), ("signal", ">i2"), ("value_bytes", ">i4"), ("value", ">f8"),
]  # fmt: skip
CREATE: Final = """
    create table if not exists narrow (
        vehicle_id bigint not null, at timestamptz not null, signal smallint not null, value double precision
    )
"""
MAKE_HYPERTABLE: Final = """
    select create_hypertable(
        'narrow', by_range('at', interval '7 days'), create_default_indexes => false, if_not_exists => true
    )
"""
INDEX: Final = "create index if not exists narrow_vehicle_at on narrow (vehicle_id, at desc)"
NARROW: Final = "copy narrow (vehicle_id, at, signal, value) from stdin (format binary)"


@dataclass(slots=True)
class Bulk:
    """Values per second, round by round."""

    load: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    """The file's rows, a row per value."""
    segments: list[float] = field(default_factory=list)
    values: int = 0
    file_bytes: int = 0


def round_of(database_url: str, copier: Copier, folder: Path, number: int, found: Bulk) -> None:
    """Load the next days of some vehicles, then copy what that wrote."""
    path = folder / "history.parquet"
    history(number).write_parquet(path)
    copier.skip()
    began_s = time.monotonic()
    done = asyncio.run(_load(database_url, path))
    took_s = time.monotonic() - began_s
    if done.values != done.rows:
        raise AssertionError(f"{done.rows} values expected, {done.values} were loaded: {done.problems[:3]}")
    written = copier.written()
    found.load.append(done.values / took_s)
    found.segments.append(done.values / copier.copy(written))
    found.rows.append(_NARROW_ROWS / _narrow_s(database_url, history(number).head(_NARROW_ROWS)))
    found.values += done.values
    found.file_bytes += path.stat().st_size


def _narrow_s(database_url: str, table: pl.DataFrame) -> float:
    """How long COPY takes for a row per value, in a hypertable with the index that segments have."""
    rows = np.empty(table.height, _NARROW)
    rows["fields"] = 4
    for name, size in (("vehicle", 8), ("time", 8), ("signal", 2), ("value", 8)):
        rows[f"{name}_bytes"] = size
    rows["vehicle"] = table["vin"].to_physical().to_numpy()
    rows["time"] = table["time"].to_physical().to_numpy() - arrays.EPOCH_US
    rows["signal"] = table["signal"].to_physical().to_numpy()
    rows["value"] = table["value"].to_numpy()
    content = HEADER + rows.tobytes() + TRAILER
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(CREATE)
        conn.execute(MAKE_HYPERTABLE)
        conn.execute(INDEX)
        began_s = time.monotonic()
        with conn.transaction(), conn.cursor() as cur, cur.copy(NARROW) as copy:
            copy.write(content)
        return time.monotonic() - began_s


async def _load(database_url: str, path: Path) -> Loaded:
    async with connect(database_url) as conn:
        file = load_file.open_file(path, None)
        return await loading.load(conn, file, wiring.catalogue(), now=datetime.now(UTC))


def history(number: int) -> pl.DataFrame:
    """Some days of some vehicles, other days for every number: by vehicle, signal and time."""
    rng = np.random.default_rng(number)
    since_us = int(datetime(2024, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000 + number * DAYS * _DAY_US
    per_day = _DRIVEN_US // _EVERY_US
    day_us = np.arange(DAYS)[:, None] * _DAY_US
    t_us = (since_us + day_us + np.arange(per_day)[None, :] * _EVERY_US).reshape(-1)
    km = (t_us - t_us[0]) / 3.6e9 * 40 + number * 1_000
    columns = [rng.normal(middle, spread, len(t_us)).round(1) for middle, spread in _fleet.NORMAL]
    columns[1] = (km * 1_000).round()
    value = np.concatenate(columns)
    one = pl.DataFrame(
        {
            "time": pl.Series(np.tile(t_us, len(columns))).cast(pl.Datetime("us", "UTC")),
            "signal": pl.Series(np.repeat(_fleet.PATHS, len(t_us))).cast(pl.Enum(_fleet.PATHS)),
            "value": value,
        }
    )
    vins = pl.Enum([_fleet.vin(n) for n in range(VEHICLES)])
    return pl.concat([one.with_columns(vin=pl.lit(vin, vins)) for vin in vins.categories])
