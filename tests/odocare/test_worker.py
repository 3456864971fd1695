"""The commands as processes of their own, on a real database."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from odocare.worker import Nightly
from store import touched
from store.pool import Connection, Pool
from tests.odocare.garage import Garage

Runner = Callable[..., "subprocess.Popen[str]"]
TABLES = ("prediction", "finding", "trigger", "trigger_event", "evaluated", "evaluation", "rule_state")


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> Runner:
    """Starts `odocare …` on this test's database."""

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "odocare", *arguments],
            env={**os.environ, "ODOCARE_DATABASE_URL": database_url, "ODOCARE_HOME": str(tmp_path / "home")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@contextmanager
def ending(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """The process does not outlive the block."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


async def finished(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code and what was printed."""
    with ending(process):
        out, err = await asyncio.to_thread(process.communicate, timeout=60)
    return process.returncode, out, err


async def counts(garage: Garage) -> dict[str, int]:
    return {table: (await garage.rows(f"select count(*) from {table}"))[0][0] for table in TABLES}


async def until(condition: str, garage: Garage, within_s: float = 30) -> None:
    """Wait until an SQL condition holds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if (await garage.rows(f"select {condition}"))[0][0]:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(condition)


async def stopped_cars(garage: Garage, many: int) -> None:
    """Cars with a code that forbids driving, since a moment ago."""
    for number in range(1, many + 1):
        car = await garage.vehicle(number)
        await garage.fault(car, "P0524", datetime.now(UTC).isoformat())


async def test_a_worker_killed_in_the_middle_leaves_nothing_half_done(
    garage: Garage, pool: Pool, command: Runner
) -> None:
    await stopped_cars(garage, 5)
    async with pool.connection() as holder:
        await holder.execute("lock table trigger_event in share mode")  # triggers written, events not yet
        with ending(command("worker", "--once")) as process:
            await garage.until_blocked()
            process.send_signal(signal.SIGKILL)
            process.wait()
        await holder.rollback()
    await until(
        "not exists (select from pg_locks l where l.relation = 'touched'::regclass"
        " and l.pid <> pg_backend_pid())",
        garage,
    )
    assert await counts(garage) == dict.fromkeys(TABLES, 0)
    assert await garage.rows("select count(*) from touched") == [(5,)]
    code, out, err = await finished(command("worker", "--once", "--json"))
    assert code == 0, err
    told = json.loads(out)
    assert (told["vehicles_n"], told["failed_n"], told["opened_n"]) == (5, 0, 5)
    assert await garage.rows("select position from trigger_event order by position") == [
        (n,) for n in range(1, 6)
    ]
    assert await garage.rows("select count(*) from touched") == [(0,)]
    assert (await garage.rows("select count(*) from rule_version"))[0][0] > 0


async def test_a_worker_hears_of_touched_vehicles_and_ends_when_told_to(
    garage: Garage, conn: Connection, command: Runner, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    with ending(command("worker", "--nightly-hour", "-1", "--ready-file", str(ready))) as process:
        deadline = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            await asyncio.sleep(0.05)
        assert ready.read_text()
        await stopped_cars(garage, 1)
        await conn.execute(touched.NOTIFY)
        await until("exists (select from trigger_event where position = 1 and feed = 'recall')", garage)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0


async def test_the_daily_pass_of_a_worker_evaluates_everyone_as_of_its_hour(
    garage: Garage, command: Runner
) -> None:
    await garage.vehicle()
    await garage.conn.execute("delete from touched")
    with ending(command("worker", "--nightly-hour", "3")) as process:
        await until("exists (select from evaluation where scope = 'all' and finished_at is not null)", garage)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0
    due = Nightly(3, ZoneInfo("Asia/Shanghai")).last_due(datetime.now(UTC))
    assert await garage.rows("select as_of, vehicles_n from evaluation") == [(due, 1)]


async def test_predict_evaluates_all_and_refuses_other_times(garage: Garage, command: Runner) -> None:
    await garage.drive(await garage.vehicle(), "2026-01-01", 30)
    code, out, err = await finished(command("predict", "--all", "--json"))
    assert (code, json.loads(out)["vehicles_n"]) == (0, 1), err
    assert (await garage.rows("select count(*) from prediction where is_newest"))[0][0] == 1
    code, _, err = await finished(command("predict", "--all", "--as-of", "2026-02-01T00:00:00+08:00"))
    assert (code, "before the latest" in err) == (1, True), err
    for wrong in ("2126-02-01T00:00:00+08:00", "2026-02-01T00:00", "yesterday"):
        code, _, err = await finished(command("predict", "--all", "--as-of", wrong))
        assert (code, "--as-of" in err) == (2, True), err
    assert (await finished(command("predict")))[0] == 2


def test_the_daily_hour_is_local_and_its_last_moment_is_never_ahead() -> None:
    nightly = Nightly(3, ZoneInfo("Asia/Shanghai"))
    before, after = datetime(2026, 6, 1, 18, 59, tzinfo=UTC), datetime(2026, 6, 1, 19, 0, tzinfo=UTC)
    assert nightly.last_due(before) == datetime(2026, 5, 31, 19, tzinfo=UTC)
    assert nightly.last_due(after) == after
    skipped = Nightly(2, ZoneInfo("Europe/Berlin"))  # 2 o'clock does not exist on 29 March 2026
    assert skipped.last_due(datetime(2026, 3, 29, 12, tzinfo=UTC)) <= datetime(2026, 3, 29, 1, tzinfo=UTC)
