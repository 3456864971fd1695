"""What the door hands over: one message as it came."""

from dataclasses import dataclass
from hashlib import blake2b

_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Delivery:
    """One MQTT message."""

    topic: str
    body: bytes
    known_us: int
    """When it arrived, microseconds since 1970 UTC."""
    is_duplicate: bool = False
    """The broker has sent it before (DUP)."""


def hash_of(*parts: bytes) -> int:
    """64 bits of BLAKE2b over the parts, as a signed number: what the ledger tells bodies apart by."""
    digest = blake2b(digest_size=_HASH_BYTES)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "big", signed=True)
