"""What ISO-TP conversations leave unfinished at the end of a batch, as values and as bytes."""

from dataclasses import dataclass
from typing import Final

import msgspec

from vehicle.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Session:
    """An unfinished payload."""

    bus: int
    wire_id: int
    address: int | None
    size_bytes: int
    frame_bytes: int
    """Of its first frame; all but the last one are as long."""
    first_us: int
    last_us: int
    """Of the newest frame of the conversation, flow control included."""
    next_number: int
    """Sequence number that comes next, 0 to 15."""
    data: bytes
    request: bytes | None


@dataclass(frozen=True, slots=True)
class Request:
    """What a tester asked last on an identifier."""

    bus: int
    wire_id: int
    address: int | None
    t_us: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Carry:
    """Unfinished payloads and unanswered requests of one vehicle, to go on with when its next frames come."""

    sessions: tuple[Session, ...] = ()
    requests: tuple[Request, ...] = ()

    def dump(self) -> bytes:
        """The same as bytes; empty where nothing is unfinished."""
        return msgspec.msgpack.encode(self) if self.sessions or self.requests else b""

    @classmethod
    def load(cls, dumped: bytes) -> "Carry":
        """What `dump` wrote. Raises `DecodeError`."""
        try:
            return _CARRY.decode(dumped) if dumped else cls()
        except msgspec.DecodeError as error:
            raise DecodeError(f"unfinished ISO-TP payloads that cannot be read: {error}") from error


_CARRY: Final = msgspec.msgpack.Decoder(Carry)
