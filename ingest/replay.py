"""Replay of rejects: the same bytes through the same corridor, after what was wrong has been put right."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from decoders.message import DiagMessage
from ingest import admitted, diagnosing, judging, pipeline, reading, rejecting
from ingest.delivery import Delivery
from ingest.metrics import Tally
from ingest.pipeline import Line
from ingest.reading import Arrived
from ingest.refusal import Refusal
from ingest.samples import Samples
from store import messages, rejects, segments, vehicles
from store.pool import Connection
from store.rejects import Reject
from store.vehicles import VehicleRef
from vehicle.day import us_of
from vehicle.vin import Vin


class Outcome(StrEnum):
    """What became of a replayed reject."""

    STORED = "stored"
    DOUBLED = "doubled"
    """The vehicle has sent it again meanwhile, and it was stored then."""
    REFUSED = "refused"
    """Still, or for another reason."""
    WITHOUT_BYTES = "without-bytes"
    """The broker refused it and kept the bytes."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One reject after its replay."""

    id: int
    outcome: Outcome
    reason: str = ""
    """Why it is refused still."""
    detail: str = ""


async def replay(conn: Connection, reject: Reject, line: Line) -> Replayed:
    """Try one reject again, in a transaction of its own.

    Its arrival stays what it was, so that a message from the future is not waited out. A reject of a part
    adds those of its signals that the catalogue has by now.
    """
    async with conn.transaction():
        original = await rejects.original(conn, line.seal, reject.id)
        if original is None:
            return Replayed(reject.id, Outcome.WITHOUT_BYTES)
        delivery = Delivery(original.topic, original.body, us_of(reject.known_at), is_duplicate=True)
        read = reading.read([delivery])
        if read.refusals:
            return _refused(reject, read.refusals[0])
        again = _whole if reject.whole else _part
        replayed = await again(conn, reject, read.arrived[0], line)
        if replayed.outcome is not Outcome.REFUSED:
            await rejects.mark_replayed(conn, [reject.id])
        return replayed


async def _whole(conn: Connection, reject: Reject, arrived: Arrived, line: Line) -> Replayed:
    values, fleet = await _prepared(conn, arrived, line)
    tally = Tally(received=1)
    refusals = await pipeline.accept(conn, [arrived], values, fleet, line.lexicon, tally)
    if not tally.stored and not tally.doubled:
        return _refused(reject, refusals[0])
    await rejecting.reject(conn, refusals, fleet, line.seal, tally)  # parts nobody can read
    return Replayed(reject.id, Outcome.STORED if tally.stored else Outcome.DOUBLED)


async def _part(conn: Connection, reject: Reject, arrived: Arrived, line: Line) -> Replayed:
    """Add the signals of a stored message that were unknown when it came."""
    values, fleet = await _prepared(conn, arrived, line)
    asking, refusals = judging.judge([arrived], values, fleet, line.lexicon)
    if refusals:
        return _refused(reject, refusals[0])
    life = await messages.life_of(conn, asking[0].entry)
    if life is None:  # the ledger has forgotten it: storing it again could double what is there
        return Replayed(reject.id, Outcome.REFUSED, reject.reason, "the ledger no longer knows its message")
    batch = admitted.admitted(asking, [life])
    stored = await segments.stored_signals(conn, batch.key(0), arrived.message.envelope.t0_us)
    unknown = pipeline.partly(batch.messages, values)
    if isinstance(arrived.message, DiagMessage) or not np.isin(values.rows.signal, list(stored)).all():
        decoded = await pipeline.write(conn, batch, values, 1, line.lexicon, Tally(), stored=stored)
        unknown += diagnosing.unread(batch, decoded)
    return _refused(reject, unknown[0]) if unknown else Replayed(reject.id, Outcome.STORED)


async def _prepared(
    conn: Connection, arrived: Arrived, line: Line
) -> tuple[Samples, Mapping[Vin, VehicleRef]]:
    values = judging.join_samples(reading.Reading(1, [arrived]), line.lexicon)
    return values, await vehicles.by_vin(conn, [arrived.vin])


def _refused(reject: Reject, refusal: Refusal) -> Replayed:
    return Replayed(reject.id, Outcome.REFUSED, refusal.reason, refusal.detail)
