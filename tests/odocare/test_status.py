"""`odocare status` says what runs, what waits and what is missing."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.watch import Health
from odocare import process_files, status_lines
from odocare.cli import cli
from odocare.process_files import IngestProcess
from store import health
from store.health import Flow
from store.pool import Connection

HEALTH = Health(
    connected=True,
    database_away_s=None,
    received=12_345,
    stored=12_000,
    doubled=340,
    rejected=5,
    waiting_bytes=1_500_000,
    per_s=1234.4,
    arrival_to_commit_s=0.118,
    behind_s=150.0,
    last_commit_at=1_795_219_200.0,
)
MINE = IngestProcess("odocare-ingest", 4711, is_running=True, told_at=1000.0, health=HEALTH)


def said(*found: IngestProcess, now: float = 1000.5) -> str:
    return "\n".join(status_lines.of_ingests(found, now=now))


def test_a_running_ingest_is_told_with_its_rate_its_delay_and_counts_that_add_up() -> None:
    assert said(MINE).splitlines() == [
        (
            "ingest odocare-ingest: runs as process 4711, subscribed, 1,234 messages/s,"
            " committed within 0.12 s of arrival, 2 min behind the vehicles, 1.5 MB wait"
        ),
        "  since it began: 12,345 received = 12,000 stored + 340 doubled + 5 rejected",
    ]
    alone = replace(MINE, health=replace(HEALTH, connected=False, database_away_s=7300.0))
    assert "no broker, no database for 2 h" in said(alone)


def test_one_that_hangs_or_is_gone_is_not_taken_for_running() -> None:
    assert "process 4711 has not told of itself for 2 min" in said(MINE, now=1120.0)
    gone = said(replace(MINE, is_running=False), now=1000 + 3 * 86_400)
    assert gone.startswith("ingest: none runs here\n")
    assert "ended or was killed 3 d ago, after 12,345 received" in gone
    assert said() == "ingest: none runs here"


def test_what_a_process_tells_is_read_back_and_a_broken_file_harms_nobody(tmp_path: Path) -> None:
    assert list(process_files.ingests(tmp_path)) == []
    process_files.tell(tmp_path, "a/b", HEALTH)
    process_files.tell(tmp_path, "a/b", replace(HEALTH, received=12_346))
    (process_files.folder(tmp_path) / "ingest-broken.json").write_text("{")
    (found,) = process_files.ingests(tmp_path)
    assert (found.client_id, found.pid, found.health.received) == ("a/b", os.getpid(), 12_346)
    assert sorted(file.name for file in process_files.folder(tmp_path).iterdir()) == [
        "ingest-a%2Fb.json",
        "ingest-broken.json",
    ]


def test_a_process_that_cannot_tell_of_itself_goes_on(tmp_path: Path) -> None:
    process_files.folder(tmp_path).touch()
    assert not process_files.tell(tmp_path, "a", HEALTH)
    assert list(process_files.ingests(tmp_path)) == []
    process_files.folder(tmp_path).unlink()
    assert process_files.tell(tmp_path, "a", HEALTH)


async def test_what_waits_and_what_is_missing_is_counted(conn: Connection) -> None:
    assert await health.flow(conn) == Flow(0, 0, 0, 0, 0.0, 0, 0)
    await conn.execute(
        "insert into gap (vehicle_id, boot, life, first_seq, last_seq, seen_at) values"
        " (1, 1, 0, 3, 4, now()), (1, 2, 0, 0, 9223372036854775807, now())"
    )
    flow = await health.flow(conn)
    assert (flow.gaps_open, flow.messages_missing) == (2, 2**62)
    await conn.execute("update gap set closed_at = now() where boot = 2")
    assert "missing: 2 messages in 1 open gaps" in status_lines.of_flow(await health.flow(conn))


async def test_a_vehicle_that_sends_without_end_waits_since_it_was_evaluated_last(conn: Connection) -> None:
    await conn.execute("insert into vehicle (vin, registered_at) values ('LDEMA1B25PH000001', now())")
    await conn.execute(
        "insert into touched (vehicle_id, from_day, touched_at)"
        " select id, current_date, now() - interval '1 h' from vehicle"
    )
    assert (await health.flow(conn)).longest_wait_s == pytest.approx(3600, abs=60)
    await conn.execute(
        "with pass as (insert into evaluation (as_of, scope) values (now() - interval '5 min', 'touched')"
        " returning id, as_of) insert into evaluated (vehicle_id, evaluation_id, as_of)"
        " select v.id, p.id, p.as_of from vehicle v, pass p"
    )
    assert (await health.flow(conn)).longest_wait_s == pytest.approx(300, abs=60)


def test_status_as_json_has_it_all(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODOCARE_HOME", str(tmp_path))
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    process_files.tell(tmp_path, "odocare-ingest", HEALTH)
    found = json.loads(CliRunner().invoke(cli, ["status", "--json"]).stdout)
    assert found["flow"]["messages_missing"] == 0
    assert found["ingests"][0]["health"]["stored"] == 12_000
    assert "open gaps" in CliRunner().invoke(cli, ["status"]).stdout
