"""`odocare import`."""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # heavy
    from odocare.import_report import ImportReport

_MOST_TOLD = 20


class FileKind(StrEnum):
    """What a file holds; the kinds of odocare/import_columns.py, which is slow to import."""

    DEALERS = "dealers"
    VEHICLES = "vehicles"
    PLANS = "plans"
    VISITS = "visits"
    DTCS = "dtcs"


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command("import")(import_file)


def import_file(
    kind: Annotated[FileKind, typer.Argument(help="what the file holds")],
    file: Annotated[Path, typer.Argument(help="CSV with a header; docs/importing.md has the columns")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="tell what would happen, store nothing")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="one bad row keeps the whole file out")] = False,
    maker: Annotated[str, typer.Option(help="whose fault codes the file holds")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Register dealers, vehicles, plans, visits or fault codes (dtcs); the same file twice changes nothing.

    Good rows go in even where others are refused; then the exit code is 1.
    """
    if maker and kind is not FileKind.DTCS:
        raise typer.BadParameter("only fault codes (dtcs) have a maker", param_hint="--maker")
    report = asyncio.run(_load(kind, file, dry_run=dry_run, strict=strict, maker=maker))
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        _tell(report)
    if report.refused:
        raise typer.Exit(1)


async def _load(kind: FileKind, path: Path, *, dry_run: bool, strict: bool, maker: str) -> "ImportReport":
    from contextlib import ExitStack
    from datetime import UTC, datetime

    from odocare import imports, progress
    from odocare.csv_file import CsvFile
    from odocare.import_columns import Kind
    from odocare.settings import Settings
    from odocare.wiring import database_url
    from store import migrate
    from store.pool import connect

    with ExitStack() as shown:
        advance = []

        def start(file: CsvFile) -> None:
            advance.append(shown.enter_context(progress.bar(f"import {path.name}", file.rows_n)))

        async with connect(database_url(Settings())) as conn:
            await migrate.require_current(conn, migrate.read_migrations())
            return await imports.load(
                conn,
                Kind(kind),
                path,
                now=datetime.now(UTC),
                dry_run=dry_run,
                strict=strict,
                maker=maker,
                on_open=start,
                on_rows=lambda count: advance[0](count),
            )


def _tell(report: "ImportReport") -> None:
    for word, found, count in (
        ("refused", report.problems, report.problems_n),
        ("warning", report.warnings, report.warnings_n),
    ):
        for problem in found[:_MOST_TOLD]:
            typer.echo(f"{report.file}, {problem} ({word})", err=True)
        if count > _MOST_TOLD:
            typer.echo(
                f"{report.file}: {count - _MOST_TOLD} more of these ({word}); --json has them", err=True
            )
    typer.echo(report.summary())
