"""What the platform answers (6.3.2): the command again, a flag, the packet's own time, nothing else."""

from datetime import datetime
from typing import Final

from decoders.gbt32960 import clock
from decoders.gbt32960.messages import encode
from decoders.gbt32960.packet import Packet, build
from decoders.gbt32960.session import ActivationAnswer
from decoders.gbt32960.words import ANSWERS_NEW_IN_2025, AckFlag, Command, Edition, Encryption
from vehicle.day import us_of
from vehicle.errors import DecodeError, WrongTypeError

_NO_TIME: Final = frozenset({Command.HEARTBEAT, Command.KEY_EXCHANGE})
"""Commands whose data unit does not begin with a time."""


def answer(packet: Packet, flag: AckFlag, now: datetime) -> bytes:
    """The answer to a command, unencrypted.

    It repeats the packet's time, so that the sender knows what is meant; nothing where the packet has
    none that can be read. A time check gets `now`, aware, which is used for nothing else. Flags that only
    2025 has become `ERROR` towards 2016. Raises `WrongTypeError` for what is no command.
    """
    if not packet.is_command or flag == AckFlag.COMMAND:
        raise WrongTypeError(
            f"a command is answered, with an answer's flag; got flag {packet.flag:02X}, answer {flag:02X}"
        )
    if packet.edition is Edition.GBT_2016 and flag in ANSWERS_NEW_IN_2025:
        flag = AckFlag.ERROR
    body = clock.write(us_of(now)) if packet.command == Command.TIME_SYNC else _time_of(packet)
    return build(Packet(packet.edition, packet.command, flag, packet.identifier, Encryption.NONE, body))


def _time_of(packet: Packet) -> bytes:
    if packet.command in _NO_TIME:
        return b""
    try:
        body = packet.plain()
        clock.read(body)
    except DecodeError:
        return b""
    return body[: clock.TIME_BYTES]


def activation_answer(packet: Packet, told: ActivationAnswer) -> bytes:
    """The answer to an activation, which is a command of its own (0A) [U]."""
    flag = AckFlag.OK if told.is_active else AckFlag.ERROR
    return build(encode(packet.edition, Command.ACTIVATION_ANSWER, packet.identifier, told, flag=flag))
