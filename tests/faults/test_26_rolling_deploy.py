"""26: a rolling deploy: the schema moves on under workers of the version before, or its move is killed."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
import pytest

from simulator.publish import Publisher
from simulator.truth import TruthWriter
from store import migrate
from store.migrate import Migration
from store.pool import Connection, connect
from tests.faults.conftest import REPOSITORY
from tests.faults.corridor import rows
from tests.faults.reconciled import reconcile, settled
from tests.faults.table import Experiment
from tests.faults.traffic import Traffic
from tests.ingest.broker import DEADLINE_S, OwnBroker, until
from tests.ingest.process import Process, ingesting
from vehicle.errors import MigrationError

ADDED: Final = """
create table deployed (id bigint primary key, note text not null);
alter table message add column deployed_at timestamptz;
{in_the_middle}
insert into deployed values (1, 'done');
"""
"""What the next version brings: it only adds."""
SHAPE: Final = """
    select table_name, column_name, data_type from information_schema.columns
    where table_schema = 'public' order by 1, 2
"""
MIGRATE: Final = """
import asyncio, sys
from pathlib import Path
from store import migrate
from store.pool import connect

async def run():
    shipped = migrate.read_migrations()
    body = Path(sys.argv[2]).read_bytes()
    shipped.append(migrate.Migration(len(shipped) + 1, Path(sys.argv[2]).name, body))
    async with connect(sys.argv[1]) as conn:
        print(*await migrate.migrate(conn, shipped))

asyncio.run(run())
"""


def next_version(folder: Path, in_the_middle: str = "") -> Path:
    """The file that the next version ships besides."""
    number = len(migrate.read_migrations()) + 1
    file = folder / f"{number:04}_next_version.sql"
    file.write_text(ADDED.format(in_the_middle=in_the_middle))
    return file


def shipped_with(file: Path) -> list[Migration]:
    shipped = migrate.read_migrations()
    return [*shipped, Migration(len(shipped) + 1, file.name, file.read_bytes())]


@contextmanager
def migrating(database_url: str, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The next version's `odocare migrate`, as a process."""
    running = subprocess.Popen(
        [sys.executable, "-c", MIGRATE, database_url, str(file)], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def is_in_the_middle(database_url: str) -> bool:
    with psycopg.connect(database_url, autocommit=True) as conn:
        found = conn.execute(
            "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
        )
        return found.fetchone() is not None


@pytest.mark.experiment(26, "a migration is killed in the middle", quick=False)
async def test_a_migration_that_is_killed_has_not_happened_and_the_next_one_converges(
    experiment: Experiment, conn: Connection, database_url: str, tmp_path: Path
) -> None:
    before = await rows(conn, SHAPE)
    slow = next_version(tmp_path, "select pg_sleep(3);")
    with migrating(database_url, slow) as running:
        await until(lambda: is_in_the_middle(database_url), "the middle of the migration")
        running.send_signal(signal.SIGKILL)
        await asyncio.to_thread(running.wait)
    assert await rows(conn, SHAPE) == before, "half a migration is seen"
    await migrate.require_current(conn, migrate.read_migrations())

    began = time.monotonic()
    async with connect(database_url) as one, connect(database_url) as other:  # two that deploy at once
        ran = await asyncio.gather(*(migrate.migrate(each, shipped_with(slow)) for each in (one, other)))
    assert sorted(ran) == [[], [slow.name]]
    assert time.monotonic() - began < DEADLINE_S
    assert await rows(conn, "select note from deployed") == [("done",)]
    assert await migrate.migrate(conn, shipped_with(slow)) == []
    experiment.note(f"killed: nothing of it is seen; again: done once, in {time.monotonic() - began:.1f} s")


@pytest.mark.experiment(26, "the schema moves on under the version before", quick=False)
async def test_the_version_before_works_on_and_does_not_start_anew(
    experiment: Experiment, conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    locking = next_version(
        tmp_path, "lock table message, segment in access exclusive mode; select pg_sleep(2);"
    )
    traffic = Traffic(experiment.draw)
    async with ingesting(tmp_path, database_url, own_broker) as running:
        with TruthWriter(tmp_path / "truth", with_bodies=True) as truth:
            async with Publisher(own_broker.url) as publisher:
                await traffic.send(publisher, truth, 100)
                await settled(conn, stored=1)
                with migrating(database_url, locking) as deploying:
                    while deploying.poll() is None:
                        await traffic.send(publisher, truth, 20)
                        await asyncio.sleep(0.02)
                    assert deploying.returncode == 0
                await traffic.send(publisher, truth, 100)
            truth.end()
        await settled(conn, stored=traffic.sent_n - traffic.broken_n, refused=traffic.broken_n)
        assert running.process.poll() is None
        metrics = await asyncio.to_thread(running.metrics)
    await reconcile(experiment, conn, tmp_path / "truth", [metrics])

    with pytest.raises(MigrationError, match="run a newer odocare"):
        await migrate.require_current(conn, migrate.read_migrations())
    anew = Process(tmp_path, database_url, own_broker)
    try:
        await asyncio.to_thread(anew.process.wait, DEADLINE_S)
    finally:
        anew.kill()
    assert anew.process.returncode == 1
    assert "run a newer odocare" in anew.log.read_text()
    experiment.note(f"{traffic.sent_n} messages across the move; version N started anew: refuses, exit 1")
