"""The Parquet that a bulk load takes: a row per value, looked through before anything is stored."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from ingest.judging import AHEAD_US, EARLIEST_US
from store.vehicles import VehicleRef
from vehicle.day import us_of
from vehicle.errors import CatalogueError, DecodeError, ImportFileError
from vehicle.signal import Catalogue, Signal
from vehicle.units import Unit, conversion
from vehicle.vin import Vin, parse_vin

REQUIRED: Final = ("time", "signal", "value")
VIN: Final = "vin"
UNIT: Final = "unit"
_TOO_EARLY: Final = "a time before the vehicle was built, or before 2010 where that is not known"
_TOO_LATE: Final = "a time more than five minutes from now"
_READ_BYTES: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is not loaded."""

    row: int
    """The first that is wrong so, from 1."""
    rows_n: int | None
    """How many are; None: at least this one."""
    what: str


@dataclass(frozen=True, slots=True)
class LoadFile:
    """A file whose columns are as they should be."""

    path: Path
    vin: Vin | None
    """Of every row, where the file has no column for it."""
    rows_n: int
    content: str
    """SHA-256 of the file and of that VIN: the same load again is the same."""
    frames: pl.LazyFrame
    """Signal, and VIN and unit where the file has them: text or enumerations; time in microseconds, value.

    Nothing is missing but unit and value.
    """
    groups: pl.DataFrame
    """Of each VIN, signal and unit, as text: rows, the first row, the first and the last moment."""


def open_file(path: Path, vin: Vin | None) -> LoadFile:
    """Read a file's columns and what it speaks of. Raises `ImportFileError`."""
    try:
        frames = _columns(path, vin)
        rows_n = int(frames.select(pl.len()).collect().item())
        groups = _groups(frames, vin)
        gaps = [name for name in (VIN, "signal") if groups[name].null_count()]
        if gaps or groups["gaps"].sum():
            name = gaps[0] if gaps else "time"
            raise ImportFileError(f"{path}: {name} is missing in row {_first_gap(frames, name) + 1}")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ImportFileError(f"{path}: {error}") from error
    return LoadFile(path, vin, rows_n, _content(path, vin), frames, groups)


def vins(file: LoadFile) -> list[str]:
    """Whose values the file holds."""
    return sorted(file.groups[VIN].unique().to_list())


def problems(
    file: LoadFile, fleet: Mapping[Vin, VehicleRef], catalogue: Catalogue, now: datetime
) -> list[Problem]:
    """All that keeps the file out, by row: vehicles and signals nobody knows, units, times."""
    found: dict[str, list[tuple[int, int | None]]] = {}
    latest_us = us_of(now) + AHEAD_US
    for vin, signal, unit, n, row, first_us, last_us, _ in file.groups.rows():
        for what in (_of_vin(vin, fleet), _of_signal(signal, unit, catalogue)):
            if what is not None:
                found.setdefault(what, []).append((row, n))
        earliest_us = _built_us(fleet.get(vin))
        if first_us < earliest_us:
            found.setdefault(_TOO_EARLY, []).append(_where(file, vin, pl.col("time") < earliest_us))
        if last_us > latest_us:
            found.setdefault(_TOO_LATE, []).append(_where(file, vin, pl.col("time") > latest_us))
    told = [Problem(min(row for row, _ in rows) + 1, _sum(rows), what) for what, rows in found.items()]
    return sorted(told, key=lambda one: (one.row, one.what))


def conversions(file: LoadFile, catalogue: Catalogue) -> dict[tuple[str, str], tuple[float, float]]:
    """Factor and offset of each signal and unit that are not the catalogue's."""
    pairs = file.groups.select("signal", UNIT).unique().rows()
    found = {}
    for signal, unit in pairs:
        if unit is not None and unit != catalogue.of(signal).unit.value:
            found[signal, unit] = conversion(Unit(unit), catalogue.of(signal).unit)
    return found


def _where(file: LoadFile, vin: str, is_wrong: pl.Expr) -> tuple[int, int]:
    """The first row of a vehicle that is wrong, and how many are."""
    mine = is_wrong if file.vin is not None else is_wrong & (pl.col(VIN).cast(pl.String) == vin)
    rows = file.frames.with_row_index("row").filter(mine).select(pl.col("row").min(), pl.len().alias("n"))
    row, n = rows.collect().row(0)
    return int(row), int(n)


def _sum(rows: list[tuple[int, int | None]]) -> int | None:
    counts = [n for _, n in rows if n is not None]
    return sum(counts) if counts else None


def _of_vin(vin: str, fleet: Mapping[Vin, VehicleRef]) -> str | None:
    if vin in fleet:
        return None
    try:
        parse_vin(vin)
    except DecodeError as error:
        return str(error)
    return f"no vehicle {vin} is registered: `odocare import vehicles` first"


def _of_signal(path: str, unit: str | None, catalogue: Catalogue) -> str | None:
    signal: Signal | None = catalogue.by_path.get(path)
    if signal is None:
        return f"the catalogue has no signal {path!r}; `odocare decode --codebook` or `--map` gives VSS paths"
    try:
        if unit is not None:
            conversion(Unit(unit), signal.unit)
    except (ValueError, CatalogueError):
        return f"{path} is in {signal.unit.value!r}, there is no conversion from {unit!r}"
    return None


def _built_us(vehicle: VehicleRef | None) -> int:
    built_on: date | None = None if vehicle is None else vehicle.built_on
    if vehicle is None or built_on is None:
        return EARLIEST_US
    return us_of(datetime.combine(built_on, time.min, tzinfo=ZoneInfo(vehicle.tz)).astimezone(UTC))


def _columns(path: Path, vin: Vin | None) -> pl.LazyFrame:
    scanned = pl.scan_parquet(path, glob=False)
    schema = scanned.collect_schema()
    missing = [name for name in REQUIRED if name not in schema]
    if missing:
        hint = "; a row per value is wanted, as `odocare decode --out NAME.parquet` writes it"
        raise ImportFileError(f"{path} has no column {', '.join(missing)}{hint}")
    if not isinstance(schema["time"], pl.Datetime):
        raise ImportFileError(f"{path}: column time is a timestamp, got {schema['time']}")
    if not schema["value"].is_numeric():
        raise ImportFileError(f"{path}: column value is a number, got {schema['value']}")
    if (vin is None) == (VIN not in schema):
        told = "has no column vin: give --vin" if vin is None else "has a column vin: --vin cannot be given"
        raise ImportFileError(f"{path} {told}")
    texts = {name: schema.get(name) for name in (VIN, "signal", UNIT)}
    for name, kind in texts.items():
        if kind is not None and not isinstance(kind, pl.String | pl.Categorical | pl.Enum):
            raise ImportFileError(f"{path}: column {name} is text, got {kind}")
    return scanned.select(
        *(
            pl.col(name) if isinstance(kind, pl.Enum) else pl.col(name).cast(pl.String)
            for name, kind in texts.items()
            if kind is not None
        ),
        pl.col("time").dt.cast_time_unit("us").to_physical(),
        pl.col("value").cast(pl.Float64),
    )


def _first_gap(frames: pl.LazyFrame, name: str) -> int:
    """The first row that lacks a column, from 0."""
    rows = frames.with_row_index("row").filter(pl.col(name).is_null()).select(pl.col("row").min())
    return int(rows.collect().item())


def _groups(frames: pl.LazyFrame, vin: Vin | None) -> pl.DataFrame:
    moment, names = (
        pl.col("time"),
        [name for name in (VIN, "signal", UNIT) if name in frames.collect_schema()],
    )
    found = (
        frames.with_row_index("row")
        .group_by(names)
        .agg(
            pl.len(),
            pl.col("row").min().alias("first"),
            moment.min().alias("since"),
            moment.max().alias("until"),
            moment.null_count().alias("gaps"),
        )
        .collect(engine="streaming")
    )
    return found.sort("first").select(
        pl.col(VIN).cast(pl.String) if VIN in names else pl.lit(vin, pl.String).alias(VIN),
        pl.col("signal").cast(pl.String),
        pl.col(UNIT).cast(pl.String) if UNIT in names else pl.lit(None, pl.String).alias(UNIT),
        "len",
        "first",
        "since",
        "until",
        "gaps",
    )


def _content(path: Path, vin: Vin | None) -> str:
    content = hashlib.sha256((vin or "").encode() + b"\n")
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            content.update(part)
    return content.hexdigest()
