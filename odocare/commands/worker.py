"""`odocare worker` and `odocare predict`."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odocare import progress

if TYPE_CHECKING:
    from odocare.evaluate import Tally
    from odocare.judgement import Judge
    from odocare.settings import Settings
    from odocare.worker import Nightly


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(worker)
    cli.command()(predict)


def worker(
    once: Annotated[bool, typer.Option("--once", help="evaluate what is touched now, then end")] = False,
    nightly_hour: Annotated[
        int, typer.Option(min=-1, max=23, help="local hour of the daily pass over all; -1: none")
    ] = 3,
    nightly_tz: Annotated[str, typer.Option(help="time zone of that hour")] = "Asia/Shanghai",
    ready_file: Annotated[
        Path | None, typer.Option(help="written once the worker listens, for who started it")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object at the end")] = False,
) -> None:
    """Turn what vehicles sent into predictions, findings and triggers, as it comes in."""
    from odocare import logs
    from odocare.settings import Settings
    from odocare.wiring import database_url
    from vehicle.errors import SettingsError

    logs.configure()
    settings = Settings()
    url, by = database_url(settings), _judge(settings)
    if once:
        _print("worker", asyncio.run(_once(url, by)), as_json=as_json)
        return
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from odocare.worker import Nightly

    try:
        nightly = None if nightly_hour < 0 else Nightly(nightly_hour, ZoneInfo(nightly_tz))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(f"--nightly-tz wants a name such as Asia/Shanghai, got {nightly_tz!r}") from error

    def ready() -> None:
        if ready_file is not None:
            ready_file.write_text("listening\n", encoding="utf-8")

    asyncio.run(_forever(url, by, nightly, ready))
    if as_json:
        typer.echo(json.dumps({"stopped": True}))


def predict(
    everything: Annotated[bool, typer.Option("--all", help="all registered vehicles")] = False,
    as_of: Annotated[
        str | None, typer.Option(help="moment with offset, such as 2026-11-21T03:00+08:00; default: now")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Predict due dates and evaluate all rules for the whole fleet."""
    from odocare import logs
    from odocare.settings import Settings
    from odocare.wiring import database_url

    logs.configure()
    if not everything:
        raise typer.BadParameter("say --all: touched vehicles are the worker's", param_hint="--all")
    settings = Settings()
    moment = _moment(as_of)
    tally = asyncio.run(_all(database_url(settings), _judge(settings), moment))
    _print("predict", tally, as_json=as_json)


def _judge(settings: "Settings") -> "Judge":
    """The judge, after saying which rule files are broken: the others go on."""
    from odocare.wiring import judge

    by = judge(settings)
    for problem in by.book.problems:
        typer.echo(f"rule not loaded: {problem}", err=True)
    return by


def _moment(text: str | None) -> datetime | None:
    """An aware moment that is not in the future. Raises `BadParameter`."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"not ISO 8601: {text!r}", param_hint="--as-of") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"an offset is missing: {text!r}", param_hint="--as-of")
    if moment > datetime.now(UTC):
        raise typer.BadParameter(f"lies in the future: {text!r}", param_hint="--as-of")
    return moment


async def _once(url: str, by: "Judge") -> "Tally":
    from odocare.evaluate import evaluate_touched, remember_rules
    from store.pool import open_pool

    async with open_pool(url, most=2) as pool:
        await _require_schema(url)
        await remember_rules(pool, by)
        with progress.bar("evaluating", None) as advance:
            return await evaluate_touched(pool, by, progress=advance)


async def _all(url: str, by: "Judge", as_of: datetime | None) -> "Tally":
    from odocare.evaluate import evaluate_all, remember_rules
    from store import evaluations
    from store.pool import open_pool
    from vehicle.errors import ConflictError

    async with open_pool(url, most=2) as pool:
        await _require_schema(url)
        async with pool.connection() as conn:
            last = await evaluations.last_as_of(conn)
        if as_of is None:
            as_of = max(datetime.now(UTC), last or datetime.min.replace(tzinfo=UTC))
        elif last is not None and as_of < last:
            raise ConflictError(
                f"--as-of {as_of.isoformat()} lies before the latest evaluation's, {last.isoformat()}:"
                " triggers would go back in time"
            )
        await remember_rules(pool, by)
        async with pool.connection() as conn:
            to_do = await evaluations.count_not_yet(conn, as_of=as_of)
        with progress.bar("evaluating", to_do) as advance:
            return await evaluate_all(pool, by, as_of, progress=advance)


async def _forever(url: str, by: "Judge", nightly: "Nightly | None", ready: Callable[[], None]) -> None:
    import signal

    from odocare import worker as life
    from store.pool import open_pool

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    async with open_pool(url) as pool:
        await _require_schema(url)
        await life.run(pool, url, by, nightly=nightly, ready=ready, stop=stop)


def _print(command: str, tally: "Tally", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"command": command, **asdict(tally)}))
        return
    failed = f", {tally.failed_n} could not be evaluated" if tally.failed_n else ""
    typer.echo(
        f"{tally.vehicles_n} vehicles evaluated{failed}: {tally.predictions_n} predictions,"
        f" {tally.opened_n} triggers opened, {tally.revised_n} revised, {tally.withdrawn_n} withdrawn"
    )


async def _require_schema(url: str) -> None:
    from store import migrate
    from store.pool import connect

    async with connect(url) as conn:
        await migrate.require_current(conn, migrate.read_migrations())
