"""Diagnostic payloads: UDS, OBD-II, and answers of several ECUs and messages read together."""

import math
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np

from decoders import diag, dids, obd, uds, uds_dtc
from decoders.diag import Diagnosed, Heard
from decoders.dids import DidCodebook
from decoders.uds_dtc import DtcCount, DtcDetail, DtcList, SubFunction
from odocare import wiring
from tests.fuzz.target import Mark, Target, place_of, require
from vehicle.errors import DecodeError
from vehicle.signal import Catalogue

ECUS: Final = ("7e8", "7e9", "18daf110", "ecm")
T0_US: Final = 1_700_000_000_000_000


@cache
def catalogue() -> Catalogue:
    return wiring.catalogue()


@cache
def book() -> DidCodebook:
    return wiring.did_codebook()


def _size_of(did: int) -> int | None:
    return book().size_bytes("7e8", did)


def check_uds(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """A case is the request's length (low four bits), the request, the answer. No byte of it is lost."""
    asked = case[0] & 0x0F if case else 0
    request, payload = case[1 : 1 + asked] or None, case[1 + asked :]
    try:
        answer = uds.parse_response(payload, request=request, size_of=_size_of if thorough else None)
    except DecodeError as error:
        return [(payload[:1], place_of(error))]
    if isinstance(answer, uds.Negative):
        return [("negative", answer.name, answer.is_pending)]
    if isinstance(answer, uds.Data):
        split = dids.split(answer.data, "7e8", book())
        told = [did.to_bytes(2, "big") + data for did, data in split.records]
        behind = b"" if split.unknown is None else split.unknown.to_bytes(2, "big")
        require(
            "identifiers and records are the answer",
            holds=b"".join([*told, behind, split.rest]) == answer.data,
        )
        return [("data", min(len(split.records), 5), split.unknown is None, bool(split.rest))]
    if isinstance(answer, DtcDetail):
        require("a detail is its bytes", holds=_written(answer) == payload[1:])
    if isinstance(answer, DtcList | DtcDetail):
        report = uds_dtc.report(answer, message=0, at_us=T0_US, ecu="7e8", request=request)
        codes = [one.dtc.code for one in report.readings]
        require("codes have a spelling", holds=all(codes))
        return [(type(answer), answer.sub_function, min(len(codes), 5), report.complete, report.standard)]
    if isinstance(answer, DtcCount):
        require("a count is a count", holds=0 <= answer.n <= 0xFFFF)
    return [type(answer).__name__]


def _written(detail: DtcDetail) -> bytes:
    head = bytes([detail.sub_function]) + detail.code.to_bytes(3, "big") + bytes([detail.status])
    return head + b"".join(bytes([one.number]) + one.data for one in detail.records)


def check_obd(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """No byte of a record is lost, codes have two bytes, a bitmap is what it says."""
    try:
        answer = obd.parse_response(case, book(), ecu="7e8")
    except DecodeError as error:
        return [(case[:1], place_of(error))]
    if isinstance(answer, obd.Pids):
        mark = b"" if answer.frame is None else bytes([answer.frame])
        told = [bytes([pid]) + mark + data for pid, data in answer.records]
        behind = b"" if answer.unknown is None else bytes([answer.unknown]) + mark
        require("PIDs and records are the answer", holds=b"".join([*told, behind, answer.rest]) == case[1:])
        return [
            ("pids", answer.frame is None, min(len(told), 5), answer.unknown is None),
            *_supported(answer),
        ]
    if isinstance(answer, obd.Codes):
        require("a code has two bytes and is not zero", holds=all(0 < one <= 0xFFFF for one in answer.codes))
        return [(answer.kind, min(len(answer.codes), 5), answer.is_counted, answer.is_last)]
    if isinstance(answer, obd.InfoPart):
        known = obd.identities([obd.Info(0, T0_US, "7e8", answer)] * 2)
        require("texts are printable", holds=all(text.isprintable() for one in known for text in one.texts))
        return [("info", answer.info_type if known else None, len(known))]
    return [type(answer).__name__]


def _supported(answer: obd.Pids) -> Iterator[Mark]:
    for pid, record in answer.records:
        try:
            found = obd.supported(pid, record)
        except DecodeError as error:
            yield place_of(error)
            continue
        require("a bitmap tells of the next 32", holds=all(pid < one <= pid + 32 for one in found))
        yield ("supported", pid)


ANSWER_HEAD_BYTES: Final = 3
"""Message and request; ECU and time; length of what follows."""


def heard(case: bytes) -> list[Heard]:
    """The answers of a case: the first byte's low bit begins a new message, the others are how long a request
    stands before the payload; the second byte is ECU and time; the third how long both are."""
    found, at, message = [], 0, 0
    while at + ANSWER_HEAD_BYTES <= len(case):
        first, second, size = case[at : at + ANSWER_HEAD_BYTES]
        message += first & 1
        body = case[at + ANSWER_HEAD_BYTES : at + ANSWER_HEAD_BYTES + size]
        at += ANSWER_HEAD_BYTES + size
        asked = first >> 1 & 7
        at_us = T0_US + (second >> 2) * 300_000
        found.append(Heard(message, at_us, ECUS[second & 3], body[asked:], body[:asked] or None))
    return found


def check_diag(case: bytes, thorough: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """Values are finite, every refused answer is named, and other messages change nothing."""
    answers = heard(case)
    found = diag.read(answers, book(), catalogue())
    require("values are finite", holds=bool(np.isfinite(found.rows.value).all()))
    frames = [one.freeze_frame for report in found.reports for one in report.readings]
    require(
        "frozen values are finite",
        holds=all(math.isfinite(one) for frame in frames for one in frame.values()),
    )
    places = [place for place, _ in found.unread]
    require("each refused answer is named once", holds=places == sorted(set(places)))
    if thorough:
        for number in {one.message for one in answers}:
            alone = diag.read([one for one in answers if one.message == number], book(), catalogue())
            require("other messages change nothing", holds=_told(alone, number) == _told(found, number))
    marks: list[Mark] = [(type(error), place_of(error)) for _, error in found.unread]
    marks += [
        (report.standard, report.complete, report.mil, min(len(report.readings), 4))
        for report in found.reports
    ]
    marks += [("frozen", min(len(frame), 4)) for frame in frames]
    marks += [(one.kind, len(one.texts)) for one in found.identities]
    marks += [("clear", one.standard, one.group is None) for one in found.clears]
    return [
        *marks,
        ("values", min(len(found.rows), 9)),
        ("short", found.short_records),
        ("no", found.no_measurement),
    ]


def _told(found: Diagnosed, message: int) -> object:
    """What one message says."""
    mine = found.rows.message == message
    rows = [column[mine].tolist() for column in (found.rows.t_us, found.rows.signal, found.rows.value)]
    parts = (found.reports, found.clears, found.identities, found.details)
    return rows, [[one for one in part if one.message == message] for part in parts]


def answer(
    payload: bytes, *, request: bytes = b"", ecu: int = 0, tick: int = 0, begins: bool = False
) -> bytes:
    """The bytes of one answer in a case of `diag`."""
    body = request + payload
    return bytes([len(request) << 1 | begins, tick << 2 | ecu, len(body)]) + body


UDS_ANSWERS: Final = tuple(
    bytes.fromhex(one)
    for one in (
        "7f2231", "7f1978", "62f190" + b"L0DEV1234N0000001".hex(), "62f18c41424344", "62f40c1af8f40d32",
        "5901ff010003", "5902ff03011128042000ff08", "5902090301110912345650", "590a7f030111270000000000",
        "5904030111280101f40c1af8", "590403011128010202f40c1af8f40d32", "590603011128018001", "5907ff010003",
        "5908ff2010030111282010c0123450", "5909ff201003011128", "54", "5001003201f4",
        "5942330fff042003011128", "594233ffff022003011128",
    )
)  # fmt: skip
OBD_ANSWERS: Final = tuple(
    bytes.fromhex(one)
    for one in (
        "4100be1fa813", "410c1af80d320546", "4101810765004100", "4202000301", "420c001af80d0032", "420500ff",
        "43020301c123", "4300", "430301042012340000", "4701030100", "4a010420", "44",
        "4904" + "01" + b"CALID-1234567890".hex(),
        "490201" + b"L0DEV1234N0000001".hex(), "49060112345678", "490a01" + b"ECM".ljust(20, b"\0").hex(),
        "49020100000041", "4902024c304445", "41a600012345", "4120800000014140fed00001", "413cffff",
    )
)  # fmt: skip


def _uds_starts() -> Sequence[bytes]:
    requests = [b"", b"\x22\xf1\x90", b"\x19\x02\xff", b"\x14\xff\xff\xff", b"\x19\x02\x08"]
    return [bytes([len(one)]) + one + payload for one in requests for payload in UDS_ANSWERS]


def _obd_starts() -> Sequence[bytes]:
    return OBD_ANSWERS


def _diag_starts() -> Sequence[bytes]:
    both = [*UDS_ANSWERS, *OBD_ANSWERS]
    alone = [answer(payload) for payload in both]
    pairs = [
        answer(bytes.fromhex("43010301"), request=b"\x03")
        + answer(bytes.fromhex("4700"), request=b"\x07", tick=3)
        + answer(bytes.fromhex("4202000301"))
        + answer(bytes.fromhex("420c001af8"))
        + answer(bytes.fromhex("410181076500"), tick=9),
        answer(bytes.fromhex("5902ff03011128"), request=b"\x19\x02\xff")
        + answer(bytes.fromhex("5904030111280101f40c1af8"), tick=1)
        + answer(b"\x54", request=b"\x14\xff\xff\xff", tick=2, begins=True),
        b"".join(answer(bytes.fromhex("4902") + bytes([k + 1]) + b"L0DE", tick=k) for k in range(5)),
    ]
    crowd = [b"".join(answer(one, ecu=k & 3, begins=k % 3 == 0) for k,
    one in enumerate(both[start : start + 9]))
             for start in range(0, len(both), 9)]  # fmt: skip
    return alone + pairs + crowd


_UDS_WORDS: Final = tuple(bytes.fromhex(one) for one in (
    "62", "f190", "f18c", "f40c", "f40d", "f400", "59", *(f"59{one:02x}" for one in SubFunction), "7f",
    "78", "54",
    "1902ff", "ffffff", "000000", "00000000",
))  # fmt: skip
_OBD_WORDS: Final = tuple(bytes.fromhex(one) for one in (
    "41", "42", "43", "44", "47", "49", "4a", "00", "01", "02", "0c", "0d", "20", "24", "3c", "40", "4f",
    "65", "a6",
    "0902", "0904", "0906", "090a",
))  # fmt: skip

TARGETS: Final = (
    Target("uds", check_uds, _uds_starts, _UDS_WORDS, max_bytes=400),
    Target("obd", check_obd, _obd_starts, _OBD_WORDS, max_bytes=200),
    Target(
        "diag", check_diag, _diag_starts, (*_UDS_WORDS, *_OBD_WORDS, *map(answer, OBD_ANSWERS)), max_bytes=400
    ),
)
