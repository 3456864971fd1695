"""Ingest comes back after a while: how fast it works off what waits while new messages come as ever."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench import _fleet
from bench._fleet import Part
from bench._ingesting import ingesting
from bench._publishing import Packets, prepare, publishing
from bench._servers import Servers
from vehicle.errors import StackError

LIVE_PER_S: Final = 1_000
"""A thousand vehicles with a message a second each."""
CAN_SHARE: Final = 10
"""Of so many vehicles one sends frames, the others small messages."""
_LONGEST_LIVE_S: Final = 60
_POLL_S: Final = 0.1
_PATIENCE_S: Final = 120.0
_BEGUN_US: Final = 1_800_000_000
"""Half an hour ago, which is later than what was sent before."""
_BOOT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """How it went."""

    per_s: float
    """Messages that waited or came meanwhile, from the start of the process to the last that had waited."""
    waited: int
    live: int
    """Came meanwhile."""
    peak_mb: float


def run(at: Servers, codebooks: Path, *, seconds: int) -> CaughtUp:
    """So many seconds of live traffic wait for ingest; then it starts, and live traffic goes on."""
    since_us = time.time_ns() // 1_000 - _BEGUN_US
    waiting = _prepare(at, "waiting", since_us, seconds)
    live = _prepare(at, "live", since_us + seconds * 1_000_000, _LONGEST_LIVE_S)
    with publishing(at.fleet_mqtt_url, waiting) as publisher:
        publisher.allow(waiting.n)
        publisher.finished()
    began_s = time.monotonic()
    with ingesting(at, codebooks) as ingest, publishing(at.fleet_mqtt_url, live, rate=LIVE_PER_S) as vehicles:
        vehicles.allow(live.n)
        live_s = time.monotonic()
        while True:
            time.sleep(_POLL_S)
            done, now_s = ingest.done(), time.monotonic()
            came = min(live.n, int((now_s - live_s) * LIVE_PER_S))
            if done >= waiting.n + came - LIVE_PER_S:  # no more behind than a second
                return CaughtUp(done / (now_s - began_s), waiting.n, came, ingest.child.peak_memory_mb())
            if now_s - began_s > _PATIENCE_S:
                raise StackError(f"{done} of {waiting.n + came} messages were stored in {_PATIENCE_S} s")


def _prepare(at: Servers, name: str, since_us: int, seconds: int) -> Packets:
    return prepare(at.home / name, _mixed(Part(_BOOT + (name == "live"), since_us, LIVE_PER_S, seconds)))


def _mixed(part: Part) -> Iterator[tuple[str, bytes]]:
    """Second by second, each vehicle's message: of every tenth its frames."""
    speaking_can = part.vehicles // CAN_SHARE
    can = _fleet.can_messages(replace(part, vehicles=speaking_can))
    small = _fleet.json_messages(replace(part, vehicles=part.vehicles - speaking_can, first=speaking_can))
    for _ in range(part.seconds):
        for _ in range(speaking_can):
            yield next(can)
            for _ in range(CAN_SHARE - 1):
                yield next(small)
