"""`odocare up`, `down` and `status`: the local PostgreSQL and Mosquitto."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # heavy
    from odocare.settings import Settings
    from store.cluster import Overview
    from store.health import Flow

Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(up)
    cli.command()(down)
    cli.command()(status)


def up(as_json: Json = False) -> None:
    """Start the local servers and bring the schema up to date; started ones stay as they are."""
    import asyncio

    from odocare.settings import Settings
    from odocare.stack import local
    from odocare.wiring import database_url
    from store import migrate
    from store.pool import connect

    settings = Settings()
    wanted = local.Wanted(database=settings.database_url is None, broker=settings.mqtt_url is None)
    local.up(settings.home, wanted, _tell(as_json=as_json))

    async def run() -> list[str]:
        async with connect(database_url(settings)) as conn:
            return await migrate.migrate(conn, migrate.read_migrations())

    applied = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps({"servers": _servers(settings), "applied": applied}))
        return
    for name in applied:
        typer.echo(f"applied {name}")
    typer.echo("the schema is up to date")


def down(as_json: Json = False) -> None:
    """Stop the local servers; their data stay."""
    from odocare.settings import Settings
    from odocare.stack import local

    stopped = local.down(Settings().home, _tell(as_json=as_json))
    if as_json:
        typer.echo(json.dumps({"stopped": stopped}))
    elif not stopped:
        typer.echo("nothing was running")


def status(as_json: Json = False) -> None:
    """Show the servers, ingest, what waits or is missing, and what stands in the database."""
    import asyncio
    from dataclasses import asdict

    from odocare import process_files, status_lines
    from odocare.settings import Settings
    from odocare.stack.state import read_addresses
    from vehicle.errors import OdocareError

    settings = Settings()
    servers = _servers(settings)
    broker = _broker(settings)
    running = read_addresses(settings.home)
    door = None if running is None else running.vehicle_mqtt_url
    ingests = list(process_files.ingests(settings.home))
    database, flow, problem = None, None, None
    try:
        database, flow = asyncio.run(_overview(settings))
    except OdocareError as error:
        problem = str(error)
    if as_json:
        said: dict[str, Any] = {"servers": servers, "broker": broker, "vehicle_mqtt_url": door}
        said |= {"ingests": [asdict(one) for one in ingests], "flow": asdict(flow) if flow else None}
        found = asdict(database) if database else None
        typer.echo(json.dumps({**said, "database": found, "problem": problem}))
        return
    for server in servers:
        typer.echo(_server_line(server))
    typer.echo(f"broker: {broker}")
    if door is not None:
        typer.echo(f"vehicles with certificates: {door}")
    for line in status_lines.of_ingests(ingests, now=time.time()):
        typer.echo(line)
    typer.echo(_database_lines(database) if database else f"database: {problem}")
    if flow is not None:
        typer.echo(status_lines.of_flow(flow))


def _server_line(server: dict[str, Any]) -> str:
    state = f"runs as process {server['pid']}" if server["pid"] else "is down"
    version = server["version"] or "(not installed: run `make setup`)"
    port = f" {server['host']}:{server['port']}," if server["port"] else ""
    return f"{server['name']} {version}:{port} {state}, {server['disk_bytes'] / 1e6:.1f} MB on disk"


def _database_lines(database: "Overview") -> str:
    server = (
        f"database: PostgreSQL {database.server_version},"
        f" TimescaleDB {database.timescaledb_version or 'missing'},"
        f" {database.database_bytes / 1e6:.1f} MB, schema {database.schema_version or 'not applied'}"
    )
    if database.vehicles is None:
        return server
    return (
        f"{server}\ncontents: {database.vehicles} vehicles, about {database.messages} messages,"
        f" {database.open_triggers} open triggers"
    )


def _tell(*, as_json: bool) -> Callable[[str], None]:
    return (lambda _: None) if as_json else typer.echo


def _servers(settings: "Settings") -> list[dict[str, Any]]:
    """The local servers, without those in whose place a setting names another."""
    from dataclasses import asdict

    from odocare.stack import local

    replaced = {"PostgreSQL": settings.database_url, "Mosquitto": settings.mqtt_url}
    return [
        asdict(server) | {"folder": str(server.folder)}
        for server in local.servers(settings.home)
        if server.pid or replaced[server.name] is None
    ]


def _broker(settings: "Settings") -> str:
    """Whether the broker lets ingest in, in words."""
    from urllib.parse import unquote, urlsplit

    from odocare import broker_tls
    from odocare.stack.broker import ACCEPTED, is_trusted, login
    from odocare.wiring import mqtt_url
    from vehicle.errors import OdocareError

    try:
        url = urlsplit(mqtt_url(settings))
    except OdocareError as error:
        return str(error)
    port = url.port or (8883 if url.scheme == "mqtts" else 1883)
    where = f"{url.hostname}:{port}"
    user, password = (unquote(part) if part else None for part in (url.username, url.password))
    try:
        trust = broker_tls.incoming(settings, mqtt_url(settings))
    except OdocareError as error:
        return f"{where} (not asked: {error})"
    if trust is not None:
        answers = is_trusted(url.hostname or "", port, trust)
        return f"{where} {'answers' if answers else 'gives no answer to be trusted'} over TLS"
    code = login(url.hostname or "", port, user, password)
    if code == ACCEPTED:
        return f"{where} answers"
    return f"{where} does not answer" if code is None else f"{where} refuses {user or 'anonymous'} ({code})"


async def _overview(settings: "Settings") -> tuple["Overview", "Flow | None"]:
    """What stands in the database, and what waits where its schema is this version's.

    Raises `OdocareError` where it does not answer.
    """
    from psycopg import OperationalError

    from odocare.wiring import database_url
    from store import cluster, health
    from store.pool import connect
    from vehicle.errors import MigrationError, StackError

    try:
        async with connect(database_url(settings)) as conn:
            overview = await cluster.overview(conn)
            try:
                await health.require_ready(conn)
            except MigrationError:
                return overview, None
            return overview, await health.flow(conn)
    except OperationalError as error:
        raise StackError(f"does not answer ({str(error).splitlines()[0]})") from error
