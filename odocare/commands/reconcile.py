"""`odocare reconcile`: what was sent against what is stored."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from odocare.reconciling import Finding
    from simulator.truth import Truth


def register(cli: typer.Typer) -> None:
    """Add this subcommand."""
    cli.command()(reconcile)


def reconcile(
    truth: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="what was sent: written by `simulate` and `replay` with --truth"
        ),
    ],
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="file or http:// address of what an ingest process says of itself; may be repeated"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Check that nothing is lost, doubled or altered: a line per invariant, exit code 1 if one is broken."""
    from simulator import truth as truth_files

    told = truth_files.read(truth)
    findings = asyncio.run(_findings(told, [_samples(one) for one in metrics or []]))
    is_broken = any(one.verdict == "broken" for one in findings)
    if as_json:
        found = {"messages": len(told.messages), "ok": not is_broken}
        typer.echo(json.dumps(found | {"invariants": [asdict(one) for one in findings]}))
    else:
        for one in findings:
            word = "not checked" if one.verdict == "-" else one.verdict
            typer.echo(f"{one.name}  {word}: {one.sentence}")
            for example in one.examples:
                typer.echo(f"    {example}")
    if is_broken:
        raise typer.Exit(1)


async def _findings(told: "Truth", metrics: list[dict[str, float]]) -> "list[Finding]":
    from odocare import progress, reconcile_run, wiring
    from odocare.settings import Settings
    from store.pool import connect

    settings = Settings()
    codebooks = wiring.codebooks(folder=settings.codebooks)
    with progress.bar("decoding again", len(told.messages)) as advance:
        async with connect(wiring.database_url(settings)) as conn:
            return await reconcile_run.findings(conn, told, metrics, codebooks=codebooks, progress=advance)


def _samples(where: str) -> dict[str, float]:
    """Metrics in Prometheus's text form, by name and labels. Raises `typer.BadParameter`."""
    import urllib.error
    import urllib.request

    try:
        if where.startswith(("http://", "https://")):
            with urllib.request.urlopen(where, timeout=10) as answer:  # noqa: S310  # only these two schemes
                text = answer.read().decode()
        else:
            text = sys.stdin.read() if where == "-" else Path(where).read_text(encoding="utf-8")
        lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise typer.BadParameter(f"{where}: {error}", param_hint="--metrics") from error
