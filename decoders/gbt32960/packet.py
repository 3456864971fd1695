"""Packets: start bytes, command, sender, encryption, length, data unit, checksum (6.2, table 2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from hashlib import blake2b
from operator import xor
from struct import Struct
from typing import Final, NamedTuple

import numpy as np

from decoders.gbt32960 import clock
from decoders.gbt32960.words import AckFlag, Command, Edition, Encryption
from vehicle.errors import (
    DecodeError,
    EncryptedAes128Error,
    EncryptedError,
    EncryptedRsaError,
    EncryptedSm2Error,
    EncryptedSm4Error,
    TooLargeError,
    TruncatedPayloadError,
    WrongChecksumError,
    WrongLengthError,
    WrongStartError,
    WrongTypeError,
)
from vehicle.vin import Vin, parse_vin

HEADER_BYTES: Final = 24
"""Start, command, flag, identifier, encryption, length."""
CHECKSUM_BYTES: Final = 1
IDENTIFIER_BYTES: Final = 17
MAX_BODY_BYTES: Final = 65_531
MAX_PACKET_BYTES: Final = HEADER_BYTES + MAX_BODY_BYTES + CHECKSUM_BYTES

_HEADER: Final = Struct(">2sBB17sBH")
_EDITIONS: Final = {edition.value: edition for edition in Edition}
_STARTS_WITH_TIME: Final = frozenset(
    {
        Command.LOGIN,
        Command.REPORT,
        Command.REISSUE,
        Command.LOGOUT,
        Command.PLATFORM_LOGIN,
        Command.PLATFORM_LOGOUT,
        Command.ACTIVATION,
    }
)
_SHORT: Final = 64
_BY_METHOD: Final[Mapping[int, type[EncryptedError]]] = {
    Encryption.RSA: EncryptedRsaError,
    Encryption.AES_128: EncryptedAes128Error,
    Encryption.SM2: EncryptedSm2Error,
    Encryption.SM4: EncryptedSm4Error,
}


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet whose length and checksum are right; what its data unit says is read by others."""

    edition: Edition
    command: int
    """A `Command`, or a number that the standard reserves."""
    flag: int
    """An `AckFlag`, or a reserved number."""
    identifier: str
    """The VIN, or the code of whoever is no vehicle; 17 ASCII characters as they came."""
    encryption: int
    body: bytes
    """The data unit, still encrypted where `encryption` says so."""

    @property
    def is_command(self) -> bool:
        """Whether it asks for an answer; otherwise it is one."""
        return self.flag == AckFlag.COMMAND

    @property
    def vin(self) -> Vin:
        """The vehicle. Raises `WrongTypeError`, whose text does not repeat the identifier."""
        try:
            return parse_vin(self.identifier.strip("\x00 "))
        except DecodeError:
            raise WrongTypeError(
                "a vehicle's packet has a VIN: 17 characters of A-Z without I, O, Q and 0-9"
            ) from None

    def plain(self) -> bytes:
        """The data unit, if it can be read. Raises `EncryptedError` with the name of the method."""
        if self.encryption != Encryption.NONE and self.body:
            try:
                method = Encryption(self.encryption).name.replace("_", "-")
            except ValueError:
                method = "an unknown method"
            refused = _BY_METHOD.get(self.encryption, EncryptedError)
            raise refused(
                f"a data unit is read in plain (0x01), got 0x{self.encryption:02X}, {method}, "
                f"{len(self.body)} bytes"
            )
        return self.body


def checksum(data: bytes, start: int, end: int) -> int:
    """All bytes of a stretch, combined by exclusive or (BCC)."""
    if end - start < _SHORT:
        return reduce(xor, data[start:end], 0)
    return int(np.bitwise_xor.reduce(np.frombuffer(data, np.uint8, end - start, start)))


def parse(data: bytes) -> Packet:
    """Exactly one packet. Raises a `DecodeError` whose `reason` is a fixed word."""
    edition = _EDITIONS.get(data[:2])
    if edition is None:
        raise WrongStartError(f"a packet starts with 23 23 (2016) or 24 24 (2025), got {data[:2].hex(' ')}")
    if len(data) < HEADER_BYTES + CHECKSUM_BYTES:
        raise TruncatedPayloadError(
            "a packet", needed_bytes=HEADER_BYTES + CHECKSUM_BYTES, got_bytes=len(data)
        )
    _, command, flag, identifier, encryption, length = _HEADER.unpack_from(data)
    if length > MAX_BODY_BYTES:
        raise WrongLengthError(f"a data unit has at most {MAX_BODY_BYTES} bytes, its length says {length}")
    end = HEADER_BYTES + length
    if len(data) != end + CHECKSUM_BYTES:
        raise WrongLengthError(
            f"a packet with a data unit of {length} bytes has {end + CHECKSUM_BYTES}, got {len(data)}"
        )
    found = checksum(data, 2, end)
    if found != data[end]:
        raise WrongChecksumError(f"the bytes' checksum is {found:02X}, the packet says {data[end]:02X}")
    try:
        name = identifier.decode("ascii")
    except UnicodeDecodeError:
        raise WrongTypeError("an identifier is 17 ASCII characters, got other bytes") from None
    return Packet(edition, command, flag, name, encryption, data[HEADER_BYTES:end])


def build(packet: Packet) -> bytes:
    """The bytes of a packet, which `parse` reads back to an equal one. Raises `DecodeError`."""
    if len(packet.body) > MAX_BODY_BYTES:
        raise TooLargeError(f"a data unit has at most {MAX_BODY_BYTES} bytes, got {len(packet.body)}")
    identifier = packet.identifier.encode("ascii", errors="replace")
    if len(identifier) != IDENTIFIER_BYTES or not packet.identifier.isascii():
        raise WrongTypeError(f"an identifier is {IDENTIFIER_BYTES} ASCII characters")
    if any(not 0 <= byte <= 0xFF for byte in (packet.command, packet.flag, packet.encryption)):
        raise WrongTypeError("command, flag and encryption are 0 to 255")
    header = _HEADER.pack(
        packet.edition.value, packet.command, packet.flag, identifier, packet.encryption, len(packet.body)
    )
    data = header + packet.body
    return data + bytes((checksum(data, 2, len(data)),))


class LedgerKey(NamedTuple):
    """What tells one packet of a vehicle from another; the time alone does not, two may carry the same."""

    command: int
    at_us: int
    hash64: int
    """Of the data unit: 64 bits of BLAKE2b as a signed number."""


def ledger_key(packet: Packet) -> LedgerKey | None:
    """The key of a packet that has something to keep; None for heartbeats, answers and the like.

    Raises `DecodeError` where the data unit is encrypted or does not begin with a time.
    """
    if not packet.is_command or packet.command not in _STARTS_WITH_TIME:
        return None
    body = packet.plain()
    digest = blake2b(body, digest_size=8).digest()
    return LedgerKey(packet.command, clock.read(body), int.from_bytes(digest, "big", signed=True))
