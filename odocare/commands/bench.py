"""`odocare bench`: how fast it is on this machine, beside others that do the same."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench._report import Report


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(bench)


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="all, when none is named", metavar="NAME")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="few rounds, for who works at it; the figures are rough")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON line each")] = False,
) -> None:
    """Run benchmarks; exit 1 where a floor is missed. docs/measuring.md says what each check means."""
    known = benchmarks()
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(f"benchmarks are {', '.join(known)}; got {name!r}")
    is_held = True
    for name in names or known:
        report = _run(name, quick=quick)
        is_held &= report.ok
        if as_json:
            typer.echo(report.line())
        else:
            _show(report)
    if not is_held:
        raise typer.Exit(1)


def benchmarks() -> list[str]:
    """The modules of `bench` without an underscore before their name; each has `run(settings) -> Report`."""
    import pkgutil

    import bench

    return sorted(one.name for one in pkgutil.iter_modules(bench.__path__) if not one.name.startswith("_"))


def _run(name: str, *, quick: bool) -> "Report":
    """With `quick`, as its module's `QUICK` says, if it has one."""
    import importlib
    import signal

    from odocare.settings import Settings

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what it has started ends with it
    module = importlib.import_module(f"bench.{name}")
    options = {"size": module.QUICK} if quick and hasattr(module, "QUICK") else {}
    report: Report = module.run(Settings(), **options)
    return report


def _show(report: "Report") -> None:
    from rich.console import Console

    report.show(Console())
