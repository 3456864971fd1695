"""What `--truth` writes down is what was sent."""

import json
from pathlib import Path

from typer.testing import CliRunner

from odocare.cli import cli
from simulator import truth

VIN = "A0DH00000RA000021"
FLEET = ("--vehicles", "3", "--days", "10", "--until", "2026-10-31")


def run(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_simulate_tells_every_message_and_that_it_came_to_its_end(broker_url: str, tmp_path: Path) -> None:
    path = tmp_path / "sent"
    sent = run("simulate", *FLEET, "--broker", broker_url, "--truth", str(path), "--json")
    told = truth.read(path)
    assert len(told.messages) == sent["messages"]
    assert sum(one.body_bytes for one in told.messages) == sent["bytes"]
    assert told.is_closed
    assert not told.has_bodies


def test_replay_tells_the_bodies_where_asked(broker_url: str, tmp_path: Path) -> None:
    path, capture = tmp_path / "sent", tmp_path / "truck.log"
    capture.write_text(
        "".join(f"(1700000000.{n:06}) can0 18FEC100#0102030405060708\n" for n in range(0, 900_000, 90_000))
    )
    arguments = ("--vin", VIN, "--fast", "--broker", broker_url, "--truth", str(path), "--bodies", "--json")
    sent = run("replay", str(capture), *arguments)
    told = truth.read(path)
    assert sum(one.frames for one in told.messages) == sent["frames"] == 10
    assert {one.vin for one in told.messages} == {VIN}
    assert told.is_closed
    assert told.has_bodies


def test_a_dry_run_sends_nothing_and_so_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sent"
    run("simulate", *FLEET, "--dry-run", "--truth", str(path), "--json")
    assert not path.exists()
