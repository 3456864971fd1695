"""`odocare serve`, `odocare key` and `odocare audit`."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from store.consumers import Scope

_AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]
_OPERATOR = "operator"
"""The consumer that tickets belong to when nobody else is named."""


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(serve)
    key = typer.Typer(name="key", help="Access keys and log-in links.", no_args_is_help=True)
    key.command("create")(create_key)
    key.command("list")(list_keys)
    key.command("revoke")(revoke_key)
    key.command("ticket")(ticket)
    cli.add_typer(key)
    audit = typer.Typer(name="audit", help="Who read which record.", no_args_is_help=True)
    audit.command("verify")(verify_audit)
    cli.add_typer(audit)


def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on; default: ODOCARE_HTTP_HOST")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes a free one; default: ODOCARE_HTTP_PORT")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="the address is written here once it answers, for who started it")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the address as a JSON object")] = False,
) -> None:
    """Serve the API for CRMs and the pages for advisors."""
    from odocare.server import run
    from odocare.settings import Settings

    def ready(url: str) -> None:
        typer.echo(json.dumps({"url": url}) if as_json else f"odocare answers at {url}")
        if ready_file is not None:
            ready_file.write_text(f"{url}\n", encoding="utf-8")

    settings = Settings()
    asyncio.run(
        run(
            settings,
            host=settings.http_host if host is None else host,
            port=settings.http_port if port is None else port,
            ready=ready,
        )
    )


def create_key(
    name: Annotated[str, typer.Argument(help="whose key: a name such as crm-east; it may hold several")],
    scope: Annotated[
        list[str],
        typer.Option(help="feed:service, feed:recall, feed:sales, outcomes, read or pages; repeatable"),
    ],
    days: Annotated[int, typer.Option(min=1, max=3650, help="how long it is valid")] = 365,
    as_json: _AsJson = False,
) -> None:
    """Make an access key and print it: this once, for only its hash is kept."""
    from store import consumers

    scopes = sorted({_scope(word) for word in scope})
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=days)

    async def run() -> consumers.Key:
        async with _connection() as conn:
            return await consumers.create_key(conn, name, scopes, at=now, expires_at=expires_at)

    made = asyncio.run(run())
    if as_json:
        told = {
            "name": name,
            "key": str(made),
            "prefix": made.prefix,
            "scopes": scopes,
            "expires_at": expires_at.isoformat(),
        }
        typer.echo(json.dumps(told))
    else:
        typer.echo(str(made))
        typer.echo(
            f"valid until {expires_at:%Y-%m-%d} for {', '.join(scopes)}; it is not shown again", err=True
        )


def _scope(word: str) -> "Scope":
    from store.consumers import Scope

    try:
        return Scope(word)
    except ValueError as error:
        raise typer.BadParameter(f"one of {', '.join(Scope)}, got {word!r}", param_hint="--scope") from error


def list_keys(as_json: _AsJson = False) -> None:
    """List all keys, without their secrets."""
    from store import consumers

    async def run() -> list[consumers.KeyRow]:
        async with _connection() as conn:
            return await consumers.keys(conn)

    now = datetime.now(UTC)
    rows = [_shown(row, now) for row in asyncio.run(run())]
    if as_json:
        typer.echo(json.dumps({"keys": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "prefix", "scopes", "expires", "state")
    for row in rows:
        table.add_row(
            row["name"], row["prefix"], ", ".join(row["scopes"]), row["expires_at"][:10], row["state"]
        )
    Console().print(table)


def _shown(row: Any, now: datetime) -> dict[str, Any]:  # noqa: ANN401 - KeyRow, imported where it is used
    state = "revoked" if row.revoked_at else "expired" if row.expires_at <= now else "valid"
    return {
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "created_at": row.created_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "state": state,
    }


def revoke_key(
    which: Annotated[str, typer.Argument(help="a key's prefix; or a name: all its keys and log-ins")],
    as_json: _AsJson = False,
) -> None:
    """Revoke a key, or all keys of a consumer, and close the sessions opened with them."""
    from store import consumers

    async def run() -> list[str]:
        async with _connection() as conn:
            return await consumers.revoke(conn, which, at=datetime.now(UTC))

    revoked = asyncio.run(run())
    typer.echo(json.dumps({"revoked": revoked}) if as_json else f"revoked: {', '.join(revoked) or 'log-ins'}")


def ticket(
    name: Annotated[str, typer.Option(help="who signs in; shown on the page and in the audit")] = _OPERATOR,
    url: Annotated[
        str | None, typer.Option(help="where `odocare serve` answers; default: by the settings")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Print a link that signs in once, within 15 minutes."""
    from odocare.settings import Settings
    from store import consumers, sessions

    settings = Settings()
    base = (url or f"http://{settings.http_host}:{settings.http_port}").rstrip("/")

    async def run() -> str:
        async with _connection() as conn, conn.transaction():
            consumer_id = await consumers.ensure(conn, name)
            return await sessions.issue_ticket(conn, consumer_id, at=datetime.now(UTC))

    link = f"{base}/login?ticket={asyncio.run(run())}"
    typer.echo(json.dumps({"name": name, "url": link}) if as_json else link)


def verify_audit(as_json: _AsJson = False) -> None:
    """Check that no row of the audit was changed, taken out or put in between."""
    from store import audit

    async def run() -> audit.Verification:
        async with _connection() as conn:
            return await audit.verify(conn)

    found = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps({"rows": found.rows, "broken_at": found.broken_at}))
    elif found.broken_at is None:
        typer.echo(f"{found.rows} rows, the chain is whole")
    else:
        typer.echo(f"broken at row {found.broken_at}; the {found.rows} rows before it are whole", err=True)
    if found.broken_at is not None:
        raise typer.Exit(1)


def _connection() -> Any:  # noqa: ANN401 - a context manager of a type that is imported late
    from odocare.settings import Settings
    from odocare.wiring import database_url
    from store.pool import connect

    return connect(database_url(Settings()))
