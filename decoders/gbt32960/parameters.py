"""Parameters of a terminal, asked for, told and set, and commands to it (B.3.5, commands 80 to 82) [U].

Layouts as emqx_gateway_gbt32960 and MyFramework have them; the standard reserves what is not in the table.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from decoders.gbt32960 import clock
from decoders.gbt32960.clock import TIME_BYTES
from vehicle.errors import TruncatedPayloadError, UnknownUnitError, WrongLengthError, WrongTypeError


class Parameter(NamedTuple):
    """One row of the table."""

    name: str
    size: int
    """Bytes; 0 where the parameter before it says how many."""
    is_number: bool = True


PARAMETERS: Final = {
    0x01: Parameter("local_storage_period_ms", 2),
    0x02: Parameter("report_period_s", 2),
    0x03: Parameter("alarm_report_period_ms", 2),
    0x04: Parameter("remote_domain_bytes", 1),
    0x05: Parameter("remote_domain", 0, is_number=False),
    0x06: Parameter("remote_port", 2),
    0x07: Parameter("hardware_version", 5, is_number=False),
    0x08: Parameter("firmware_version", 5, is_number=False),
    0x09: Parameter("heartbeat_period_s", 1),
    0x0A: Parameter("terminal_timeout_s", 2),
    0x0B: Parameter("platform_timeout_s", 2),
    0x0C: Parameter("next_login_min", 1),
    0x0D: Parameter("public_domain_bytes", 1),
    0x0E: Parameter("public_domain", 0, is_number=False),
    0x0F: Parameter("public_port", 2),
    0x10: Parameter("is_sampled", 1),
}


@dataclass(frozen=True, slots=True)
class Query:
    """Parameters that the platform wants to know."""

    at_us: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters with their values: a terminal's answer to a query, or what the platform sets."""

    at_us: int
    values: dict[int, int | bytes]
    """By the parameter's number, in order; sentinels are left as they are."""


@dataclass(frozen=True, slots=True)
class Control:
    """A command to the terminal: 1 upgrade, 2 power off, 3 reset, 4 factory settings, and so on."""

    at_us: int
    number: int
    arguments: bytes = b""


def read_query(body: bytes) -> Query:
    """A query. Raises `DecodeError`."""
    at_us, n, at = _head(body, "a query")
    if len(body) - at != n:
        raise WrongLengthError(f"a query for {n} parameters has {at + n} bytes, got {len(body)}")
    return Query(at_us, tuple(body[at:]))


def write_query(query: Query) -> bytes:
    """The body of a query. Raises `DecodeError`."""
    _require_bytes(len(query.numbers), *query.numbers)
    return clock.write(query.at_us) + bytes((len(query.numbers), *query.numbers))


def read_settings(body: bytes) -> Settings:
    """Parameters with values. Raises `DecodeError`."""
    at_us, n, at = _head(body, "parameters")
    values: dict[int, int | bytes] = {}
    for _ in range(n):
        if at == len(body):
            raise TruncatedPayloadError(f"{n} parameters", needed_bytes=at + 1, got_bytes=at)
        number = body[at]
        size = _size(number, values)
        start, at = at + 1, at + 1 + size
        if len(body) < at:
            raise TruncatedPayloadError(f"parameter {number:02X}", needed_bytes=at, got_bytes=len(body))
        octets = body[start:at]
        values[number] = int.from_bytes(octets, "big") if PARAMETERS[number].is_number else octets
    if at != len(body):
        raise WrongLengthError(f"{n} parameters end at byte {at}, got {len(body)} bytes")
    return Settings(at_us, values)


def write_settings(settings: Settings) -> bytes:
    """The body of parameters with values. Raises `DecodeError`."""
    _require_bytes(len(settings.values))
    body = [clock.write(settings.at_us), bytes((len(settings.values),))]
    written: dict[int, int | bytes] = {}
    for number, value in settings.values.items():
        octets = _octets(number, value, _size(number, written))
        written[number] = value
        body += [bytes((number,)), octets]
    return b"".join(body)


def read_control(body: bytes) -> Control:
    """A command to a terminal. Raises `DecodeError`."""
    at_us, number, at = _head(body, "a command")
    return Control(at_us, number, body[at:])


def write_control(control: Control) -> bytes:
    """The body of a command to a terminal. Raises `DecodeError`."""
    _require_bytes(control.number)
    return clock.write(control.at_us) + bytes((control.number,)) + control.arguments


def _octets(number: int, value: int | bytes, size: int) -> bytes:
    is_right = isinstance(value, int) == PARAMETERS[number].is_number
    if is_right and isinstance(value, int) and 0 <= value < 1 << 8 * size:
        return value.to_bytes(size, "big")
    if is_right and isinstance(value, bytes) and len(value) == size:
        return value
    raise WrongTypeError(f"parameter {number:02X} has {size} bytes, got {value!r}")


def _require_bytes(*numbers: int) -> None:
    if any(not 0 <= number <= 0xFF for number in numbers):
        raise WrongTypeError(f"numbers and counts are 0 to 255, got {numbers}")


def _head(body: bytes, what: str) -> tuple[int, int, int]:
    """Time, the byte behind it, and where the rest begins."""
    at_us = clock.read(body)
    if len(body) == TIME_BYTES:
        raise TruncatedPayloadError(what, needed_bytes=TIME_BYTES + 1, got_bytes=TIME_BYTES)
    return at_us, body[TIME_BYTES], TIME_BYTES + 1


def _size(number: int, before: dict[int, int | bytes]) -> int:
    """Bytes of a parameter. Raises `UnknownUnitError` for a reserved one, whose length nobody knows."""
    parameter = PARAMETERS.get(number)
    if parameter is None:
        raise UnknownUnitError(f"parameters are 01 to {max(PARAMETERS):02X}, got {number:02X}")
    if parameter.size:
        return parameter.size
    size = before.get(number - 1)
    if not isinstance(size, int):
        raise WrongTypeError(f"parameter {number:02X} stands behind {number - 1:02X}, which has its length")
    return size
