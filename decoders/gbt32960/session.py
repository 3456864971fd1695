"""What vehicles and platforms say to begin and end a connection (7.1, 7.3 to 7.6, B.3.5).

Texts are ASCII; zero bytes and spaces that fill them up are no part of them.
"""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from decoders.gbt32960 import clock
from decoders.gbt32960.clock import TIME_BYTES
from decoders.gbt32960.layout import Record
from decoders.gbt32960.units_2025 import SIGNATURE
from decoders.gbt32960.words import Edition
from vehicle.errors import TruncatedPayloadError, WrongLengthError, WrongTypeError

ICCID_BYTES: Final = 20
PACK_CODE_BYTES: Final = 24
"""In 2025; in 2016 every login says how long its codes are."""
USER_BYTES: Final = 12
PASSWORD_BYTES: Final = 20
CHIP_BYTES: Final = 16
VIN_BYTES: Final = 17

_BYTE: Final = 0xFF
_WORD: Final = 0xFFFF
_MOST: Final = 0xFD
"""Of a count in one byte; the two above are sentinels."""
_SERIAL: Final = Struct(">H")
_LOGIN: Final = Struct(f">H{ICCID_BYTES}sB")
_PLATFORM: Final = Struct(f">H{USER_BYTES}s{PASSWORD_BYTES}sB")


@dataclass(frozen=True, slots=True)
class Login:
    """A vehicle comes online (7.1, table 6)."""

    at_us: int
    serial: int
    """Rises by one with each login of a day."""
    iccid: str
    """Of the SIM card."""
    packs: tuple[tuple[str, ...], ...] = ()
    """Codes of the battery packs of each battery system; a system may name none."""

    @property
    def pack_codes(self) -> tuple[str, ...]:
        """All codes in order; another set than at the last login means that batteries were swapped."""
        return tuple(code for system in self.packs for code in system if code)


@dataclass(frozen=True, slots=True)
class Logout:
    """A vehicle goes offline (7.3); also a platform (7.5)."""

    at_us: int
    serial: int
    """Of the login."""


@dataclass(frozen=True, slots=True)
class PlatformLogin:
    """A platform comes online (7.4)."""

    at_us: int
    serial: int
    user: str
    password: str = field(repr=False)
    encryption: int = 1
    """Of the data units that follow: an `Encryption`, or a reserved number."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A vehicle registers its security chip (2025, B.3.5.5, table B.3) [U]."""

    at_us: int
    chip: str
    public_key: bytes
    vin: str
    signature: Record
    """As the signature unit of a report; signs everything before it."""


@dataclass(frozen=True, slots=True)
class ActivationAnswer:
    """What the platform says to an activation (2025, B.3.5.6, table B.4) [U]."""

    is_active: bool
    detail: int
    """Why; public implementations disagree about the numbers."""


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """The key of the data units that follow (2025, 7.6, table 31) [U]."""

    encryption: int
    key: bytes = field(repr=False)
    from_us: int
    until_us: int


def read_login(edition: Edition, body: bytes) -> Login:
    """A login. Raises `DecodeError`."""
    at_us = clock.read(body)
    if len(body) < TIME_BYTES + _LOGIN.size:
        raise TruncatedPayloadError("a login", needed_bytes=TIME_BYTES + _LOGIN.size, got_bytes=len(body))
    serial, iccid, systems_n = _LOGIN.unpack_from(body, TIME_BYTES)
    at = TIME_BYTES + _LOGIN.size
    if edition is Edition.GBT_2016:
        if len(body) == at:
            raise TruncatedPayloadError("a login", needed_bytes=at + 1, got_bytes=at)
        size = _told(body[at])
        counts = [1 if size else 0] * _told(systems_n)
        at += 1
    else:
        systems_n = _told(systems_n)
        size, counts = PACK_CODE_BYTES, [_told(count) for count in body[at : at + systems_n]]
        if len(counts) < systems_n:
            raise TruncatedPayloadError(
                f"a login with {systems_n} battery systems", needed_bytes=at + systems_n, got_bytes=len(body)
            )
        at += systems_n
    _require_end(body, at + sum(counts) * size, f"a login with {sum(counts)} pack codes of {size} bytes")
    packs = []
    for count in counts:
        codes = [_text("a pack code", body[at + k * size : at + (k + 1) * size]) for k in range(count)]
        packs.append(tuple(codes))
        at += count * size
    return Login(at_us, serial, _text("an ICCID", iccid), tuple(packs))


def write_login(edition: Edition, login: Login) -> bytes:
    """The body of a login. Raises `DecodeError`."""
    head = clock.write(login.at_us) + _LOGIN.pack(
        _within(login.serial, _WORD, "a serial number"),
        _filled("an ICCID", login.iccid, ICCID_BYTES),
        _within(len(login.packs), _MOST, "the number of battery systems"),
    )
    if edition is Edition.GBT_2025:
        counts = bytes(_within(len(system), _MOST, "the number of packs") for system in login.packs)
        codes = [code for system in login.packs for code in system]
        return head + counts + b"".join(_filled("a pack code", code, PACK_CODE_BYTES) for code in codes)
    if any(len(system) != len(login.packs[0]) or len(system) > 1 for system in login.packs):
        raise WrongTypeError("in 2016 every battery system has one code, or none has")
    size = max((len(code) for system in login.packs for code in system), default=0)
    head += bytes((_within(size, _MOST, "the length of a pack code"),))
    return head + b"".join(_filled("a pack code", code, size) for system in login.packs for code in system)


def read_logout(body: bytes) -> Logout:
    """A logout of a vehicle or a platform. Raises `DecodeError`."""
    at_us = clock.read(body)
    _require_end(body, TIME_BYTES + _SERIAL.size, "a logout")
    return Logout(at_us, _SERIAL.unpack_from(body, TIME_BYTES)[0])


def write_logout(logout: Logout) -> bytes:
    """The body of a logout. Raises `DecodeError`."""
    return clock.write(logout.at_us) + _SERIAL.pack(_within(logout.serial, _WORD, "a serial number"))


def read_platform_login(body: bytes) -> PlatformLogin:
    """A platform's login. Raises `DecodeError`."""
    at_us = clock.read(body)
    _require_end(body, TIME_BYTES + _PLATFORM.size, "a platform's login")
    serial, user, password, encryption = _PLATFORM.unpack_from(body, TIME_BYTES)
    return PlatformLogin(at_us, serial, _text("a user name", user), _text("a password", password), encryption)


def write_platform_login(login: PlatformLogin) -> bytes:
    """The body of a platform's login. Raises `DecodeError`."""
    return clock.write(login.at_us) + _PLATFORM.pack(
        _within(login.serial, _WORD, "a serial number"),
        _filled("a user name", login.user, USER_BYTES),
        _filled("a password", login.password, PASSWORD_BYTES),
        _within(login.encryption, _BYTE, "an encryption"),
    )


def read_activation(body: bytes) -> Activation:
    """An activation. Raises `DecodeError`."""
    at_us = clock.read(body)
    at = TIME_BYTES + CHIP_BYTES
    key, at = _octets(body, at, "the public key of an activation")
    if len(body) < at + VIN_BYTES:
        raise TruncatedPayloadError("an activation", needed_bytes=at + VIN_BYTES, got_bytes=len(body))
    signature, end = SIGNATURE.layout.read(body, at + VIN_BYTES, "the signature of an activation")
    _require_end(body, end, "an activation")
    return Activation(
        at_us,
        chip=_text("a chip's number", body[TIME_BYTES : TIME_BYTES + CHIP_BYTES]),
        public_key=key,
        vin=_text("a VIN", body[at : at + VIN_BYTES]),
        signature=signature,
    )


def write_activation(activation: Activation) -> bytes:
    """The body of an activation. Raises `DecodeError`."""
    return (
        clock.write(activation.at_us)
        + _filled("a chip's number", activation.chip, CHIP_BYTES)
        + _counted(activation.public_key)
        + _filled("a VIN", activation.vin, VIN_BYTES)
        + SIGNATURE.layout.write(activation.signature)
    )


def read_activation_answer(body: bytes) -> ActivationAnswer:
    """An answer to an activation. Raises `DecodeError`."""
    _require_end(body, 2, "an activation's answer")
    if body[0] not in (1, 2):
        raise WrongTypeError(f"an activation's answer is 1 (done) or 2 (failed), got {body[0]}")
    return ActivationAnswer(is_active=body[0] == 1, detail=body[1])


def write_activation_answer(answer: ActivationAnswer) -> bytes:
    """The body of an activation's answer. Raises `DecodeError`."""
    return bytes((1 if answer.is_active else 2, _within(answer.detail, _BYTE, "a detail")))


def read_key_exchange(body: bytes) -> KeyExchange:
    """A key. Raises `DecodeError`."""
    key, at = _octets(body, 1, "the key of a key exchange")
    _require_end(body, at + 2 * TIME_BYTES, "a key exchange")
    return KeyExchange(body[0], key, clock.read(body, at), clock.read(body, at + TIME_BYTES))


def write_key_exchange(exchange: KeyExchange) -> bytes:
    """The body of a key exchange. Raises `DecodeError`."""
    times = clock.write(exchange.from_us) + clock.write(exchange.until_us)
    return bytes((_within(exchange.encryption, _BYTE, "an encryption"),)) + _counted(exchange.key) + times


def _require_end(body: bytes, end: int, what: str) -> None:
    if len(body) < end:
        raise TruncatedPayloadError(what, needed_bytes=end, got_bytes=len(body))
    if len(body) > end:
        raise WrongLengthError(f"{what} has {end} bytes, got {len(body)}")


def _octets(body: bytes, at: int, what: str) -> tuple[bytes, int]:
    """Bytes behind their length in a word, and where they end."""
    if len(body) < at + 2:
        raise TruncatedPayloadError(what, needed_bytes=at + 2, got_bytes=len(body))
    start = at + 2
    end = start + int.from_bytes(body[at:start], "big")
    if len(body) < end:
        raise TruncatedPayloadError(what, needed_bytes=end, got_bytes=len(body))
    return body[start:end], end


def _counted(octets: bytes) -> bytes:
    return _within(len(octets), _WORD, "the length of a key").to_bytes(2, "big") + octets


def _text(what: str, octets: bytes) -> str:
    """A text without what fills it up; other bytes than printable ASCII are none, and are not repeated."""
    text = octets.rstrip(b"\x00 ")
    if not all(0x20 <= byte < 0x7F for byte in text):
        raise WrongTypeError(f"{what} is printable ASCII, got other bytes")
    return text.decode("ascii")


def _filled(what: str, text: str, size: int) -> bytes:
    octets = text.encode("ascii", errors="replace")
    if len(octets) > size or not text.isascii():
        raise WrongTypeError(f"{what} has at most {size} ASCII characters")
    return octets.ljust(size, b"\x00")


def _told(count: int) -> int:
    """A count of one byte; its sentinels count nothing."""
    return count if count <= _MOST else 0


def _within(n: int, most: int, what: str) -> int:
    if not 0 <= n <= most:
        raise WrongTypeError(f"{what} is 0 to {most}, got {n}")
    return n
