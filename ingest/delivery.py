"""What a door hands over: one message as it came."""

from dataclasses import dataclass
from hashlib import blake2b

from msgspec import Struct

from vehicle.errors import DecodeError

_HASH_BYTES = 8


@dataclass(slots=True)
class Fate:
    """What became of a message, for the door that has to answer it; final once its batch has settled."""

    is_committed: bool = False
    """It is stored, or kept as refused; otherwise nobody has it, and it must come again."""
    reason: str | None = None
    """Why it was refused as a whole; None: it is stored, or was before."""


class Delivery(Struct, frozen=True, gc=False):
    """One message."""

    topic: str
    body: bytes
    known_us: int
    """When it arrived, microseconds since 1970 UTC."""
    is_duplicate: bool = False
    """The broker has sent it before (DUP)."""
    fate: Fate | None = None
    """Where the door reads what became of it; None: it does not ask."""
    refused: DecodeError | None = None
    """Why the door itself does not take it; it is kept and not read."""


def hash_of(*parts: bytes) -> int:
    """64 bits of BLAKE2b over the parts, as a signed number: what the ledger tells bodies apart by."""
    digest = blake2b(digest_size=_HASH_BYTES)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "big", signed=True)
