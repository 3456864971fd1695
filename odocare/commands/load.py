"""`odocare load`."""

import asyncio
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from odocare.loading import Loaded

_MOST_TOLD = 20


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(load)


def load(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="a row per value; docs/loading.md has the columns"),
    ],
    vin: Annotated[
        str | None, typer.Option(help="whose values these are, where the file has no column vin")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="look the file through, store nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Load decoded history out of Parquet; the same file twice adds nothing.

    Where one row is wrong nothing is stored, and the exit code is 1.
    """
    from vehicle.errors import DecodeError
    from vehicle.vin import parse_vin

    try:
        whose = None if vin is None else parse_vin(vin)
    except DecodeError as error:
        raise typer.BadParameter(str(error), param_hint="--vin") from error
    began_s = time.monotonic()
    done = asyncio.run(_load(file, whose, dry_run=dry_run))
    took_s = time.monotonic() - began_s
    if as_json:
        typer.echo(json.dumps({"file": str(file), "took_s": round(took_s, 3), **asdict(done)}))
    else:
        _tell(file, done, took_s)
    if done.problems:
        raise typer.Exit(1)


async def _load(path: Path, vin: "str | None", *, dry_run: bool) -> "Loaded":
    from datetime import UTC, datetime

    from odocare import load_file, loading, progress
    from odocare.settings import Settings
    from odocare.wiring import catalogue, database_url
    from store import migrate
    from store.pool import connect
    from vehicle.vin import Vin

    settings = Settings()
    async with connect(database_url(settings)) as conn:
        await migrate.require_current(conn, migrate.read_migrations())
        file = load_file.open_file(path, None if vin is None else Vin(vin))
        with progress.bar(f"load {path.name}", file.rows_n) as advance:
            return await loading.load(
                conn,
                file,
                catalogue(settings.codebooks),
                now=datetime.now(UTC),
                dry_run=dry_run,
                advance=advance,
            )


def _tell(file: Path, done: "Loaded", took_s: float) -> None:
    for one in done.problems[:_MOST_TOLD]:
        more = "" if one.rows_n in (None, 1) else f" ({one.rows_n} rows)"
        typer.echo(f"{file}: row {one.row}: {one.what}{more}", err=True)
    if len(done.problems) > _MOST_TOLD:
        typer.echo(f"… and {len(done.problems) - _MOST_TOLD} more; --json has them all", err=True)
    if done.problems:
        typer.echo("nothing was loaded", err=True)
        return
    for what, n in (
        ("rows that were loaded before", done.was_there),
        ("values that are no number", done.no_measurement),
        ("values outside the catalogue's range", done.out_of_range),
        ("positions of vehicles whose location is off", done.positions),
    ):
        if n:
            typer.echo(f"{n} {what}")
    typer.echo(
        f"{done.values} values of {done.vehicles} vehicles in {done.segments} segments, {took_s:.1f} s"
        if done.load is not None
        else f"{done.rows} rows of {done.vehicles} vehicles are fit to be loaded"
    )
