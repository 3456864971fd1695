"""A recorded capture, sent as the T-Box of one vehicle would have sent it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from decoders.envelope import CanMessage, Envelope
from simulator.captures import Capture
from simulator.outgoing import outgoing
from simulator.publish import Publisher
from simulator.sending import Count, Sent
from simulator.truth import TruthWriter
from vehicle.vin import Vin

CHUNK_US: Final = 1_000_000
CHUNK_FRAMES: Final = 500
"""With 64-byte frames still a seventh of the wire limit."""


@dataclass(frozen=True, slots=True)
class Journey:
    """Whose traffic the capture shall be, and when it shall have happened."""

    vin: Vin
    ends_at_us: int
    """The capture is moved in time so that its last frame stands here; microseconds since 1970 UTC."""
    boot: int | None = None
    """None: the second in which the moved capture begins."""
    codebook: str | None = None
    """None: the one of the vehicle's model and build date."""


def chunks(capture: Capture, journey: Journey) -> Iterator[CanMessage]:
    """The capture as messages in order, a second or 500 frames each, numbered from 0."""
    t_us = capture.t_us + (journey.ends_at_us - int(capture.t_us[-1]))
    boot = int(t_us[0]) // 1_000_000 if journey.boot is None else journey.boot
    ends = np.concatenate([[0], np.cumsum(capture.length, dtype=np.int64)])
    start = seq = 0
    while start < len(capture):
        in_time = int(np.searchsorted(t_us, t_us[start] + CHUNK_US))
        stop = min(start + CHUNK_FRAMES, in_time)
        t0_us = int(t_us[start])
        yield CanMessage(
            envelope=Envelope(journey.vin, boot, seq, t0_us, ack=False, resent=False),
            dt_us=(t_us[start:stop] - t0_us).astype(np.uint32),
            can_id=capture.can_id[start:stop],
            bus=capture.bus[start:stop],
            length=capture.length[start:stop],
            data=capture.data[ends[start] : ends[stop]],
            codebook=journey.codebook,
        )
        start, seq = stop, seq + 1


async def replay(
    capture: Capture,
    journey: Journey,
    publisher: Publisher,
    *,
    speed: float,
    on_frames: Callable[[int], None] = lambda _: None,
    truth: TruthWriter | None = None,
) -> Sent:
    """Send a capture; `on_frames` is told the frames of each message. Raises `PublishError`.

    `speed` 1 is real time, 2 twice as fast; 0 sends as fast as the broker acknowledges. A message leaves
    when its last frame has been on the bus, as from a vehicle.
    """
    loop = asyncio.get_running_loop()
    begun_s, first_us = loop.time(), None
    count = Count()
    for message in chunks(capture, journey):
        if first_us is None:
            first_us = message.envelope.t0_us
        if speed > 0.0:
            recorded_us = message.envelope.t0_us + int(message.dt_us[-1]) - first_us
            await asyncio.sleep(max(0.0, begun_s + recorded_us / 1e6 / speed - loop.time()))
        ready = outgoing(message)
        if truth is not None:
            truth.sent(message, ready)
        await publisher.send(ready)
        count.add(ready)
        on_frames(len(message))
    await publisher.drain()
    if truth is not None:
        truth.end()
    return count.finished(loop.time() - begun_s, publisher.delivery)
