"""GB/T 32960.3 packets in the corridor: what stands for an envelope, and what they say.

A packet has no boot and no sequence number. In their columns stands what tells packets of a vehicle apart:
63 bits of a hash of the data unit, below zero as no boot is, and the packet's second with edition and command
in the microseconds that a packet does not have. Reports and re-issued reports count as one command: the same
data sent again as re-issued are a double.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from decoders.gbt32960 import messages
from decoders.gbt32960 import packet as packets
from decoders.gbt32960.packet import LedgerKey, Packet
from decoders.gbt32960.report import Extension, Report
from decoders.gbt32960.session import Login, Logout
from decoders.gbt32960.words import Command, Edition
from decoders.message import Envelope
from vehicle.errors import UnknownCommandError, UnsupportedCommandError, VinMismatchError
from vehicle.vin import Vin

Content = Report | Login | Logout
"""What packets say that is kept."""

KEPT: Final = frozenset({Command.LOGIN, Command.REPORT, Command.REISSUE, Command.LOGOUT})
PASSING: Final = frozenset({Command.HEARTBEAT, Command.TIME_SYNC})
"""Commands that are answered and leave nothing behind."""
_SIGN: Final = -(1 << 63)
_EDITION: Final = {Edition.GBT_2016: 0, Edition.GBT_2025: 0x100}


@dataclass(frozen=True, slots=True)
class PacketMessage:
    """A packet, and its key as an envelope."""

    kind: ClassVar[str] = "gbt32960"
    envelope: Envelope
    packet: Packet
    hash64: int
    """Of the data unit, signed."""

    @property
    def command(self) -> Command:
        """What it is about; a re-issued report is a report."""
        return _command(self.packet)


def read(body: bytes, vin: Vin) -> PacketMessage | None:
    """One packet of this vehicle; None for what leaves nothing behind. Raises `DecodeError`."""
    packet = packets.parse(body)
    if packet.vin != vin:
        raise VinMismatchError("the VIN of a packet is its topic's, got another one")
    if not packet.is_command:
        raise UnknownCommandError(f"nothing was asked, got an answer with flag {packet.flag:02X}")
    if packet.command in PASSING:
        messages.decode(packet)
        return None
    if packet.command not in KEPT:
        messages.decode(packet)  # says what is wrong with it, if something is
        name = Command(packet.command).name.lower().replace("_", " ")
        raise UnsupportedCommandError(f"{name} ({packet.command:02X}) is not taken here")
    key = packets.ledger_key(packet)
    assert key is not None
    return PacketMessage(_envelope(packet, key, vin), packet, key.hash64)


def content(message: PacketMessage, extension: Extension | None) -> Content:
    """What a packet says, its custom units read by the extension. Raises `DecodeError`."""
    found = messages.decode(message.packet, extension)
    assert isinstance(found, Report | Login | Logout)
    return found


def described(body: bytes) -> str:
    """One packet in a sentence, as far as it can be read without an extension. Raises `DecodeError`."""
    packet = packets.parse(body)
    told = messages.decode(packet)
    units = ""
    if isinstance(told, Report):
        units = ", units " + " ".join(f"{one.number:02X}" for one in told.entries)
    at_us = getattr(told, "at_us", None)
    moment = "" if at_us is None else f", at_us {at_us}"
    return f"GB/T 32960.3-{packet.edition.year}, command {packet.command:02X}{moment}{units}"


def _envelope(packet: Packet, key: LedgerKey, vin: Vin) -> Envelope:
    return Envelope(
        vin=vin,
        boot=key.hash64 | _SIGN,
        seq=key.at_us + _EDITION[packet.edition] + _command(packet),
        t0_us=key.at_us,
        ack=False,
        resent=packet.command == Command.REISSUE,
    )


def _command(packet: Packet) -> Command:
    return Command.REPORT if packet.command == Command.REISSUE else Command(packet.command)
