"""Tells log, metrics and whoever asks how ingest goes."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from ingest import topic
from ingest.batcher import Batch, Batcher
from ingest.lanes import Lanes
from ingest.metrics import Metrics, Tally
from ingest.mqtt import Door

log: Final = structlog.get_logger(__name__)

_TICK_S: Final = 1.0
_SILENT_S: Final = 300.0
"""Without a message for so long, the log says so."""
_AWAY_S: Final = 30.0
"""Without broker or database for so long, the log says so, again and again."""
_RECENT_S: Final = 10
"""Rates and times are told over so long."""


@dataclass(frozen=True, slots=True)
class Health:
    """How one ingest process stands; counts are since it began, `received = stored + doubled + rejected`."""

    connected: bool
    """Subscribed at the broker."""
    database_away_s: float | None
    """For how long the database has not answered; None: it answers."""
    received: int
    stored: int
    doubled: int
    rejected: int
    waiting_bytes: int
    """Of messages that are received and not committed."""
    per_s: float
    """Messages committed a second, over the last ten seconds."""
    arrival_to_commit_s: float | None
    """The longest that a message of the last ten seconds waited; None: there was none."""
    behind_s: float | None
    """Age, at its commit, of the newest event of the last batch: how far behind the vehicles it is."""
    last_commit_at: float | None
    """Seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class _Commit:
    at: float
    """Of the loop's clock."""
    messages: int
    waited_s: float


class Watch:
    """Counts batches; one line a second in the log at most, none while nothing comes."""

    def __init__(
        self,
        door: Door,
        batcher: Batcher,
        lanes: Lanes,
        metrics: Metrics,
        told: Callable[[Health], None] = lambda _: None,
    ) -> None:
        self._door = door
        self._batcher = batcher
        self._lanes = lanes
        self._metrics = metrics
        self._told = told
        self._sessions_lost = 0
        self._warned_at = 0.0
        self._tally = Tally()
        """Of the batches since it was told last."""
        self._recent: deque[_Commit] = deque()
        self._behind_s: float | None = None
        self._last_commit_at: float | None = None
        self.total = Tally()

    def count(self, tally: Tally, batch: Batch) -> None:
        """Add a batch that was stored just now."""
        self._tally.add(tally)
        self.total.add(tally)
        now = time.time()
        waited_s = max(now - batch.deliveries[0].known_us / 1e6, 0.0) if batch.deliveries else 0.0
        self._recent.append(_Commit(asyncio.get_running_loop().time(), tally.received, waited_s))
        self._last_commit_at = now
        if tally.newest_us:
            self._behind_s = max(now - tally.newest_us / 1e6, 0.0)
        self._metrics.committed(waited_s=waited_s, behind_s=self._behind_s, at=now)

    def health(self) -> Health:
        """How it stands now."""
        now = asyncio.get_running_loop().time()
        while self._recent and self._recent[0].at < now - _RECENT_S:
            self._recent.popleft()
        away = self._lanes.away_since
        total = self.total
        return Health(
            connected=self._door.state.connected,
            database_away_s=None if away is None else now - away,
            received=total.received,
            stored=total.stored,
            doubled=total.doubled,
            rejected=total.rejected,
            waiting_bytes=self._batcher.waiting_bytes,
            per_s=sum(one.messages for one in self._recent) / _RECENT_S,
            arrival_to_commit_s=max((one.waited_s for one in self._recent), default=None),
            behind_s=self._behind_s,
            last_commit_at=self._last_commit_at,
        )

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            state = self._door.state
            self._metrics.connected.set(state.connected)
            self._metrics.waiting_bytes.set(self._batcher.waiting_bytes)
            self._metrics.sessions_lost.inc(state.sessions_lost - self._sessions_lost)
            self._sessions_lost = state.sessions_lost
            self.tell()
            self._warn()

    def tell(self) -> None:
        """One line about what was stored since the last one."""
        self._told(self.health())
        tally, self._tally = self._tally, Tally()
        if tally.received or tally.broker_refused:
            log.info(
                "batches stored",
                received=tally.received,
                stored=tally.stored,
                doubled=tally.doubled,
                rejected=tally.rejected,
                frames=tally.frames,
                values=tally.values,
                waiting_bytes=self._batcher.waiting_bytes,
                **({"reasons": tally.by_reason} if tally.by_reason else {}),
            )
        told = {kind: n for kind, n in tally.broker_errors.items() if kind != topic.TLS}
        if told:
            log.error("the broker reports errors, its log says which", **told)

    def _warn(self) -> None:
        now = asyncio.get_running_loop().time()
        state, away = self._door.state, self._lanes.away_since
        if not state.connected and now - state.since > _AWAY_S:
            self._say(now, _AWAY_S, "no broker", since_s=now - state.since)
        elif away is not None and now - away > _AWAY_S:
            self._say(now, _AWAY_S, "no database; nothing is acknowledged", since_s=now - away)
        elif state.connected and now - max(state.last_message_at, state.since) > _SILENT_S:
            self._say(now, _SILENT_S, "no message", since_s=now - max(state.last_message_at, state.since))

    def _say(self, now: float, every_s: float, what: str, *, since_s: float) -> None:
        if now - self._warned_at >= every_s:
            self._warned_at = now
            log.warning(what, since_s=round(since_s))
