"""`odocare simulate` and `odocare replay`: vehicles that are none send like vehicles."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # heavy
    from decoders.captures.findings import Findings
    from odocare.broker_tls import Meeting
    from simulator.captures import Capture
    from simulator.history import Span
    from simulator.publish import Delivery
    from simulator.replay import Journey
    from simulator.sending import Sent
    from simulator.truth import TruthWriter

Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
BrokerUrl = Annotated[
    str | None,
    typer.Option("--broker", help="mqtt://user:password@host:port; default: settings, else the local stack"),
]
Tls = Annotated[
    bool, typer.Option("--tls", help="through the local stack's door for vehicles, with a certificate")
]
Truth = Annotated[
    Path | None,
    typer.Option(
        "--truth", dir_okay=False, help="write what is sent into this file, for `odocare reconcile`"
    ),
]
Bodies = Annotated[bool, typer.Option("--bodies", help="with the bodies, so that it can decode them again")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="make every message and send none")]


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(simulate)
    cli.command()(replay)


def simulate(
    vehicles: Annotated[int, typer.Option(min=1, help="how many vehicles")] = 200,
    days: Annotated[int, typer.Option(min=1, help="days of history of each")] = 548,
    seed: Annotated[int, typer.Option(min=0, help="another seed is another fleet")] = 1,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="last day of the history; default: yesterday"),
    ] = None,
    master_data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="first write what `odocare import` reads into this folder"),
    ] = None,
    write_capture: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="first write two minutes of a simulated truck, for `replay`"),
    ] = None,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="only write those files, make no message")
    ] = False,
    broker: BrokerUrl = None,
    tls: Tls = False,
    truth: Truth = None,
    bodies: Bodies = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send a simulated fleet: mileage, cold starts, 12 V voltage, fault codes; the same for the same seed."""
    from datetime import UTC

    from simulator.history import span

    asked = span(seed, vehicles, days, until.date() if until else None, now=datetime.now(UTC))
    result: dict[str, Any] = {"seed": seed, "vehicles": vehicles, "days": days}
    result["until"] = asked.until.isoformat()
    result |= _written(asked, master_data, write_capture)
    if not files_only:
        meeting = None if dry_run else _meeting(broker, "simulator" if tls else None)
        with _truth(truth, meeting, with_bodies=bodies) as writer:
            sent = _send(asked, meeting, writer)
        result |= _summary(sent)
    _print(result, as_json=as_json)
    _refuse_if(result.get("refused"))


def replay(
    capture: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="candump, ASC, BLF or TRC, also as .gz")
    ],
    vin: Annotated[str, typer.Option(help="send as this vehicle")],
    speed: Annotated[float, typer.Option(min=0.0, help="1 is real time; 0: as fast as acknowledged")] = 1.0,
    fast: Annotated[bool, typer.Option("--fast", help="the same as --speed 0")] = False,
    at: Annotated[
        str | None, typer.Option(help="when the capture shall have ended, ISO 8601; default: now")
    ] = None,
    boot: Annotated[int | None, typer.Option(min=0, help="boot number; default: the second it began")] = None,
    codebook: Annotated[
        str | None, typer.Option(help="signal files to decode it with; default: those of the vehicle")
    ] = None,
    limit: Annotated[float | None, typer.Option(min=0.001, help="seconds of it to send")] = None,
    broker: BrokerUrl = None,
    tls: Tls = False,
    truth: Truth = None,
    bodies: Bodies = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send a recorded CAN capture as the T-Box of one vehicle would have sent it."""
    from simulator import captures
    from simulator.replay import Journey
    from vehicle.vin import parse_vin

    journey = Journey(vin=parse_vin(vin), ends_at_us=_moment_us(at), boot=boot, codebook=codebook)
    recorded = captures.read(capture)
    if limit is not None:
        recorded = recorded.first(limit)
    for problem in recorded.findings.problems:
        typer.echo(f"replay: {capture.name}, {problem.where}: {problem.what}; left out", err=True)
    meeting = None if dry_run else _meeting(broker, journey.vin if tls else None)
    with _truth(truth, meeting, with_bodies=bodies) as writer:
        sent = _replay(recorded, journey, 0.0 if fast else speed, meeting, writer)
    result = {"capture": capture.name, "ends_at_us": journey.ends_at_us, **_summary(sent)}
    _print(result | _left_out(recorded.findings), as_json=as_json)
    _refuse_if(result.get("refused"))


def _written(asked: "Span", master_data: Path | None, write_capture: Path | None) -> dict[str, Any]:
    """Write the files that were asked for, and tell what stands in them."""
    from dataclasses import asdict

    result: dict[str, Any] = {}
    if master_data is not None:
        from simulator import master

        result["master_data"] = asdict(master.write(master_data, asked)) | {"folder": str(master_data)}
    if write_capture is not None:
        from simulator import capture

        recording = capture.record(asked.seed)
        result["capture"] = {
            "file": str(write_capture),
            "frames": capture.write(recording, write_capture),
            "odometer_km": recording.odometer_km,
            "codes": [code.dtc.code for code in recording.codes],
        }
    return result


@contextmanager
def _truth(
    path: Path | None, meeting: "Meeting | None", *, with_bodies: bool
) -> "Iterator[TruthWriter | None]":
    """The truth file, where one is asked for and something is sent."""
    if path is None or meeting is None:
        yield None
        return
    from simulator.truth import TruthWriter

    with TruthWriter(path, with_bodies=with_bodies) as writer:
        yield writer


def _send(asked: "Span", broker: "Meeting | None", truth: "TruthWriter | None") -> "Sent":
    """Make the fleet's messages, and send them where there is a broker."""
    import asyncio

    from simulator.history import history
    from simulator.publish import Publisher
    from simulator.sending import make_all, send_all
    from simulator.tail import PetrolTail

    with _progress("vehicle-days", asked.vehicles_n * asked.days_n) as (on_day, on_message):
        messages = history(asked, PetrolTail(), lambda: on_day(1))
        if broker is None:
            return make_all(messages, on_message)

        async def run(at: "Meeting") -> "Sent":
            async with Publisher(at.url, trust=at.trust) as publisher:
                return await send_all(messages, publisher, on_message, truth)

        return asyncio.run(run(broker))


def _replay(
    recorded: "Capture",
    journey: "Journey",
    speed: float,
    broker: "Meeting | None",
    truth: "TruthWriter | None",
) -> "Sent":
    """Send a capture, or only cut it into messages where there is no broker."""
    import asyncio

    from simulator.publish import Publisher
    from simulator.replay import chunks, replay
    from simulator.sending import make_all

    with _progress("frames", len(recorded)) as (on_frames, on_message):
        if broker is None:
            return make_all(chunks(recorded, journey), on_message)

        async def run(at: "Meeting") -> "Sent":
            async with Publisher(at.url, trust=at.trust) as publisher:
                return await replay(
                    recorded, journey, publisher, speed=speed, on_frames=on_frames, truth=truth
                )

        return asyncio.run(run(broker))


def _meeting(broker: str | None, certificate: str | None) -> "Meeting":
    """The broker that was asked for, else the local stack's; `certificate`: by that name, over TLS."""
    from odocare import broker_tls
    from odocare.settings import Settings
    from odocare.wiring import simulator_mqtt_url

    settings = Settings()
    if certificate is None:
        return broker_tls.outgoing(settings, broker or simulator_mqtt_url(settings))
    if broker is not None:
        raise typer.BadParameter("--tls is for the local stack; over TLS elsewhere: --broker mqtts://…")
    return broker_tls.of_vehicle(settings, certificate)


def _moment_us(text: str | None) -> int:
    """A moment of ISO 8601 in microseconds since 1970; without an offset it is UTC, without a text now."""
    from datetime import UTC

    from vehicle.day import us_of

    if text is None:
        return us_of(datetime.now(UTC))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"a moment such as 2026-11-01T08:00:00+08:00 was expected: {error}"
        ) from error
    return us_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _summary(sent: "Sent") -> dict[str, Any]:
    delivery: Delivery | None = sent.delivery
    result: dict[str, Any] = {
        "messages": sent.messages,
        "bytes": sent.bytes,
        "frames": sent.frames,
        "seconds": round(sent.seconds, 3),
        "messages_per_s": round(sent.per_second, 1),
        "sent": delivery is not None,
    }
    if delivery is not None:
        result |= {
            "accepted": delivery.accepted,
            "unheard": delivery.unheard,
            "refused": delivery.refused,
            "reconnects": delivery.reconnects,
        }
    return result


def _left_out(findings: "Findings") -> dict[str, Any]:
    return {
        "broken": findings.broken_n,
        "error_frames": findings.error_frames_n,
        "remote_frames": findings.remote_frames_n,
    }


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    if "master_data" in result:
        wrote = result["master_data"]
        typer.echo(
            f"{wrote['folder']}: {wrote['vehicles']} vehicles, {wrote['dealers']} dealers,"
            f" {wrote['visits']} visits, {wrote['recalled']} vehicles in recalls"
        )
    if isinstance(result.get("capture"), dict):
        wrote = result["capture"]
        typer.echo(f"{wrote['file']}: {wrote['frames']} frames, {wrote['odometer_km']:.3f} km")
    if "messages" in result:
        what = "sent" if result["sent"] else "made, none sent:"
        frames = f" with {result['frames']} frames" if result["frames"] else ""
        typer.echo(
            f"{what} {result['messages']} messages{frames}, {result['bytes'] / 1e6:.1f} MB in"
            f" {result['seconds']:.1f} s ({result['messages_per_s']:.0f} a second)"
        )
    if result.get("unheard"):
        typer.echo(f"{result['unheard']} of them nobody had subscribed to: is `odocare ingest` running?")
    if result.get("broken"):
        typer.echo(f"{result['broken']} places of the capture could not be read")


def _refuse_if(refused: dict[str, int] | None) -> None:
    """A message that the broker did not take makes the command fail."""
    if refused:
        for reason, count in refused.items():
            typer.echo(f"the broker refused {count} messages: {reason}", err=True)
        raise typer.Exit(1)


@contextmanager
def _progress(what: str, total: int) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """A bar on stderr while it is a terminal: advance by so much; so many messages were made by now."""
    import logging
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    logging.getLogger("gmqtt").setLevel(logging.CRITICAL)  # what it complains about is retried or raised
    if not sys.stderr.isatty():
        yield (lambda _: None), (lambda _: None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, rate="")

        def on_message(made: int) -> None:
            if made % 250 == 0:
                elapsed_s = progress.tasks[0].elapsed or 0.0
                rate = f"{made / elapsed_s:,.0f} messages/s" if elapsed_s > 0.2 else ""
                progress.update(task, rate=rate)

        yield (lambda by: progress.advance(task, by)), on_message
