import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from odocare.cli import cli
from simulator import capture
from tests.simulator.conftest import REPOSITORY, OwnBroker
from vehicle.errors import OdocareError

VIN = "A0DH00000RA000001"
README = str(REPOSITORY / "README.md")
FLEET = ("--vehicles", "5", "--days", "20", "--until", "2026-10-31")


def run(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_simulate_sends_what_a_dry_run_makes(broker_url: str) -> None:
    made = run("simulate", *FLEET, "--dry-run", "--json")
    sent = run("simulate", *FLEET, "--broker", broker_url, "--json")
    assert (made["sent"], sent["sent"]) == (False, True)
    for name in ("messages", "bytes", "frames", "until", "seed"):
        assert made[name] == sent[name]
    assert sent["accepted"] == sent["messages"]
    assert (sent["refused"], sent["reconnects"]) == ({}, 0)
    assert isinstance(sent["messages_per_s"], float)


def test_simulate_writes_files_and_nothing_else_where_told(tmp_path: Path) -> None:
    folder, recording = tmp_path / "data", tmp_path / "truck.log.gz"
    told = run(
        "simulate",
        *FLEET,
        "--files-only",
        "--json",
        *("--master-data", str(folder)),
        *("--write-capture", str(recording)),
    )
    assert "messages" not in told
    assert {path.name for path in folder.iterdir()} == {
        "dealers.csv",
        "vehicles.csv",
        "plans.csv",
        "visits.csv",
        "recall.toml",
        "recall-do-not-drive.toml",
    }
    assert told["capture"] == {
        "file": str(recording),
        "frames": len(capture.record(1).frames),
        "odometer_km": capture.record(1).odometer_km,
        "codes": [code.dtc.code for code in capture.CODES],
    }


def test_replay_tells_what_it_sent_and_what_it_left_out(tmp_path: Path, broker_url: str) -> None:
    path = tmp_path / "drive.log"
    path.write_text("(1.0) can0 123#01\njunk\n(1.5) can0 123#02\n(9.0) can0 123#03\n")
    result = CliRunner().invoke(
        cli,
        [
            *("replay", str(path), "--vin", VIN, "--fast", "--limit", "5", "--broker", broker_url),
            *("--at", "2026-10-31T08:00:00+08:00", "--boot", "9", "--json"),
        ],
    )
    told = json.loads(result.stdout)
    assert (told["messages"], told["frames"], told["broken"]) == (1, 2, 1)
    assert told["ends_at_us"] == 1_793_404_800_000_000
    assert "drive.log, line 2" in result.stderr
    assert result.exit_code == 0


def test_people_are_told_when_nobody_listens(own_broker: OwnBroker) -> None:
    result = CliRunner().invoke(cli, ["simulate", *FLEET, "--broker", own_broker.simulator_url])
    assert "sent " in result.stdout
    assert "nobody had subscribed to" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", "--until", "2033-12-31", "--dry-run"], "ends yesterday at the latest"),
        (["simulate", *FLEET, "--broker", "http://x"], "a broker is mqtt://"),
        (["replay", README, "--vin", VIN, "--dry-run"], "is of no known format"),
        (["replay", README, "--vin", "SHORT"], "a VIN has 17 characters"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(arguments: list[str], words: str) -> None:
    with pytest.raises(OdocareError, match=words):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "--vehicles", "0"],
        ["simulate", "--until", "tomorrow"],
        ["replay", README, "--vin", VIN, "--at", "noon"],
        ["replay", "nowhere.log", "--vin", VIN],
        ["replay", README, "--vin", VIN, "--speed", "-1"],
    ],
)
def test_wrong_usage_is_told_apart_from_a_refusal(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_messages_that_the_broker_refuses_make_the_command_fail(own_broker: OwnBroker) -> None:
    reader = own_broker.stack.addresses.mqtt_url  # the identity of ingest may write no vehicle's topic
    assert reader is not None
    result = CliRunner().invoke(cli, ["simulate", *FLEET, "--broker", reader])
    assert result.exit_code == 1
    assert "messages: not authorized" in result.stderr
    assert reader not in result.output
