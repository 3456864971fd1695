"""`odocare up`, `down` and `status`: the local PostgreSQL and Mosquitto."""

import typer


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
