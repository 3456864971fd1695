"""The corridor: one batch on its way from received bytes to committed rows, in reading order."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ingest import (
    acks,
    admitted,
    diagnosing,
    diagnosis,
    fault_points,
    judging,
    newest,
    numbering,
    reading,
    rejecting,
    sessions,
)
from ingest.admitted import Admitted, Decoded
from ingest.delivery import Delivery
from ingest.heard import Heard
from ingest.judging import Asking
from ingest.lexicon import Lexicon
from ingest.metrics import Tally
from ingest.reading import Arrived, Reading
from ingest.refusal import Refusal
from ingest.samples import Samples
from maintenance import daily, odometer_days
from store import (
    codebooks,
    days,
    latest,
    messages,
    odometers,
    raw_frames,
    raw_packets,
    segments,
    touched,
    vehicles,
)
from store.pool import Connection
from store.sealed import Seal
from store.vehicles import VehicleRef
from vehicle.day import at_of, local_days
from vehicle.errors import UnknownSignalError
from vehicle.vin import Vin


@dataclass(frozen=True, slots=True)
class Line:
    """What every batch needs besides its messages."""

    lexicon: Lexicon
    seal: Seal
    publish: acks.Publish = acks.drop
    """How vehicles that ask are told what is committed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch, or the first part of one, as far as it goes without the store."""

    read: Reading
    values: Samples


async def prepare(deliveries: Sequence[Delivery], line: Line) -> Prepared:
    """Read a batch, in a thread beside the loop: the next one while another is being stored."""
    return await asyncio.to_thread(_prepared, deliveries, line)


def _prepared(deliveries: Sequence[Delivery], line: Line) -> Prepared:
    read = reading.read(deliveries)
    return Prepared(read, judging.join_samples(read, line.lexicon))


async def store(
    conn: Connection, deliveries: Sequence[Delivery], line: Line, prepared: Prepared | None = None
) -> tuple[Tally, int]:
    """Store a batch in one transaction; what became of it, and how many of the deliveries it was.

    `prepared` is what `prepare` made of them, if that was done.

    After it has returned, those may be acknowledged; they are all, unless the batch is too heavy for one
    transaction. Whatever is wrong with single messages becomes a reject beside its stored neighbours. Raises
    what psycopg raises; then nothing is stored.
    """
    lexicon = line.lexicon
    prepared = prepared or await prepare(deliveries, line)
    read, values = prepared.read, prepared.values
    fault_points.reach("decoded")
    tally = Tally(received=len(read.arrived) + len(read.refusals), passing=read.passing)
    tally.broker_errors.update(read.broker_errors)
    async with conn.transaction():
        fleet = await _fleet(conn, read)
        accepted = await accept(conn, read.arrived, values, fleet, lexicon, tally, read.refusals)
        refusals = [*read.refusals, *accepted]
        await rejecting.reject(conn, refusals, fleet, line.seal, tally)
        await rejecting.count_oversize(conn, read.oversize, line.seal, tally)
        told = await acks.due(conn, read.arrived, read.refusals, fleet)
        fault_points.reach("before_commit")
    fault_points.reach("after_commit")
    for ack in told:
        line.publish(ack.topic, ack.payload)
    tell(deliveries[: read.taken], refusals)
    return tally, read.taken


async def _fleet(conn: Connection, read: Reading) -> Mapping[Vin, VehicleRef]:
    """The vehicles of a batch; those of which all is refused only where they are known already."""
    fleet = await vehicles.by_vin(conn, {one.vin for one in read.arrived})
    beside = {one.vin for one in read.refusals if one.vin is not None and one.boot is not None} - fleet.keys()
    return {**fleet, **await vehicles.known(conn, beside)} if beside else fleet


async def accept(
    conn: Connection,
    arrived: Sequence[Arrived],
    values: Samples,
    fleet: Mapping[Vin, VehicleRef],
    lexicon: Lexicon,
    tally: Tally,
    beside: Sequence[Refusal] = (),
) -> list[Refusal]:
    """Store what nothing speaks against and the ledger does not know yet; returns what is refused.

    `beside` is what was refused before: its sequence numbers were not passed over by the vehicle.
    """
    asking, refusals = await asyncio.to_thread(judging.judge, arrived, values, fleet, lexicon)
    entries = [one.entry for one in asking]
    numbers = await numbering.begin(conn, entries, [*beside, *refusals], fleet)
    lives = await messages.admit(conn, entries, numbers.folded if numbers else {})
    if numbers:
        await numbering.finish(conn, numbers, lives, tally)
    refusals += judging.refused(asking, lives)
    batch = admitted.admitted(asking, lives)
    refusals += partly(batch.messages, values)
    if len(batch):
        decoded = await write(conn, batch, values, len(arrived), lexicon, tally)
        refusals += diagnosing.unread(batch, decoded)
    tally.doubled += lives.count(None)
    return refusals


async def write(
    conn: Connection,
    batch: Admitted,
    values: Samples,
    arrived_n: int,
    lexicon: Lexicon,
    tally: Tally,
    *,
    stored: Collection[int] | None = None,
) -> Decoded:
    """Everything that new messages add to the store, but the ledger; what they said.

    `stored` are the signals that a message has already of which parts were refused: only what is missing is
    added to it.
    """
    decoded = await asyncio.to_thread(admitted.decode, batch, values, arrived_n, lexicon, stored or ())
    book_ids = await _codebook_ids(conn, batch)
    fault_points.reach("before_copy")
    await segments.append(conn, batch.keys, book_ids, decoded.plain, decoded.sheets)
    fault_points.reach("after_copy")
    frames = admitted.raw_frames(batch, decoded, book_ids)
    await raw_frames.append(conn, frames)
    await raw_packets.append(conn, decoded.packets)
    seen = newest.seen(batch, decoded.rows)
    tally.newest_us = max(tally.newest_us, int(seen.seen_us.max()))
    await latest.merge(conn, seen, newest.readings(batch, decoded.rows, lexicon))
    if stored is None:
        heard = await sessions.listen(conn, batch, decoded, lexicon)
        await diagnosing.store(conn, batch, decoded, heard, book_ids, lexicon)
    else:
        heard = Heard()
    zone_of, zones = _zones(batch, lexicon)
    features = daily.feature_days(decoded.rows, batch.keys.vehicle_id, zone_of, zones, lexicon.daily)
    await days.merge(conn, features, known_at=at_of(int(batch.known_us.max())))
    shown = odometer_days.odometer_days(
        decoded.odometer, decoded.rows, lexicon.daily.speed, batch.keys.vehicle_id, zone_of, zones
    )
    await odometers.merge(conn, shown, known_at=at_of(int(batch.known_us.max())))
    replacing = [] if stored is None else [batch.key(0)]
    faults = await diagnosis.store(conn, batch, heard, decoded, lexicon, replacing=replacing)
    tally.report_runs += faults.runs_n
    await diagnosing.identify(conn, batch, decoded, heard)
    await _touch(conn, batch, decoded, zone_of, zones, faults.turned)
    tally.stored += len(batch)
    tally.resets += int(np.count_nonzero(batch.keys.life))
    tally.frames += sum(len(one.length) for one in frames)
    tally.values += len(decoded.rows)
    diagnosing.count(tally, decoded, heard)
    for name in ("unknown_frames", "short_frames", "no_measurement", "out_of_range"):
        setattr(tally, name, getattr(tally, name) + getattr(decoded, name))
    return decoded


def tell(deliveries: Iterable[Delivery], refusals: Iterable[Refusal]) -> None:
    """Let the doors that ask know what became of messages that are committed."""
    reasons = {id(one.delivery): one.reason for one in refusals if one.whole}
    for delivery in deliveries:
        if delivery.fate is not None:
            delivery.fate.is_committed = True
            delivery.fate.reason = reasons.get(id(delivery))


def partly(messages_of: Iterable[Asking], values: Samples) -> list[Refusal]:
    """One refusal per message with signals nobody knows; its other signals are stored."""
    refusals = []
    for one in messages_of:
        paths = values.unknown.get(one.index)
        if paths:
            envelope = one.arrived.message.envelope
            error = UnknownSignalError(f"the catalogue does not have {', '.join(sorted(paths))}")
            refusals.append(
                Refusal.of(
                    one.arrived.delivery,
                    error,
                    vin=one.arrived.vin,
                    boot=envelope.boot,
                    seq=envelope.seq,
                    whole=False,
                )
            )
    return refusals


async def _codebook_ids(conn: Connection, batch: Admitted) -> list[int | None]:
    """The stored number of each message's codebook."""
    books = [diagnosing.book_of(one) for one in batch.messages]
    ids = await codebooks.ids(conn, {book for book in books if book is not None})
    return [None if book is None else ids[book] for book in books]


def _zones(batch: Admitted, lexicon: Lexicon) -> tuple[NDArray[np.int64], list[ZoneInfo]]:
    """Each message's place among the time zones of the batch, and those."""
    names = [one.vehicle.tz for one in batch.messages]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], dtype=np.int64), [lexicon.zone(name) for name in places]


async def _touch(
    conn: Connection,
    batch: Admitted,
    decoded: Decoded,
    zone_of: NDArray[np.int64],
    zones: Sequence[ZoneInfo],
    urgent: Collection[int],
) -> None:
    """Ask for an evaluation of the batch's vehicles, each from its earliest local day in it."""
    first_us, _ = newest.moments(batch, decoded.rows)
    day = np.empty(len(batch), dtype=np.int32)
    for place, zone in enumerate(zones):
        day[zone_of == place] = local_days(first_us[zone_of == place], zone)
    ids, which = np.unique(batch.keys.vehicle_id, return_inverse=True)
    from_day = np.full(len(ids), np.iinfo(np.int32).max, dtype=np.int32)
    np.minimum.at(from_day, which, day)
    await touched.mark(conn, ids, from_day, urgent=urgent)
