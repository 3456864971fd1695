"""How fast messages become committed rows: publisher, broker, ingest and database on the same cores.

Two kinds of messages: 50 frames of CAN, and ten signals in JSON. What the very same rows take by binary COPY
is timed in the same run, in turn with ingest.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from bench import _fleet, _makers_folder, _rounds
from bench._copying import Copier, copying
from bench._fleet import Part
from bench._ingesting import Ingest, ingesting
from bench._publishing import Packets, prepare
from bench._report import Check, Report
from bench._servers import Servers, servers
from bench._timing import ratio
from odocare.progress import bar
from odocare.settings import Settings

ROUNDS: Final = 5
VEHICLES: Final = 1_000
CAN_VEHICLES: Final = 500
CAN_SECONDS: Final = 24
JSON_SECONDS: Final = 40
_HOUR_US: Final = 3_600_000_000
_PART_US: Final = 60_000_000

Messages = Callable[[Part], Iterator[tuple[str, bytes]]]


@dataclass(slots=True)
class Speeds:
    """Messages per second, round by round; and what the rows take on disk."""

    ingest: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    values: int = 0
    took_s: float = 0.0
    segment_bytes: int = 0
    message_bytes: float = 0.0
    publisher_cpu_s: float = 0.0


def run(settings: Settings, *, rounds: int = ROUNDS) -> Report:
    """Everything; raises `StackError` where the servers are missing."""
    report = Report("ingest")
    with (
        bar("ingest", 2 * (rounds + 1)) as advance,
        servers(settings, vehicles=VEHICLES) as at,
        ingesting(at, _makers_folder.write(at.home / "codebooks")) as ingest,
        copying(at.database_url) as copier,
    ):
        bench = _Bench(at, ingest, copier, rounds, advance)
        can = bench.case(CAN_VEHICLES, CAN_SECONDS, _fleet.can_messages, ahead=3_000)
        small = bench.case(VEHICLES, JSON_SECONDS, _fleet.json_messages, ahead=10_000)
        peak_mb = ingest.child.peak_memory_mb()
    frames = statistics.median(can.ingest) * _fleet.FRAMES
    messages = statistics.median(small.ingest)
    report.checks += [
        Check("frames of 50-frame messages, committed", round(frames), "1/s", 120_000, 250_000),
        Check("50-frame messages, against COPY", round(ratio(can.ingest, can.copy), 2), "x", 0.4, 0.5),
        Check("small messages, committed", round(messages), "1/s", 10_000, 25_000),
        Check(
            "50-frame messages, disk per value",
            round(can.segment_bytes / can.values, 2),
            "B",
            8,
            4,
            better="lower",
        ),
        Check(
            "small messages, disk per value",
            round(small.segment_bytes / small.values, 2),
            "B",
            32,
            16,
            better="lower",
        ),
        Check("resident memory of ingest, most", round(peak_mb), "MB", 500, better="lower"),
    ]
    for name, speeds in (("50-frame", can), ("small", small)):
        report.figures |= {
            f"{name} messages/s": round(statistics.median(speeds.ingest)),
            f"{name} messages, values/s": round(speeds.values / speeds.took_s),
            f"{name} messages/s by COPY": round(statistics.median(speeds.copy)),
            f"{name} messages, bytes of a packet": round(speeds.message_bytes),
            f"{name} messages, against COPY, x": round(ratio(speeds.ingest, speeds.copy), 3),
            f"{name} messages, publisher's part of a core": round(speeds.publisher_cpu_s / speeds.took_s, 2),
        }
    return report


class _Bench:
    """The processes, and the time that their fleet has reached."""

    def __init__(
        self, at: Servers, ingest: Ingest, copier: Copier, rounds: int, advance: Callable[[int], None]
    ) -> None:
        self._at = at
        self._ingest = ingest
        self._copier = copier
        self._rounds = rounds
        self._advance = advance
        self._part = 0
        self._began_us = time.time_ns() // 1_000 - _HOUR_US

    def case(self, vehicles: int, seconds: int, messages: Messages, *, ahead: int) -> Speeds:
        """One kind of messages: in turn ingest and COPY of its rows, a round to warm up and then more."""
        found = Speeds()
        self.one(Speeds(), vehicles, seconds, messages, ahead)
        begun_bytes = _segment_bytes(self._at.database_url)
        for _ in range(self._rounds):
            self.one(found, vehicles, seconds, messages, ahead)
        found.segment_bytes = _segment_bytes(self._at.database_url) - begun_bytes
        return found

    def one(self, found: Speeds, vehicles: int, seconds: int, messages: Messages, ahead: int) -> None:
        """A round of both."""
        packets, part = self._prepared(vehicles, seconds, messages)
        values = self._ingest.values()
        self._copier.skip()
        done = _rounds.run(self._at.fleet_mqtt_url, packets, self._ingest.done, ahead=ahead)
        found.ingest.append(part.messages / done.took_s)
        found.took_s += done.took_s
        found.values += self._ingest.values() - values
        found.publisher_cpu_s += done.publisher_cpu_s
        found.message_bytes = packets.n_bytes / packets.n
        written = self._copier.written()
        found.copy.append(part.messages / self._copier.copy(written))
        self._advance(1)

    def _prepared(self, vehicles: int, seconds: int, messages: Messages) -> tuple[Packets, Part]:
        self._part += 1
        part = Part(self._part, self._began_us + self._part * _PART_US, vehicles, seconds)
        return prepare(Path(self._at.home) / "packets", messages(part)), part


SEGMENT_BYTES: Final = """
    select coalesce(sum(pg_total_relation_size(format('%I.%I', chunk_schema, chunk_name)::regclass)), 0)
    from timescaledb_information.chunks
    where (hypertable_schema, hypertable_name) = ('public', 'segment')
"""


def _segment_bytes(database_url: str) -> int:
    """What decoded values take on disk, indexes included; neither raw frames nor the ledger."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        row = conn.execute(SEGMENT_BYTES).fetchone()
        assert row is not None
        return int(row[0])
