"""MQTT clients of a subscriber that acknowledges after the commit: how fast each is, and what SIGKILL costs.

One broker; publisher and subscribers are processes of their own, on all cores there are. Clients take
turns, a round to warm up and then five; ratios are medians of the rounds' ratios. `odocare bench mqtt`.
"""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench import _mqtt_tasks, _publishing
from bench._mqtt_clients import AIOMQTT, CLIENTS, GMQTT, OWN, PAHO, left_out
from bench._mqtt_subscriber import forget, subscribing
from bench._mqtt_tasks import BATCH, END
from bench._publishing import Packets
from bench._report import Check, Report
from bench._timing import ratio
from odocare.progress import bar
from odocare.settings import Settings
from odocare.stack.local import Wanted
from odocare.stack.temporary import temporary_stack

ROUNDS: Final = 5
SIZES: Final = {200: 30_000, 2_000: 20_000}
"""Bytes of a message's body, and messages a round."""
SLOW: Final = {AIOMQTT: 5}
"""Clients that get only this part of the messages."""
FLOORS: Final = {GMQTT: (1.0, 1.5), PAHO: (1.4, 2.2)}
CPU_US: Final = 15.0
_TOPIC: Final = "tbox/v1/LRW3E7FA7NC000001/up/can"


@dataclass(slots=True)
class Site:
    """The broker, and what is published."""

    url: str
    """For subscribers."""
    fleet_url: str
    """For publishers."""
    folder: Path

    def packets(self, name: str, n: int, size: int) -> Packets:
        """Numbered messages whose bodies have `size` bytes."""
        bodies = (b"%08d" % number + bytes(size - 8) for number in range(n))
        return _publishing.prepare(self.folder / name, ((_TOPIC, body) for body in bodies))


@dataclass(slots=True)
class Speed:
    """Of one client in each round."""

    per_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    """Processor time of the subscriber per message."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What a subscriber that is killed leaves to the next one."""

    lost: int
    """Messages that were received, not committed, and do not come again: acknowledged before we said so."""
    doubled: int
    """Messages that come twice, or again although they were acknowledged."""


def run(
    settings: Settings,
    *,
    clients: Sequence[str] = tuple(CLIENTS),
    sizes: dict[int, int] | None = None,
    rounds: int = ROUNDS,
) -> Report:
    """All clients that are installed, ours among them. Raises `StackError`."""
    sizes = sizes or SIZES
    report = Report("mqtt")
    tried = [client for client in clients if left_out(client) is None]
    with (
        temporary_stack(settings.home.absolute(), Wanted(database=False)) as stack,
        tempfile.TemporaryDirectory() as folder,
    ):
        addresses = stack.addresses
        site = Site(addresses.mqtt_url or "", addresses.simulator_mqtt_url or "", Path(folder))
        turns = len(tried) * (len(sizes) * (rounds + 1) + 1)
        with bar("mqtt", turns) as advance:
            for size, n in sizes.items():
                speeds: dict[str, Speed] = {client: Speed() for client in tried}
                packets = site.packets(f"{size}.packets", n, size)
                for number in range(rounds + 1):
                    for client, speed in speeds.items():
                        measure(site, client, packets.first(n // SLOW.get(client, 1)), speed)
                        if not number:
                            speeds[client] = Speed()  # that was to warm up
                        advance(1)
                judge(size, speeds, report)
            for client in tried:
                judge_loss(client, loss(site, client), report)
                advance(1)
    return report


def measure(site: Site, client: str, packets: Packets, speed: Speed) -> None:
    """One round of one client, from the first message published to the last one acknowledged."""
    client_id = f"bench-{client}"
    with (
        _publishing.publishing(site.fleet_url, packets) as publisher,
        subscribing(site.url, client, client_id, _mqtt_tasks.MEASURE, packets.n) as subscriber,
    ):
        publisher.allow(packets.n)
        told = subscriber.told()
        began_s = publisher.finished()["began_s"]
    forget(site.url, client_id)
    speed.per_s.append(packets.n / (told["ended_s"] - began_s))
    speed.cpu_us.append(1e6 * told["cpu_s"] / packets.n)


def loss(site: Site, client: str) -> Loss:
    """Kill a subscriber that has committed a batch and holds another; see what the next one gets."""
    client_id = f"bench-kill-{client}"
    packets = site.packets("numbered.packets", 2 * BATCH, 200)
    end = _publishing.prepare(site.folder / "end.packets", [(_TOPIC, END)])
    with _publishing.publishing(site.fleet_url, packets) as publisher:
        with subscribing(site.url, client, client_id, _mqtt_tasks.HOLD, packets.n) as first:
            publisher.allow(BATCH)
            first.told()  # that the first batch is committed and acknowledged
            publisher.allow(packets.n)
            first.told()  # that the second one has been received; the end of its context is SIGKILL
        publisher.finished()
    with (
        subscribing(site.url, client, client_id, _mqtt_tasks.COLLECT) as second,
        _publishing.publishing(site.fleet_url, end) as publisher,
    ):
        publisher.allow(1)
        numbers: list[int] = second.told()["numbers"]
    forget(site.url, client_id)
    came = set(numbers)
    again = sum(number < BATCH for number in came)
    return Loss(lost=len(set(range(BATCH, packets.n)) - came), doubled=len(numbers) - len(came) + again)


def judge(size: int, speeds: dict[str, Speed], report: Report) -> None:
    """Our client beside each other at one size of messages."""
    own = speeds[OWN]
    for peer, (floor, target) in FLOORS.items():
        found = None if peer not in speeds else round(ratio(own.per_s, speeds[peer].per_s), 2)
        why = left_out(peer) or "it was not asked for" if found is None else None
        name = f"{size} B, messages/s against {peer}"
        report.checks.append(Check(name, found, "x", floor, target, left_out=why))
    cpu_us = round(statistics.median(own.cpu_us), 1)
    report.checks.append(Check(f"{size} B, processor time", cpu_us, "us/message", CPU_US, better="lower"))
    for client, speed in speeds.items():
        report.figures[f"{size} B, {client}, messages/s"] = round(statistics.median(speed.per_s))
        report.figures[f"{size} B, {client}, processor us/message"] = round(
            statistics.median(speed.cpu_us), 1
        )


def judge_loss(client: str, found: Loss, report: Report) -> None:
    """Ours loses nothing; what others lose is told."""
    if client == OWN:
        name = f"lost of {BATCH} received and not committed at SIGKILL"
        report.checks.append(Check(name, found.lost, "messages", 0, better="lower"))
    report.figures[f"{client}, lost of {BATCH} at SIGKILL"] = found.lost
    report.figures[f"{client}, doubled after SIGKILL"] = found.doubled
