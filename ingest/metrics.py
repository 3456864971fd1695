"""Counters of ingest: what goes in is what comes out, `received = stored + doubled + rejected`."""

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest import topic

_NAME: Final = "odocare_ingest_"
_BATCH_SIZES: Final = (1, 3, 10, 30, 100, 300, 1000, 3000)
_SECONDS: Final = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


@dataclass(slots=True)
class Tally:
    """What became of one batch; of messages, but where it says otherwise."""

    received: int = 0
    stored: int = 0
    doubled: int = 0
    rejected: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    """Rejects by reason, parts of messages included."""
    parts_rejected: int = 0
    """Messages that were stored but for a part; not in `rejected`."""
    broker_refused: int = 0
    """Packets that the broker itself refused; never received."""
    frames: int = 0
    values: int = 0
    unknown_frames: int = 0
    short_frames: int = 0
    no_measurement: int = 0
    out_of_range: int = 0
    transport_lost: int = 0
    """J1939 transfers and packets that came to nothing."""
    answers: int = 0
    """Diagnostic answers read."""
    answers_unread: int = 0
    unknown_dids: int = 0
    """Records of identifiers that no file defines."""
    identities: int = 0
    clears: int = 0
    lost_conversations: dict[str, int] = field(default_factory=dict)
    """ISO-TP payloads and frames that came to nothing, by reason."""
    negative_answers: dict[str, int] = field(default_factory=dict)
    """By service in hexadecimal and name of the code: `22 requestOutOfRange`."""
    report_runs: int = 0
    resets: int = 0
    """Messages of a T-Box whose counter was reset."""
    gaps: int = 0
    """Runs of sequence numbers that were passed over."""
    passed_over: int = 0
    """The numbers in them."""
    late: int = 0
    """Numbers that were missing and have come."""
    broker_errors: dict[str, int] = field(default_factory=dict)
    """Errors that the broker reports of itself, by kind (`ingest.topic.broker_error`)."""
    newest_us: int = 0
    """Newest event time among what was stored, microseconds since 1970 UTC; 0: none."""
    passing: int = 0
    """GB/T 32960 heartbeats and time checks: nothing to keep, not in `received`."""

    def reject(self, reason: str, *, whole: bool) -> None:
        """Count one refusal."""
        self.by_reason[reason] = self.by_reason.get(reason, 0) + 1
        if whole:
            self.rejected += 1
        else:
            self.parts_rejected += 1

    def add(self, other: "Tally") -> None:
        """Count another batch as well."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.newest_us = max(self.newest_us, other.newest_us)
        for name in _BY_WORD:
            mine: dict[str, int] = getattr(self, name)
            for word, n in getattr(other, name).items():
                mine[word] = mine.get(word, 0) + n


_BY_WORD: Final = ("by_reason", "lost_conversations", "negative_answers", "broker_errors")
_COUNTS: Final = tuple(name for name in Tally.__dataclass_fields__ if name not in (*_BY_WORD, "newest_us"))


class Metrics:
    """Prometheus counters of one ingest process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = to = CollectorRegistry()
        self.messages = Counter(
            _NAME + "messages",
            "Messages by outcome; received is the sum of the others.",
            ["outcome"],
            registry=to,
        )
        self.rejects = Counter(_NAME + "rejects", "Refusals by reason.", ["reason"], registry=to)
        self.lost_conversations = Counter(
            _NAME + "isotp_lost", "ISO-TP payloads and frames lost, by reason.", ["reason"], registry=to
        )
        self.negative_answers = Counter(
            _NAME + "negative_answers", "Requests that ECUs refused.", ["service", "code"], registry=to
        )
        self.gaps = Counter(_NAME + "gaps", "Runs of sequence numbers passed over.", registry=to)
        self.gap_messages = Counter(
            _NAME + "gap_messages",
            "Sequence numbers by what happened: passed_over, and of those late.",
            ["what"],
            registry=to,
        )
        self.details = Counter(_NAME + "details", "What was met inside messages.", ["what"], registry=to)
        self.batch_messages = Histogram(
            _NAME + "batch_messages", "Messages per batch.", buckets=_BATCH_SIZES, registry=to
        )
        self.commit_seconds = Histogram(
            _NAME + "commit_seconds", "From taking a batch to its commit.", buckets=_SECONDS, registry=to
        )
        self.arrival_seconds = Histogram(
            _NAME + "arrival_to_commit_seconds",
            "Of the message of each batch that waited longest.",
            buckets=_SECONDS,
            registry=to,
        )
        self.behind_seconds = Gauge(
            _NAME + "behind_seconds",
            "Age, at its commit, of the newest event of the last batch.",
            registry=to,
        )
        self.last_commit = Gauge(
            _NAME + "last_commit_timestamp_seconds", "When the last batch was committed.", registry=to
        )
        self.waiting_bytes = Gauge(
            _NAME + "waiting_bytes", "Topics and bodies received and not yet committed.", registry=to
        )
        self.connected = Gauge(_NAME + "connected", "1 while subscribed at the broker.", registry=to)
        self.sessions_lost = Counter(
            _NAME + "broker_sessions_lost", "Reconnects to a broker that had forgotten us.", registry=to
        )
        self.broker_errors = Counter(
            "odocare_broker_errors", "Errors the broker reports of itself, by kind.", ["kind"], registry=to
        )
        for kind in (topic.PERSISTENCE, topic.TLS, topic.OTHER):
            self.broker_errors.labels(kind)  # 0 is an answer, too
        self.database_failures = Counter(
            _NAME + "database_failures", "Tries that had to wait for the database.", registry=to
        )

        self._add_terminals(to)

    def _add_terminals(self, to: CollectorRegistry) -> None:
        name = "odocare_gbt32960_"
        self.terminals_connected = Gauge(name + "connections", "Open connections.", registry=to)
        self.terminals_online = Gauge(name + "online", "Vehicles logged in.", registry=to)
        self.terminals_refused = Counter(
            name + "refused", "Packets refused at the door by reason.", ["reason"], registry=to
        )
        self.terminals_closed = Counter(name + "closed", "Connections ended by cause.", ["why"], registry=to)
        self.terminal_answers = Counter(
            name + "answers", "Answers sent, `ok` or the reason of a refusal.", ["reason"], registry=to
        )
        self.terminal_garbage_bytes = Counter(
            name + "garbage_bytes", "Bytes that belonged to no packet.", registry=to
        )

    def committed(self, *, waited_s: float, behind_s: float | None, at: float) -> None:
        """Note when a batch of the door was committed, and how late; seconds since 1970 UTC."""
        self.arrival_seconds.observe(waited_s)
        if behind_s is not None:
            self.behind_seconds.set(behind_s)
        self.last_commit.set(at)

    def batch(self, tally: Tally, *, took_s: float) -> None:
        """Count one committed batch."""
        for outcome in ("received", "stored", "doubled", "rejected"):
            self.messages.labels(outcome).inc(getattr(tally, outcome))
        self.gaps.inc(tally.gaps)
        for what in ("passed_over", "late"):
            self.gap_messages.labels(what).inc(getattr(tally, what))
        for reason, n in tally.by_reason.items():
            self.rejects.labels(reason).inc(n)
        for reason, n in tally.lost_conversations.items():
            self.lost_conversations.labels(reason).inc(n)
        for kind, n in tally.broker_errors.items():
            self.broker_errors.labels(kind).inc(n)
        for word, n in tally.negative_answers.items():
            self.negative_answers.labels(*word.split(" ", 1)).inc(n)
        for what in _DETAILS:
            self.details.labels(what).inc(getattr(tally, what))
        self.batch_messages.observe(tally.received)
        self.commit_seconds.observe(took_s)


_DETAILS: Final = (
    "parts_rejected", "broker_refused", "frames", "values", "unknown_frames", "short_frames",
    "no_measurement", "out_of_range", "transport_lost", "answers", "answers_unread", "unknown_dids",
    "identities", "clears", "report_runs", "resets",
    "passing",
)  # fmt: skip
