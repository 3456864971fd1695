"""Vehicles that keep what they sent until the server has stored it, and send it again until it says so."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from msgspec import structs

from decoders.envelope import Message, decode, encode
from simulator.buffer import MOST_BYTES, Buffer, Held
from simulator.outgoing import outgoing
from simulator.publish import Publisher
from simulator.truth import Key, TruthWriter

ACK_TOPIC: Final = "tbox/v1/+/down/ack"
RESEND_AFTER_S: Final = 30.0
_LOOK_S: Final = 0.05


class BufferedSender:
    """Many vehicles over one connection, each with a buffer of its own.

    `Publisher(url, listen=ACK_TOPIC)` gives the connection, `BufferedSender(publisher)` the vehicles. `drain`
    waits until every buffer is empty. All raise `PublishError`.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        truth: TruthWriter | None = None,
        resend_after_s: float = RESEND_AFTER_S,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._publisher = publisher
        self._truth = truth
        self._resend_after_s = resend_after_s
        self._most_bytes = most_bytes
        self.buffers: dict[str, Buffer] = {}
        """By VIN."""
        self.resent_n = 0
        self.acknowledgements_n = 0
        publisher.on_down = self._heard

    async def send(self, message: Message) -> None:
        """Keep a message and send it; it asks for an acknowledgement."""
        asking = replace(message, envelope=structs.replace(message.envelope, ack=True, resent=False))
        ready = outgoing(asking)
        head = asking.envelope
        if self._truth is not None:
            self._truth.sent(asking, ready)
        buffer = self.buffers.setdefault(head.vin, Buffer(self._most_bytes))
        buffer.put(Held(head.boot, head.seq, ready.topic, ready.body, self._now_s()))
        await self._publisher.send(ready)

    async def drain(self, *, within_s: float) -> bool:
        """Send again what is not acknowledged, until nothing is held; False where time ran out first."""
        deadline_s = self._now_s() + within_s
        while any(self.buffers.values()):
            if self._now_s() > deadline_s:
                return False
            await self.resend_due()
            await asyncio.sleep(_LOOK_S)
        return True

    async def resend_due(self) -> int:
        """Send again, oldest first, what was sent too long ago; returns how many that were."""
        before_s = self._now_s() - self._resend_after_s
        sent = 0
        for buffer in self.buffers.values():
            for held in buffer.pending(sent_before_s=before_s):
                held.sent_at_s = self._now_s()
                held.is_resent = True
                await self._publisher.send(outgoing(_resent(held)))
                sent += 1
        self.resent_n += sent
        return sent

    def held(self) -> list[Key]:
        """What no server has acknowledged."""
        return [(vin, *one.number) for vin, buffer in self.buffers.items() for one in buffer.pending()]

    def dropped(self) -> list[Key]:
        """What no longer fitted."""
        return [(vin, *number) for vin, buffer in self.buffers.items() for number in buffer.dropped]

    def _heard(self, topic: str, payload: bytes) -> None:
        said: Mapping[str, Any] = json.loads(payload)
        self.acknowledgements_n += 1
        buffer = self.buffers.get(topic.split("/")[2])
        if buffer is not None:
            gaps = [(int(first), int(last)) for first, last in said.get("gaps", ())]
            buffer.acknowledged(int(said["boot"]), int(said["upto"]), gaps, said.get("seen"))

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def _resent(held: Held) -> Message:
    """The same message, saying that it comes out of the buffer."""
    message = decode(held.topic.rpartition("/")[2], held.body)
    again = replace(message, envelope=structs.replace(message.envelope, resent=True))
    assert encode(message) == held.body, "a body that is decoded and encoded again is the same"
    return again
