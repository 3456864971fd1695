"""`odocare redecode`: a corrected signal file over the frames that are stored."""

import asyncio
import getpass
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # heavy
    from odocare.redecode_report import RedecodeReport, SignalLine
    from vehicle.signal import Catalogue


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(redecode)


def redecode(
    codebook: Annotated[str, typer.Option(help="name of the codebook; its present content decodes")],
    since: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="first day, local to each vehicle")
    ],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="last day, included")],
    from_version: Annotated[
        str | None,
        typer.Option(
            help="only what this content decoded: its hash or how that begins; else every other one"
        ),
    ] = None,
    vin: Annotated[list[str] | None, typer.Option(help="of this vehicle; may be given several times")] = None,
    model: Annotated[str | None, typer.Option(help="of the vehicles of this model")] = None,
    every: Annotated[bool, typer.Option("--all", help="of all vehicles")] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="replace the values, a vehicle's day at a time")
    ] = False,
    purpose: Annotated[str, typer.Option(help="why, for the audit")] = "corrected signal file",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Decode stored frames again and tell what changes; with --apply, replace the values.

    Give --vin, --model or --all. Frames are stored for 30 days. Exit 1 where it was not done to the end.

    Running it again goes on where an interrupted run has stopped.
    """
    import psycopg

    _require_one_choice(vin, model, every=every)
    first, last = since.date(), until.date()
    if last < first:
        raise typer.BadParameter(f"{last} lies before --from {first}", param_hint="--until")
    try:
        report, catalogue = asyncio.run(
            _run(codebook, from_version, (first, last), (vin, model), apply=apply, purpose=purpose)
        )
    except psycopg.OperationalError as error:
        typer.echo(f"redecode: the database went away: {error}".rstrip(), err=True)
        typer.echo("redecode: what is done stays done; the same command goes on behind it", err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(report.as_json(catalogue), ensure_ascii=False))
    else:
        _tell(report, catalogue)


def _require_one_choice(vins: list[str] | None, model: str | None, *, every: bool) -> None:
    if bool(vins) + (model is not None) + every != 1:
        raise typer.BadParameter("say which vehicles: --vin, --model or --all, one of them")


async def _run(
    name: str,
    from_version: str | None,
    days: tuple[date, date],
    choice: tuple[list[str] | None, str | None],
    *,
    apply: bool,
    purpose: str,
) -> "tuple[RedecodeReport, Catalogue]":
    from contextlib import ExitStack

    from ingest.lexicon import Lexicon
    from odocare import kernels, progress, redecoding, wiring
    from odocare.redecoding import Job
    from odocare.settings import Settings
    from store import migrate
    from store.pool import connect

    settings = Settings()
    url = wiring.database_url(settings)
    lexicon = Lexicon.of(
        wiring.catalogue(settings.codebooks),
        wiring.codebooks(kernels.decoding(settings), settings.codebooks),
        wiring.dtc_table(),
        wiring.diagnostics(settings.codebooks),
    )
    book = lexicon.codebooks.by_name(name)
    with ExitStack() as shown:
        advance = []

        def begin(total: int) -> None:
            advance.append(shown.enter_context(progress.bar(f"redecode {name}", total)))

        async with connect(url) as conn:
            await migrate.require_current(conn, migrate.read_migrations())
            job = Job(
                codebook=book,
                from_version=from_version,
                choice=await redecoding.choice(conn, *choice),
                since=days[0],
                until=days[1],
                apply=apply,
                actor=_actor(),
                purpose=purpose,
            )
            report = await redecoding.run(
                conn, job, lexicon, now=datetime.now(UTC), begin=begin, advance=lambda n: advance[0](n)
            )
    return report, lexicon.catalogue


def _actor() -> str:
    """The account that runs this."""
    try:
        return f"shell: {getpass.getuser()}"
    except (OSError, KeyError):
        return "shell"


def _tell(report: "RedecodeReport", catalogue: "Catalogue") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    lines = report.lines(catalogue)
    if lines:
        table = Table(
            title=f"{report.codebook} {report.to_version[:12]}", box=box.SIMPLE_HEAD, pad_edge=False
        )
        table.add_column("signal, largest change", overflow="fold", min_width=24)
        for heading in ("before", "after", "added", "removed", "changed"):
            table.add_column(heading, justify="right", overflow="fold")
        for line in lines:
            change = line.change
            numbers = (change.before_n, change.after_n, change.added_n, change.removed_n, change.changed_n)
            name = line.path.removeprefix("Vehicle.") + _largest(line)
            table.add_row(name, *(f"{n:,}" for n in numbers))
        Console().print(table)
    typer.echo(report.summary())


def _largest(line: "SignalLine") -> str:
    change = line.change
    if change.largest_from is None or change.largest_to is None:
        return ""
    return f"\n  {change.largest_from:,.10g} → {change.largest_to:,.10g} {line.unit}"
