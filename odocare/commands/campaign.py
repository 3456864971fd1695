"""`odocare campaign`: recalls from a list of VINs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from odocare.campaign_file import VinList
    from store.campaigns import Funnel
    from store.pool import Connection

_Work = Callable[["Connection", dict[str, Any], "VinList", Path], Awaitable[dict[str, Any]]]
_SHOWN = 20
"""Bad rows listed by name; `--json` has them all."""


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    family = typer.Typer(name="campaign", help="Recall campaigns from lists of VINs.", no_args_is_help=True)
    family.command("import")(import_campaign)
    family.command()(status)
    cli.add_typer(family)


Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]


def import_campaign(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="TOML, or CSV with a column vin")],
    campaign_id: Annotated[str | None, typer.Option("--id", help="the campaign's number (for a CSV)")] = None,
    title_zh: Annotated[str | None, typer.Option()] = None,
    title_en: Annotated[str | None, typer.Option()] = None,
    remedy_zh: Annotated[str | None, typer.Option()] = None,
    remedy_en: Annotated[str | None, typer.Option()] = None,
    source: Annotated[str | None, typer.Option(help="who ordered it, and where that stands")] = None,
    opened_on: Day = None,
    closed_on: Day = None,
    do_not_drive: Annotated[bool | None, typer.Option("--do-not-drive/--may-drive")] = None,
    parts_ready: Annotated[bool | None, typer.Option("--parts-ready/--no-parts")] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="take the file's vehicles out, because they were in by mistake")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would happen, change nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Put the file's vehicles into a recall campaign, known to us or not; options win over the file.

    Vehicles that a later file leaves out stay in the campaign: only --remove takes them out.
    """
    from odocare.settings import Settings
    from odocare.wiring import database_url

    options: dict[str, Any] = {
        "id": campaign_id,
        "title_zh": title_zh,
        "title_en": title_en,
        "remedy_zh": remedy_zh,
        "remedy_en": remedy_en,
        "source": source,
        "opened_on": None if opened_on is None else opened_on.date(),
        "closed_on": None if closed_on is None else closed_on.date(),
        "do_not_drive": do_not_drive,
        "parts_ready": parts_ready,
    }
    fields, vins, encoding = _read(file)
    fields |= {name: value for name, value in options.items() if value is not None}
    work = _remove if remove else _enlist
    done = asyncio.run(_in_transaction(database_url(Settings()), work, fields, vins, file, dry_run=dry_run))
    told = {
        "campaign": fields.get("id"),
        "file": file.name,
        "encoding": "utf-8" if encoding == "utf-8-sig" else encoding,
        "dry_run": dry_run,
        "vehicles": len(vins.vins),
        **done,
        "duplicates": vins.duplicates,
        "bad_check_digits": vins.bad_check_digits,
        "refused": [asdict(problem) for problem in vins.problems],
    }
    _tell(told, as_json=as_json)
    if vins.problems:
        raise typer.Exit(1)


def _read(file: Path) -> "tuple[dict[str, Any], VinList, str]":
    from odocare import campaign_file, csv_file

    text, encoding = csv_file.read_text(file)
    if file.suffix.lower() == ".toml":
        return *campaign_file.read_toml(text, where=file.name), encoding
    return {}, campaign_file.read_csv(text, where=file.name), encoding


async def _in_transaction(
    url: str, work: _Work, fields: dict[str, Any], vins: "VinList", file: Path, *, dry_run: bool
) -> dict[str, Any]:
    from store.pool import connect

    async with connect(url) as conn, conn.transaction(force_rollback=dry_run):
        return await work(conn, fields, vins, file)


async def _enlist(conn: "Connection", fields: dict[str, Any], vins: "VinList", file: Path) -> dict[str, Any]:
    from odocare import campaign_file
    from store import campaigns

    known = await campaigns.find(conn, str(fields["id"])) if fields.get("id") else None
    campaign = campaign_file.campaign(fields, known, where=file.name)
    is_changed = await campaigns.put(conn, campaign)
    enlisted = await campaigns.enlist(conn, campaign.id, vins.vins)
    return {"is_new": known is None, "is_changed": is_changed, **asdict(enlisted)}


async def _remove(conn: "Connection", fields: dict[str, Any], vins: "VinList", file: Path) -> dict[str, Any]:
    from store import campaigns
    from vehicle.errors import ImportFileError, NotFoundError

    if not fields.get("id"):
        raise ImportFileError(f"{file.name}: say which campaign: --id")
    if await campaigns.find(conn, str(fields["id"])) is None:
        raise NotFoundError("campaign", fields["id"])
    return {"removed": await campaigns.remove(conn, str(fields["id"]), vins.vins)}


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    would = "would be " if told["dry_run"] else ""
    if "removed" in told:
        typer.echo(f"campaign {told['campaign']}: {told['removed']} vehicles {would}taken out")
    else:
        typer.echo(
            f"campaign {told['campaign']}: {told['added']} vehicles {would}added,"
            f" {told['already']} in it already, {told['remedied']} remedied before,"
            f" {told['reopened']} {would}opened again; {told['touched']} registered ones {would}evaluated"
        )
    if told["duplicates"] or told["bad_check_digits"]:
        typer.echo(
            f"{told['duplicates']} stand twice, {told['bad_check_digits']} have an unusual check digit"
        )
    if told["encoding"] == "gb18030":
        typer.echo("the file was read as GBK (GB18030), not UTF-8: look at the Chinese names")
    place = "vins, entry" if told["file"].lower().endswith(".toml") else "line"
    for problem in told["refused"][:_SHOWN]:
        typer.echo(f"{told['file']}, {place} {problem['row']}: {problem['message']} (refused)", err=True)
    if len(told["refused"]) > _SHOWN:
        more = len(told["refused"]) - _SHOWN
        typer.echo(f"{told['file']}: {more} more of these (refused); --json has them", err=True)


def status(
    campaign_id: Annotated[str | None, typer.Argument(help="one campaign only")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """How far the campaigns have come."""
    from odocare.settings import Settings
    from odocare.wiring import database_url
    from vehicle.errors import NotFoundError

    found = asyncio.run(_status(database_url(Settings()), campaign_id))
    if campaign_id is not None and not found:
        raise NotFoundError("campaign", campaign_id)
    if as_json:
        rows = [{name: _plain(value) for name, value in asdict(one).items()} for one in found]
        typer.echo(json.dumps({"campaigns": rows}, ensure_ascii=False))
    else:
        _table(found)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


async def _status(url: str, campaign_id: str | None) -> "list[Funnel]":
    from store import campaigns
    from store.pool import connect

    async with connect(url) as conn:
        return await campaigns.status(conn, campaign_id)


def _table(found: "list[Funnel]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title="recall campaigns", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("campaign", overflow="fold", min_width=30)
    for heading in ("vehicles", "open", "notified", "remedied", "removed"):
        table.add_column(heading, justify="right", overflow="fold")
    for one in found:
        numbers = (one.total_n, one.open_n, one.notified_n, one.remedied_n, one.removed_n)
        table.add_row(_words(one), *(f"{number:,}" for number in numbers))
    Console().print(table)


def _words(one: "Funnel") -> str:
    since = f"{one.opened_on}" + (f" to {one.closed_on}" if one.closed_on else "")
    lines = [f"{one.id} ({since})", one.title_zh, one.title_en]
    if one.do_not_drive:
        lines.append("DO NOT DRIVE 停驶")
    counted = {"registered": one.registered_n, "unregistered": one.unregistered_n, "unknown": one.unknown_n}
    lines += [f"  {number:,} {word}" for word, number in counted.items() if number]
    return "\n".join(lines)
