"""The nightly pass: what is old goes, what is young stays, under a clock that the test holds."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from odocare import retaining, worker
from odocare.worker import Nightly
from store import compression, retention
from store.pool import Connection, connect
from store.retention import Policy
from vehicle.errors import NotFoundError

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


async def fill(conn: Connection) -> None:
    """A row of everything for each of the last 60 days, and some that are older still."""
    for days in [*range(60), 100, 200, 500]:
        at = NOW - timedelta(days=days, minutes=1)
        await conn.execute(
            "insert into raw_frame values (1, %s, 1, 0, %s, null, '', '', '', '', '')", (at, days)
        )
        await conn.execute("insert into message values (1, 1, 0, %s, 'can', %s, %s, 1, 1)", (days, at, at))
        await conn.execute(
            "insert into message values (1, -1, 0, %s, 'gbt32960', %s, %s, 1, 1)", (days, at, at)
        )
        await conn.execute(
            "insert into reject (known_at, kind, reason, detail, body_hash) values (%s, 'can', 'x', '', %s)",
            (at, days),
        )
        await conn.execute(
            "insert into gap (vehicle_id, boot, life, first_seq, last_seq, seen_at, closed_at)"
            " values (1, 1, 0, %(n)s, %(n)s, %(at)s, %(at)s), (1, 2, 0, %(n)s, %(n)s, %(at)s, null)",
            {"n": days, "at": at},
        )


async def count(conn: Connection, what: str) -> int:
    row = await (await conn.execute(f"select count(*) from {what}".encode())).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_pass_drops_what_is_old_and_a_dry_run_says_so_before(conn: Connection) -> None:
    await fill(conn)
    policies = await retention.policies(conn, NOW.date())
    expected = {one.kind: one for one in await retaining.due(conn, policies, NOW)}
    assert await count(conn, "raw_frame") == 63
    report = await retaining.run(conn, NOW)
    assert report is not None
    done = {one.kind: one for one in report}
    assert {kind: (one.rows, one.chunks) for kind, one in done.items()} == {
        kind: (one.rows, one.chunks) for kind, one in expected.items() if kind in done
    }
    assert {kind: one.rows for kind, one in done.items() if one.rows} == {
        "message": 56,
        "message_gbt32960": 33,
        "reject": 2,
        "gap_closed": 3,
        "gap_open": 1,
    }
    assert done["raw_frame"].chunks == 32  # a chunk goes when all of it is older
    assert await count(conn, "raw_frame") == 31
    assert await count(conn, "message where boot >= 0") == 7
    assert await count(conn, "message where boot < 0") == 30
    assert await count(conn, "ledger_range") == 56
    last = await retention.last(conn)
    assert last is not None
    assert (last.as_of, len(last.report)) == (NOW, len(report))
    again = await retaining.run(conn, NOW)
    assert again is not None
    assert not any(one.rows or one.chunks for one in again)


async def test_rows_go_in_bounded_portions(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(conn)
    monkeypatch.setattr(retention, "ROWS", 2)
    assert await retention.delete_some(conn, "gap_closed", NOW) == 2
    report = await retaining.run(conn, NOW + timedelta(days=1000))
    assert report is not None
    assert await count(conn, "gap") == 0


async def test_an_open_gap_of_a_boot_that_goes_on_stays(conn: Connection) -> None:
    await fill(conn)
    await conn.execute("insert into boot_seen values (1, 2, 0, 900, null, %s)", (NOW,))
    assert await retention.delete_some(conn, "gap_open", NOW) == 0
    assert await retention.delete_some(conn, "gap_open", NOW + timedelta(minutes=1)) == 63


async def test_one_pass_at_a_time(conn: Connection, database_url: str) -> None:
    async with connect(database_url) as other:
        assert await retention.try_lock(other)
        assert await retaining.run(conn, NOW) is None
        await retention.unlock(other)
    assert await retaining.run(conn, NOW) is not None


async def test_a_pass_that_is_stopped_is_not_finished_and_goes_on_later(conn: Connection) -> None:
    await fill(conn)
    assert await retaining.run(conn, NOW, stop=lambda: True) is None
    assert await retention.last(conn) is None
    assert await retaining.run(conn, NOW) is not None
    assert await count(conn, "message where boot >= 0") == 7


async def test_chunks_that_somebody_holds_are_left_for_the_next_pass(
    conn: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(conn)
    monkeypatch.setattr(retention, "_LOCK_S", 0.05)
    async with connect(database_url) as other, other.transaction():
        await other.execute("select count(*) from raw_frame")
        left = await retention.drop_chunks(conn, "raw_frame", NOW)
    assert (left.chunks, left.note) == (0, "in use: left for the next pass")
    assert (await retention.drop_chunks(conn, "raw_frame", NOW)).chunks == 62  # not today's


async def test_policies_are_dated_and_name_a_kind_that_there_is(conn: Connection) -> None:
    shorter = Policy("raw_frame", 3, date(2026, 12, 1), "less room")
    await retention.set_policy(conn, shorter)
    kept = {one.kind: one.keep_d for one in await retention.policies(conn, date(2026, 11, 30))}
    assert (kept["raw_frame"], kept["segment"]) == (30, None)
    assert shorter in await retention.policies(conn, date(2026, 12, 1))
    with pytest.raises(NotFoundError, match="vehicle"):
        await retention.set_policy(conn, Policy("vehicle", 3, date(2026, 12, 1), ""))


async def test_every_kind_can_be_given_an_end(conn: Connection) -> None:
    await fill(conn)
    await conn.execute("insert into vehicle (vin) values ('LRW3E7FA7NC000001')")
    await conn.execute(
        "insert into identity select id, '7e8', 'software', '1', '2026-01-01', %(at)s, %(at)s, %(at)s"
        " from vehicle",
        {"at": NOW - timedelta(days=2)},
    )
    for policy in await retention.policies(conn, NOW.date()):
        await retention.set_policy(conn, Policy(policy.kind, 1, NOW.date(), "a day"))
    report = await retaining.run(conn, NOW)
    assert report is not None
    gone = {one.kind: one.rows for one in report if one.rows}
    assert (gone["message"], gone["ledger_range"], gone["identity"]) == (62, 62, 1)


async def test_every_policy_that_ships_names_something_the_pass_knows(conn: Connection) -> None:
    known = {*retention.HYPERTABLES, *retention.PLAIN, retention.LEDGER, retention.PACKETS}
    assert {one.kind for one in await retention.policies(conn, NOW.date())} == known


async def test_the_worker_makes_one_pass_a_night_whatever_its_clock_does(conn: Connection) -> None:
    nightly = Nightly(3, ZoneInfo("Asia/Shanghai"))
    assert await worker.retain(conn, nightly, NOW) is not None
    for minutes in (0, 60, -60, 24 * 60 - 481):
        assert await worker.retain(conn, nightly, NOW + timedelta(minutes=minutes)) is None, minutes
    assert await worker.retain(conn, nightly, NOW + timedelta(days=1)) is not None
    assert await count(conn, "retention_run") == 2


async def test_a_clock_that_leaps_ahead_drops_nothing_until_a_person_says_so(conn: Connection) -> None:
    await fill(conn)
    nightly = Nightly(3, ZoneInfo("Asia/Shanghai"))
    assert await worker.retain(conn, nightly, NOW) is not None
    kept = await count(conn, "raw_frame")
    with pytest.raises(retaining.LeapError, match="1096 days before 2029-11-21"):
        await worker.retain(conn, nightly, NOW + timedelta(days=1096))
    assert await count(conn, "raw_frame") == kept
    assert await retaining.run(conn, NOW + timedelta(days=1096)) is not None
    assert await count(conn, "raw_frame") == 0


async def test_a_kind_that_only_a_later_version_knows_is_left_to_it(conn: Connection) -> None:
    await conn.execute("insert into retention_policy values ('made-later', '2020-01-01', 1, 'newer schema')")
    assert await retaining.run(conn, NOW) is not None
    assert "made-later" not in {one.kind for one in await retention.policies(conn, NOW.date())}


def test_only_the_community_edition_compresses() -> None:
    assert compression.allowed("timescale")
    assert not compression.allowed("apache")
    assert not compression.allowed(None)


async def test_the_apache_edition_is_left_alone(conn: Connection) -> None:
    row = await (await conn.execute(compression.LICENSE)).fetchone()
    if row != ("apache",):
        pytest.skip("this server is of the Community edition")
    assert await compression.compress(conn, NOW) == {}
