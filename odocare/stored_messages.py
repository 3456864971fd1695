"""Stored frames as the messages that ingest once admitted, so that its own step decodes them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from decoders.codebook import Codebook
from decoders.message import CanMessage, Envelope
from ingest import admitted, judging, samples
from ingest.admitted import Admitted, Decoded
from ingest.delivery import Delivery
from ingest.lexicon import Lexicon
from ingest.reading import Arrived
from ingest.samples import Samples
from store import raw_frames
from store.raw_frames import RawFrames
from store.vehicles import VehicleRef

_NO_SAMPLES: Final = Samples(samples.empty(), {}, 0)


def batch(
    vehicle: VehicleRef, stored: Sequence[RawFrames], books: Sequence[Codebook], lexicon: Lexicon
) -> Admitted:
    """Messages of one vehicle, each with the codebook that shall decode it.

    What was stored has been judged: when the vehicle was built, as is said now, does not matter.
    """
    arrived = []
    for raw, book in zip(stored, books, strict=True):
        envelope = Envelope(vehicle.vin, raw.boot, raw.seq, raw.t0_us, ack=False, resent=False)
        message = CanMessage(
            envelope=envelope,
            dt_us=np.frombuffer(raw.dt_us, "<u4"),
            can_id=np.frombuffer(raw.can_id, "<u4"),
            bus=np.frombuffer(raw.bus, np.uint8),
            length=np.frombuffer(raw.length, np.uint8),
            data=np.frombuffer(raw.data, np.uint8),
            codebook=book.name,
        )
        known_us = raw.t0_us + judging.SPAN_US
        arrived.append(Arrived(Delivery("", b"", known_us), vehicle.vin, message, 0))
    fleet = {vehicle.vin: replace(vehicle, built_on=None)}
    asking, refusals = judging.judge(arrived, _NO_SAMPLES, fleet, lexicon)
    assert not refusals
    return Admitted(
        messages=asking,
        keys=raw_frames.keys_of(stored),
        location_allowed=np.full(len(stored), vehicle.location_allowed, dtype=np.bool_),
    )


def decode(messages: Admitted, lexicon: Lexicon) -> Decoded:
    """What they say, positions left out where they must be."""
    return admitted.decode(messages, _NO_SAMPLES, len(messages), lexicon)


def last_frame_us(messages: Admitted) -> int:
    """When the last frame of all was on the bus; a message without frames counts with its beginning."""
    several = [one.arrived.message for one in messages.messages]
    return max(
        one.envelope.t0_us + int(one.dt_us.max(initial=0)) for one in several if isinstance(one, CanMessage)
    )
