"""`odocare migrate`."""

import asyncio
import json
from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(migrate)


def migrate(as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False) -> None:
    """Bring the database's schema up to this version."""
    from odocare.settings import Settings
    from odocare.wiring import database_url
    from store import migrate as runner
    from store.pool import connect

    async def run() -> list[str]:
        async with connect(database_url(Settings())) as conn:
            return await runner.migrate(conn, runner.read_migrations())

    ran = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps({"applied": ran}))
    else:
        typer.echo("\n".join(f"applied {name}" for name in ran) or "the schema is up to date")
