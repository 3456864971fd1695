"""The whole line as a user sees it: `odocare demo` on real servers, run twice."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from odocare.stack.local import Wanted
from odocare.stack.temporary import temporary_stack

REPOSITORY = Path(__file__).parent.parent.parent
TRUCK_CODES = {"SPN 980 FMI 9", "SPN 3216 FMI 20", "SPN 609 FMI 9", "SPN 609 FMI 12"}


@pytest.fixture
def environment(server_url: str, database_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A database, a broker and a home of the demo's own, as settings."""
    assert server_url  # skips with the reason where there are no servers
    home = REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")
    with temporary_stack(home, Wanted(database=False)) as stack:
        (tmp_path / "assets").symlink_to(home / "assets")
        yield os.environ | {
            "ODOCARE_HOME": str(tmp_path),
            "ODOCARE_DATABASE_URL": database_url,
            "ODOCARE_MQTT_URL": stack.addresses.mqtt_url or "",
            "ODOCARE_SIMULATOR_MQTT_URL": stack.addresses.simulator_mqtt_url or "",
            "ODOCARE_HTTP_PORT": "0",
        }


def demo(environment: dict[str, str]) -> dict[str, Any]:
    """Run a small demo to its end; what it says at the end."""
    ran = subprocess.run(
        [sys.executable, "-m", "odocare", "demo", "--once", "--vehicles", "60", "--days", "200", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    answer: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return answer


def test_the_demo_opens_its_triggers_once_however_often_it_runs(
    environment: dict[str, str], database_url: str
) -> None:
    first = demo(environment)
    assert {"service_due", "fault", "recall"} <= first["triggers"].keys()
    if "ODOCARE_FIXTURES" in environment:  # the real truck
        assert first["truck"]["odometer_km"] == 13832.875
        assert {fault["code"] for fault in first["truck"]["faults"]} == TRUCK_CODES
    with psycopg.connect(database_url) as conn:
        opened = conn.execute("select id, evidence -> 'values' from trigger order by id").fetchall()
        rejects = conn.execute("select reason, count(*) from reject group by reason").fetchall()
        doubles = conn.execute("select count(*) from message where life > 0").fetchone()
    assert all(values for _, values in opened)  # evidence
    assert Counter(first["triggers"]).total() == len(opened)
    assert (rejects, doubles) == ([], (0,))
    second = demo(environment)
    assert second["triggers"] == first["triggers"]
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select id, evidence -> 'values' from trigger order by id").fetchall() == opened
