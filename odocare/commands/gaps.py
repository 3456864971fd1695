"""`odocare gaps`."""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from store.gap_list import Listed, Totals, Wanted

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def register(cli: typer.Typer) -> None:
    """Add this family's subcommand."""
    cli.command()(gaps)


def gaps(
    vin: Annotated[str | None, typer.Option(help="only this vehicle's")] = None,
    only_open: Annotated[
        bool, typer.Option("--open/--all", help="what is missing still, or also what came late")
    ] = True,
    since: Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="seen then or later, UTC")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="seen before, UTC")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="newest so many")] = 50,
    before: Annotated[int | None, typer.Option(min=1, help="only those with a lower number")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Messages that vehicles lost: sequence numbers that were passed over, newest first."""
    from store.gap_list import Wanted
    from vehicle.vin import parse_vin

    wanted = Wanted(
        vin=None if vin is None else parse_vin(vin),
        since=None if since is None else since.replace(tzinfo=UTC),
        until=None if until is None else until.replace(tzinfo=UTC),
        is_open=only_open,
    )
    found, totals = asyncio.run(_read(wanted, limit, before))
    if as_json:
        listed = [{**asdict(one), "vehicle": one.vehicle and str(one.vehicle)} for one in found]
        typer.echo(json.dumps({"totals": asdict(totals), "gaps": listed}, default=_iso))
        return
    _table(found)
    late = "" if only_open else f", {totals.late} came late"
    typer.echo(f"{totals.gaps} gaps of {totals.vehicles} vehicles: {totals.missing} messages missing{late}")
    if len(found) == limit < totals.gaps:
        typer.echo(f"older ones: --before {found[-1].id}")


async def _read(wanted: "Wanted", limit: int, before: int | None) -> tuple[list["Listed"], "Totals"]:
    from odocare.settings import Settings
    from odocare.wiring import database_url
    from store import gap_list
    from store.pool import connect

    async with connect(database_url(Settings())) as conn:
        page = await gap_list.page(conn, wanted, limit=limit, before=before)
        return page, await gap_list.totals(conn, wanted)


def _iso(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat(timespec="seconds")


def _table(found: list["Listed"]) -> None:
    """Columns as wide as they need to be, one line per gap."""
    rows = [("id", "vehicle", "boot", "seq", "messages", "seen", "came"), *map(_cells, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows[: len(rows) if found else 0]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _cells(one: "Listed") -> tuple[str, ...]:
    moments = (
        "-" if at is None else at.isoformat(sep=" ", timespec="seconds")
        for at in (one.seen_at, one.closed_at)
    )
    return (
        str(one.id),
        "-" if one.vehicle is None else str(one.vehicle),
        f"{one.boot}" if not one.life else f"{one.boot} again, {one.life}",
        str(one.first_seq) if one.messages == 1 else f"{one.first_seq}-{one.last_seq}",
        str(one.messages),
        *moments,
    )
