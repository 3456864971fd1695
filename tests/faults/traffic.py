"""Vehicles under way: an endless stream of messages of every sort, told to a truth file as they are sent."""

import random
from dataclasses import dataclass, field, replace
from typing import Final

from msgspec import structs

from decoders.envelope import Message
from simulator.outgoing import Outgoing, outgoing
from simulator.publish import Publisher
from simulator.truth import TruthWriter
from tests.ingest.senders import AMBIENT, ODOMETER, SECOND_US, T0_US, can, codes, signals, vdhr, vin
from vehicle.dtc import DtcStatus
from vehicle.vin import Vin

BOOT: Final = 1
ACTIVE: Final = int(DtcStatus.CONFIRMED | DtcStatus.TEST_FAILED)
_BROKEN_EVERY: Final = 40
_AGAIN_EVERY: Final = 25
CODES: Final = ("P0301", "P0420", "P0524")
"""The last one forbids driving on: it opens a trigger."""


@dataclass(slots=True)
class Traffic:
    """Some vehicles, each with a number that rises by one per message; the same for the same `draw`."""

    draw: random.Random
    vehicles_n: int = 20
    first_vin: int = 1
    every_us: int = 10 * SECOND_US
    """Between two messages of a vehicle."""
    sent_n: int = 0
    """Different messages so far, the unreadable ones included."""
    broken_n: int = 0
    _next: dict[Vin, int] = field(default_factory=dict)

    def message(self) -> Message:
        """The next message of some vehicle."""
        of = vin(self.first_vin + self.draw.randrange(self.vehicles_n))
        seq = self._next.get(of, 0)
        self._next[of] = seq + 1
        self.sent_n += 1
        t0_us = T0_US + seq * self.every_us
        sort = self.draw.random()
        if sort < 0.5:
            km = 1000.0 + seq / 8
            return signals(
                of, seq, {ODOMETER: [km, km + 0.1], AMBIENT: 20.0 + seq % 7}, t0_us=t0_us, boot=BOOT
            )
        if sort < 0.9:
            frames = [
                vdhr(n * 50_000, 1000.0 + seq / 8 + n / 1000) for n in range(self.draw.randrange(1, 40))
            ]
            return can(of, seq, frames, t0_us=t0_us, boot=BOOT)
        named = self.draw.sample(CODES, self.draw.randrange(3))
        return codes(of, seq, *named, t0_us=t0_us, boot=BOOT, status=ACTIVE)

    async def send(self, publisher: Publisher, truth: TruthWriter, n: int) -> None:
        """Send so many messages; now and then one that nobody can read, and one again as `resent`."""
        for _ in range(n):
            message = self.message()
            ready = outgoing(message)
            if self.sent_n % _BROKEN_EVERY == 0:
                ready = broken(ready)
                self.broken_n += 1
            truth.sent(message, ready)
            await publisher.send(ready)
            if self.sent_n % _AGAIN_EVERY == 0 and self.sent_n % _BROKEN_EVERY:
                await publisher.send(outgoing(resent(message)))
        await publisher.drain()


def resent(message: Message) -> Message:
    """The same out of the vehicle's buffer."""
    return replace(message, envelope=structs.replace(message.envelope, resent=True))


def broken(ready: Outgoing) -> Outgoing:
    """A body that ends early."""
    return ready._replace(body=ready.body[:-3])
