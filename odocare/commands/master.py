"""`odocare import`."""

import typer


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
