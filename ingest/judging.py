"""The second step of a batch: whose message it is, when it happened, which codebook reads it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from decoders.codebook import Codebook
from decoders.diagnostics import Diagnostics
from decoders.message import CanMessage, DiagMessage, DtcMessage, SignalsMessage
from ingest import packets, samples
from ingest.lexicon import Lexicon
from ingest.packets import Content, PacketMessage
from ingest.reading import Arrived, Reading
from ingest.refusal import Refusal
from ingest.samples import Samples
from store.messages import MOST_LIVES, REFUSED, LedgerEntry
from store.vehicles import VehicleRef
from vehicle.day import us_of
from vehicle.errors import (
    BeforeBuiltError,
    DecodeError,
    FutureTimeError,
    SpanTooLongError,
    TooManyResetsError,
    UnknownCodebookError,
)
from vehicle.vin import Vin

AHEAD_US: Final = 5 * 60 * 1_000_000
"""An event may lie this far ahead of its arrival: clocks differ."""
SPAN_US: Final = 24 * 3600 * 1_000_000
"""Between the first and the last sample of a message at most."""
EARLIEST_US: Final = us_of(datetime(2010, 1, 1, tzinfo=UTC))
"""Where the build date is unknown: no T-Box that speaks this protocol is older."""


class Asking(Struct, frozen=True, gc=False):
    """A message that nothing speaks against: it asks the ledger."""

    arrived: Arrived
    index: int
    """Its number in the batch's reading, which the samples use too."""
    vehicle: VehicleRef
    codebook: Codebook | None = None
    """Only for frames."""
    content: Content | None = None
    """Only for GB/T 32960 packets: what they say."""
    diagnostics: Diagnostics | None = None
    """For diagnostic answers, and for frames where they may be read."""

    @property
    def entry(self) -> LedgerEntry:
        """Its line in the ledger."""
        envelope = self.arrived.message.envelope
        return LedgerEntry(
            vehicle_id=self.vehicle.id,
            boot=envelope.boot,
            seq=envelope.seq,
            kind=self.arrived.message.kind,
            happened_us=envelope.t0_us,
            known_us=self.arrived.delivery.known_us,
            body_hash=self.arrived.body_hash,
            body_bytes=len(self.arrived.delivery.body),
        )


def join_samples(reading: Reading, lexicon: Lexicon) -> Samples:
    """The values of all `signals` messages of a reading, under their numbers in it."""
    mine = (
        (index, arrived.message)
        for index, arrived in enumerate(reading.arrived)
        if isinstance(arrived.message, SignalsMessage)
    )
    return samples.join(list(mine), lexicon)


def judge(
    arrived: Sequence[Arrived], values: Samples, fleet: Mapping[Vin, VehicleRef], lexicon: Lexicon
) -> tuple[list[Asking], list[Refusal]]:
    """Which messages may ask the ledger, and why the others may not."""
    n = len(arrived)
    vehicles = [fleet[one.vin] for one in arrived]
    t0_us = np.fromiter((one.message.envelope.t0_us for one in arrived), np.int64, n)
    known_us = np.fromiter((one.delivery.known_us for one in arrived), np.int64, n)
    built_us = np.fromiter((_built_us(vehicle, lexicon) for vehicle in vehicles), np.int64, n)
    first_us, last_us = t0_us.copy(), t0_us.copy()
    samples.extents(values.rows, first_us, last_us)
    _frame_extents(arrived, first_us, last_us)
    may_be = (last_us - first_us <= SPAN_US) & (np.maximum(last_us, t0_us) - known_us <= AHEAD_US)
    may_be &= np.minimum(first_us, t0_us) >= built_us
    asking, refusals = [], []
    spans = zip(arrived, vehicles, first_us.tolist(), last_us.tolist(), may_be.tolist(), strict=True)
    for index, (one, vehicle, first, last, is_possible) in enumerate(spans):
        if is_possible and isinstance(one.message, SignalsMessage):
            asking.append(Asking(one, index, vehicle))
            continue
        try:
            if not (is_possible and isinstance(one.message, CanMessage)):
                _require_time(one, first, last, vehicle, lexicon)
            codebook = _codebook(one, vehicle, lexicon)
            content = _content(one, vehicle, lexicon)
            diagnostics = _diagnostics(one, vehicle, lexicon)
        except DecodeError as error:
            refusals.append(_refusal(one, error))
            continue
        asking.append(Asking(one, index, vehicle, codebook, content, diagnostics))
    return asking, refusals


def _frame_extents(
    arrived: Sequence[Arrived], first_us: NDArray[np.int64], last_us: NDArray[np.int64]
) -> None:
    """Set, in place, the first and last moment of each message that has frames."""
    columns = {
        index: one.message.dt_us
        for index, one in enumerate(arrived)
        if isinstance(one.message, CanMessage) and len(one.message)
    }
    if columns:
        which = np.fromiter(columns, np.intp, len(columns))
        sizes = np.fromiter(map(len, columns.values()), np.intp, len(columns))
        dt_us = np.concatenate(list(columns.values()))
        starts = np.cumsum(sizes) - sizes
        last_us[which] = first_us[which] + np.maximum.reduceat(dt_us, starts)
        first_us[which] += np.minimum.reduceat(dt_us, starts)


def refused(asking: Sequence[Asking], lives: Sequence[int | None]) -> list[Refusal]:
    """The messages that the ledger has refused."""
    error = TooManyResetsError(f"at most {MOST_LIVES} bodies are stored under one boot and number")
    return [_refusal(one.arrived, error) for one, life in zip(asking, lives, strict=True) if life == REFUSED]


def _refusal(one: Arrived, error: DecodeError) -> Refusal:
    envelope = one.message.envelope
    return Refusal.of(one.delivery, error, vin=one.vin, boot=envelope.boot, seq=envelope.seq)


def _require_time(one: Arrived, first_us: int, last_us: int, vehicle: VehicleRef, lexicon: Lexicon) -> None:
    """Raise where a message's times cannot be true; `first_us` and `last_us` are those of its values."""
    message = one.message
    t0_us = message.envelope.t0_us
    if isinstance(message, DiagMessage) and message.answers:
        moments = [one.dt_us for one in message.answers]
        first_us, last_us = t0_us + min(moments), t0_us + max(moments)
    if last_us - first_us > SPAN_US:
        hours = (last_us - first_us) / 3_600_000_000
        raise SpanTooLongError(f"a message spans at most 24 hours, got {hours:.1f}")
    earliest, latest = min(first_us, t0_us), max(last_us, t0_us)
    if isinstance(message, DtcMessage):
        onsets = [
            reading.at_us for ecu in message.ecus for reading in ecu.readings if reading.at_us is not None
        ]
        earliest, latest = min([earliest, *onsets]), max([latest, *onsets])
    ahead_us = latest - one.delivery.known_us
    if ahead_us > AHEAD_US:
        raise FutureTimeError(f"event time may be 300 s ahead of arrival, got {ahead_us / 1e6:.0f} s")
    built_us = _built_us(vehicle, lexicon)
    if earliest < built_us:
        days = (built_us - earliest) / 86_400_000_000
        raise BeforeBuiltError(f"event time lies {days:.1f} days before the vehicle was built")


def _built_us(vehicle: VehicleRef, lexicon: Lexicon) -> int:
    if vehicle.built_on is None:
        return EARLIEST_US
    return _midnight_us(vehicle.built_on, lexicon.zone(vehicle.tz))


@lru_cache(maxsize=1 << 14)
def _midnight_us(day: date, zone: ZoneInfo) -> int:
    return us_of(datetime.combine(day, time.min, tzinfo=zone))


def _codebook(one: Arrived, vehicle: VehicleRef, lexicon: Lexicon) -> Codebook | None:
    if not isinstance(one.message, CanMessage):
        return None
    if one.message.codebook is not None:
        return lexicon.codebooks.by_name(one.message.codebook)
    if vehicle.model is None:
        raise UnknownCodebookError("the message names no codebook, and the vehicle's model is not known")
    found = lexicon.codebooks.for_model(vehicle.model, vehicle.built_on)
    if found is None and lexicon.diagnostics.own(vehicle.model, vehicle.built_on) is None:
        raise UnknownCodebookError(f"the message names no codebook, and model {vehicle.model!r} has none")
    return found


def _diagnostics(one: Arrived, vehicle: VehicleRef, lexicon: Lexicon) -> Diagnostics | None:
    if isinstance(one.message, DiagMessage):
        return lexicon.diagnostics.of(vehicle.model, vehicle.built_on)
    return lexicon.listening(vehicle) if isinstance(one.message, CanMessage) else None


def _content(one: Arrived, vehicle: VehicleRef, lexicon: Lexicon) -> Content | None:
    if not isinstance(one.message, PacketMessage):
        return None
    return packets.content(one.message, lexicon.extension(vehicle.model, vehicle.built_on))
