"""`odocare rejects` as a person uses it."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ingest import pipeline
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from odocare import ingesting
from odocare.cli import cli
from odocare.settings import Settings
from store.pool import Connection
from tests.ingest.senders import ODOMETER, can, contents, deliver, raw, signals, vin

A = vin(1)
Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, on this test's database and with a key file of its own."""
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    monkeypatch.setenv("ODOCARE_HOME", str(tmp_path))
    monkeypatch.delenv("ODOCARE_KEY_FILE", raising=False)
    return lambda *words: CliRunner().invoke(cli, list(words))


@pytest.fixture
async def rejected(run: Run, conn: Connection, lexicon: Lexicon) -> None:
    """A broken message, one without a codebook, and one with an unknown signal."""
    line = Line(lexicon, ingesting.seal(Settings()))
    batch = [
        raw(A, "signals", b"\xc1 no MessagePack"),
        deliver(can(A, 0, [(0, 0x98FEE000, bytes(8))], codebook=None)),
        deliver(signals(A, 1, {ODOMETER: 1.0, "Vehicle.X-Other.A": 2.0})),
    ]
    await pipeline.store(conn, batch, line)


@pytest.mark.usefixtures("rejected")
def test_rejects_are_listed_newest_first_without_a_vin(run: Run) -> None:
    result = run("rejects", "list")
    assert result.exit_code == 0
    assert A not in result.output
    assert [line.split()[0] for line in result.output.splitlines()[1:4]] == ["3", "2", "1"]
    assert "broken-msgpack: 1  unknown-codebook: 1  unknown-signal: 1" in result.output
    assert "unknown-signal (part)" in result.output
    found = json.loads(run("rejects", "list", "--json", "--reason", "broken-msgpack").output)
    assert [one["id"] for one in found["rejects"]] == [1]
    assert found["counts"] == {"broken-msgpack": 1}
    assert found["rejects"][0]["body_bytes"] == 16
    of_vehicle = json.loads(run("rejects", "list", "--json", "--vin", A, "--kind", "can").output)
    assert of_vehicle["counts"] == {"unknown-codebook": 1}
    assert json.loads(run("rejects", "list", "--json", "--since", "2100-01-01").output)["rejects"] == []
    assert "older ones: --before 3" in run("rejects", "list", "--limit", "1").output


@pytest.mark.usefixtures("rejected")
async def test_a_reject_is_shown_with_its_bytes_and_the_look_is_audited(run: Run, conn: Connection) -> None:
    result = await asyncio.to_thread(run, "rejects", "show", "1")
    assert result.exit_code == 0
    assert "broken-msgpack: a signals body that cannot be read" in result.output
    assert re.search(r"00000000  c1 20 6e 6f .* \. no MessagePack", result.output)
    assert f"tbox/v1/{A}/up/signals" in result.output
    shown = json.loads((await asyncio.to_thread(run, "rejects", "show", "2", "--json")).output)
    assert shown["read_as"].startswith(f"can, vin {A}, boot 1, seq 0")
    cur = await conn.execute("select action, detail from audit order by id")
    assert await cur.fetchall() == [("reject.show", {"reject": 1}), ("reject.show", {"reject": 2})]


@pytest.mark.usefixtures("rejected")
async def test_replaying_stores_what_can_be_stored_by_now(run: Run, conn: Connection) -> None:
    await conn.execute("update vehicle set model = 'Odo Hauler'")
    result = await asyncio.to_thread(run, "rejects", "replay", "--all", "--json")
    found = json.loads(result.output)
    assert found["counts"] == {"refused": 2, "stored": 1}
    assert [one["outcome"] for one in found["rejects"]] == ["refused", "stored", "refused"]
    assert [row[3] for row in (await contents(conn, "message"))["message"]] == [0, 1]
    again = await asyncio.to_thread(run, "rejects", "replay", "--reason", "unknown-codebook")
    assert again.output.strip() == "nothing to replay"


def test_nothing_rejected_says_so(run: Run) -> None:
    assert run("rejects", "list").output.strip() == "nothing was rejected"


def test_a_replay_of_nothing_in_particular_is_wrong_usage_and_a_missing_number_is_refused(run: Run) -> None:
    assert run("rejects", "replay").exit_code == 2
    result = run("rejects", "show", "7")
    assert result.exit_code == 1
    assert "no reject 7" in str(result.exception)
