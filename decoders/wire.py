"""The bodies of the wire contract as typed structures, and the way from received bytes to them.

One structure per kind describes both encodings: what is a binary column or a byte string in MessagePack
is an array of numbers or a hex string in JSON, and nothing else differs. Limits keep what a body can
become in memory below 50 MB, whatever it holds; docs/asyncapi.yaml tells them to those who send.
"""

import re
import zlib
from typing import Annotated, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from vehicle.dtc import DtcStandard
from vehicle.errors import (
    BrokenJsonError,
    BrokenMessagePackError,
    BrokenZlibError,
    DecodeError,
    InflatesBeyondLimitError,
    TooLargeError,
    UnknownKindError,
    WrongTypeError,
    WrongVersionError,
)

MAX_WIRE_BYTES: Final = 262_144
"""As received, compressed or not."""
MAX_INFLATED_BYTES: Final = 4 * 1024 * 1024
MAX_DTC_BYTES: Final = 1024 * 1024
"""A `dtc` body is all small objects, each some twenty times its size once read."""
MAX_DIAG_BYTES: Final = 262_144
"""Every three bytes of a `diag` body may become a record of an identifier, every four a fault code."""
MAX_FRAMES: Final = 65_536
"""In one `can` message: decoded, a frame may become several hundred bytes."""
MAX_SAMPLES: Final = 262_144
"""In one `signals` message, over all its signals."""
MAX_SIGNALS: Final = 4_096
MAX_ECUS: Final = 256
MAX_DTCS: Final = 1_024
MAX_ANSWERS: Final = 16_384
VERSION: Final = 1
_LIMITS: Final = {"dtc": MAX_DTC_BYTES, "diag": MAX_DIAG_BYTES}
"""Inflated, by kind."""

_SMALL_BODY_BYTES: Final = 1024 * 1024
"""Up to here a body cannot become large; beyond, its numbers are counted before they are read."""
_MOST_OBJECTS: Final = 2 * MAX_SIGNALS
"""In JSON: an object per signal, and room for what a later version adds."""
_ZLIB: Final = 0x78
_RESENT_JSON: Final = re.compile(rb'("resent"\s*:\s*)true')
_RESENT_PACKED: Final = b"resent\xc3"
_NOT_RESENT_PACKED: Final = b"resent\xc2"
_JSON_FIRST: Final = frozenset(b"{[ \t\r\n")
_LATEST_US: Final = 2**57
"""In the year 6537; with any offset it still is a date."""
_LONGEST_US: Final = 2**53

U8 = Annotated[int, Meta(ge=0, le=255)]
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Moment = Annotated[int, Meta(ge=0, le=_LATEST_US)]
Offset = Annotated[int, Meta(ge=-_LONGEST_US, le=_LONGEST_US)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Path = Annotated[str, Meta(min_length=1, max_length=255)]

Column32 = TypeVar("Column32")
"""uint32 per frame: little-endian bytes in MessagePack, numbers in JSON."""
Column8 = TypeVar("Column8")
"""uint8 per frame: bytes in MessagePack, numbers in JSON."""
Octets = TypeVar("Octets")
"""Bytes in MessagePack, a hex string in JSON."""


class Head(Struct):
    """The envelope every body has."""

    v: Literal[1]
    vin: Annotated[str, Meta(min_length=17, max_length=17)]
    boot: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    seq: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    t0_us: Moment
    ack: bool
    resent: bool


class CanBody(Head, Generic[Column32, Column8, Octets], omit_defaults=True):
    """Frames of one or more buses, in columns."""

    dt_us: Column32
    id: Column32
    len: Column8
    data: Octets
    bus: Column8 | None = None
    codebook: Word | None = None


class Series(Struct, gc=False):
    """Samples of one signal, in the catalogue's unit; null and NaN stand for no measurement."""

    dt_us: list[Offset]
    value: list[float | None]


class SignalsBody(Head):
    """Signals that the vehicle has decoded itself, by VSS path."""

    signals: Annotated[dict[Path, Series], Meta(max_length=MAX_SIGNALS)]


class DtcBody(Struct, omit_defaults=True):
    """One fault code."""

    code: Word
    ftb: U8 | None = None
    status: U8 | None = None
    spn: Annotated[int, Meta(ge=0, le=0x7FFFF)] | None = None
    fmi: Annotated[int, Meta(ge=0, le=31)] | None = None
    oc: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    at_us: Moment | None = None
    freeze_frame: dict[Path, float] | None = None


class EcuBody(Struct):
    """What one ECU says about its codes; `complete` heals those that are absent."""

    ecu: Word
    standard: DtcStandard
    complete: bool
    dtcs: Annotated[list[DtcBody], Meta(max_length=MAX_DTCS)]


class DtcsBody(Head):
    """Fault codes by ECU."""

    ecus: Annotated[list[EcuBody], Meta(max_length=MAX_ECUS)]


class AnswerBody(Struct, Generic[Octets], omit_defaults=True):
    """One reassembled answer of an ECU to a J1979 or UDS request."""

    dt_us: Offset
    ecu: Word
    payload: Octets
    request: Octets | None = None


class DiagBody(Head, Generic[Octets]):
    """Diagnostic answers."""

    diag: Annotated[list[AnswerBody[Octets]], Meta(max_length=MAX_ANSWERS)]


PackedCan = CanBody[bytes, bytes, bytes]
PlainCan = CanBody[list[U32], list[U8], str]
PackedDiag = DiagBody[bytes]
PlainDiag = DiagBody[str]
Body = PackedCan | PlainCan | SignalsBody | DtcsBody | PackedDiag | PlainDiag

_PACKED: Final[dict[str, "msgspec.msgpack.Decoder[Body]"]] = {
    "can": msgspec.msgpack.Decoder(PackedCan),
    "signals": msgspec.msgpack.Decoder(SignalsBody),
    "dtc": msgspec.msgpack.Decoder(DtcsBody),
    "diag": msgspec.msgpack.Decoder(PackedDiag),
}
_PLAIN: Final[dict[str, "msgspec.json.Decoder[Body]"]] = {
    "can": msgspec.json.Decoder(PlainCan),
    "signals": msgspec.json.Decoder(SignalsBody),
    "dtc": msgspec.json.Decoder(DtcsBody),
    "diag": msgspec.json.Decoder(PlainDiag),
}
_PACKED_HEAD: Final = msgspec.msgpack.Decoder(Head)
_PLAIN_HEAD: Final = msgspec.json.Decoder(Head)
KINDS: Final = frozenset(_PACKED)


def parse(kind: str, received: bytes) -> Body:
    """The typed body of a message as received: inflated, told apart by its first byte, validated.

    Raises a `DecodeError` whose `reason` says which step refused it; no message repeats a value of the body.
    """
    if kind not in KINDS:
        raise UnknownKindError(f"kind is one of {', '.join(sorted(KINDS))}, got {kind!r}")
    body = _inflate(received)
    limit = _LIMITS.get(kind, MAX_INFLATED_BYTES)
    if len(body) > limit:
        raise TooLargeError(f"a {kind} body has at most {limit} bytes, got {len(body)}")
    if not body:
        raise BrokenMessagePackError("a body has at least one byte, got none")
    is_json = body[0] in _JSON_FIRST
    broken = BrokenJsonError if is_json else BrokenMessagePackError
    try:
        if len(body) > _SMALL_BODY_BYTES:
            _refuse_many_numbers(kind, body, is_json=is_json)
        return _PLAIN[kind].decode(body) if is_json else _PACKED[kind].decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(body, str(error), is_json=is_json) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise broken(f"a {kind} body that cannot be read: {_phrase(error)}") from error


def head(received: bytes) -> Head | None:
    """The envelope of a body, whatever the rest of it is worth; None where it cannot be read itself."""
    try:
        body = _inflate(received)
        is_json = body[:1] and body[0] in _JSON_FIRST
        return _PLAIN_HEAD.decode(body) if is_json else _PACKED_HEAD.decode(body)
    except (DecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def first_sent(received: bytes) -> bytes:
    """The bytes that tell a message from another: inflated, and `resent` as when it was sent first.

    So a vehicle may set `resent`, and compress, as it likes when it sends a message again; the rest of the
    body stays byte for byte the same. What cannot be inflated stays as it is.
    """
    try:
        body = _inflate(received)
    except DecodeError:
        return received
    if body[:1] and body[0] in _JSON_FIRST:
        return _RESENT_JSON.sub(rb"\1false", body)
    return body.replace(_RESENT_PACKED, _NOT_RESENT_PACKED)


def _inflate(received: bytes) -> bytes:
    """The body itself; never more than the limit is inflated."""
    if len(received) > MAX_WIRE_BYTES:
        raise TooLargeError(f"a message has at most {MAX_WIRE_BYTES} bytes, got {len(received)}")
    if not received or received[0] != _ZLIB:
        return received
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(received, MAX_INFLATED_BYTES + 1)
    except zlib.error as error:
        raise BrokenZlibError(f"a compressed body that cannot be inflated: {error}") from error
    if len(body) > MAX_INFLATED_BYTES:
        raise InflatesBeyondLimitError(
            f"a body inflates to at most {MAX_INFLATED_BYTES} bytes, {len(received)} bytes inflate to more"
        )
    if not stream.eof:
        raise BrokenZlibError(f"a compressed body that ends early: {len(received)} bytes, no end of stream")
    if stream.unused_data:
        raise BrokenZlibError(f"{len(stream.unused_data)} bytes stand behind the compressed body")
    return body


class _RawSeries(Struct):
    dt_us: msgspec.Raw
    value: msgspec.Raw


class _RawSignals(Struct):
    signals: Annotated[dict[Path, _RawSeries], Meta(max_length=MAX_SIGNALS)]


_RAW_SIGNALS: Final = msgspec.msgpack.Decoder(_RawSignals)


def _refuse_many_numbers(kind: str, body: bytes, *, is_json: bool) -> None:
    """Count the numbers of a large body without making them; other kinds are bounded by their structure."""
    if is_json:
        numbers = body.count(b",")
        if kind == "signals" and (objects := body.count(b"{")) > _MOST_OBJECTS:
            raise TooLargeError(f"a signals body has at most {_MOST_OBJECTS} objects, got {objects}")
    elif kind == "signals":
        series = _RAW_SIGNALS.decode(body).signals.values()
        numbers = sum(_array_size(bytes(raw)[:5]) for one in series for raw in (one.dt_us, one.value))
    else:
        return
    if numbers > 2 * MAX_SAMPLES:
        raise TooLargeError(f"a body has at most {2 * MAX_SAMPLES} numbers, got {numbers}")


def _array_size(head: bytes) -> int:
    """How many elements a MessagePack array says to have, from its first five bytes; 0 for what is none."""
    if head[0] == 0xDD:
        return int.from_bytes(head[1:5], "big")
    if head[0] == 0xDC:
        return int.from_bytes(head[1:3], "big")
    return head[0] & 0x0F if head[0] & 0xF0 == 0x90 else 0


class _Version(Struct):
    v: int


_PACKED_VERSION: Final = msgspec.msgpack.Decoder(_Version)
_INVALID_WORD: Final = "Invalid enum value"
_PLAIN_VERSION: Final = msgspec.json.Decoder(_Version)


def _invalid(body: bytes, phrase: str, *, is_json: bool) -> DecodeError:
    """Why a body that is well formed is refused: its version, or one of its fields.

    Of all that msgspec says, only this repeats what stands in the body.
    """
    if phrase.startswith(_INVALID_WORD):
        phrase = f"{_INVALID_WORD} - at {phrase.rpartition(' - at ')[2]}"
    try:
        version = (_PLAIN_VERSION if is_json else _PACKED_VERSION).decode(body).v
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return WrongTypeError(phrase)
    if version != VERSION:
        return WrongVersionError(f"an envelope has version {VERSION}, got {version}")
    return WrongTypeError(phrase)


def _phrase(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
