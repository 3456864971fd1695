"""A batch is committed in the end: without the database it waits, without its poison it is stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from prometheus_client import generate_latest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ingest.committer import Committer, StoppedError
from ingest.metrics import Metrics
from ingest.pipeline import Line
from store import migrate, rejects
from store.pool import Connection
from tests.ingest.broker import until
from tests.ingest.senders import ODOMETER, contents, deliver, signals, vin
from vehicle.errors import MigrationError

A, B = vin(1), vin(2)


@asynccontextmanager
async def opened(database_url: str, line: Line, metrics: Metrics | None = None) -> AsyncIterator[Committer]:
    async with Committer(database_url, line, metrics or Metrics(), asyncio.Event()) as committer:
        yield committer


def counted(metrics: Metrics) -> dict[str, float]:
    """What the counters of messages say."""
    names = ("received", "stored", "doubled", "rejected")
    return {
        name: metrics.registry.get_sample_value("odocare_ingest_messages_total", {"outcome": name}) or 0.0
        for name in names
    }


async def test_poison_is_set_aside_and_its_neighbours_are_stored(
    conn: Connection, database_url: str, line: Line
) -> None:
    await conn.execute("alter table message add constraint poison check (seq not in (3, 4))")
    metrics = Metrics()
    batch = [deliver(signals(A, seq, {ODOMETER: 1.0})) for seq in range(8)]
    async with opened(database_url, line, metrics) as committer:
        tally = await committer.commit(batch)
    assert (tally.received, tally.stored, tally.rejected) == (8, 6, 2)
    assert tally.by_reason == {"unexpected": 2}
    assert [row[3] for row in (await contents(conn, "message"))["message"]] == [0, 1, 2, 5, 6, 7]
    kept = await rejects.newest(conn, reason="unexpected", limit=10)
    assert {one.detail for one in kept} == {"it could not be stored: CheckViolation"}
    assert counted(metrics) == {"received": 8, "stored": 6, "doubled": 0, "rejected": 2}


async def test_a_message_beyond_the_database_s_own_time_limit_does_not_stop_the_others_for_ever(
    conn: Connection, database_url: str, line: Line
) -> None:
    name = sql.Identifier(str(conninfo_to_dict(database_url)["dbname"]))
    await conn.execute(sql.SQL("alter database {} set statement_timeout = '250ms'").format(name))
    await conn.execute(
        "create function slow() returns trigger language plpgsql as"
        " 'begin perform pg_sleep(9); return new; end'"
    )
    await conn.execute(
        "create trigger slow before insert on message for each row when (new.seq = 3) execute function slow()"
    )
    async with opened(database_url, line) as committer:
        tally = await asyncio.wait_for(committer.commit([deliver(signals(A, 3, {ODOMETER: 1.0}))]), 60)
    assert tally.by_reason == {"unexpected": 1}
    (kept,) = await rejects.newest(conn, reason="unexpected", limit=10)
    assert kept.detail == "it could not be stored: QueryCanceled"


async def test_counters_add_up_over_good_bad_and_doubled_messages(database_url: str, line: Line) -> None:
    metrics = Metrics()
    good = [deliver(signals(A, seq, {ODOMETER: 1.0, "Vehicle.X-Other.A": 1.0})) for seq in range(3)]
    bad = [deliver(signals(A, 9, {ODOMETER: 1.0}, t0_us=0))]
    async with opened(database_url, line, metrics) as committer:
        await committer.commit([*good, *good, *bad])
        await committer.commit([*good, *bad])
    found = counted(metrics)
    assert found == {"received": 11, "stored": 3, "doubled": 7, "rejected": 1}
    text = generate_latest(metrics.registry).decode()
    assert 'odocare_ingest_rejects_total{reason="unknown-signal"} 3.0' in text
    assert "odocare_ingest_batch_messages_count 2.0" in text


async def test_a_killed_connection_is_replaced_and_the_batch_stored_once(
    conn: Connection, database_url: str, line: Line
) -> None:
    metrics = Metrics()
    async with opened(database_url, line, metrics) as committer:
        await committer.commit([deliver(signals(A, 0, {ODOMETER: 1.0}))])
        await conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        tally = await committer.commit([deliver(signals(A, seq, {ODOMETER: 1.0})) for seq in (0, 1)])
    assert (tally.stored, tally.doubled) == (1, 1)
    assert metrics.registry.get_sample_value("odocare_ingest_database_failures_total") == 1


async def test_while_the_database_is_away_the_batch_waits_and_then_goes_in(
    database_url: str, server_url: str, line: Line
) -> None:
    name = sql.Identifier(str(conninfo_to_dict(database_url)["dbname"]))
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("alter database {} allow_connections false").format(name))
        async with opened(database_url, line) as committer:
            committing = asyncio.create_task(committer.commit([deliver(signals(A, 0, {ODOMETER: 1.0}))]))
            await until(lambda: committer.away_since is not None, "the database's absence")
            assert not committing.done()
            admin.execute(sql.SQL("alter database {} allow_connections true").format(name))
            assert (await asyncio.wait_for(committing, 30)).stored == 1
            assert committer.away_since is None


SLOW = """
    create function dawdle() returns trigger language plpgsql as $$ begin
        if {condition} then perform pg_sleep(60); end if;
        return null;
    end $$;
    create trigger dawdle after insert on message referencing new table as fresh
        for each statement execute function dawdle();
"""


async def test_a_batch_that_takes_too_long_goes_in_by_halves(
    conn: Connection, database_url: str, line: Line
) -> None:
    await conn.execute(SLOW.format(condition="(select count(*) from fresh) > 4"))
    metrics = Metrics()
    batch = [deliver(signals(A, seq, {ODOMETER: 1.0})) for seq in range(8)]
    async with Committer(database_url, line, metrics, asyncio.Event(), longest_batch_s=2) as committer:
        tally = await asyncio.wait_for(committer.commit(batch), 50)
        assert committer.away_since is None
    assert (tally.received, tally.stored, tally.rejected) == (8, 8, 0)
    assert metrics.registry.get_sample_value("odocare_ingest_batch_messages_count") == 2


async def test_a_message_that_alone_takes_too_long_is_set_aside_after_some_tries(
    conn: Connection, database_url: str, line: Line
) -> None:
    await conn.execute(SLOW.format(condition="exists (select from fresh where seq = 1)"))
    batch = [deliver(signals(A, seq, {ODOMETER: 1.0})) for seq in range(2)]
    async with Committer(database_url, line, Metrics(), asyncio.Event(), longest_batch_s=1) as committer:
        tally = await asyncio.wait_for(committer.commit(batch), 50)
    assert (tally.stored, tally.by_reason) == (1, {"unexpected": 1})
    (kept,) = await rejects.newest(conn, reason=None, limit=10)
    assert kept.detail == "it could not be stored: TimeoutError"


async def test_a_conflict_that_does_not_end_costs_only_its_message(
    conn: Connection, database_url: str, line: Line
) -> None:
    await conn.execute("""
        create function rob() returns trigger language plpgsql as $$ begin return null; end $$;
        create trigger rob before insert on message for each row
            when (new.life > 0 and new.seq = 1) execute function rob();
    """)
    async with opened(database_url, line) as committer:
        await committer.commit([deliver(signals(A, seq, {ODOMETER: 1.0})) for seq in range(2)])
        again = [deliver(signals(A, seq, {ODOMETER: 2.0})) for seq in range(2)]
        tally = await asyncio.wait_for(committer.commit(again), 50)
    assert (tally.stored, tally.resets, tally.by_reason) == (1, 1, {"unexpected": 1})
    (kept,) = await rejects.newest(conn, reason=None, limit=10)
    assert kept.detail == "it could not be stored: ConflictError"


async def test_told_to_stop_it_does_not_wait_for_the_database(line: Line) -> None:
    stop = asyncio.Event()
    async with Committer("host=127.0.0.1 port=1 dbname=none", line, Metrics(), stop) as committer:
        committing = asyncio.create_task(committer.commit([deliver(signals(A, 0, {}))]))
        await until(lambda: committer.away_since is not None, "the database's absence")
        stop.set()
        with pytest.raises(StoppedError):
            await asyncio.wait_for(committing, 30)


async def test_a_schema_of_another_version_is_refused(
    conn: Connection, database_url: str, line: Line
) -> None:
    newest = migrate.read_migrations()[-1]
    await conn.execute("delete from migration where number = %s", [newest.number])
    async with opened(database_url, line) as committer:
        with pytest.raises(MigrationError, match="odocare migrate"):
            await committer.prepare()
        await conn.execute(migrate.RECORD, newest.record)
        await committer.prepare()
    assert await (await conn.execute("select count(*) > 20 from signal")).fetchone() == (True,)


async def test_a_database_without_the_tables_ends_the_process_instead_of_rejecting_everything(
    conn: Connection, database_url: str, line: Line
) -> None:
    await conn.execute("drop table segment cascade")
    async with opened(database_url, line) as committer:
        with pytest.raises(psycopg.errors.UndefinedTable):
            await committer.commit([deliver(signals(A, seq, {ODOMETER: 1.0})) for seq in range(3)])
    assert (await contents(conn, "reject"))["reject"] == []
