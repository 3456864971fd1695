"""Which flag answers a packet, by what became of it (table 4), and what is answered at all."""

from datetime import UTC, datetime
from typing import Final

from decoders.gbt32960 import answers
from decoders.gbt32960 import packet as packets
from decoders.gbt32960.clock import TIME_BYTES
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.words import AckFlag
from vehicle.errors import (
    DecodeError,
    EncryptedError,
    RepeatedLoginError,
    TruncatedPayloadError,
    UnknownUnitError,
    UnknownVehicleError,
    WrongChecksumError,
    WrongLengthError,
    WrongTimeError,
    WrongTypeError,
)

_ENCRYPTED: Final[tuple[type[DecodeError], ...]] = (EncryptedError, *EncryptedError.__subclasses__())
_STRUCTURE: Final[tuple[type[DecodeError], ...]] = (
    DecodeError,
    TruncatedPayloadError,
    UnknownUnitError,
    WrongLengthError,
    WrongTimeError,
    WrongTypeError,
)
_FLAGS: Final = {
    UnknownVehicleError.reason: AckFlag.VIN_UNKNOWN,
    RepeatedLoginError.reason: AckFlag.VIN_REPEATED,
    **dict.fromkeys((one.reason for one in _ENCRYPTED), AckFlag.WRONG_DECRYPTION),
    **dict.fromkeys((one.reason for one in _STRUCTURE), AckFlag.WRONG_STRUCTURE),
}
"""Reasons with a flag of their own; 2016 has 05 to 07 as 02, which everything else is."""


def flag(reason: str | None) -> AckFlag:
    """The flag for a packet that was refused for this reason; None: it is stored."""
    return AckFlag.OK if reason is None else _FLAGS.get(reason, AckFlag.ERROR)


def answer(packet: Packet, reason: str | None, now_us: int) -> bytes:
    """The answer to a command; a time check is told `now_us`, microseconds since 1970 UTC."""
    return answers.answer(packet, flag(reason), datetime.fromtimestamp(now_us / 1_000_000, UTC))


def remembered(packet: Packet) -> Packet:
    """As much of a packet as its answer needs."""
    return Packet(
        packet.edition,
        packet.command,
        packet.flag,
        packet.identifier,
        packet.encryption,
        packet.body[:TIME_BYTES],
    )


def parse(data: bytes) -> tuple[Packet | None, DecodeError | None]:
    """A framed packet, and what is wrong with it; one with a wrong checksum can still be answered."""
    try:
        return packets.parse(data), None
    except WrongChecksumError as error:
        mended = data[:-1] + bytes((packets.checksum(data, 2, len(data) - 1),))
        try:
            return packets.parse(mended), error
        except DecodeError:
            return None, error
    except DecodeError as error:
        return None, error
