"""`odocare demo`."""

import json
from typing import Annotated

import typer

_WIDTH = 132
"""Columns where the output is not a terminal."""


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="end instead of serving until Ctrl-C")] = False,
    vehicles: Annotated[int, typer.Option(min=1, help="simulated vehicles")] = 200,
    days: Annotated[int, typer.Option(min=30, help="days of their history")] = 548,
    seed: Annotated[int, typer.Option(min=0, help="another seed is another fleet")] = 1,
    language: Annotated[str, typer.Option("--lang", help="of the reasons: zh or en")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object at the end")] = False,
) -> None:
    """Show the whole line: a truck's capture and a simulated fleet in, triggers out, the page to look at."""
    from rich.console import Console

    from odocare.demo import Demo, Plan, Site, folder_of
    from odocare.demo_report import report, wait_for_interrupt
    from odocare.settings import Settings

    if language not in ("zh", "en"):
        raise typer.BadParameter(f"zh or en, got {language!r}", param_hint="--lang")
    settings = Settings()
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=as_json, highlight=False, width=_WIDTH)
    site = Site(settings, folder_of(settings), console)
    with Demo(site, Plan(vehicles, days, seed)) as running:
        base_url = running.run()
        shown = report(site, base_url, language)
        if as_json:
            typer.echo(json.dumps(shown))
        if not once:
            wait_for_interrupt(console)
    if once:
        console.print("\nAll of it is stopped again: `odocare up` and `odocare serve` bring both back.")
