"""`odocare rules`: look at the rules, check them, and see what they may read."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # heavy
    from rules.feature import Feature
    from rules.rule import Rule

Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Folder = Annotated[
    Path | None,
    typer.Argument(exists=True, file_okay=False, help="folder of rule files; without it, the shipped ones"),
]


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    family = typer.Typer(name="rules", help="The judgement of after-sales, as data.", no_args_is_help=True)
    family.command()(check)
    family.command("list")(list_rules)
    family.command()(features)
    cli.add_typer(family)


def check(folder: Folder = None, as_json: Json = False) -> None:
    """Load every rule and run its tests; tell all problems at once, with file and line."""
    from odocare.wiring import rule_book, rule_texts

    if folder is not None and not rule_texts(folder):
        typer.echo(f"rules check: no .toml file in {folder}", err=True)
        raise typer.Exit(1)
    book = rule_book(folder)
    if as_json:
        found = [asdict(problem) for problem in book.problems]
        ids = [rule.id for rule in book.rules]
        typer.echo(json.dumps({"rules": ids, "problems": found}, ensure_ascii=False))
    else:
        where = "" if folder is None else f"{folder}/"
        for problem in book.problems:
            typer.echo(f"{where}{problem}", err=True)
        typer.echo(f"{_count(len(book.rules), 'rule')} ready, {_count(len(book.problems), 'problem')}")
    if book.problems:
        raise typer.Exit(1)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def list_rules(folder: Folder = None, as_json: Json = False) -> None:
    """Show the rules that load: what they read, when they fire, what they open."""
    from odocare.wiring import rule_book

    book = rule_book(folder)
    if as_json:
        typer.echo(json.dumps({"rules": [_said(rule) for rule in book.rules]}, ensure_ascii=False))
    else:
        typer.echo("\n".join(_lines(_said(rule)) for rule in book.rules))
    if book.problems:
        typer.echo(f"{_count(len(book.problems), 'problem')}: see `odocare rules check`", err=True)


def _said(rule: "Rule") -> dict[str, Any]:
    return {
        "id": rule.id,
        "version": rule.version,
        "on": rule.on,
        "when": rule.when,
        "clear": rule.clear,
        "for": None if rule.hold is None else rule.hold.text,
        "keep": None if rule.keep is None else rule.keep.text,
        "severity": rule.severity.value,
        "trigger": rule.trigger.value,
        "job": rule.job,
        "lead_d": list(rule.lead_d),
        "source": rule.source,
        "say": dict(rule.say),
    }


def _lines(said: dict[str, Any]) -> str:
    spans = [f"{key} {said[key]}" for key in ("for", "keep") if said[key]]
    what = ", ".join([f"{said['on']} → {said['trigger']}", said["severity"], *spans])
    clear = f"\n    clear {said['clear']}" if said["clear"] else ""
    return f"{said['id']}: {what}\n    when  {said['when']}{clear}"


def features(
    markdown: Annotated[bool, typer.Option("--markdown", help="print the page docs/features.md")] = False,
    as_json: Json = False,
) -> None:
    """Show the columns that conditions may read."""
    from rules.features import TABLES
    from rules.markdown import features_page

    if as_json:
        said = {name: [_column(each) for each in table.features] for name, table in TABLES.items()}
        typer.echo(json.dumps({"tables": said}, ensure_ascii=False))
    elif markdown:
        typer.echo(features_page(TABLES), nl=False)
    else:
        for table in TABLES.values():
            typer.echo(f"{table.name}: {table.meaning_en}")
            for feature in table.features:
                typer.echo(f"  {feature.name:<18} {feature.unit:<5} {feature.meaning_en}")


def _column(feature: "Feature") -> dict[str, Any]:
    return {
        "name": feature.name,
        "type": str(feature.dtype),
        "unit": feature.unit,
        "choices": list(feature.choices),
        "meaning_zh": feature.meaning_zh,
        "meaning_en": feature.meaning_en,
        "source": feature.source,
    }
