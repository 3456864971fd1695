"""GB/T 32960.3 packets through the corridor: stored once, in any order the same, refused whole."""

from collections.abc import Sequence
from datetime import date

import pytest

from decoders.gbt32960 import packet as packets
from decoders.gbt32960 import report, signals
from decoders.gbt32960.words import Command
from ingest import pipeline
from ingest.delivery import Delivery, Fate
from ingest.packets import described
from ingest.pipeline import Line
from ingest.replay import Outcome, replay
from store import rejects
from store import signals as catalogued
from store.pool import Connection
from tests.decoders.gbt32960 import files
from tests.ingest.gbt_packets import (
    alarming,
    golden,
    login,
    logout,
    of_vehicle,
    plain,
    published,
    streamed,
    written_report,
)
from tests.ingest.senders import KNOWN_US, LATITUDE, SECOND_US, T0_US, contents, shuffled, vin
from vehicle.day import at_of, us_of
from vehicle.errors import EncryptedError

A, B = vin(1), vin(2)
IN_2026 = us_of(at_of(1_790_000_000_000_000))


async def store_in_parts(conn: Connection, stream: Sequence[Delivery], line: Line, size: int) -> None:
    for start in range(0, len(stream), size):
        await pipeline.store(conn, stream[start : start + size], line)


async def empty(conn: Connection) -> None:
    await conn.execute(
        "truncate message, segment, raw_frame, raw_packet, latest, vehicle_day, transport_carry,"
        " fault_report, fault_event, fault, touched, reject, vehicle cascade"
    )


async def test_a_real_day_is_stored_value_by_value(conn: Connection, line: Line) -> None:
    stream = streamed()
    tally, _ = await pipeline.store(conn, published(stream, known_us=IN_2026), line)
    assert (tally.received, tally.stored, tally.doubled, tally.rejected) == (246, 246, 0, 0)
    reports = [report.decode(one) for body in stream if (one := packets.parse(body)).command in (2, 3)]
    wanted = {
        (at_of(one.at_us), path, value)
        for one in reports
        for path, value in signals.measurements(one).items()
        if path not in line.lexicon.positions
    }
    await catalogued.sync(conn, line.lexicon.catalogue)
    found = await (await conn.execute("select at, path, value from observation")).fetchall()
    assert len(found) == tally.values
    assert set(found) == wanted
    kinds = await (await conn.execute("select distinct kind, boot < 0, life from message")).fetchall()
    assert kinds == [("gbt32960", True, 0)]
    days = (await contents(conn, "vehicle_day"))["vehicle_day"]
    assert [row[1]["day"] for row in days] == ["2019-12-28", "2019-12-30"]
    assert sum(row[1]["samples_n"] for row in days) == tally.values


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_late_packets_never_move_the_latest_state_back_in_any_order(
    conn: Connection, line: Line, seed: int
) -> None:
    stream = published(streamed(), known_us=IN_2026)
    late = [one for one in stream if packets.parse(one.body).command == Command.REISSUE]
    assert len(late) == 4
    await pipeline.store(conn, [one for one in stream if one not in late], line)
    newest = await contents(conn, "latest")
    await pipeline.store(conn, late, line)
    assert await contents(conn, "latest") == newest
    whole = await contents(conn)
    await empty(conn)
    mixed = shuffled([*stream, *stream[::3]], seed)  # a third comes twice
    await store_in_parts(conn, mixed, line, 7 * seed)
    found = await contents(conn)
    for table, rows in whole.items():
        assert found[table] == rows, table


async def test_what_was_reported_and_is_issued_again_counts_once(conn: Connection, line: Line) -> None:
    body = written_report("2016-report", A, T0_US)
    one = packets.parse(body)
    again = packets.build(packets.Packet(one.edition, Command.REISSUE, 0xFE, A, 1, one.body))
    other = written_report("2016-sentinels", A, T0_US)  # the same second, other data
    tally, _ = await pipeline.store(conn, published([body, again], known_us=KNOWN_US), line)
    assert (tally.stored, tally.doubled) == (1, 1)
    before = await contents(conn)
    tally, _ = await pipeline.store(conn, published([again, body], known_us=KNOWN_US), line)
    assert (tally.stored, tally.doubled) == (0, 2)
    assert await contents(conn) == before
    tally, _ = await pipeline.store(conn, published([again, body, other], known_us=KNOWN_US), line)
    assert (tally.stored, tally.doubled) == (1, 2)
    after = await contents(conn, "message")
    assert len(after["message"]) == 2
    assert {row[2] for row in after["message"]} == {0}


async def test_the_shipped_example_fills_latest_and_names_its_alarms(conn: Connection, line: Line) -> None:
    await pipeline.store(conn, published([written_report("2016-report", A, T0_US)], known_us=KNOWN_US), line)
    paths = {number: path for path, number in line.lexicon.numbers.items()}
    row = (await contents(conn, "latest"))["latest"][0]
    latest = dict(zip((paths[number] for number in row[2]), row[4], strict=True))
    assert latest["Vehicle.TraveledDistance"] == 12_345_600.0
    assert latest["Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"] == 71.0
    faults = (await contents(conn, "fault"))["fault"]
    assert {(one[1]["standard"], one[1]["ecu"]) for one in faults} == {("gbt32960", "vehicle")}
    assert all(one[1]["first_seen_at"] == one[1]["last_seen_at"] for one in faults)


@pytest.mark.parametrize("allowed", [True, False])
async def test_positions_are_kept_only_where_they_may_be(
    conn: Connection,
    line: Line,
    allowed: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    await catalogued.sync(conn, line.lexicon.catalogue)
    await conn.execute("insert into vehicle (vin, location_allowed) values (%s, %s)", [A, allowed])
    body = written_report("2016-report", A, T0_US)
    await pipeline.store(conn, published([body], known_us=KNOWN_US), line)
    cur = await conn.execute("select count(*) from observation where path = %s", [LATITUDE])
    assert await cur.fetchone() == (int(allowed),)
    stored = (await (await conn.execute("select body, has_alarms from raw_packet")).fetchall())[0]
    assert stored[1]
    kept = packets.Packet(packets.parse(body).edition, 2, 0xFE, A, 1, stored[0])
    assert (report.decode(kept).last("position") is not None) is allowed
    assert (stored[0] == packets.parse(body).body) is allowed


async def test_coordinates_of_2025_in_another_datum_are_no_positions(conn: Connection, line: Line) -> None:
    await catalogued.sync(conn, line.lexicon.catalogue)
    await conn.execute("insert into vehicle (vin, location_allowed) values (%s, true)", [A])
    body = written_report("2025-report", A, T0_US)
    told = report.decode(packets.parse(body)).last("position")
    assert told is not None
    await pipeline.store(conn, published([body], known_us=KNOWN_US), line)
    cur = await conn.execute("select count(*) from observation where path = %s", [LATITUDE])
    assert await cur.fetchone() == (int(told.word("datum") == "wgs84"),)


async def test_logins_and_logouts_are_kept_and_heartbeats_leave_nothing(conn: Connection, line: Line) -> None:
    stream = [
        login(A, T0_US),
        plain(Command.HEARTBEAT, A),
        plain(Command.TIME_SYNC, A),
        logout(A, T0_US + SECOND_US),
    ]
    tally, taken = await pipeline.store(conn, published(stream, known_us=KNOWN_US), line)
    assert (tally.received, tally.stored, tally.passing, taken) == (2, 2, 2, 4)
    found = await contents(conn)
    assert [row[1]["command"] for row in found["raw_packet"]] == [1, 4]
    assert found["latest"] == [(A, at_of(T0_US + SECOND_US), [], [], [])]
    assert found["segment"] == found["vehicle_day"] == []


def bad_packets() -> dict[str, bytes]:
    """One of every kind of trouble, by the reason it is refused with."""
    good = written_report("2016-report", A, T0_US)
    return {
        "wrong-start": b"$#" + good[2:],
        "truncated": good[:20],
        "wrong-length": good[:-1],
        "wrong-checksum": good[:-1] + bytes([good[-1] ^ 1]),
        "vin-mismatch": of_vehicle(good, B),
        "wrong-time": plain(Command.REPORT, A, bytes((26, 13, 1, 0, 0, 0))),
        "encrypted-rsa": plain(Command.REPORT, A, bytes(16), encryption=2),
        "encrypted-aes-128": plain(Command.REPORT, A, bytes(16), encryption=3),
        "encrypted": plain(Command.REPORT, A, bytes(16), encryption=0xFE),
        "unknown-unit": plain(Command.REPORT, A, bytes((25, 1, 1, 0, 0, 0, 0x33))),
        "unknown-command": plain(Command.ACTIVATION, A, bytes((26, 1, 1, 0, 0, 0))),
        "unsupported-command": of_vehicle(files.read("2016-platform-login").data, A),
        "future-time": login(A, KNOWN_US + 301 * SECOND_US),
        "before-built": login(A, us_of(at_of(1_200_000_000_000_000))),
        "wrong-type": login(A, T0_US, "\x01"),
    }


async def test_everything_bad_is_kept_with_its_reason_and_its_neighbours_are_stored(
    conn: Connection, line: Line
) -> None:
    bad = bad_packets()
    stream = []
    for number, (reason, body) in enumerate(bad.items()):
        stream.append(Delivery(f"tbox/v1/{B}/up/gbt32960", login(B, T0_US + number * SECOND_US), KNOWN_US))
        stream.append(Delivery(f"tbox/v1/{A}/up/gbt32960", body, KNOWN_US, fate=Fate()))
        assert reason == reason.lower()
    tally, _ = await pipeline.store(conn, stream, line)
    assert tally.by_reason == dict.fromkeys(bad, 1)
    assert (tally.stored, tally.rejected) == (len(bad), len(bad))
    fates = [one.fate for one in stream if one.fate is not None]
    assert [(fate.is_committed, fate.reason) for fate in fates] == [(True, reason) for reason in bad]
    for row in (await contents(conn, "reject"))["reject"]:
        assert A not in row[3]


async def test_the_model_names_the_extension_that_reads_custom_units(conn: Connection, line: Line) -> None:
    """A platform's logout aside, with it only the packet whose unit has a wrong length is refused."""
    bodies = golden()
    sent = published(list(bodies.values()), known_us=IN_2026)
    vins = [packets.parse(body).identifier for body in bodies.values()]
    without, _ = await pipeline.store(conn, sent, line)
    assert without.by_reason == {"unsupported-command": 1, "unknown-unit": 1, "truncated": 1}
    await empty(conn)
    await conn.cursor().executemany(
        "insert into vehicle (vin, model) values (%s, 'Odo Bus') on conflict do nothing",
        [(one,) for one in vins],
    )
    tally, _ = await pipeline.store(conn, sent, line)
    assert tally.by_reason == {"unsupported-command": 1, "wrong-length": 1}
    cur = await conn.execute("select kind, body_bytes from reject where reason = 'wrong-length'")
    assert await cur.fetchone() == ("gbt32960", len(bodies["Realtime Report with Wrong Data"]))


async def test_a_refused_packet_is_replayed_once_its_model_is_known(conn: Connection, line: Line) -> None:
    body = of_vehicle(golden()["ADAS"], A, T0_US)
    await pipeline.store(conn, published([body], known_us=KNOWN_US), line)
    kept = (await rejects.newest(conn, reason=None, limit=9))[0]
    assert (kept.reason, kept.kind) == ("unknown-unit", "gbt32960")
    assert (await replay(conn, kept, line)).outcome is Outcome.REFUSED
    await conn.execute("update vehicle set model = 'Odo Bus'")
    assert (await replay(conn, kept, line)).outcome is Outcome.STORED
    assert (await replay(conn, kept, line)).outcome is Outcome.DOUBLED
    assert len((await contents(conn, "raw_packet"))["raw_packet"]) == 1


def test_a_packet_is_described_for_whoever_looks_at_a_refusal() -> None:
    assert described(alarming(A, T0_US)) == f"GB/T 32960.3-2016, command 02, at_us {T0_US}, units 07"
    assert described(plain(Command.HEARTBEAT, A)) == "GB/T 32960.3-2016, command 07"
    with pytest.raises(EncryptedError):
        described(files.read("2025-encrypted").data)


async def test_a_day_is_the_vehicles_and_a_packets_time_is_beijings(conn: Connection, line: Line) -> None:
    midnight = us_of(at_of(1_760_025_600_000_000))  # 2025-10-09 16:00 UTC, midnight in Beijing
    stream = [alarming(A, midnight - SECOND_US), alarming(A, midnight)]
    await pipeline.store(conn, published(stream, known_us=KNOWN_US), line)
    days = (await contents(conn, "touched"))["touched"]
    assert days == [(A, date(2025, 10, 9))]
    cur = await conn.execute("select day from vehicle_day order by 1")
    assert await cur.fetchall() == [(date(2025, 10, 9),), (date(2025, 10, 10),)]
