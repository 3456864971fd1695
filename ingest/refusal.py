"""Refusals: what is not accepted, with a fixed word to count by and a sentence without personal data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from decoders import wire
from ingest import topic
from ingest.delivery import Delivery, hash_of
from store.rejects import Refused
from vehicle.errors import DecodeError
from vehicle.vin import Vin

_VIN: Final = re.compile(r"(?i)[A-HJ-NPR-Z0-9]{17}")
_MOST_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """One message that is refused, or (not `whole`) a part of one."""

    delivery: Delivery
    kind: str
    reason: str
    detail: str
    vin: Vin | None = None
    """The topic's, where it has one."""
    boot: int | None = None
    seq: int | None = None
    whole: bool = True
    asks: bool = False
    """The vehicle wants to be told; only of what was refused before it was `Arrived`."""

    @classmethod
    def of(
        cls,
        delivery: Delivery,
        error: DecodeError,
        *,
        vin: Vin | None = None,
        boot: int | None = None,
        seq: int | None = None,
        whole: bool = True,
        asks: bool = False,
    ) -> "Refusal":
        """What an error says about a delivery."""
        kind = topic.kind_of(delivery.topic)
        return cls(delivery, kind, error.reason, scrubbed(str(error)), vin, boot, seq, whole, asks)

    def refused(self, ids: Mapping[Vin, int]) -> Refused:
        """As the store keeps it, the vehicle by its number."""
        name = self.delivery.topic.encode(errors="replace")
        return Refused(
            known_us=self.delivery.known_us,
            vehicle_id=None if self.vin is None else ids.get(self.vin),
            kind=self.kind,
            reason=self.reason,
            detail=self.detail,
            body_hash=hash_of(name, b"\x00", wire.first_sent(self.delivery.body)),
            topic=self.delivery.topic,
            body=self.delivery.body,
            whole=self.whole,
            boot=self.boot,
            seq=self.seq,
        )


def scrubbed(sentence: str) -> str:
    """The sentence without anything that looks like a VIN, as PostgreSQL's text takes it, not too long."""
    plain = _VIN.sub("(VIN)", sentence.replace("\x00", "\\x00"))
    plain = plain.encode(errors="replace").decode()
    return plain if len(plain) <= _MOST_CHARACTERS else plain[: _MOST_CHARACTERS - 1] + "…"
