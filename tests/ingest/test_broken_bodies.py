"""Hundreds of broken bodies among good ones of the same vehicles: each is kept with its reason,
none does harm."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from decoders.envelope import encode
from decoders.gbt32960 import packet
from decoders.gbt32960.packet import Packet
from decoders.gbt32960.words import AckFlag, Command, Edition
from decoders.message import DiagAnswer, DiagMessage, Message
from ingest import pipeline, reading
from ingest.delivery import Delivery
from ingest.metrics import Tally
from ingest.pipeline import Line
from store import rejects
from store.pool import Connection
from tests.decoders.gbt32960 import files
from tests.fuzz.dice import Dice
from tests.fuzz.mutators import mutated
from tests.fuzz.target import Target
from tests.fuzz.targets.envelope import PACKED_WORDS, PLAIN_WORDS
from tests.fuzz.targets.gbt32960 import PACKET_WORDS, sealed
from tests.ingest.senders import (
    AMBIENT,
    CONTENTS,
    CRANKING,
    KNOWN_US,
    ODOMETER,
    SECOND_US,
    T0_US,
    can,
    codes,
    contents,
    deliver,
    dm1_bam,
    envelope,
    raw,
    shuffled,
    signals,
    vdhr,
    vin,
)
from vehicle.vin import Vin

VINS: Final = [vin(number) for number in range(1, 6)]
BROKEN: Final = 500
HOUR_US: Final = 3600 * SECOND_US
DAY_US: Final = 24 * HOUR_US
KINDS: Final = ("can", "signals", "dtc", "diag", "gbt32960")


def report(of: Vin, hour: int) -> Delivery:
    """A GB/T 32960 report whose time is ours: 16:53:20 on 2025-10-09 in China, and so many hours later."""
    golden = packet.parse(files.read("2016-report").data)
    body = bytes((25, 10, 9, 16 + hour, 53, 20)) + golden.body[6:]
    built = packet.build(Packet(Edition.GBT_2016, Command.REPORT, AckFlag.COMMAND, of, 1, body))
    return raw(of, "gbt32960", built)


def answers(of: Vin, seq: int, *, t0_us: int) -> DiagMessage:
    told = ("43010301", "4700", "410c1af8", "5902ff03011128", "62f190" + of.encode().hex(), "7f2231")
    return DiagMessage(
        envelope(of, seq, t0_us=t0_us),
        tuple(DiagAnswer(k * SECOND_US, "7e8", bytes.fromhex(one)) for k, one in enumerate(told)),
    )


def good() -> list[Delivery]:
    """Ten messages of each vehicle, of every kind."""
    found = []
    for number, of in enumerate(VINS):
        for hour in range(2):
            t0_us, seq = T0_US + hour * HOUR_US, 4 * hour
            odometer = [1e6 * number + 1000.0 * hour, 1e6 * number + 1000.0 * hour + 400.0]
            frames = [vdhr(0, 1000.0 * number + hour), *dm1_bam(1_000, (980, 9, 126), (3216, 20, 2))]
            found += [
                deliver(signals(of, seq, {ODOMETER: odometer, CRANKING: 9.5, AMBIENT: 3.0}, t0_us=t0_us)),
                deliver(codes(of, seq + 1, *["P0301", "P0420"][: 2 - hour], t0_us=t0_us), as_json=True),
                deliver(can(of, seq + 2, frames, t0_us=t0_us), compress=True),
                deliver(answers(of, seq + 3, t0_us=t0_us)),
                report(of, hour),
            ]
    return found


def targets() -> list[tuple[str, Target]]:
    """How bodies of each kind are broken: in MessagePack and JSON, compressed, and as packets."""

    def target(words: Sequence[bytes]) -> Target:
        return Target("broken", lambda _, __: (), tuple, words, max_bytes=4_000)

    packets = Target("broken", lambda _, __: (), tuple, PACKET_WORDS, max_bytes=4_000, repair=sealed)
    both = [(kind, target(words)) for kind in KINDS[:4] for words in (PACKED_WORDS, PLAIN_WORDS, ())]
    return [*both, *[("gbt32960", packets)] * 3]


def bodies(of: Vin, seq: int, kind: str) -> list[bytes]:
    """Good ones to begin with, in every encoding."""
    if kind == "gbt32960":
        return [report(of, 5).body]
    t0_us = T0_US + 20 * HOUR_US
    messages: dict[str, Message] = {
        "can": can(of, seq, [vdhr(0, 7.0), *dm1_bam(0, (980, 9, 126), (3216, 20, 2))], t0_us=t0_us),
        "signals": signals(of, seq, {ODOMETER: [1.0, 2.0], AMBIENT: 30.0}, t0_us=t0_us),
        "dtc": codes(of, seq, "P0999", t0_us=t0_us, freeze_frame={AMBIENT: 1.0}),
        "diag": answers(of, seq, t0_us=t0_us),
    }
    return [
        encode(messages[kind], as_json=plain, compress=pack)
        for plain in (False, True)
        for pack in (False, True)
    ]


def broken(n: int, seed: int) -> list[Delivery]:
    """Different bodies that cannot be read, of all kinds by turns."""
    dice = Dice(seed)
    found: dict[tuple[str, bytes], Delivery] = {}
    ways = targets()
    while len(found) < n:
        kind, how = ways[len(found) % len(ways)]
        of = dice.one_of(VINS)
        delivery = raw(of, kind, mutated(how, bodies(of, 1_000 + len(found), kind), dice))
        if reading.read([delivery]).refusals:
            found[delivery.topic, delivery.body] = delivery
    return list(found.values())


def impossible(n: int) -> list[Delivery]:
    """Bodies that can be read and say what cannot be."""
    found = []
    for k in range(n):
        of, seq = VINS[k % len(VINS)], 2_000 + k
        found.append(
            (
                deliver(signals(of, seq, {ODOMETER: 1.0}, t0_us=KNOWN_US + 400 * SECOND_US)),
                deliver(codes(of, seq, "P0302", t0_us=0)),
                deliver(can(of, seq, [vdhr(0, 1.0)], codebook="nobody's")),
                deliver(signals(of, seq, {ODOMETER: [1.0, 2.0]}, step_us=DAY_US + 1)),
                raw(VINS[(k + 1) % 5], "dtc", encode(codes(of, seq, "P0303"))),
                Delivery(f"tbox/v1/{of}/up/photo", bytes([k]), KNOWN_US),
            )[k % 6]
        )
    return found


async def stored(conn: Connection, line: Line, deliveries: Sequence[Delivery]) -> Tally:
    """In batches of any size."""
    draw, total = random.Random(4), Tally()
    rest = list(deliveries)
    while rest:
        tally, taken = await pipeline.store(conn, rest[: draw.choice([1, 10, 60, 150])], line)
        total.add(tally)
        rest = rest[taken:]
    return total


async def test_broken_bodies_are_kept_with_their_reasons_and_good_ones_stored_as_if_alone(
    conn: Connection, line: Line
) -> None:
    alone = await stored(conn, line, good())
    assert (alone.received, alone.stored, alone.rejected) == (50, 50, 0)
    expected = await contents(conn)
    tables = ", ".join(CONTENTS.keys() - {"vehicle"})
    await conn.execute(f"truncate {tables} cascade".encode())

    bad = [*broken(BROKEN - 60, seed=11), *impossible(60)]
    total = await stored(conn, line, shuffled([*good(), *bad], seed=3))
    assert (total.received, total.stored, total.doubled, total.rejected) == (550, 50, 0, BROKEN)
    found = await contents(conn)
    assert {name: rows for name, rows in found.items() if name != "reject"} == {
        name: rows for name, rows in expected.items() if name != "reject"
    }

    kept = await rejects.newest(conn, reason=None, limit=2 * BROKEN)
    assert len(kept) == BROKEN
    assert Counter(one.reason for one in kept) == total.by_reason
    assert not {"unexpected", "malformed"} & total.by_reason.keys()
    assert len(total.by_reason) > 12
    assert {one.kind for one in kept} == {*KINDS, "other"}
    assert not [one.detail for one in kept if any(of in one.detail for of in VINS)]
    originals = [await rejects.original(conn, line.seal, one.id) for one in kept]
    assert {(one.topic, one.body) for one in originals if one is not None} == {
        (one.topic, one.body) for one in bad
    }


def test_what_is_called_broken_is_of_every_kind_and_encoding() -> None:
    found = broken(150, seed=11)
    assert {one.topic.rsplit("/", 1)[-1] for one in found} == set(KINDS)
    first = np.array([one.body[0] for one in found if one.body])
    assert (first == ord("{")).any()
    assert (first == ord("x")).any()
    assert (first >= 0x80).any()


def readable(n: int, seed: int) -> list[Delivery]:
    """Bodies that were broken and can be read all the same: what they say may be anything."""
    dice = Dice(seed)
    found: dict[tuple[str, bytes], Delivery] = {}
    ways = targets()
    while len(found) < n:
        kind, how = ways[len(found) % len(ways)]
        of = dice.one_of(VINS)
        delivery = raw(of, kind, mutated(how, bodies(of, 3_000 + len(found), kind), dice))
        if reading.read([delivery]).arrived:
            found[delivery.topic, delivery.body] = delivery
    return list(found.values())


async def test_whatever_can_be_read_can_be_stored_or_is_refused_by_name(conn: Connection, line: Line) -> None:
    total = await stored(conn, line, readable(150, seed=21))
    assert total.received == 150 == total.stored + total.doubled + total.rejected
    assert total.stored > 40
    assert not {"unexpected", "malformed"} & total.by_reason.keys()
