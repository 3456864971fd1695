"""The command `odocare`. Heavy imports stay inside the subcommands, so that `--help` is instant."""

import sys

import typer

from odocare.commands import (
    bench,
    campaign,
    codebook,
    database,
    decode,
    demo,
    fleet,
    gaps,
    ingest,
    load,
    master,
    pki,
    reconcile,
    redecode,
    retention,
    rules,
    serve,
    stack,
    worker,
)
from vehicle.errors import OdocareError

cli = typer.Typer(
    name="odocare",
    help="Connected-vehicle telematics and predictive maintenance.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for family in (
    stack,
    demo,
    database,
    master,
    campaign,
    codebook,
    ingest,
    gaps,
    retention,
    pki,
    decode,
    load,
    redecode,
    fleet,
    reconcile,
    rules,
    worker,
    serve,
    bench,
):
    family.register(cli)


def main() -> None:
    """Run one subcommand: exit 0 done, 1 refused, 2 wrong usage."""
    try:
        cli()
    except OdocareError as error:
        typer.echo(f"odocare: {error}", err=True)
        sys.exit(1)
    except ValueError as error:
        wrong = _wrong_settings(error)
        if not wrong:
            raise
        typer.echo(
            "\n".join(f"odocare: {line}" for line in (*wrong, "docs/settings.md lists them all")), err=True
        )
        sys.exit(1)


def _wrong_settings(error: ValueError) -> list[str]:
    """A line per setting that makes no sense; none where the error is about something else."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.title != "Settings":
        return []
    return [
        f"ODOCARE_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}, got {one['input']!r}"
        for one in error.errors(include_url=False)
    ]
