"""`odocare codebook`: look into signal files and maps before vehicles use them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    family = typer.Typer(
        name="codebook", help="What frames mean: signal files and maps.", no_args_is_help=True
    )
    family.command()(check)
    family.command("list")(list_codebooks)
    cli.add_typer(family)


def check(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="signal files: DBC, KCD, SYM, ARXML")
    ],
    map_file: Annotated[
        Path | None, typer.Option("--map", exists=True, dir_okay=False, help="the map of a codebook")
    ] = None,
    as_json: Json = False,
) -> None:
    """Load signal files and a map as ingest does; tell messages, signals, repairs and all problems."""
    from odocare import codebook_folder, wiring
    from odocare.codebook_report import lines, report
    from odocare.settings import Settings

    contents = {str(file): codebook_folder.signal_file(file) for file in files}
    mapping = None if map_file is None else (str(map_file), codebook_folder.toml(map_file))
    said = report(contents, mapping, wiring.catalogue(Settings().codebooks))
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        for line in lines(said):
            typer.echo(line)
        for problem in said["problems"]:
            typer.echo(problem, err=True)
    if said["problems"]:
        raise typer.Exit(1)


def list_codebooks(as_json: Json = False) -> None:
    """Show the codebooks of this installation, shipped and own, and which vehicles use which."""
    from odocare import wiring
    from odocare.settings import Settings

    books = wiring.codebooks(folder=Settings().codebooks)
    said: list[dict[str, Any]] = [
        {
            "name": one.name,
            "version": one.version,
            "j1939": one.matches_pgn,
            "messages": len(one.plan.messages),
            "signals": len(one.plan.numbers),
            "remarks": [str(remark) for remark in one.warnings],
            "models": [
                {
                    "model": each.model,
                    "built_from": each.built_from and each.built_from.isoformat(),
                    "built_until": each.built_until and each.built_until.isoformat(),
                }
                for each in books.assignments
                if each.codebook == one.name
            ],
        }
        for one in books.codebooks.values()
    ]
    if as_json:
        typer.echo(json.dumps({"codebooks": said}, ensure_ascii=False))
        return
    for book in said:
        bus = "J1939" if book["j1939"] else "CAN"
        what = (
            f"{book['messages']} messages, {book['signals']} mapped signals, {len(book['remarks'])} remarks"
        )
        typer.echo(f"{book['name']}  {book['version'][:12]}  {bus}, {what}")
        for model in book["models"]:
            span = " ".join(f"{word} {model[key]}" for word, key in _SPAN.items() if model[key])
            typer.echo(f"    {model['model']} {span}".rstrip())


_SPAN = {"from": "built_from", "until": "built_until"}
