"""`odocare retention`."""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from store.pool import Connection
    from store.retention import Amount, Policy, Run

_KEEP = "KIND=DAYS"
_WITHOUT_END = "forever"


def register(cli: typer.Typer) -> None:
    """Add this family's subcommand."""
    cli.command()(retention)


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="count what a pass would let go now")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="make a pass now; the worker makes one each night")
    ] = False,
    keep: Annotated[
        list[str] | None, typer.Option(metavar=_KEEP, help="keep a kind for so many days, or `forever`")
    ] = None,
    valid_from: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="day from which --keep counts")
    ] = None,
    reason: Annotated[str, typer.Option(help="why, beside --keep")] = "set by an operator",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """How long what is kept, what the last pass dropped, and what the next one would."""
    if now and dry_run:
        raise typer.BadParameter("a dry run drops nothing: give one of --now and --dry-run")
    wanted = dict(_parsed(one) for one in keep or [])
    day = datetime.now(UTC).date() if valid_from is None else valid_from.date()
    shown = asyncio.run(_connected(wanted, day, reason, dry_run=dry_run, now=now))
    if as_json:
        typer.echo(json.dumps(shown.plain(), default=_iso))
    else:
        shown.print()


def _parsed(text: str) -> tuple[str, int | None]:
    kind, _, days = text.partition("=")
    if days == _WITHOUT_END:
        return kind, None
    if not days.isdecimal() or not 0 < int(days) < 100_000:
        raise typer.BadParameter(f"{_KEEP} with days from 1, or {_WITHOUT_END}; got {text!r}")
    return kind, int(days)


class _Shown:
    """What there is to say."""

    def __init__(self, policies: list["Policy"], last: "Run | None") -> None:
        self.policies = policies
        self.last = last
        self.would_drop: list[Amount] | None = None
        self.dropped: list[Amount] | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        found: dict[str, Any] = {
            "policies": [asdict(one) for one in self.policies],
            "last": None if self.last is None else asdict(self.last),
        }
        for name in ("would_drop", "dropped"):
            amounts = getattr(self, name)
            if amounts is not None:
                found[name] = [asdict(one) for one in amounts]
        return found

    def print(self) -> None:
        """For a person."""
        width = max(len(one.kind) for one in self.policies)
        would = {one.kind: one for one in self.would_drop or ()}
        for one in self.policies:
            kept = "for ever" if one.keep_d is None else f"{one.keep_d} days"
            goes = f"{_told(would[one.kind]):30}" if one.kind in would else ""
            typer.echo(f"{one.kind:{width}}  {kept:>9}  {goes}{one.reason}")
        if self.dropped is not None:
            _tell("dropped", [asdict(one) for one in self.dropped])
        elif self.last is None:
            typer.echo("no pass has been made yet")
        else:
            _tell(f"last pass, {self.last.finished_at:%Y-%m-%d %H:%M %Z}", self.last.report)


def _tell(what: str, report: list[dict[str, Any]]) -> None:
    from store.retention import Amount

    amounts = [one for one in (Amount(**row) for row in report) if one.rows or one.chunks or one.note]
    parts = ", ".join(f"{one.kind} {_told(one)}" for one in amounts if one.rows or one.chunks)
    typer.echo(f"{what}: {parts or 'nothing'}")


def _told(one: "Amount") -> str:
    if one.chunks:
        size = f", {one.bytes / 1e6:.1f} MB" if one.bytes else ""
        return f"{one.chunks} chunks{size}{_note(one)}"
    return f"{one.rows} rows{_note(one)}" if one.rows else "nothing"


def _note(one: "Amount") -> str:
    return f" {one.note}" if one.note else ""


async def _connected(
    keep: dict[str, int | None], valid_from: date, reason: str, *, dry_run: bool, now: bool
) -> _Shown:
    from odocare import retaining
    from odocare.settings import Settings
    from odocare.wiring import database_url
    from store import retention as kept
    from store.pool import connect

    as_of = datetime.now(UTC)
    async with connect(database_url(Settings())) as conn:
        if keep:
            await _set(conn, keep, valid_from, reason)
        policies = await kept.policies(conn, as_of.date())
        dropped = await _pass(conn, as_of) if now else None
        shown = _Shown(policies, await kept.last(conn))
        shown.dropped = dropped
        if dry_run:
            shown.would_drop = await retaining.due(conn, policies, as_of)
    return shown


async def _set(conn: "Connection", keep: dict[str, int | None], valid_from: date, reason: str) -> None:
    """Write the policies down, and that an operator did."""
    from store import audit
    from store import retention as kept

    async with conn.transaction():
        for kind, keep_d in keep.items():
            await kept.set_policy(conn, kept.Policy(kind, keep_d, valid_from, reason))
            await audit.append(
                conn,
                at=datetime.now(UTC),
                actor="operator",
                action="retention.set",
                purpose="operation",
                detail={"kind": kind, "keep_d": keep_d, "valid_from": valid_from.isoformat()},
            )


async def _pass(conn: "Connection", as_of: datetime) -> list["Amount"]:
    from odocare import progress, retaining
    from vehicle.errors import ConflictError

    with progress.bar("dropping", None) as advance:
        dropped = await retaining.run(conn, as_of, advance=advance)
    if dropped is None:
        raise ConflictError("another pass is at work: wait for its end")
    return dropped


def _iso(value: object) -> str:
    assert isinstance(value, date)  # which a datetime is, too
    return value.isoformat()
