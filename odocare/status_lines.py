"""How ingest and what flows through it stand, in lines for people."""

from collections.abc import Iterator, Sequence
from typing import Final

from odocare.process_files import IngestProcess
from store.health import Flow

_QUIET_S: Final = 10
"""A running process tells of itself every second; after so long it hangs."""


def of_ingests(found: Sequence[IngestProcess], *, now: float) -> Iterator[str]:
    """A line or two for each; `now` is seconds since 1970 UTC."""
    if not any(one.is_running for one in found):
        yield "ingest: none runs here"
    for one in found:
        if one.is_running:
            yield f"ingest {one.client_id}: {_state(one, now)}"
            yield f"  since it began: {_counts(one)}"
        else:
            ago = _span(now - one.told_at)
            yield f"ingest {one.client_id}: ended or was killed {ago} ago, after {_counts(one)}"


def of_flow(flow: Flow) -> str:
    """What waits, is missing or was refused."""
    waiting = f"{flow.vehicles_waiting:,} vehicles wait for an evaluation"
    if flow.vehicles_waiting:
        waiting += f" (the longest for {_span(flow.longest_wait_s)})"
    if flow.vehicles_held_back:
        waiting += f", {flow.vehicles_held_back:,} are held back after a failure"
    return (
        f"flow: {waiting}, {flow.events_waiting:,} events for the feeds\n"
        f"refused in the last day: {flow.rejected_24h:,} (`odocare rejects list`)\n"
        f"missing: {flow.messages_missing:,} messages in {flow.gaps_open:,} open gaps (`odocare gaps`)"
    )


def _state(one: IngestProcess, now: float) -> str:
    health = one.health
    if now - one.told_at > _QUIET_S:
        return f"process {one.pid} has not told of itself for {_span(now - one.told_at)}"
    parts = [f"runs as process {one.pid}", "subscribed" if health.connected else "no broker"]
    if health.database_away_s is not None:
        parts.append(f"no database for {_span(health.database_away_s)}")
    parts.append(f"{health.per_s:,.0f} messages/s")
    if health.arrival_to_commit_s is not None:
        parts.append(f"committed within {health.arrival_to_commit_s:.2f} s of arrival")
    if health.behind_s is not None and health.arrival_to_commit_s is not None:
        parts.append(f"{_span(health.behind_s)} behind the vehicles")
    parts.append(f"{health.waiting_bytes / 1e6:.1f} MB wait")
    return ", ".join(parts)


def _counts(one: IngestProcess) -> str:
    health = one.health
    return (
        f"{health.received:,} received = {health.stored:,} stored + {health.doubled:,} doubled"
        f" + {health.rejected:,} rejected"
    )


def _span(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
