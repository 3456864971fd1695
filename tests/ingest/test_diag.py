"""Diagnostic answers through the corridor: values, faults, clears, identities, and what nobody can read."""

import random

import pytest

import dbc
from decoders import diagnostics, isotp
from ingest import pipeline, replay
from ingest.lexicon import Lexicon
from ingest.metrics import Tally
from ingest.pipeline import Line
from ingest.replay import Outcome
from store import identities, raw_answers, rejects
from store import signals as catalogue
from store.pool import Connection
from tests.decoders import kona
from tests.ingest.senders import EXTENDED, SECOND_US, T0_US, can, contents, deliver, shuffled, signals, vin
from tests.ingest.talks import (
    INDOOR,
    OUTDOOR,
    SOC,
    SPEED,
    batches,
    cut,
    diag,
    faults,
    frames_message,
    kona_line,
    observed,
    registered,
    talk,
    values_of,
)
from tests.strategies import batch_of

CAR, TRUCK = vin(1), vin(2)
HOUR_US = 3600 * SECOND_US
BATTERY = "620101fff7e7ff64" + "00" * 54
"""A Kona's answer: state of charge 50 %."""


@pytest.fixture(autouse=True)
async def _catalogue_is_stored(conn: Connection, line: Line) -> None:
    await catalogue.sync(conn, line.lexicon.catalogue)


async def test_a_message_of_answers_becomes_values_faults_and_the_latest_state(
    conn: Connection, line: Line
) -> None:
    message = diag(
        CAR, 0, ("410d32", "010d"), ("5902ff0301002f", "1902ff"), ("4300", ""), ("7f2231", "22ffee")
    )
    tally, _ = await pipeline.store(conn, [deliver(message, as_json=True)], line)
    assert await values_of(conn, SPEED) == [50.0]
    assert await faults(conn) == [("7e8", "P0301", 1, True, 0x2F, None, False)]
    assert (tally.stored, tally.answers, tally.negative_answers) == (1, 4, {"22 requestOutOfRange": 1})
    latest = (await contents(conn, "latest"))["latest"]
    assert latest[0][4] == [50.0]
    cur = await conn.execute("select vehicle_id, boot, life, seq from message")
    (key,) = await cur.fetchall()
    assert (await raw_answers.of_message(conn, key, T0_US))[0] == (0, "7e8", b"\x41\x0d\x32", b"\x01\x0d")
    (book,) = await (
        await conn.execute("select c.name from segment s join codebook c on c.id = s.codebook_id")
    ).fetchall()
    assert book == ("dids/standard",)


async def test_answers_nobody_can_read_are_kept_and_the_others_stored(conn: Connection, line: Line) -> None:
    message = diag(CAR, 0, ("410d32", ""), ("5902", ""), ("", ""), ("5902ff03010009", "1902ff"))
    tally, _ = await pipeline.store(conn, [deliver(message)], line)
    assert (tally.stored, tally.rejected, tally.parts_rejected) == (1, 0, 1)
    assert tally.received == tally.stored + tally.doubled + tally.rejected
    (kept,) = await rejects.newest(conn, reason=None, limit=9)
    assert (kept.kind, kept.reason, kept.whole) == ("diag", "truncated", False)
    assert kept.detail.startswith("2 of 4 answers cannot be read: ")
    assert await values_of(conn, SPEED) == [50.0]
    before = await contents(conn)
    assert (await replay.replay(conn, kept, line)).outcome is Outcome.REFUSED
    after = await contents(conn)
    assert after == before


async def test_refusals_no_standard_names_are_counted_together(conn: Connection, line: Line) -> None:
    said = [
        (f"7f{service:02x}{code:02x}", "") for service in (0x19, 0x22, 0xEE) for code in (0x10, 0xA0, 0xA1)
    ]
    tally, _ = await pipeline.store(conn, [deliver(diag(CAR, 0, *said))], line)
    assert tally.negative_answers == {
        "19 generalReject": 1,
        "19 other": 2,
        "22 generalReject": 1,
        "22 other": 2,
        "other generalReject": 1,
        "other other": 2,
    }


async def test_a_clear_ends_the_fault_and_the_next_report_begins_another(
    conn: Connection, line: Line
) -> None:
    there, gone = ("5902ff0301002f", "1902ff"), ("54", "14ffffff")
    told = [
        deliver(diag(CAR, seq, one, t0_us=T0_US + seq * HOUR_US))
        for seq, one in enumerate([there, gone, ("5902ff03010050", "1902ff"), there])
    ]
    await pipeline.store(conn, told[:1], line)
    assert await faults(conn) == [("7e8", "P0301", 1, True, 0x2F, None, False)]
    await pipeline.store(conn, told[1:3], line)
    assert await faults(conn) == [("7e8", "P0301", 1, True, 0x2F, "cleared", False)]
    await pipeline.store(conn, told[3:], line)
    assert [row[2:] for row in await faults(conn)] == [
        (1, True, 0x2F, "cleared", False),
        (2, True, 0x2F, None, False),
    ]


async def test_a_list_heard_before_a_clear_says_nothing_behind_it(conn: Connection, line: Line) -> None:
    said = diag(CAR, 0, ("43010301", "03"), ("4700", "07"), ("44", "04"), ("4a00", "0a"))
    await pipeline.store(conn, [deliver(said)], line)
    assert await faults(conn) == [("7e8", "P0301", 1, True, 0x08, "cleared", None)]


@pytest.mark.parametrize("seed", range(3))
async def test_answers_in_any_order_end_in_the_same_faults(conn: Connection, line: Line, seed: int) -> None:
    said = [
        ("470203010420", ""), ("43010301", ""), ("4a010301", ""), ("44", "04"), ("4300", ""),
        ("4a010301", ""), ("43010301", ""), ("4700", ""), ("4300", ""), ("4a00", ""),
        ("5902ff0301000c", "1902ff"), ("54", "14030100"),
        ("5902ff03010008", "1902ff"), ("54", ""), ("5902ff", "1902ff"),
    ]  # fmt: skip
    told = [deliver(diag(CAR, k, one, t0_us=T0_US + k * HOUR_US)) for k, one in enumerate(said)]
    for one in told:
        await pipeline.store(conn, [one], line)
    expected = await contents(conn, "fault", "fault_report", "fault_event")
    assert {row[1]["ended_why"] for row in expected["fault"]} >= {"cleared", "healed"}
    await conn.execute("truncate message, fault, fault_report, fault_event, raw_answer")
    for batch in batches(shuffled(told * 2, seed), random.Random(seed).choice([1, 2, 3])):
        await pipeline.store(conn, batch, line)
    assert await contents(conn, "fault", "fault_report", "fault_event") == expected


async def test_what_an_ecu_says_of_itself_is_kept_with_its_history(conn: Connection, line: Line) -> None:
    software = {0: "62f189" + b"1.0".hex(), 5: "62f189" + b"1.1".hex(), 2: "62f189" + b"1.0".hex()}
    for day, payload in software.items():
        await pipeline.store(
            conn,
            [
                deliver(
                    diag(CAR, day, (payload, ""), t0_us=T0_US + day * 24 * HOUR_US),
                    known_us=T0_US + 9 * 24 * HOUR_US,
                )
            ],
            line,
        )
    ((vehicle_id,),) = await (await conn.execute("select id from vehicle")).fetchall()
    (known,) = await identities.newest(conn, vehicle_id)
    assert (known.ecu, known.kind, known.value, known.before) == ("7e8", "software", "1.1", "1.0")
    assert (await (await conn.execute("select count(*) from identity")).fetchone()) == (3,)


async def test_a_vin_that_is_not_the_vehicle_s_is_noticed_and_its_own_is_not(
    conn: Connection, line: Line
) -> None:
    own, other = ("62f190" + str(CAR).encode().hex(), ""), ("62f190" + str(TRUCK).encode().hex(), "")
    await pipeline.store(conn, [deliver(diag(CAR, 0, own))], line)
    anomalies = "select kind, reason, happened_at = to_timestamp(%s) from anomaly"
    assert await (await conn.execute(anomalies, [T0_US / 1e6])).fetchall() == []
    for seq in (2, 1):
        message = diag(CAR, seq, other, t0_us=T0_US + (seq - 1) * HOUR_US, ecu="7e9")
        await pipeline.store(conn, [deliver(message)], line)
    ((kind, reason, is_first),) = await (await conn.execute(anomalies, [T0_US / 1e6])).fetchall()
    assert (kind, is_first) == ("vin-mismatch", True)
    assert reason == f"7e9 tells another VIN than the vehicle's, one that ends in {TRUCK[-6:]}"


async def test_the_real_car_s_conversations_become_values(conn: Connection, line: Line) -> None:
    stream = cut(CAR, kona.frames(), 50)
    assert len(stream) == 41
    await registered(conn, CAR, "Kona")
    tally = Tally()
    for batch in batches(stream, 7):
        tally.add((await pipeline.store(conn, batch, kona_line(line)))[0])
    assert await values_of(conn, SOC) == [50.0] * 120
    assert len(await values_of(conn, INDOOR)) == len(await values_of(conn, OUTDOOR)) == 150
    assert ((await values_of(conn, INDOOR))[0], (await values_of(conn, OUTDOOR))[0]) == (24.5, 7.0)
    assert (tally.answers, tally.values, tally.unknown_frames) == (270, 420, 0)
    at_once = isotp.reassemble(batch_of(kona.frames()), isotp.Carry(), addressing=kona.ADDRESSING)
    assert tally.lost_conversations == at_once.lost


@pytest.mark.parametrize("seed", range(3))
async def test_frames_in_any_order_of_messages_end_in_the_same_values(
    conn: Connection, line: Line, seed: int
) -> None:
    """Conversations of 11 and 29 bits, interleaved and cut; lists of codes, and a clear."""
    await registered(conn, CAR, "Kona")
    mine = kona_line(line)
    frames = talk(
        *[(0x7EC, BATTERY), (0x7E0, "1902ff"), (0x7E8, "5902ff0301002f0420002f"), (0x7EC, BATTERY)] * 4,
        (0x7E0, "14ffffff"), (0x7E8, "54"), (0x7EC, BATTERY), (0x98DAF1D0, "62f18c" + b"S" .hex() * 20),
        (0x7E0, "1902ff"), (0x7E8, "5902ff0301002f"),
    )  # fmt: skip
    frames.sort(key=lambda one: one.t_us)
    stream = cut(CAR, frames, 4)
    between = len(stream) // 2
    stream = [
        deliver(frames_message(CAR, seq + (seq >= between), frames[4 * seq : 4 * seq + 4]))
        for seq in range(len(stream))
    ]
    stream.insert(between, deliver(signals(CAR, between, {OUTDOOR: 3.0})))
    for one in stream:
        await pipeline.store(conn, [one], mine)
    tables = ("latest", "vehicle_day", "transport_carry", "fault", "fault_report", "fault_event", "raw_frame")
    expected = (await observed(conn), await contents(conn, *tables))
    assert len(await values_of(conn, SOC)) == 9
    assert [row[5] for row in await faults(conn)] == ["cleared", None, "cleared"]
    await conn.execute(
        "truncate message, segment, raw_frame, latest, vehicle_day, odometer_day, transport_carry, fault,"
        " fault_event, fault_report, identity"
    )
    for batch in batches(shuffled(stream * 2, seed), random.Random(seed).choice([1, 2, 5])):
        await pipeline.store(conn, batch, mine)
    found = (await observed(conn), await contents(conn, *tables))
    assert found == expected
    ((name,),) = await (await conn.execute("select value from identity")).fetchall()
    assert name == "S" * 20


async def test_nothing_is_put_together_over_a_missing_message(conn: Connection, line: Line) -> None:
    await registered(conn, CAR, "Kona")
    one, other = talk((0x7EC, BATTERY)), talk((0x7EC, BATTERY.replace("64", "c8")), start_us=200_000)
    stream = cut(CAR, [*one, *other], 3)
    without = [stream[0], stream[3], stream[4], stream[5]]  # frames 1-3 of the first, then 1-9 of the second
    await pipeline.store(conn, without, kona_line(line))
    assert set(await values_of(conn, SOC)) <= {100.0}
    await pipeline.store(conn, [stream[2], stream[1]], kona_line(line))
    assert await values_of(conn, SOC) == [50.0, 100.0]


async def test_a_message_of_another_kind_fills_a_gap(conn: Connection, line: Line) -> None:
    await registered(conn, CAR, "Kona")
    frames = talk((0x7EC, BATTERY))
    parts = [frames_message(CAR, 0, frames[:4]), frames_message(CAR, 2, frames[4:])]
    await pipeline.store(conn, [deliver(one) for one in parts], kona_line(line))
    assert await values_of(conn, SOC) == []
    await pipeline.store(conn, [deliver(signals(CAR, 1, {OUTDOOR: 3.0}))], kona_line(line))
    assert await values_of(conn, SOC) == [50.0]
    days = (await contents(conn, "vehicle_day"))["vehicle_day"]
    assert days[0][1]["samples_n"] == 2


def dm(group: int, *codes: tuple[int, int], at_us: int = 0, lamps: int = 0x00) -> tuple[int, int, bytes]:
    """A list of at most one code in one frame, from address 0."""
    body = b"".join(bytes([spn & 0xFF, spn >> 8, fmi, 1]) for spn, fmi in codes) or bytes(4)
    return (at_us, EXTENDED | 0x18000000 | group << 8, (bytes([lamps, 0xFF]) + body).ljust(8, b"\xff"))


async def test_a_truck_s_lists_keep_their_meaning(conn: Connection, line: Line) -> None:
    frames = [
        dm(0xFECA, (94, 1), lamps=0x40),
        dm(0xFECB, (100, 3), at_us=1000),
        dm(0xFECF, (110, 0), at_us=2000),
        dm(0xFED4, (94, 1), at_us=3000, lamps=0x40),
        dm(0xFDB5, (100, 3), at_us=4000),
        dm(0xFECA, (94, 1), at_us=5000, lamps=0x40),
    ]
    await pipeline.store(conn, [deliver(can(TRUCK, 0, frames))], line)
    assert await faults(conn) == [
        ("sa-00", "SPN 100 FMI 3", 1, True, 0x08, None, False),
        ("sa-00", "SPN 110 FMI 0", 1, False, 0x04, None, False),
        ("sa-00", "SPN 94 FMI 1", 1, True, 0x01, None, True),
    ]
    acknowledged = (0, EXTENDED | 0x18E8FF00, bytes([0, 0xFF, 0xFF, 0xFF, 0xF9, 0xCC, 0xFE, 0x00]))
    later = [acknowledged, dm(0xFECA, at_us=10), dm(0xFECF, at_us=20)]
    await pipeline.store(conn, [deliver(can(TRUCK, 1, later, t0_us=T0_US + HOUR_US))], line)
    assert [row[5] for row in await faults(conn)] == ["cleared", "healed", "healed"]


async def test_a_truck_tells_its_number_in_a_broadcast(conn: Connection, line: Line) -> None:
    data = str(CAR).encode() + b"*"
    head = bytes([32, len(data), 0, 3, 0xFF, 0xEC, 0xFE, 0x00])
    packets = [bytes([k + 1]) + data[7 * k : 7 * k + 7].ljust(7, b"\xff") for k in range(3)]
    frames = [(0, EXTENDED | 0x18ECFF00, head)]
    frames += [(50_000 * (k + 1), EXTENDED | 0x18EBFF00, packet) for k, packet in enumerate(packets)]
    for seq, part in enumerate((frames[:2], frames[2:])):
        await pipeline.store(conn, [deliver(can(TRUCK, seq, part))], line)
    found = await (await conn.execute("select ecu, kind, value from identity")).fetchall()
    assert found == [("sa-00", "vin", CAR)]
    assert await (await conn.execute("select kind from anomaly")).fetchall() == [("vin-mismatch",)]


async def test_a_vehicle_whose_location_is_off_keeps_its_other_answers(conn: Connection, line: Line) -> None:
    """No shipped identifier is a position; the frames are kept, then."""
    await registered(conn, CAR, "Kona")
    await pipeline.store(conn, cut(CAR, talk((0x7EC, BATTERY)), 50), kona_line(line))
    assert await values_of(conn, SOC) == [50.0]
    assert len((await contents(conn, "raw_frame"))["raw_frame"]) == 1


WHERE = """
[dids]
name = "where"
origin = "invented, for tests"
[[did]]
did = 0xA001
name = "latitude"
bytes = 4
[[did.signal]]
path = "Vehicle.CurrentLocation.Latitude"
unit = "degrees"
byte = 0
bits = 32
scale = 0.000001
"""
LISTED = """
[[diagnostics]]
name = "where"
files = ["where.toml"]
[[model]]
model = "Where"
diagnostics = "where"
"""


@pytest.mark.parametrize("allowed", [False, True])
async def test_positions_that_an_ecu_tells_are_kept_only_where_they_may_be(
    conn: Connection, line: Line, *, allowed: bool
) -> None:
    texts = {"where.toml": WHERE} | {name: dbc.read(name) for name in diagnostics.STANDARD_FILES}
    lexicon = line.lexicon
    books = diagnostics.load(LISTED, texts, lexicon.catalogue)
    mine = Line(Lexicon.of(lexicon.catalogue, lexicon.codebooks, lexicon.dtc_table, books), line.seal)
    await conn.execute(
        "insert into vehicle (vin, model, location_allowed) values (%s, 'Where', %s)", [CAR, allowed]
    )
    told = (31_200_001).to_bytes(4, "big").hex()
    frames = talk(
        (0x7E8, "62a001" + told), (0x7E8, "5904030100" + "2f" + "0101a001" + told), (0x7EC, "410d32")
    )
    stream = [deliver(diag(CAR, 0, ("62a001" + told, ""), ("410d32", ""), ("5902ff0301002f", "1902ff")))]
    stream += [
        deliver(frames_message(CAR, seq + 1, frames[seq : seq + 1], codebook="j1939"))
        for seq in range(len(frames))
    ]
    await pipeline.store(conn, stream, mine)
    positions = [31.200001, 31.200001] if allowed else []
    assert await values_of(conn, "Vehicle.CurrentLocation.Latitude") == pytest.approx(positions)
    (tables,) = await (
        await conn.execute(
            "select array_agg(table_name::text) from information_schema.tables"
            " where table_schema = 'public' and table_type = 'BASE TABLE'"
        )
    ).fetchall()
    holding = set()
    for table in tables[0]:
        query = f"select count(*) from {table} t where to_jsonb(t)::text ~ '{told}|31.200001|{told[2:]}'"
        if await (await conn.execute(query.encode())).fetchone() != (0,):
            holding.add(table)
    everywhere = {"segment", "raw_answer", "raw_frame", "fault_event", "fault"}
    assert holding == (everywhere if allowed else set())
    assert len(await values_of(conn, SPEED)) >= 1
