"""One batch through the corridor: the good stored, the bad kept with their reasons, everything counted."""

import zlib
from datetime import date

import msgspec
import pytest

from decoders import codebook
from decoders.codebook import Codebooks
from decoders.envelope import MAX_INFLATED_BYTES, encode
from ingest import pipeline
from ingest.delivery import Delivery
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from ingest.replay import Outcome, replay
from store import rejects, vehicles
from store.messages import MOST_LIVES
from store.pool import Connection
from tests.ingest.senders import (
    CRANKING,
    EXTENDED,
    KNOWN_US,
    LATITUDE,
    ODOMETER,
    SECOND_US,
    T0_US,
    can,
    codes,
    contents,
    deliver,
    dm1_bam,
    raw,
    signals,
    vin,
)
from vehicle.day import at_of

DAY_US = 86_400_000_000
A, B, C = vin(1), vin(2), vin(3)


def distance(at_us: int, km: float) -> tuple[int, int, bytes]:
    """Total vehicle distance (PGN 65248, 0.125 km per bit) from address 0."""
    return (at_us, EXTENDED | 0x18FEE000, b"\xff" * 4 + int(km * 8).to_bytes(4, "little"))


async def reasons(conn: Connection) -> dict[str, str]:
    """Reason and detail of every reject."""
    cur = await conn.execute("select reason, detail from reject order by id")
    return dict(await cur.fetchall())


async def test_a_batch_of_several_vehicles_and_kinds_is_stored_in_all_tables(
    conn: Connection, line: Line
) -> None:
    batch = [
        deliver(signals(A, 0, {ODOMETER: [1_000_000.0, 1_001_000.0], CRANKING: [9.5, 9.75]})),
        deliver(signals(B, 0, {ODOMETER: 5000.0}), as_json=True, compress=True),
        deliver(codes(A, 1, "P0301", "P0420")),
        deliver(can(B, 1, [distance(0, 13_832.875), *dm1_bam(1000, (980, 9, 126), (3216, 20, 2))])),
    ]
    tally, taken = await pipeline.store(conn, batch, line)
    assert (tally.received, tally.stored, tally.doubled, tally.rejected, taken) == (4, 4, 0, 0, 4)
    found = await contents(conn)
    assert [row[:5] for row in found["message"]] == [
        (A, 1, 0, 0, "signals"),
        (A, 1, 0, 1, "dtc"),
        (B, 1, 0, 0, "signals"),
        (B, 1, 0, 1, "can"),
    ]
    assert [row[0] for row in found["segment"]] == [A, B, B]
    assert [row[6] for row in found["segment"]] == [None, None, "j1939"]
    assert [row[0] for row in found["raw_frame"]] == [B]
    assert found["latest"][1][2:] == ([1], [at_of(T0_US)], [13_832_875.0])
    assert [(row[0], row[1]["source"], row[1]["last_km"]) for row in found["odometer_day"]] == [
        (A, 1, 1001),
        (B, 1, 5),
        (B, 256, 13_832.875),
    ]
    assert [(row[0], row[1]["starts_n"]) for row in found["vehicle_day"]] == [(A, 2), (B, 0)]
    assert [(row[0], row[1]["code"], row[1]["severity"]) for row in found["fault"]] == [
        (A, "P0301", "urgent"),
        (A, "P0420", "soon"),
        (B, "SPN 3216 FMI 20", "soon"),
        (B, "SPN 980 FMI 9", "soon"),
    ]
    assert found["touched"] == [(A, date(2025, 10, 9)), (B, date(2025, 10, 9))]
    assert found["reject"] == []


async def test_a_fault_is_urgent_when_it_turns_and_not_while_it_stays(conn: Connection, line: Line) -> None:
    async def is_urgent(seq: int, *names: str) -> bool:
        said = codes(vin(1), seq, *names, t0_us=T0_US + seq * SECOND_US)
        await pipeline.store(conn, [deliver(said)], line)
        row = await (await conn.execute("select urgent from touched")).fetchone()
        assert row is not None
        await conn.execute("update touched set urgent = false")
        return bool(row[0])

    assert [await is_urgent(n, *names) for n, names in enumerate([["P0300"], ["P0300"], [], []])] == [
        True, False, True, False,
    ]  # fmt: skip


async def test_the_same_batch_again_changes_nothing(conn: Connection, line: Line) -> None:
    batch = [
        deliver(signals(A, 0, {ODOMETER: 1.0, CRANKING: 9.5})),
        deliver(codes(A, 1, "P0301")),
        deliver(can(B, 0, [distance(0, 5.0)])),
        deliver(signals(C, 0, {"Vehicle.X-Other.A": 1.0, ODOMETER: 2.0})),
        raw(A, "can", b"\xc1"),
    ]
    await pipeline.store(conn, batch, line)
    before = await contents(conn)
    tally, _ = await pipeline.store(conn, batch, line)
    assert (tally.received, tally.stored, tally.doubled, tally.rejected) == (5, 0, 5, 0)
    assert await contents(conn) == before


def bad_messages() -> dict[str, Delivery]:
    """One of every kind of trouble, by the reason it is refused with."""
    whole = encode(signals(A, 10, {ODOMETER: 1.0}))
    short = msgspec.msgpack.decode(encode(can(A, 11, [distance(0, 1.0)])))
    short["data"] = short["data"][:-1]
    versioned = msgspec.msgpack.decode(whole) | {"v": 2}
    untyped = msgspec.msgpack.decode(whole) | {"seq": "one"}
    long = signals(A, 12, {ODOMETER: [1.0, 2.0]}, step_us=DAY_US + 1)
    return {
        "broken-msgpack": raw(A, "signals", whole[:-3]),
        "broken-json": raw(A, "signals", b'{"v": 1,'),
        "broken-zlib": raw(A, "signals", zlib.compress(whole)[:-4]),
        "vin-mismatch": raw(B, "signals", whole),
        "unknown-codebook": deliver(can(A, 13, [distance(0, 1.0)], codebook="nobody's")),
        "truncated": raw(A, "can", msgspec.msgpack.encode(short)),
        "inflates-beyond-limit": raw(A, "signals", zlib.compress(bytes(MAX_INFLATED_BYTES + 1))),
        "too-large": raw(A, "signals", bytes(262_145)),
        "wrong-version": raw(A, "signals", msgspec.msgpack.encode(versioned)),
        "wrong-type": raw(A, "signals", msgspec.msgpack.encode(untyped)),
        "bad-topic": Delivery(f"tbox/v1/{A}/up/photo", whole, KNOWN_US),
        "future-time": deliver(signals(A, 14, {ODOMETER: 1.0}, t0_us=KNOWN_US + 301 * SECOND_US)),
        "before-built": deliver(signals(A, 15, {ODOMETER: 1.0}, t0_us=0)),
        "span-too-long": deliver(long),
        "wrong-length": raw(A, "gbt32960", b"##" + bytes(30)),
    }


async def test_everything_bad_becomes_a_reject_and_its_neighbours_are_stored(
    conn: Connection, line: Line
) -> None:
    bad = bad_messages()
    batch = []
    for number, delivery in enumerate(bad.values()):
        batch += [deliver(signals(C, number, {ODOMETER: float(number)})), delivery]
    tally, _ = await pipeline.store(conn, batch, line)
    assert (tally.received, tally.stored, tally.doubled) == (2 * len(bad), len(bad), 0)
    assert tally.by_reason == dict.fromkeys(bad, 1)
    assert tally.received == tally.stored + tally.doubled + tally.rejected
    found = await reasons(conn)
    assert set(found) == set(bad)
    for detail in found.values():
        assert A not in detail
        assert B not in detail
    kept = {one.reason: one for one in await rejects.newest(conn, reason=None, limit=100)}
    for reason, delivery in bad.items():
        original = await rejects.original(conn, line.seal, kept[reason].id)
        assert original is not None
        assert (original.topic, original.body) == (delivery.topic, delivery.body)
    assert kept["future-time"].seq == 14
    known = await vehicles.known(conn, [A])
    assert kept["truncated"].vehicle_id == known[A].id


async def test_a_reject_of_a_vehicle_that_never_sent_anything_good_has_no_vehicle(
    conn: Connection, line: Line
) -> None:
    await pipeline.store(conn, [raw(A, "can", b"\xc1")], line)
    (row,) = (await contents(conn, "reject"))["reject"]
    assert row[0] is None
    assert (await contents(conn, "vehicle"))["vehicle"] == []


async def test_only_the_unknown_signals_of_a_message_are_refused(conn: Connection, line: Line) -> None:
    message = signals(A, 0, {"Vehicle.X-Other.B": 1.0, ODOMETER: 2000.0, "Vehicle.X-Other.A": 1.0})
    tally, _ = await pipeline.store(conn, [deliver(message)], line)
    assert (tally.stored, tally.rejected, tally.parts_rejected) == (1, 0, 1)
    (kept,) = await rejects.newest(conn, reason=None, limit=10)
    assert (kept.reason, kept.whole) == ("unknown-signal", False)
    assert kept.detail == "the catalogue does not have Vehicle.X-Other.A, Vehicle.X-Other.B"
    assert (await contents(conn, "latest"))["latest"][0][4] == [2000.0]


async def test_a_registered_vehicles_model_and_build_date_choose_the_codebook(
    conn: Connection, line: Line
) -> None:
    frames = [distance(0, 5.0)]
    tally, _ = await pipeline.store(conn, [deliver(can(A, 0, frames, codebook=None))], line)
    assert tally.by_reason == {"unknown-codebook": 1}
    await conn.execute(
        "insert into vehicle (vin, model, registered_at) values (%s, 'Odo Hauler', now())"
        " on conflict (vin) do update set model = excluded.model",
        [A],
    )
    tally, _ = await pipeline.store(conn, [deliver(can(A, 1, frames, codebook=None))], line)
    assert tally.stored == 1


async def test_a_message_before_the_build_day_is_refused_and_one_on_it_is_not(
    conn: Connection, line: Line
) -> None:
    await conn.execute("insert into vehicle (vin, built_on) values (%s, '2025-10-10')", [A])
    midnight_us = T0_US + (24 * 60 - 16 * 60 - 53) * 60 * SECOND_US - 20 * SECOND_US  # in Shanghai
    before = deliver(signals(A, 0, {ODOMETER: 1.0}, t0_us=midnight_us - 1))
    on_the_day = deliver(signals(A, 1, {ODOMETER: 1.0}, t0_us=midnight_us))
    tally, _ = await pipeline.store(conn, [before, on_the_day], line)
    assert (tally.stored, tally.by_reason) == (1, {"before-built": 1})


async def test_five_minutes_ahead_is_a_clock_and_more_is_a_mistake(conn: Connection, line: Line) -> None:
    ahead = [
        deliver(signals(A, seq, {ODOMETER: 1.0}, t0_us=KNOWN_US + 300 * SECOND_US + seq)) for seq in (0, 1)
    ]
    onset = deliver(codes(A, 2, "P0301"))
    tally, _ = await pipeline.store(conn, [*ahead, onset], line)
    assert (tally.stored, tally.by_reason) == (2, {"future-time": 1})


async def test_a_counter_that_was_reset_begins_a_new_life_with_all_its_rows(
    conn: Connection, line: Line
) -> None:
    first = deliver(signals(A, 0, {ODOMETER: 1000.0}))
    second = deliver(signals(A, 0, {ODOMETER: 2000.0}, t0_us=T0_US + SECOND_US))
    tally, _ = await pipeline.store(conn, [first, second, first, second], line)
    assert (tally.stored, tally.doubled, tally.resets) == (2, 2, 1)
    found = await contents(conn, "message", "segment", "vehicle_day")
    assert [row[1:4] for row in found["message"]] == [(1, 0, 0), (1, 1, 0)]
    assert [row[3:6] for row in found["segment"]] == [(1, 0, 0), (1, 1, 0)]
    assert found["vehicle_day"][0][1]["samples_n"] == 2


async def test_a_counter_that_is_reset_without_end_is_refused_in_the_end(
    conn: Connection, line: Line
) -> None:
    batch = [deliver(signals(A, 0, {ODOMETER: float(body)})) for body in range(MOST_LIVES + 1)]
    tally, _ = await pipeline.store(conn, batch, line)
    assert (tally.received, tally.stored, tally.doubled) == (MOST_LIVES + 1, MOST_LIVES, 0)
    assert tally.by_reason == {"too-many-resets": 1}
    again, _ = await pipeline.store(conn, [*batch[-2:], deliver(signals(A, 1, {ODOMETER: 1.0}))], line)
    assert (again.stored, again.doubled, again.rejected) == (1, 2, 0)
    (kept,) = await rejects.newest(conn, reason=None, limit=10)
    assert (kept.reason, kept.boot, kept.seq, kept.whole) == ("too-many-resets", 1, 0, True)
    assert (await replay(conn, kept, line)).outcome is Outcome.REFUSED


async def test_messages_without_any_value_are_stored_and_seen(conn: Connection, line: Line) -> None:
    batch = [deliver(signals(A, 0, {})), deliver(can(B, 0, [])), deliver(codes(C, 0))]
    tally, _ = await pipeline.store(conn, batch, line)
    assert tally.stored == 3
    found = await contents(conn, "latest", "segment", "raw_frame", "fault", "vehicle_day")
    assert [row[:2] for row in found["latest"]] == [(one, at_of(T0_US)) for one in sorted([A, B, C])]
    assert (found["segment"], found["fault"], found["vehicle_day"]) == ([], [], [])


async def test_a_batch_that_holds_nothing_of_ours_touches_nothing(conn: Connection, line: Line) -> None:
    log_line = b"2026-11-21T23:21:02: New connection from 127.0.0.1:5 on port 1883."
    tally, taken = await pipeline.store(conn, [Delivery("$SYS/broker/log/N", log_line, KNOWN_US)], line)
    assert (tally.received, tally.stored, taken) == (0, 0, 1)


@pytest.mark.parametrize("is_again", [False, True])
async def test_what_the_broker_refused_is_counted_and_not_twice_for_a_line_sent_again(
    conn: Connection, line: Line, *, is_again: bool
) -> None:
    await pipeline.store(conn, [deliver(signals(A, 0, {ODOMETER: 1.0}))], line)
    text = f"2026-11-21T23:21:02: Client {A} disconnected due to oversize packet.".encode()
    first = Delivery("$SYS/broker/log/N", text, KNOWN_US)
    second = Delivery("$SYS/broker/log/N", text, KNOWN_US + 1, is_duplicate=is_again)
    tally, _ = await pipeline.store(conn, [first, second], line)
    assert tally.broker_refused == (1 if is_again else 2)
    assert tally.received == 0
    found = await rejects.newest(conn, reason="too-large", limit=10)
    assert [(one.kind, one.body_bytes) for one in found] == [("broker", None)] * tally.broker_refused
    assert found[0].vehicle_id == (await vehicles.known(conn, [A]))[A].id


async def test_positions_are_not_stored_unless_the_vehicle_allows_it(conn: Connection, line: Line) -> None:
    await conn.execute("insert into vehicle (vin, location_allowed) values (%s, true)", [B])
    values = {LATITUDE: 31.2, ODOMETER: 1.0}
    frozen = {LATITUDE: 31.2, "Vehicle.Speed": 80.0}
    batch = [deliver(signals(one, 0, values)) for one in (A, B)]
    batch += [deliver(codes(one, 1, "P0301", freeze_frame=frozen)) for one in (A, B)]
    await pipeline.store(conn, batch, line)
    found = await contents(conn, "segment", "fault", "fault_event")
    assert [row[7] for row in found["segment"]] == [[1], [1, 22]]
    assert [row[1]["freeze_frame"] for row in found["fault"]] == [{"Vehicle.Speed": 80}, frozen]
    assert [row[1]["freeze_frame"] for row in found["fault_event"]] == [{"Vehicle.Speed": 80}, frozen]


PLACE_DBC = """VERSION ""
BU_: TBOX
BO_ 256 PLACE: 8 TBOX
 SG_ Lat : 0|32@1- (1E-006,0) [-90|90] "deg" Vector__XXX
BO_ 257 SPEED: 8 TBOX
 SG_ Speed : 0|16@1+ (0.01,0) [0|400] "km/h" Vector__XXX
"""
PLACE_MAP = """
[codebook]
name = "place"
bus = "can"
version = "1"
origin = "test"
[[map]]
message = "PLACE"
signal = "Lat"
path = "Vehicle.CurrentLocation.Latitude"
unit = "degrees"
[[map]]
message = "SPEED"
signal = "Speed"
path = "Vehicle.Speed"
unit = "km/h"
"""


async def test_position_frames_are_not_kept_unless_the_vehicle_allows_it(
    conn: Connection, line: Line
) -> None:
    catalogue = line.lexicon.catalogue
    book = codebook.load("place", {"place.dbc": PLACE_DBC}, PLACE_MAP, catalogue)
    lexicon = Lexicon.of(catalogue, Codebooks({"place": book}), line.lexicon.dtc_table)
    await conn.execute("insert into vehicle (vin, location_allowed) values (%s, true)", [B])
    place = (256, (31_200_000).to_bytes(4, "little") + bytes(4))
    speed = (257, (8_000).to_bytes(2, "little"))
    frames = [(5, *speed), (5, *place), (10, *speed), (10, *place)]
    batch = [deliver(can(one, 0, frames, codebook="place")) for one in (A, B)]
    await pipeline.store(conn, batch, Line(lexicon, line.seal))
    found = await contents(conn, "raw_frame", "segment")
    assert [len(row[8]) for row in found["raw_frame"]] == [2, 4]
    assert [row[9] for row in found["raw_frame"]] == [
        speed[1] * 2,
        (speed[1] + place[1]) * 2,
    ]
    assert [row[7] for row in found["segment"]] == [[2], [2, 22]]


async def test_a_batch_too_heavy_for_one_transaction_is_stored_in_parts(conn: Connection, line: Line) -> None:
    heavy = {ODOMETER: [1.0] * 70_000}
    batch = [deliver(signals(A, seq, heavy, step_us=1), compress=True) for seq in range(17)]
    parts = []
    while batch:
        tally, taken = await pipeline.store(conn, batch, line)
        assert tally.stored == taken
        batch = batch[taken:]
        parts.append(taken)
    assert parts == [4, 4, 4, 4, 1]
