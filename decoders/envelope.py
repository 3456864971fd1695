"""T-Box messages as received and as values: `decode` and `encode` are each other's mirror.

The wire contract stands in docs/asyncapi.yaml, its structures in decoders/wire.py.
"""

import zlib
from binascii import Error as HexError
from binascii import unhexlify
from collections.abc import Mapping
from itertools import chain
from math import isfinite
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from decoders import dtc, wire
from decoders.message import (
    CanMessage,
    DiagAnswer,
    DiagMessage,
    DtcMessage,
    EcuDtcs,
    Envelope,
    Message,
    SignalsMessage,
)
from vehicle.dtc import Dtc, DtcReading, DtcStandard, DtcStatus
from vehicle.errors import DecodeError, TooLargeError, TruncatedPayloadError, WrongTypeError
from vehicle.vin import parse_vin

__all__ = [
    "MAX_INFLATED_BYTES",
    "MAX_WIRE_BYTES",
    "CanMessage",
    "DiagAnswer",
    "DiagMessage",
    "DtcMessage",
    "EcuDtcs",
    "Envelope",
    "Message",
    "SignalsMessage",
    "decode",
    "encode",
]

MAX_WIRE_BYTES: Final = wire.MAX_WIRE_BYTES
MAX_INFLATED_BYTES: Final = wire.MAX_INFLATED_BYTES
MAX_PAYLOAD_BYTES: Final = 64
"""Of one frame: CAN FD."""
EXTENDED: Final = 0x8000_0000
"""Bit 31 of an identifier on the wire: it has 29 bits."""

_LAST_STANDARD_ID: Final = 0x7FF
_LAST_EXTENDED_ID: Final = 0x9FFF_FFFF


def decode(kind: str, body: bytes) -> Message:
    """The message of a body as received, MessagePack or JSON, zlib or not.

    `kind` is the topic's last word. Raises a `DecodeError`; its `reason` is a fixed word, its text
    repeats nothing personal. Whether the VIN is the topic's is for the receiver to compare.
    """
    parsed = wire.parse(kind, body)
    try:
        vin = parse_vin(parsed.vin)
    except DecodeError:  # its text repeats the VIN
        raise WrongTypeError("vin has 17 characters of A-Z without I, O, Q and 0-9") from None
    envelope = Envelope(vin, parsed.boot, parsed.seq, parsed.t0_us, parsed.ack, parsed.resent)
    if isinstance(parsed, wire.CanBody):
        return _can(envelope, parsed)
    if isinstance(parsed, wire.SignalsBody):
        return _signals(envelope, parsed.signals)
    if isinstance(parsed, wire.DtcsBody):
        return DtcMessage(envelope, tuple(_ecu(ecu) for ecu in parsed.ecus))
    return DiagMessage(envelope, tuple(_answer(answer) for answer in parsed.diag))


def _can(envelope: Envelope, body: wire.PackedCan | wire.PlainCan) -> CanMessage:
    dt_us = _column("dt_us", body.dt_us, np.dtype("<u4"), None)
    n = len(dt_us)
    if n > wire.MAX_FRAMES:
        raise TooLargeError(f"a message has at most {wire.MAX_FRAMES} frames, got {n}")
    can_id = _column("id", body.id, np.dtype("<u4"), n)
    length = _column("len", body.len, np.dtype("u1"), n)
    bus = np.zeros(n, np.uint8) if body.bus is None else _column("bus", body.bus, np.dtype("u1"), n)
    data = np.frombuffer(_octets("data", body.data), np.uint8)
    impossible = (can_id > _LAST_EXTENDED_ID) | ((can_id > _LAST_STANDARD_ID) & (can_id < EXTENDED))
    if impossible.any():
        found = int(can_id[impossible][0])
        raise WrongTypeError(f"id has 11 bits, or 29 bits and bit 31, got 0x{found:08x}")
    if n and length.max() > MAX_PAYLOAD_BYTES:
        raise WrongTypeError(f"len is at most {MAX_PAYLOAD_BYTES}, got {length.max()}")
    needed = int(length.sum(dtype=np.int64))
    if len(data) < needed:
        raise TruncatedPayloadError("data", needed_bytes=needed, got_bytes=len(data))
    if len(data) > needed:
        raise WrongTypeError(f"data has the {needed} bytes that len sums up to, got {len(data)}")
    return CanMessage(envelope, dt_us, can_id, bus, length, data, body.codebook)


def _column(name: str, column: bytes | list[int], dtype: np.dtype[Any], n: int | None) -> NDArray[Any]:
    """A column of n frames; n is None for the first one, which tells it."""
    if isinstance(column, list):
        values = np.array(column, dtype=dtype)
    elif len(column) % dtype.itemsize:
        whole = -(-len(column) // dtype.itemsize) * dtype.itemsize
        raise TruncatedPayloadError(f"column {name}", needed_bytes=whole, got_bytes=len(column))
    else:
        values = np.frombuffer(column, dtype)
    if n is not None and len(values) != n:
        size = dtype.itemsize
        raise TruncatedPayloadError(
            f"column {name} of {n} frames", needed_bytes=n * size, got_bytes=len(values) * size
        )
    return values


def _octets(name: str, text: bytes | str) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return unhexlify(text)
    except (HexError, ValueError) as error:
        raise WrongTypeError(f"{name} is a hex string of whole bytes: {error}") from error


def _signals(envelope: Envelope, series: Mapping[str, wire.Series]) -> SignalsMessage:
    dt_us = [one.dt_us for one in series.values()]
    value = [one.value for one in series.values()]
    sizes = list(map(len, value))
    if list(map(len, dt_us)) != sizes:
        raise _uneven(series)
    total = sum(sizes)
    if total > wire.MAX_SAMPLES:
        raise TooLargeError(f"a message has at most {wire.MAX_SAMPLES} samples, got {total}")
    return SignalsMessage(
        envelope,
        paths=list(series),
        sizes=sizes,
        dt_us=list(chain.from_iterable(dt_us)),
        value=list(chain.from_iterable(value)),
    )


def _uneven(series: Mapping[str, wire.Series]) -> TruncatedPayloadError:
    """What is wrong with the first signal that has not as many times as values."""
    uneven = (pair for pair in enumerate(series.values(), 1) if len(pair[1].dt_us) != len(pair[1].value))
    number, one = next(uneven)
    return TruncatedPayloadError(
        f"signal {number} of {len(series)}, with {len(one.dt_us)} times,",
        needed_bytes=len(one.dt_us) * 8,
        got_bytes=len(one.value) * 8,
    )


def _ecu(body: wire.EcuBody) -> EcuDtcs:
    readings = tuple(_reading(body.ecu, body.standard, one) for one in body.dtcs)
    return EcuDtcs(body.ecu, body.standard, body.complete, readings)


def _reading(ecu: str, standard: DtcStandard, body: wire.DtcBody) -> DtcReading:
    return DtcReading(
        dtc=_dtc(ecu, standard, body),
        status=None if body.status is None else DtcStatus(body.status),
        occurrences=body.oc,
        at_us=body.at_us,
        freeze_frame=_measured(body.freeze_frame or {}),
    )


def _measured(frame: dict[str, float]) -> dict[str, float]:
    """What a freeze frame measured: MessagePack has words for what is no number."""
    return {path: value for path, value in frame.items() if isfinite(value)}


def _dtc(ecu: str, standard: DtcStandard, body: wire.DtcBody) -> Dtc:
    """One spelling per code, so that the same fault is the same fault whoever reports it."""
    code, spn, fmi = body.code, body.spn, body.fmi
    if (spn is None) != (fmi is None):
        raise WrongTypeError("spn and fmi stand together, got one of them")
    if standard is DtcStandard.J1939:
        if spn is None or fmi is None:
            spn, fmi = dtc.find_j1939(code) or (None, None)
        if spn is not None and fmi is not None:
            code = dtc.spell_j1939(spn, fmi)
    elif standard is DtcStandard.J2012:
        try:
            code = dtc.spell(dtc.parse(code.upper()))
        except DecodeError:  # its text repeats what came
            raise WrongTypeError("a J2012 code is P, C, B or U, a digit 0-3 and three of 0-9A-F") from None
    return Dtc(standard, ecu, code, body.ftb, spn, fmi)


def _answer(body: wire.AnswerBody[bytes] | wire.AnswerBody[str]) -> DiagAnswer:
    request = None if body.request is None else _octets("request", body.request)
    return DiagAnswer(body.dt_us, body.ecu, _octets("payload", body.payload), request)


def encode(message: Message, *, as_json: bool = False, compress: bool = False) -> bytes:
    """The body of a message, which `decode` of its `kind` reads back to an equal message.

    Nothing is split: a body beyond `MAX_WIRE_BYTES` is encoded all the same, and the broker refuses it.
    """
    body = _plain(message) if as_json else _packed(message)
    encoded = msgspec.json.encode(body) if as_json else msgspec.msgpack.encode(body)
    return zlib.compress(encoded) if compress else encoded


def _head(envelope: Envelope) -> dict[str, Any]:
    return {
        "v": wire.VERSION,
        "vin": envelope.vin,
        "boot": envelope.boot,
        "seq": envelope.seq,
        "t0_us": envelope.t0_us,
        "ack": envelope.ack,
        "resent": envelope.resent,
    }


def _packed(message: Message) -> wire.Body:
    head = _head(message.envelope)
    if isinstance(message, CanMessage):
        return wire.PackedCan(
            **head,
            dt_us=message.dt_us.astype("<u4", copy=False).tobytes(),
            id=message.can_id.astype("<u4", copy=False).tobytes(),
            len=message.length.tobytes(),
            data=message.data.tobytes(),
            bus=message.bus.tobytes() if message.bus.any() else None,
            codebook=message.codebook,
        )
    if isinstance(message, DiagMessage):
        return wire.PackedDiag(
            **head,
            diag=[wire.AnswerBody(one.dt_us, one.ecu, one.payload, one.request) for one in message.answers],
        )
    return _either(head, message)


def _plain(message: Message) -> wire.Body:
    head = _head(message.envelope)
    if isinstance(message, CanMessage):
        return wire.PlainCan(
            **head,
            dt_us=message.dt_us.tolist(),
            id=message.can_id.tolist(),
            len=message.length.tolist(),
            data=message.data.tobytes().hex(),
            bus=message.bus.tolist() if message.bus.any() else None,
            codebook=message.codebook,
        )
    if isinstance(message, DiagMessage):
        return wire.PlainDiag(
            **head,
            diag=[
                wire.AnswerBody(
                    one.dt_us,
                    one.ecu,
                    one.payload.hex(),
                    None if one.request is None else one.request.hex(),
                )
                for one in message.answers
            ],
        )
    return _either(head, message)


def _either(head: dict[str, Any], message: SignalsMessage | DtcMessage) -> wire.Body:
    """Bodies that are the same in both encodings."""
    if isinstance(message, SignalsMessage):
        series = {
            path: wire.Series(dt_us.tolist(), value.tolist())
            for path, (dt_us, value) in message.signals.items()
        }
        return wire.SignalsBody(**head, signals=series)
    ecus = [
        wire.EcuBody(one.ecu, one.standard, one.complete, [_dtc_body(reading) for reading in one.readings])
        for one in message.ecus
    ]
    return wire.DtcsBody(**head, ecus=ecus)


def _dtc_body(reading: DtcReading) -> wire.DtcBody:
    return wire.DtcBody(
        code=reading.dtc.code,
        ftb=reading.dtc.ftb,
        status=None if reading.status is None else int(reading.status),
        spn=reading.dtc.spn,
        fmi=reading.dtc.fmi,
        oc=reading.occurrences,
        at_us=reading.at_us,
        freeze_frame=reading.freeze_frame or None,
    )
