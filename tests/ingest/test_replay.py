"""Rejects go through the corridor again once what was wrong has been put right."""

import dataclasses

from ingest import pipeline, replay
from ingest.delivery import Delivery
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from ingest.replay import Outcome, Replayed
from store import rejects
from store.pool import Connection
from tests.ingest.senders import (
    KNOWN_US,
    ODOMETER,
    SECOND_US,
    T0_US,
    can,
    contents,
    deliver,
    raw,
    signals,
    vin,
)
from vehicle.signal import Catalogue, Signal, SignalKind
from vehicle.units import Unit

A = vin(1)
OTHER, OTHERS = "Vehicle.X-Other.A", "Vehicle.X-Other.B"


def knowing(line: Line, *paths: str) -> Line:
    """A later version, whose catalogue has these signals as well."""
    more = tuple(
        Signal(900 + number, path, Unit.NONE, SignalKind.GAUGE, is_latest=True)
        for number, path in enumerate(paths)
    )
    signals_of = (*line.lexicon.catalogue.signals, *more)
    catalogue = Catalogue(signals_of, {s.path: s for s in signals_of}, {s.number: s for s in signals_of})
    return Line(Lexicon.of(catalogue, line.lexicon.codebooks, line.lexicon.dtc_table), line.seal)


async def only(conn: Connection, line: Line) -> Replayed:
    """Replay the only reject."""
    (reject,) = await rejects.newest(conn, reason=None, limit=10)
    return await replay.replay(conn, reject, line)


async def replayed(conn: Connection) -> list[bool]:
    cur = await conn.execute("select replayed_at is not null from reject order by id")
    return [row[0] for row in await cur.fetchall()]


async def test_a_message_is_stored_once_its_codebook_is_known(conn: Connection, line: Line) -> None:
    await pipeline.store(
        conn, [deliver(can(A, 0, [(0, 0x80000000 | 0x18FEE000, bytes(8))], codebook=None))], line
    )
    assert (await only(conn, line)).outcome is Outcome.REFUSED
    assert await replayed(conn) == [False]
    await conn.execute("update vehicle set model = 'Odo Hauler'")
    assert await only(conn, line) == Replayed(1, Outcome.STORED)
    assert await replayed(conn) == [True]
    found = await contents(conn, "message", "segment", "touched")
    assert [len(rows) for rows in found.values()] == [1, 1, 1]
    assert (await only(conn, line)).outcome is Outcome.DOUBLED


async def test_a_message_from_the_future_is_not_waited_out(conn: Connection, line: Line) -> None:
    late = deliver(signals(A, 0, {ODOMETER: 1.0}, t0_us=KNOWN_US + 400 * SECOND_US))
    await pipeline.store(conn, [late], line)
    found = await only(conn, line)
    assert (found.outcome, found.reason) == (Outcome.REFUSED, "future-time")
    assert found.detail == "event time may be 300 s ahead of arrival, got 400 s"


async def test_a_corrected_build_date_lets_a_message_in_with_its_old_arrival(
    conn: Connection, line: Line
) -> None:
    await conn.execute("insert into vehicle (vin, built_on) values (%s, '2026-01-01')", [A])
    await pipeline.store(conn, [deliver(signals(A, 0, {ODOMETER: 1.0}))], line)
    await conn.execute("update vehicle set built_on = '2025-01-01'")
    assert (await only(conn, line)).outcome is Outcome.STORED
    cur = await conn.execute("select (extract(epoch from known_at) * 1000000)::bigint from message")
    assert await cur.fetchone() == (KNOWN_US,)


async def test_signals_that_became_known_are_added_to_their_message(conn: Connection, line: Line) -> None:
    message = signals(A, 0, {ODOMETER: [1000.0, 2000.0], OTHER: [7.0, 8.0], OTHERS: 9.0})
    await pipeline.store(conn, [deliver(message)], line)
    found = await only(conn, knowing(line, OTHER))
    assert (found.outcome, found.reason) == (Outcome.REFUSED, "unknown-signal")
    assert await replayed(conn) == [False]
    for _ in range(2):
        assert (await only(conn, knowing(line, OTHER, OTHERS))).outcome is Outcome.STORED
    assert await replayed(conn) == [True]
    state = await contents(conn, "message", "segment", "latest", "vehicle_day")
    assert len(state["message"]) == 1
    assert sorted(number for row in state["segment"] for number in row[7]) == [1, 900, 901]
    assert dict(zip(state["latest"][0][2], state["latest"][0][4], strict=True)) == {
        1: 2e3,
        900: 8.0,
        901: 9.0,
    }
    assert state["vehicle_day"][0][1]["samples_n"] == 5


async def test_the_clean_run_of_the_later_version_has_the_same_days(conn: Connection, line: Line) -> None:
    message = deliver(signals(A, 0, {ODOMETER: [1000.0, 2000.0], OTHER: [7.0, 8.0]}))
    later = knowing(line, OTHER)
    await pipeline.store(conn, [message], line)
    await only(conn, later)
    after_replay = await contents(conn, "latest", "vehicle_day", "touched")
    await conn.execute("truncate message, segment, latest, vehicle_day, touched, reject")
    await pipeline.store(conn, [message], later)
    assert await contents(conn, "latest", "vehicle_day", "touched") == after_replay


async def test_a_part_whose_message_the_ledger_has_forgotten_stays_refused(
    conn: Connection, line: Line
) -> None:
    await pipeline.store(conn, [deliver(signals(A, 0, {ODOMETER: 1.0, OTHER: 7.0}))], line)
    await conn.execute("truncate message")
    found = await only(conn, knowing(line, OTHER))
    assert (found.outcome, found.detail) == (Outcome.REFUSED, "the ledger no longer knows its message")


async def test_broken_bytes_stay_broken_and_what_the_broker_kept_is_not_there(
    conn: Connection, line: Line
) -> None:
    await pipeline.store(conn, [raw(A, "can", b"\xc1")], line)
    assert (await only(conn, line)).reason == "broken-msgpack"
    assert await contents(conn, "vehicle") == {"vehicle": []}
    await conn.execute("truncate reject")
    text = b"2026-11-21T23:21:02: Client x disconnected due to oversize packet."
    await pipeline.store(conn, [Delivery("$SYS/broker/log/N", text, T0_US)], line)
    assert (await only(conn, line)).outcome is Outcome.WITHOUT_BYTES


async def test_a_whole_message_may_be_accepted_but_for_a_part(conn: Connection, line: Line) -> None:
    await conn.execute("insert into vehicle (vin, built_on) values (%s, '2026-01-01')", [A])
    await pipeline.store(conn, [deliver(signals(A, 0, {ODOMETER: 1.0, OTHER: 7.0}))], line)
    await conn.execute("update vehicle set built_on = null")
    assert (await only(conn, line)).outcome is Outcome.STORED
    newest = await rejects.newest(conn, reason=None, limit=10)
    assert [(one.reason, one.whole, one.replayed_at is None) for one in newest] == [
        ("unknown-signal", False, True),
        ("before-built", True, False),
    ]
    assert dataclasses.asdict(newest[0])["vehicle_id"] == newest[1].vehicle_id
