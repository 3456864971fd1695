"""`odocare gaps` and `odocare retention` as a person uses them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from odocare.cli import cli
from store.pool import Connection
from tests.store.test_gap_list import VIN, fill

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    monkeypatch.setenv("ODOCARE_HOME", str(tmp_path))
    return lambda *words: CliRunner().invoke(cli, list(words))


async def test_what_vehicles_lost_is_shown_without_a_vin(run: Run, conn: Connection) -> None:
    await fill(conn)
    in_thread = await _off_loop(run, "gaps")
    assert "4 gaps of 2 vehicles: 10 messages missing" in in_thread.output
    assert VIN not in in_thread.output
    paged = await _off_loop(run, "gaps", "--all", "--vin", VIN, "--limit", "2", "--json")
    found = json.loads(paged.output)
    assert found["totals"] == {"vehicles": 1, "gaps": 4, "missing": 7, "late": 1}
    assert [(one["first_seq"], one["closed_at"] is None) for one in found["gaps"]] == [(8, True), (7, False)]
    assert "older ones: --before" in (await _off_loop(run, "gaps", "--limit", "1")).output
    assert "0 gaps" in (await _off_loop(run, "gaps", "--since", "2100-01-01")).output


async def test_retention_says_what_is_kept_what_would_go_and_what_went(run: Run, conn: Connection) -> None:
    old = datetime.now(UTC) - timedelta(days=8)
    await conn.execute("insert into message values (1, 1, 0, 0, 'can', %s, %s, 1, 1)", (old, old))
    assert "no pass has been made yet" in (await _off_loop(run, "retention")).output
    dry = json.loads((await _off_loop(run, "retention", "--dry-run", "--json")).output)
    assert {one["kind"]: one["rows"] for one in dry["would_drop"] if one["rows"]} == {"message": 1}
    assert dry["last"] is None
    done = await _off_loop(run, "retention", "--now")
    assert "dropped: message 1 rows folded" in done.output
    last = json.loads((await _off_loop(run, "retention", "--json")).output)["last"]
    assert [one["rows"] for one in last["report"] if one["kind"] == "message"] == [1]


async def test_a_policy_is_set_from_a_day_on_and_noted(run: Run, conn: Connection) -> None:
    words = ("retention", "--keep", "raw_frame=14", "--keep", "segment=forever", "--reason", "contract")
    assert " 14 days  contract" in (await _off_loop(run, *words)).output
    later = await _off_loop(run, "retention", "--keep", "raw_frame=9", "--from", "2100-01-01", "--json")
    kept = {one["kind"]: one["keep_d"] for one in json.loads(later.output)["policies"]}
    assert (kept["raw_frame"], kept["segment"]) == (14, None)
    row = await (await conn.execute("select count(*) from audit where action = 'retention.set'")).fetchone()
    assert row == (3,)
    for wrong, code in (("raw_frame=0", 2), ("raw_frame", 2), ("vehicle=3", 1)):
        answer = await _off_loop(run, "retention", "--keep", wrong)
        assert answer.exit_code == code, wrong
    assert (await _off_loop(run, "retention", "--now", "--dry-run")).exit_code == 2


async def _off_loop(run: Run, *words: str) -> Result:
    """A command has an event loop of its own."""
    import asyncio

    return await asyncio.to_thread(run, *words)
