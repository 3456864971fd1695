"""`odocare ingest` as a process, with a broker of its own: killed, stopped, fed with everything bad."""

import asyncio
import json
import random
import signal
from pathlib import Path

from ingest import pipeline
from ingest.delivery import Delivery
from ingest.pipeline import Line
from store.pool import Connection, connect
from tests.ingest.broker import OwnBroker, Sender, publish
from tests.ingest.process import DEADLINE_S, Process, ingesting
from tests.ingest.senders import ODOMETER, contents, deliver, signals, vin
from tests.ingest.test_order import car, truck
from tests.ingest.test_pipeline import bad_messages


async def count(conn: Connection, table: str) -> int:
    row = await (await conn.execute(f"select count(*) from {table}".encode())).fetchone()
    assert row is not None
    return int(row[0])


async def reached(conn: Connection, n: int, table: str = "message") -> None:
    """Wait until a table has so many rows."""
    async with asyncio.timeout(DEADLINE_S):
        while await count(conn, table) < n:  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)


def pairs(deliveries: list[Delivery]) -> list[tuple[str, bytes]]:
    return [(one.topic, one.body) for one in deliveries]


def bad_on_the_wire() -> dict[str, Delivery]:
    """Without what the broker takes itself, and without the future, which has come by now."""
    return {name: one for name, one in bad_messages().items() if name not in {"too-large", "future-time"}}


class Runs:
    """One process after another under the same name at the broker."""

    def __init__(self, folder: Path, database_url: str, broker: OwnBroker) -> None:
        self._arguments = (folder, database_url, broker)
        self.running = Process(*self._arguments)

    async def again(self) -> None:
        """Kill it, and start the next."""
        await self.running.end(signal.SIGKILL)
        self.running = Process(*self._arguments)
        await self.running.subscribed()


async def test_killed_in_the_middle_again_and_again_it_ends_with_the_rows_of_an_undisturbed_run(
    conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path, line: Line
) -> None:
    good = [*truck(), *car(), *(deliver(signals(vin(9), seq, {ODOMETER: 1.0 * seq})) for seq in range(900))]
    draw = random.Random(11)
    stream = [*good, *bad_on_the_wire().values()]
    draw.shuffle(stream)
    await pipeline.store(conn, stream, line)
    expected = await contents(conn)
    await conn.execute(
        "truncate message, segment, raw_frame, latest, vehicle_day, transport_carry, fault_report,"
        " fault_event, fault, touched, reject, vehicle cascade"
    )
    runs = Runs(tmp_path, database_url, own_broker)
    try:
        await runs.running.subscribed()  # the session exists from here on, whoever holds it
        sending = asyncio.create_task(asyncio.to_thread(publish, own_broker.port, "sender", pairs(stream)))
        for _ in range(4):
            stored = await count(conn, "message")
            await reached(conn, min(stored + draw.randrange(1, 200), len(good)))
            await runs.again()
        await sending
        await reached(conn, len(good))
        await reached(conn, len(expected["reject"]), "reject")
        assert await runs.running.end(signal.SIGTERM) == 0
        found = await contents(conn)
        for table, rows in expected.items():
            assert found[table] == rows, table
    finally:
        runs.running.kill()


async def test_told_to_stop_it_leaves_nothing_half_done_and_the_rest_to_the_broker(
    conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    stream = [deliver(signals(vin(1), seq, {ODOMETER: 1.0})) for seq in range(3000)]
    async with ingesting(tmp_path, database_url, own_broker) as running:
        sending = asyncio.create_task(asyncio.to_thread(publish, own_broker.port, "sender", pairs(stream)))
        await reached(conn, 1)
        assert await running.end(signal.SIGTERM) == 0
        await sending
    assert await count(conn, "message") == await count(conn, "segment")
    async with ingesting(tmp_path, database_url, own_broker):
        await reached(conn, 3000)
    assert "Traceback" not in running.log.read_text()


async def test_the_process_lives_through_everything_bad_and_counts_what_the_broker_refused(
    conn: Connection, database_url: str, telling_broker: OwnBroker, tmp_path: Path
) -> None:
    bad = bad_on_the_wire()
    async with ingesting(tmp_path, database_url, telling_broker) as running:
        sender = await asyncio.to_thread(Sender, telling_broker.port, vin(1))
        await asyncio.to_thread(sender.publish, pairs([deliver(signals(vin(1), 0, {ODOMETER: 1.0}))]))
        await reached(conn, 1)
        await asyncio.to_thread(sender.publish, pairs(list(bad.values())))
        await asyncio.to_thread(sender.publish_refused, f"tbox/v1/{vin(1)}/up/can", bytes(300_000))
        await asyncio.to_thread(
            publish, telling_broker.port, "sender", pairs([deliver(signals(vin(2), 0, {ODOMETER: 1.0}))])
        )
        await reached(conn, 2)
        await reached(conn, len(bad) + 1, "reject")
        assert running.process.poll() is None
        found = await asyncio.to_thread(running.metrics)
        outcome = {
            name: found[f'odocare_ingest_messages_total{{outcome="{name}"}}']
            for name in ("received", "stored", "doubled", "rejected")
        }
        assert outcome == {"received": len(bad) + 2, "stored": 2, "doubled": 0, "rejected": len(bad)}
        assert found['odocare_ingest_details_total{what="broker_refused"}'] == 1
        assert await running.end(signal.SIGTERM) == 0
        assert json.loads(running.said)["rejected"] == len(bad)
        text = running.log.read_text()
        assert vin(1) not in text
        assert vin(2) not in text
    cur = await conn.execute("select reason, kind, vehicle_id is not null from reject where kind = 'broker'")
    assert await cur.fetchall() == [("too-large", "broker", True)]
    cur = await conn.execute("select reason from reject where kind <> 'broker'")
    assert {row[0] for row in await cur.fetchall()} == set(bad)


async def test_without_the_schema_it_says_what_to_do(
    conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    await conn.execute("delete from migration")
    running = Process(tmp_path, database_url, own_broker)
    try:
        await asyncio.to_thread(running.process.wait, DEADLINE_S)
    finally:
        running.kill()
    assert running.process.returncode == 1
    assert "odocare migrate" in running.log.read_text()


async def test_a_schema_that_breaks_under_it_ends_it_and_acknowledges_nothing(
    conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    async with ingesting(tmp_path, database_url, own_broker) as running:
        await conn.execute("alter table segment rename to elsewhere")
        await asyncio.to_thread(
            publish, own_broker.port, "sender", pairs([deliver(signals(vin(1), 0, {ODOMETER: 1.0}))])
        )
        await asyncio.wait_for(asyncio.to_thread(running.process.wait), DEADLINE_S)
    assert running.process.returncode == 1
    assert "not as this version expects it: UndefinedTable" in running.log.read_text()
    await conn.execute("alter table elsewhere rename to segment")
    async with ingesting(tmp_path, database_url, own_broker):
        await reached(conn, 1)


async def test_a_database_that_goes_away_costs_nothing(
    conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    stream = [deliver(signals(vin(1), seq, {ODOMETER: 1.0})) for seq in range(2000)]
    async with ingesting(tmp_path, database_url, own_broker) as running:
        sending = asyncio.create_task(asyncio.to_thread(publish, own_broker.port, "sender", pairs(stream)))
        for n in (1, 800):
            await reached(conn, n)
            async with connect(database_url) as other:
                await other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid() and pid <> %s",
                    [conn.info.backend_pid],
                )
        await sending
        await reached(conn, 2000)
        assert running.process.poll() is None
    cur = await conn.execute(
        "select count(distinct seq), max(life), sum(samples_n) from message, vehicle_day"
    )
    assert (await cur.fetchone() or ())[:2] == (2000, 0)
