"""Reports of every standard and source in any order: drawn at random, close together, with many ties."""

import random
from collections.abc import Callable
from typing import Final

import pytest

from decoders.message import DtcMessage, EcuDtcs
from ingest import pipeline
from ingest.delivery import Delivery
from ingest.pipeline import Line
from store import signals as catalogue
from store.pool import Connection
from tests.ingest.gbt_packets import alarming, published
from tests.ingest.senders import (
    AMBIENT,
    EXTENDED,
    KNOWN_US,
    SECOND_US,
    T0_US,
    can,
    contents,
    deliver,
    envelope,
    vin,
)
from tests.ingest.talks import diag
from vehicle.dtc import Dtc, DtcReading, DtcStandard, DtcStatus
from vehicle.vin import Vin

A, B = vin(1), vin(2)
TABLES: Final = ("fault_report", "fault_event", "fault")
STATUSES: Final = (None, 0x00, 0x04, 0x08, 0x09, 0x0C, 0x10, 0x2F, 0x50, 0x8F)
ECUS: Final = {
    DtcStandard.J2012: "7e8",
    DtcStandard.UDS: "7e8",
    DtcStandard.J1939: "sa-00",
    DtcStandard.GBT32960: "vehicle",
}
"""As the answers, frames and packets below call them."""
ANSWERS: Final = [
    ("43010301", "03"), ("4300", "03"), ("470203010420", "07"), ("4700", "07"), ("4a010301", "0a"),
    ("4a00", "0a"), ("44", "04"), ("54", "14ffffff"), ("54", "14030100"), ("5902ff0301002f", "1902ff"),
    ("5902ff", "1902ff"), ("5902ff03010050", "1902ff"), ("5902ff03010008", "1902ff"),
    ("410181000000", "0101"),
]  # fmt: skip
Make = Callable[[random.Random, Vin, int, int, int], Delivery]


def listed(draw: random.Random, of: Vin, seq: int, boot: int, at_us: int) -> Delivery:
    """A `dtc` message of any standard, with onsets, counts and frozen values here and there."""
    standard = draw.choice(list(ECUS))
    readings = []
    for number in draw.sample(range(3), draw.randrange(3)):
        status = draw.choice(STATUSES)
        readings.append(
            DtcReading(
                _code(draw, standard, number),
                status=None if status is None else DtcStatus(status),
                occurrences=draw.choice([None, 1, 3]),
                at_us=draw.choice([None, None, at_us - SECOND_US, at_us - 5 * SECOND_US]),
                freeze_frame={AMBIENT: float(number)} if draw.random() < 0.5 else {},
            )
        )
    told = EcuDtcs(ECUS[standard], standard, draw.random() < 0.7, tuple(readings))
    return deliver(DtcMessage(envelope(of, seq, boot=boot, t0_us=at_us), (told,)))


def _code(draw: random.Random, standard: DtcStandard, number: int) -> Dtc:
    ecu = ECUS[standard]
    if standard is DtcStandard.J1939:
        return Dtc(standard, ecu, f"SPN {94 + number} FMI 1", spn=94 + number, fmi=1)
    if standard is DtcStandard.GBT32960:
        return Dtc(standard, ecu, f"ALARM 0{3 + number}")
    ftb = draw.choice([None, 0, 0x11]) if standard is DtcStandard.UDS else None
    return Dtc(standard, ecu, ("P0301", "P0420", "U0100")[number], ftb)


def answered(draw: random.Random, of: Vin, seq: int, boot: int, at_us: int) -> Delivery:
    """Answers to a tester, clears among them."""
    told = [draw.choice(ANSWERS) for _ in range(draw.randrange(1, 5))]
    return deliver(diag(of, seq, *told, t0_us=at_us, boot=boot))


def framed(draw: random.Random, of: Vin, seq: int, boot: int, at_us: int) -> Delivery:
    """Lists of J1939, at times acknowledged clears."""
    frames = []
    for place in range(draw.randrange(1, 4)):
        group, spn = draw.choice([0xFECA, 0xFECA, 0xFECB, 0xFECF, 0xFED4, 0xFDB5]), draw.choice([0, 94, 95])
        body = bytes([draw.choice([0, 0x40]), 0xFF, spn, 0, spn > 0, spn > 0, 0xFF, 0xFF])
        frames.append((place * draw.choice([0, 1000]), EXTENDED | 0x18000000 | group << 8, body))
    if draw.random() < 0.3:
        body = bytes([0, 0xFF, 0xFF, 0xFF, 0xF9, draw.choice([0xD3, 0xCC]), 0xFE, 0])
        frames.append((5000, EXTENDED | 0x18E8FF00, body))
    return deliver(can(of, seq, frames, t0_us=at_us, boot=boot))


def packed(draw: random.Random, of: Vin, seq: int, boot: int, at_us: int) -> Delivery:
    """A GB/T 32960 packet with alarms; it has neither number nor boot."""
    del seq, boot
    flags, level = draw.choice([(), (3,), (3, 4)]), draw.choice([0, 1, 2, 0xFF])
    body = alarming(of, at_us, *flags, level=level, reissued=draw.random() < 0.3)
    return published([body], known_us=KNOWN_US)[0]


MAKERS: Final[tuple[Make, ...]] = (listed, listed, answered, answered, framed, packed)


def drawn(draw: random.Random, n: int) -> list[Delivery]:
    """Messages of two vehicles and two starts within twelve seconds."""
    sent, seqs = [], dict.fromkeys([(one, boot) for one in (A, B) for boot in (1, 2)], 0)
    for _ in range(n):
        key = (draw.choice([A, A, A, B]), draw.choice([1, 1, 2]))
        at_us = T0_US + draw.randrange(12) * SECOND_US
        sent.append(draw.choice(MAKERS)(draw, key[0], seqs[key], key[1], at_us))
        seqs[key] += 1
    return sent


@pytest.mark.parametrize("seed", range(8))
async def test_reports_of_all_sources_in_any_order_end_in_the_same_episodes(
    conn: Connection, line: Line, seed: int
) -> None:
    await catalogue.sync(conn, line.lexicon.catalogue)
    draw = random.Random(seed)
    sent = drawn(draw, 30)
    await pipeline.store(conn, sent, line)
    expected = await contents(conn, *TABLES)
    for _ in range(2):
        await conn.execute(
            "truncate message, segment, raw_frame, raw_packet, raw_answer, latest, vehicle_day, odometer_day,"
            " transport_carry, fault_report, fault_event, fault, identity, anomaly, touched, reject"
        )
        rest = [*sent, *draw.sample(sent, 8)]
        draw.shuffle(rest)
        while rest:
            n = draw.choice([1, 1, 2, 3, 10])
            await pipeline.store(conn, rest[:n], line)
            rest = rest[n:]
        assert await contents(conn, *TABLES) == expected
