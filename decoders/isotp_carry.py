"""What ISO-TP conversations leave unfinished at the end of a batch, as values and as bytes."""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vehicle.errors import DecodeError

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Moment = Annotated[int, Meta(ge=-(2**62), le=2**62)]
FrameBytes = Annotated[int, Meta(ge=8, le=64)]
Number = Annotated[int, Meta(ge=0, le=15)]
Octets = Annotated[bytes, Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Session:
    """An unfinished payload."""

    bus: U8
    wire_id: U32
    address: U8 | None
    size_bytes: U32
    frame_bytes: FrameBytes
    """Of its first frame; all but the last one are as long."""
    first_us: Moment
    last_us: Moment
    """Of the newest frame of the conversation, flow control included."""
    next_number: Number
    """Sequence number that comes next, 0 to 15."""
    data: Octets
    request: bytes | None


@dataclass(frozen=True, slots=True)
class Request:
    """What a tester asked last on an identifier."""

    bus: U8
    wire_id: U32
    address: U8 | None
    t_us: Moment
    data: Octets


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
            carry = _CARRY.decode(dumped) if dumped else cls()
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise DecodeError(f"unfinished ISO-TP payloads that cannot be read: {error}") from error
        for one in carry.sessions:
            if len(one.data) >= one.size_bytes:
                raise DecodeError(
                    f"an unfinished payload of {one.size_bytes} bytes has less, got {len(one.data)}"
                )
        return carry


_CARRY: Final = msgspec.msgpack.Decoder(Carry)
