"""Rounds of ingest beside its contenders, and what the rows take on disk."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import psycopg

from bench import _rounds
from bench._copying import Copier
from bench._counting import Counting
from bench._fleet import Part
from bench._ingesting import Ingest
from bench._publishing import Packets, prepare
from bench._servers import Broker, Servers

_HOUR_US: Final = 3_600_000_000
_MARGIN_US: Final = 5_000_000
_POLL_S: Final = 0.01
"""Who counts on a pipe may be asked often."""

Messages = Callable[[Part], Iterator[tuple[str, bytes]]]
"""What a part of the fleet's life is, as topics and bodies."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of messages, and how many of them a round has."""

    messages: Messages
    vehicles: int
    seconds: int
    ahead: int
    """Published and not yet stored, at most: as much as keeps ingest's batches full."""


@dataclass(slots=True)
class Speeds:
    """Messages per second of each contender, round by round; and what ingest's rows take."""

    ingest: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    discard: list[float] = field(default_factory=list)
    tutorial: list[float] = field(default_factory=list)
    messages: int = 0
    values: int = 0
    took_s: float = 0.0
    segment_bytes: int = 0
    packet_bytes: float = 0.0
    publisher_cpu_s: float = 0.0
    transactions: int = 0

    @property
    def bytes_per_value(self) -> float:
        """Of segments and their indexes."""
        return self.segment_bytes / self.values


class Bench:
    """The processes, and the time that their fleet has reached."""

    def __init__(self, at: Servers, ingest: Ingest, copier: Copier) -> None:
        self._at = at
        self._ingest = ingest
        self._copier = copier
        self._boot = 0
        self._now_us = time.time_ns() // 1_000 - _HOUR_US

    def prepared(self, kind: Kind) -> Packets:
        """The next part of the fleet's life, an hour ago."""
        self._boot += 1
        part = Part(self._boot, self._now_us, kind.vehicles, kind.seconds)
        self._now_us += kind.seconds * 1_000_000 + _MARGIN_US
        return prepare(self._at.home / "packets", kind.messages(part))

    def stored(self, kind: Kind, found: Speeds) -> Packets:
        """One round of ingest alone."""
        packets = self.prepared(kind)
        values, begun_bytes = self._ingest.values(), segment_bytes(self._at.database_url)
        done = _rounds.run(self._at.fleet_mqtt_url, packets, self._ingest.done, ahead=kind.ahead)
        found.ingest.append(packets.n / done.took_s)
        found.messages += packets.n
        found.took_s += done.took_s
        found.publisher_cpu_s += done.publisher_cpu_s
        found.values += self._ingest.values() - values
        found.segment_bytes += segment_bytes(self._at.database_url) - begun_bytes
        found.packet_bytes = packets.n_bytes / packets.n
        return packets

    def copied(self, kind: Kind, found: Speeds) -> Packets:
        """One round of ingest, and COPY of what it wrote. Raises `AssertionError` where rows are missing."""
        self._copier.skip()
        packets = self.stored(kind, found)
        written = self._copier.written()
        if (n := self._copier.rows.get("message")) != packets.n:
            raise AssertionError(f"{packets.n} rows in the ledger expected, got {n}")
        found.copy.append(packets.n / self._copier.copy(written))
        found.transactions += len(written)
        return packets


def received(peer: Broker, packets: Packets, service: Counting, *, ahead: int) -> float:
    """Messages per second that another service gets done."""
    done = _rounds.run(peer.fleet_url, packets, service.done, ahead=ahead, poll_s=_POLL_S)
    return packets.n / done.took_s


SEGMENT_BYTES: Final = """
    select coalesce(sum(pg_total_relation_size(place)), 0)::bigint from (
        select format('%I.%I', chunk_schema, chunk_name)::regclass as place
        from timescaledb_information.chunks
        where (hypertable_schema, hypertable_name) = ('public', 'segment')
        union all
        select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind = 'r' and c.relname like 'segment\\_%'
    ) p
"""


def segment_bytes(database_url: str) -> int:
    """What decoded values take on disk, indexes included; neither raw frames nor the ledger."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        row = conn.execute(SEGMENT_BYTES).fetchone()
        assert row is not None
        return int(row[0])
