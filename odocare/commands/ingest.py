"""`odocare ingest` and `odocare rejects`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer

if TYPE_CHECKING:
    from store.pool import Connection
    from store.reject_list import Listed
    from store.rejects import Original, Reject
    from store.sealed import Seal

Result = TypeVar("Result")
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Reason = Annotated[str | None, typer.Option(help="only those of this reason")]

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_SHOWN_BYTES = 4096
_BYTES_PER_LINE = 16


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(ingest)
    family = typer.Typer(name="rejects", help="Messages that were not accepted.", no_args_is_help=True)
    family.command("list")(list_rejects)
    family.command()(show)
    family.command()(replay)
    cli.add_typer(family)


def ingest(
    client_id: Annotated[
        str, typer.Option(help="names the session at the broker; one process at a time per name")
    ] = "odocare-ingest",
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="serve Prometheus metrics on this loopback port")
    ] = None,
    gbt32960: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="listen on this TCP port for GB/T 32960 terminals; 0 takes any",
        ),
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="written once the broker has granted the subscription")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print what was done as one JSON object")] = False,
) -> None:
    """Receive what vehicles send, store it, and acknowledge it once it is committed; until SIGTERM."""
    from odocare import ingesting, logs
    from odocare.settings import Settings

    settings = Settings()
    logs.configure()
    if settings.fault is not None:
        ingesting.arm(settings.fault)

    def ready() -> None:
        if ready_file is not None:
            ready_file.write_text("subscribed\n", encoding="utf-8")

    total = asyncio.run(
        ingesting.serve(
            ingesting.options(settings, client_id, gbt32960),
            ingesting.line(settings),
            home=settings.home,
            metrics_port=metrics_port,
            on_ready=ready,
        )
    )
    if as_json:
        typer.echo(json.dumps(asdict(total)))
    else:
        typer.echo(
            f"{total.received} messages: {total.stored} stored, {total.doubled} doubled,"
            f" {total.rejected} rejected"
        )


def list_rejects(
    reason: Reason = None,
    kind: Annotated[str | None, typer.Option(help="only this kind: can, signals, dtc, diag, …")] = None,
    vin: Annotated[str | None, typer.Option(help="only this vehicle's")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=_MOMENTS, help="arrived then or later, UTC")
    ] = None,
    until: Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="arrived before, UTC")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="only what was not replayed yet")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="newest so many")] = 50,
    before: Annotated[int | None, typer.Option(min=1, help="only those with a lower number")] = None,
    as_json: Json = False,
) -> None:
    """The newest messages that were not accepted, and how many there are of each reason."""
    from store import reject_list
    from vehicle.vin import parse_vin

    wanted = reject_list.Wanted(
        reason=reason,
        kind=kind,
        vin=None if vin is None else parse_vin(vin),
        since=None if since is None else since.replace(tzinfo=UTC),
        until=None if until is None else until.replace(tzinfo=UTC),
        is_waiting=waiting,
    )

    async def read(conn: "Connection") -> tuple[list["Listed"], dict[str, int]]:
        page = await reject_list.page(conn, wanted, limit=limit, before=before)
        return page, await reject_list.counts(conn, wanted)

    found, counts = asyncio.run(_connected(read))
    if as_json:
        typer.echo(json.dumps({"counts": counts, "rejects": [_plain(one) for one in found]}))
        return
    _table(found)
    typer.echo("  ".join(f"{name}: {n}" for name, n in counts.items()) or "nothing was rejected")
    if len(found) == limit < sum(counts.values()):
        typer.echo(f"older ones: --before {found[-1].id}")


def show(
    reject_id: Annotated[int, typer.Argument(help="number of the reject")],
    as_json: Json = False,
) -> None:
    """One reject with its bytes, unsealed, and how far they can be read; the look is audited."""
    from odocare.settings import Settings
    from store import audit, rejects
    from store.pool import Connection

    async def read(conn: Connection, seal: "Seal") -> tuple["Reject", "Original | None"]:
        async with conn.transaction():
            found = await rejects.one(conn, reject_id)
            original = await rejects.original(conn, seal, reject_id)
            await audit.append(
                conn,
                at=datetime.now(UTC),
                actor="operator",
                action="reject.show",
                purpose="operation",
                detail={"reject": reject_id},
            )
        return found, original

    from odocare import ingesting

    seal = ingesting.seal(Settings())
    found, original = asyncio.run(_connected(lambda conn: read(conn, seal)))
    read_as = "the broker kept the bytes" if original is None else _attempt(original)
    if as_json:
        body = None if original is None else original.body.hex()
        topic = None if original is None else original.topic
        typer.echo(json.dumps({**_plain(found), "topic": topic, "body": body, "read_as": read_as}))
        return
    for name, value in _plain(found).items():
        typer.echo(f"{name:12} {'' if value is None else value}")
    typer.echo(f"{'read as':12} {read_as}")
    if original is not None:
        typer.echo(f"{'topic':12} {original.topic}\n")
        typer.echo(_hex(original.body))


def replay(
    reject_ids: Annotated[list[int] | None, typer.Argument(help="numbers of the rejects")] = None,
    reason: Reason = None,
    everything: Annotated[bool, typer.Option("--all", help="all that were not replayed yet")] = False,
    as_json: Json = False,
) -> None:
    """Send rejects through the same pipeline again; those that are stored now are marked."""
    from odocare import ingesting, progress
    from odocare.settings import Settings

    if not reject_ids and reason is None and not everything:
        raise typer.BadParameter("give numbers, --reason or --all")
    by = ingesting.line(Settings())
    with progress.bar("replaying", len(reject_ids) if reject_ids else None) as advance:
        done = asyncio.run(
            _connected(lambda conn: ingesting.replay(conn, by, reject_ids or [], reason, advance))
        )
    counts: dict[str, int] = {}
    for one in done:
        counts[one.outcome.value] = counts.get(one.outcome.value, 0) + 1
    if as_json:
        typer.echo(json.dumps({"counts": counts, "rejects": [asdict(one) for one in done]}))
        return
    for one in done:
        if one.reason:
            typer.echo(f"{one.id}: {one.outcome.value}, {one.reason}: {one.detail}")
    typer.echo("  ".join(f"{name}: {n}" for name, n in counts.items()) or "nothing to replay")


async def _connected(work: Callable[["Connection"], Awaitable[Result]]) -> Result:
    from odocare.settings import Settings
    from odocare.wiring import database_url
    from store.pool import connect

    async with connect(database_url(Settings())) as conn:
        return await work(conn)


def _plain(reject: "Reject | Listed") -> dict[str, Any]:
    """A reject as JSON takes it."""
    return {name: _word(value) for name, value in asdict(reject).items()}


def _word(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return str(value) if isinstance(value, UUID) else value


def _table(found: list["Listed"]) -> None:
    """Columns as wide as they need to be, one line per reject."""
    rows = [("id", "when", "kind", "reason", "bytes", "vehicle", "detail"), *map(_cells, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows[: len(rows) if found else 0]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _cells(one: "Listed") -> tuple[str, ...]:
    return (
        str(one.id),
        one.known_at.isoformat(sep=" ", timespec="seconds"),
        one.kind,
        one.reason if one.whole else f"{one.reason} (part)",
        "-" if one.body_bytes is None else str(one.body_bytes),
        "-" if one.vehicle is None else str(one.vehicle),
        one.detail + (" [replayed]" if one.replayed_at is not None else ""),
    )


def _attempt(original: "Original") -> str:
    """How far this version can read a body."""
    from decoders import envelope
    from ingest import packets, topic
    from vehicle.errors import DecodeError

    try:
        if topic.kind_of(original.topic) == packets.PacketMessage.kind:
            return packets.described(original.body)
        message = envelope.decode(topic.kind_of(original.topic), original.body)
    except DecodeError as error:
        return f"{error.reason}: {error}"
    head = message.envelope
    return f"{message.kind}, vin {head.vin}, boot {head.boot}, seq {head.seq}, t0_us {head.t0_us}"


def _hex(body: bytes) -> str:
    """A hex dump as `xxd` prints it, cut after 4 kB."""
    lines = []
    for start in range(0, min(len(body), _SHOWN_BYTES), _BYTES_PER_LINE):
        part = body[start : start + _BYTES_PER_LINE]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(f"{start:08x}  {part.hex(' '):{3 * _BYTES_PER_LINE}} {text}")
    if len(body) > _SHOWN_BYTES:
        lines.append(f"… {len(body) - _SHOWN_BYTES} more bytes; --json has them all")
    return "\n".join(lines)
