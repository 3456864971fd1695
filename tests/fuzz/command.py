"""The command behind `make fuzz`."""

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tests.fuzz import piece, seeds
from tests.fuzz import run as runs
from tests.fuzz.book import TARGETS
from tests.fuzz.run import DiedError, Run
from tests.fuzz.target import Target

REPOSITORY = Path(__file__).parents[2]

cli = typer.Typer(add_completion=False)


@cli.command()
def fuzz(
    target: Annotated[list[str] | None, typer.Option(help="only this one; may stand several times")] = None,
    cases: Annotated[int, typer.Option(min=1, help="of each target")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same cases")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = os.cpu_count() or 1,
    state: Annotated[
        Path | None, typer.Option(help="folder that remembers how far a run is; else .odocare/fuzz")
    ] = None,
    replay: Annotated[Path | None, typer.Option(exists=True, help="one seed file, with one --target")] = None,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on where the last run with this seed ended")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the result for machines")] = False,
) -> None:
    """Give every target a million broken cases, and keep what breaks one.

    Exit 1 where anything was found or a process died, 2 on wrong usage.
    """
    chosen = _chosen(target)
    if replay is not None:
        _replay(chosen, replay)
        return
    home = REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")
    folder = state or home / "fuzz"
    began_s = time.monotonic()
    started = [
        Run.resume(one, folder, seed=seed, wanted=cases)
        if resume
        else Run.begin(one, seed=seed, wanted=cases)
        for one in chosen
    ]
    try:
        _work(started, jobs=jobs, folder=folder)
    except DiedError as error:
        typer.echo(f"fuzz: {error}", err=True)
        raise typer.Exit(1) from error
    told = [_told(one) for one in started]
    if as_json:
        typer.echo(
            json.dumps({"seed": seed, "took_s": round(time.monotonic() - began_s, 1), "targets": told})
        )
    else:
        _print(told)
    if any(one["findings"] for one in told):
        raise typer.Exit(1)


def _chosen(names: list[str] | None) -> list[Target]:
    unknown = sorted(set(names or ()) - TARGETS.keys())
    if unknown:
        typer.echo(f"fuzz: no target {', '.join(unknown)}; there are {', '.join(TARGETS)}", err=True)
        raise typer.Exit(2)
    return [TARGETS[name] for name in names or TARGETS]


def _replay(chosen: list[Target], path: Path) -> None:
    if len(chosen) != 1:
        typer.echo("fuzz: --replay needs one --target", err=True)
        raise typer.Exit(2)
    broken = piece.broken_by(chosen[0], seeds.read(path))
    typer.echo(f"{path.name} does no harm" if broken is None else broken.story, err=broken is not None)
    if broken is not None:
        raise typer.Exit(1)


def _work(started: list[Run], *, jobs: int, folder: Path) -> None:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:18}"), BarColumn(), TextColumn("{task.completed:>9,.0f} cases"),
        TextColumn("{task.fields[kept]:>5} kept"), TimeRemainingColumn(),
    )  # fmt: skip
    # nothing is drawn by a thread of its own: processes are forked
    with Progress(*columns, console=console, disable=not console.is_terminal, auto_refresh=False) as progress:
        bars: dict[str, TaskID] = {
            one.target: progress.add_task(
                one.target, total=one.wanted, completed=one.cases, kept=len(one.kept)
            )
            for one in started
        }
        for one in runs.go(started, jobs=jobs, folder=folder):
            progress.update(bars[one.target], completed=one.cases, kept=len(one.kept), refresh=True)


def _told(run: Run) -> dict[str, Any]:
    """What a run came to; what it found is kept as seed files."""
    findings = []
    for one in run.findings.values():
        path = seeds.write(run.target, one.data, one.key)
        relative = path.relative_to(REPOSITORY)
        again = f".venv/bin/python tests/fuzz --target {run.target} --replay {relative}"
        findings.append({"what": one.key, "seed": str(relative), "repeat": again, "story": one.story})
    return {"target": run.target, "cases": run.cases, "kept": len(run.kept), "findings": findings}


def _print(told: list[dict[str, Any]]) -> None:
    for one in told:
        typer.echo(
            f"{one['target']:18} {one['cases']:>9,} cases, {one['kept']:>5} kept, "
            f"{len(one['findings'])} findings"
        )
        for finding in one["findings"]:
            typer.echo(f"  {finding['what']}\n    {finding['repeat']}")
