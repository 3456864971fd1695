"""Prometheus metrics of one application, in a registry of its own."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from store.health import FeedHealth

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counts requests as they end; feed figures are read when somebody asks."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "odocare_http_requests",
            "Requests answered, by route and status",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "odocare_http_request_seconds",
            "Time to the end of the answer; feed requests may wait for events",
            ["route"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self.refused = Counter(
            "odocare_http_refused_keys",
            "Requests whose key, ticket or session was not accepted",
            ["reason"],
            registry=self._registry,
        )
        self.waiting = Gauge(
            "odocare_feed_long_polls", "Feed requests waiting for events", registry=self._registry
        )
        self._lag = Gauge(
            "odocare_feed_lag_seconds",
            "Age of the oldest committed event that has no position yet",
            ["feed"],
            registry=self._registry,
        )
        self._unnumbered = Gauge(
            "odocare_feed_unnumbered_events",
            "Committed events that have no position yet",
            ["feed"],
            registry=self._registry,
        )
        self._position = Gauge(
            "odocare_feed_position", "Last position given", ["feed"], registry=self._registry
        )
        self._gaps = Gauge(
            "odocare_gaps_open", "Runs of sequence numbers that are missing still", registry=self._registry
        )
        self._missing = Gauge(
            "odocare_gap_messages_missing", "Messages that are missing in them", registry=self._registry
        )
        self._database = Gauge(
            "odocare_database_up", "Whether the database answered just now", registry=self._registry
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request has ended."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def feeds(self, found: list[FeedHealth] | None) -> None:
        """Take over how the feeds stand; None: the database did not answer."""
        self._database.set(found is not None)
        for feed in found or ():
            self._lag.labels(feed.feed).set(feed.lag_s)
            self._unnumbered.labels(feed.feed).set(feed.waiting)
            self._position.labels(feed.feed).set(feed.position)

    def gaps(self, gaps: int, messages: float) -> None:
        """Take over what vehicles have lost as far as is known."""
        self._gaps.set(gaps)
        self._missing.set(messages)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)
