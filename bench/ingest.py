"""How fast messages become committed rows: publisher, broker, ingest and database on the same cores.

Two kinds of messages: 50 frames of CAN, and ten signals in JSON. What the very same rows take by binary COPY,
what ingest's own client reaches when it throws messages away, and what the usual tutorial's service reaches
is timed in the same run, in turn. docs/measuring.md says what each check means.
"""

import asyncio
import math
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Final

from bench import _backlog, _bulk, _discard, _fleet, _makers_folder, _reads, _stop, _tutorial
from bench._backlog import CaughtUp
from bench._bulk import Bulk
from bench._copying import copying
from bench._counting import Counting, counting
from bench._ingesting import ingesting
from bench._publishing import publishing
from bench._reads import Reads
from bench._report import Check, Report
from bench._servers import Servers, servers
from bench._throughput import Bench, Kind, Speeds, received
from bench._timing import ratio
from odocare import children
from odocare.progress import bar
from odocare.settings import Settings

ROUNDS: Final = 5
VEHICLES: Final = 1_000
LOAD_PER_S: Final = 10_000
"""While stop codes are timed: the floor of small messages."""
TUTORIAL_MESSAGES: Final = 1_500
"""Of a round's, for it is slow."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int = ROUNDS
    can_seconds: int = 40
    small_seconds: int = 40
    probes: int = 60
    backlog_s: int = 100


QUICK: Final = Size(rounds=1, can_seconds=12, small_seconds=15, probes=10, backlog_s=20)
"""For who works at it."""


@dataclass(slots=True)
class Found:
    """What was measured."""

    can: Speeds
    small: Speeds
    noise: Speeds
    asking: Speeds
    stop_s: list[float]
    caught_up: CaughtUp
    peak_mb: float
    bulk: Bulk
    reads: Reads


def run(settings: Settings, *, size: Size = Size()) -> Report:  # frozen
    """Everything; raises `StackError` where servers are missing or nothing gets done."""
    with (
        bar("ingest", 3 * (size.rounds + 1) + 4) as advance,
        servers(settings, vehicles=VEHICLES, brokers=2) as at,
    ):
        found = _measured(at, size, partial(advance, 1))
    report = Report("ingest")
    _judge(found, report)
    return report


def _measured(at: Servers, size: Size, step: Callable[[], None]) -> Found:
    can = Kind(_fleet.can_messages, VEHICLES // 2, size.can_seconds, ahead=10_000)
    small = Kind(_fleet.json_messages, VEHICLES, size.small_seconds, ahead=20_000)
    noise = Kind(partial(_fleet.can_messages, noise=True), VEHICLES // 2, size.can_seconds // 4, ahead=10_000)
    asking = Kind(partial(_fleet.json_messages, ack=True), VEHICLES, size.small_seconds // 2, ahead=20_000)
    codebooks = _makers_folder.write(at.home / "codebooks")
    with ingesting(at, codebooks) as ingest, copying(at.database_url) as copier:
        bench = Bench(at, ingest, copier)
        found_can = _can(bench, can, size.rounds, step)
        found_small = _small(bench, at, small, size.rounds, step)
        found_noise, found_asking = Speeds(), Speeds()
        bench.stored(noise, found_noise)
        bench.stored(asking, found_asking)
        step()
        stop_s = _stop_s(bench, at, size.probes)
        step()
        peak_mb = ingest.child.peak_memory_mb()
    caught_up = _backlog.run(at, codebooks, seconds=size.backlog_s)
    step()
    peak_mb = max(peak_mb, caught_up.peak_mb)
    bulk = _loaded(at, size.rounds, step)
    reads = _reads.run(at.database_url)
    step()
    return Found(found_can, found_small, found_noise, found_asking, stop_s, caught_up, peak_mb, bulk, reads)


def _can(bench: Bench, kind: Kind, rounds: int, step: Callable[[], None]) -> Speeds:
    found = Speeds()
    for number in range(rounds + 1):
        bench.copied(kind, Speeds() if number == 0 else found)  # a round to warm up
        step()
    return found


def _small(bench: Bench, at: Servers, kind: Kind, rounds: int, step: Callable[[], None]) -> Speeds:
    found = Speeds()
    thrown_at, stored_at = at.brokers
    with ExitStack() as stack:
        discard = stack.enter_context(
            counting("bench._discard", {_discard.URL: thrown_at.url}, at.home / "discard.log")
        )
        tutorial: Counting | None = None
        if find_spec("aiomqtt") is not None:
            wanted = {_tutorial.URL: stored_at.url, _tutorial.DATABASE_URL: at.database_url}
            tutorial = stack.enter_context(counting("bench._tutorial", wanted, at.home / "tutorial.log"))
        for number in range(rounds + 1):
            to = Speeds() if number == 0 else found
            packets = bench.copied(kind, to)
            to.discard.append(received(thrown_at, packets, discard, ahead=kind.ahead))
            if tutorial is not None:
                some = packets.first(TUTORIAL_MESSAGES)
                to.tutorial.append(received(stored_at, some, tutorial, ahead=kind.ahead))
            step()
    return found


def _loaded(at: Servers, rounds: int, step: Callable[[], None]) -> Bulk:
    found = Bulk()
    with copying(at.database_url) as copier:
        for number in range(rounds + 1):
            to = Bulk() if number == 0 else found
            _bulk.round_of(at.database_url, copier, at.home, number, to)
            step()
    return found


def _stop_s(bench: Bench, at: Servers, probes: int) -> list[float]:
    """Delays of stop codes while small messages come at their floor's rate and the worker evaluates."""
    seconds = int((_stop.EVERY_S * probes + _stop.BEFORE_S + _stop.AFTER_S) * LOAD_PER_S / VEHICLES)
    load = bench.prepared(Kind(_fleet.json_messages, VEHICLES, seconds, ahead=0))
    ready = at.home / "worker.ready"
    arguments = ["--nightly-hour", "-1", "--ready-file", str(ready)]
    with (
        children.running("worker", arguments, log=at.home / "worker.log", env=at.environment) as worker,
        publishing(at.fleet_mqtt_url, load, rate=LOAD_PER_S) as vehicles,
    ):
        children.wait_ready(worker, ready)
        vehicles.allow(load.n)
        every = VEHICLES // probes
        numbers = [every * n for n in range(probes)]
        return asyncio.run(_stop.delays_s(at.database_url, at.fleet_mqtt_url, numbers))


def _judge(found: Found, report: Report) -> None:
    can, small = found.can, found.small
    frames = statistics.median(can.ingest) * _fleet.FRAMES
    sent = statistics.median(small.ingest)
    p99 = sorted(found.stop_s)[math.ceil(0.99 * len(found.stop_s)) - 1]
    times = found.caught_up.per_s / _backlog.LIVE_PER_S
    report.checks += [
        Check("frames of 50-frame messages, committed", round(frames), "1/s", 120_000, 250_000),
        Check("50-frame messages, against COPY", round(ratio(can.ingest, can.copy), 2), "x", 0.4, 0.5),
        Check("small messages, committed", round(sent), "1/s", 10_000, 25_000),
        Check(
            "small messages, against throwing away",
            round(ratio(small.ingest, small.discard), 2),
            "x",
            0.4,
            0.6,
        ),
        _less("50-frame messages, disk per value", round(can.bytes_per_value, 2), "B", 8, 4),
        _less("small messages, disk per value", round(small.bytes_per_value, 2), "B", 32, 16),
        _less("stop code to feed, 99 of 100", round(p99, 2), "s", 2),
        Check("backlog, against live", round(times, 1), "x", 3),
        _less("resident memory of ingest, most", round(found.peak_mb), "MB", 500),
        Check(
            "load of history, against COPY of its rows",
            round(ratio(found.bulk.load, found.bulk.rows), 2),
            "x",
            0.7,
        ),
        _less(f"latest state of {_reads.FLEET:,} vehicles", round(found.reads.fleet_s, 3), "s", 0.3),
        _less("two years of a vehicle's days", round(found.reads.days_ms, 2), "ms", 5),
        _less("a day of a vehicle's signal", round(found.reads.signal_ms, 1), "ms", 30),
    ]
    for name, speeds in (("50-frame", can), ("small", small)):
        report.figures |= {
            f"{name} messages/s": round(statistics.median(speeds.ingest)),
            f"{name} messages/s by COPY": round(statistics.median(speeds.copy)),
            f"{name} messages, values/s": round(speeds.values / speeds.took_s),
            f"{name} messages, bytes on the wire": round(speeds.packet_bytes),
            f"{name} messages, in a transaction": round(speeds.messages / speeds.transactions),
            f"{name} messages, publisher, part of a core": round(speeds.publisher_cpu_s / speeds.took_s, 2),
        }
    by_row = can.values / can.took_s / statistics.median(found.bulk.rows)
    report.figures |= {
        "50-frame messages, against COPY of a row per value, x": round(by_row, 1),
        "small messages, against COPY, x": round(ratio(small.ingest, small.copy), 2),
        "small messages/s thrown away": round(statistics.median(small.discard)),
        "small messages/s, each asking for an answer": round(statistics.median(found.asking.ingest)),
        "50-frame messages of noise, disk per value, B": round(found.noise.bytes_per_value, 2),
        "stop code to feed, half, s": round(statistics.median(found.stop_s), 2),
        "stop code to feed, longest, s": round(max(found.stop_s), 2),
        "backlog, messages": found.caught_up.waited,
        "backlog, messages/s": round(found.caught_up.per_s),
        "load of history, values/s": round(statistics.median(found.bulk.load)),
        "load of history, values/s by COPY of its rows": round(statistics.median(found.bulk.rows)),
        "load of history, values/s by COPY of its segments": round(statistics.median(found.bulk.segments)),
        "load of history, against COPY of its segments, x": round(
            ratio(found.bulk.load, found.bulk.segments), 2
        ),
    }
    if small.tutorial:
        report.figures["small messages/s by the tutorial's service"] = round(
            statistics.median(small.tutorial)
        )
        against = round(ratio(small.ingest, small.tutorial))
        report.figures["small messages, against the tutorial's service, x"] = against


def _less(name: str, value: float, unit: str, floor: float, target: float | None = None) -> Check:
    return Check(name, value, unit, floor, target, better="lower")
