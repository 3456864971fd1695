"""Any packet into what it says, and back: `decode` and `encode` are each other's mirror."""

from dataclasses import dataclass

from decoders.gbt32960 import clock, parameters, report, session
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.parameters import Control, Query, Settings
from decoders.gbt32960.report import Extension, Report
from decoders.gbt32960.session import (
    Activation,
    ActivationAnswer,
    KeyExchange,
    Login,
    Logout,
    PlatformLogin,
)
from decoders.gbt32960.words import NEW_IN_2025, AckFlag, Command, Edition
from vehicle.errors import UnknownCommandError, WrongLengthError


@dataclass(frozen=True, slots=True)
class Notice:
    """A packet with a time or nothing in it: heartbeat, time check, answer."""

    at_us: int | None = None


Message = (
    Report
    | Login
    | Logout
    | PlatformLogin
    | Activation
    | ActivationAnswer
    | KeyExchange
    | Query
    | Settings
    | Control
    | Notice
)


def decode(packet: Packet, extension: Extension | None = None) -> Message:
    """What a packet says. Raises `DecodeError`: nothing is half read, and nothing encrypted is guessed."""
    command = _known(packet)
    if not packet.is_command:
        return _answer(command, packet.plain())
    if command in (Command.REPORT, Command.REISSUE):
        return report.decode(packet, extension)
    body = packet.plain()
    match command:
        case Command.LOGIN:
            return session.read_login(packet.edition, body)
        case Command.LOGOUT | Command.PLATFORM_LOGOUT:
            return session.read_logout(body)
        case Command.PLATFORM_LOGIN:
            return session.read_platform_login(body)
        case Command.ACTIVATION:
            return session.read_activation(body)
        case Command.ACTIVATION_ANSWER:
            return session.read_activation_answer(body)
        case Command.KEY_EXCHANGE:
            return session.read_key_exchange(body)
        case Command.QUERY:
            return parameters.read_query(body)
        case Command.SET:
            return parameters.read_settings(body)
        case Command.CONTROL:
            return parameters.read_control(body)
    return _notice(body)


def _known(packet: Packet) -> Command:
    try:
        command = Command(packet.command)
    except ValueError:
        command = None
    if command is None or (packet.edition is Edition.GBT_2016 and command in NEW_IN_2025):
        raise UnknownCommandError(f"{packet.edition.year} has no command {packet.command:02X}")
    return command


def _answer(command: Command, body: bytes) -> Message:
    """Most answers carry the time of what they answer; errors sometimes nothing."""
    if command == Command.ACTIVATION_ANSWER or (command == Command.ACTIVATION and len(body) == 2):
        return session.read_activation_answer(body)
    if command == Command.QUERY and len(body) > clock.TIME_BYTES:
        return parameters.read_settings(body)
    return _notice(body)


def _notice(body: bytes) -> Notice:
    if not body:
        return Notice()
    if len(body) != clock.TIME_BYTES:
        raise WrongLengthError(f"a time or nothing is 6 or 0 bytes, got {len(body)}")
    return Notice(clock.read(body))


def encode(
    edition: Edition,
    command: Command,
    identifier: str,
    message: Message,
    *,
    flag: int = AckFlag.COMMAND,
    extension: Extension | None = None,
) -> Packet:
    """The packet that says this, unencrypted. Raises `DecodeError` for what does not fit its layout."""
    return Packet(edition, command, flag, identifier, 1, _body(edition, message, extension))


def _body(edition: Edition, message: Message, extension: Extension | None) -> bytes:
    match message:
        case Report():
            return report.encode(message, extension)
        case Login():
            return session.write_login(edition, message)
        case Logout():
            return session.write_logout(message)
        case PlatformLogin():
            return session.write_platform_login(message)
        case Activation():
            return session.write_activation(message)
        case ActivationAnswer():
            return session.write_activation_answer(message)
        case KeyExchange():
            return session.write_key_exchange(message)
        case Query():
            return parameters.write_query(message)
        case Settings():
            return parameters.write_settings(message)
        case Control():
            return parameters.write_control(message)
        case Notice():
            return b"" if message.at_us is None else clock.write(message.at_us)
