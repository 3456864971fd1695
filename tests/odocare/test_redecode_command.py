"""`odocare redecode` as a person or a script calls it."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from odocare.cli import cli
from store.pool import connect
from tests.ingest.senders import vin
from tests.odocare.redecoding import line, store
from tests.odocare.test_redecode_meanwhile import messages_of, petrol

ASKED = ["redecode", "--codebook", "odo_petrol", "--from", "2025-10-01", "--until", "2025-10-30"]


@pytest.fixture
def wrongly_decoded(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two vehicles, whose odometer the codebook of that time multiplied by ten."""
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)

    async def fill() -> None:
        async with connect(database_url) as conn:
            await store(conn, messages_of(2), line(petrol(is_right=False)))

    asyncio.run(fill())


def said(*options: str, status: int = 0) -> str:
    result = CliRunner().invoke(cli, [*ASKED, *options])
    assert result.exit_code == status, result.output
    return result.stdout


def told(*options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(*options, "--json"))
    return found


@pytest.mark.usefixtures("wrongly_decoded")
def test_it_tells_first_then_replaces_then_has_nothing_left() -> None:
    dry = told("--all")
    assert (dry["applied"], dry["vehicles"], dry["messages"], dry["changed_messages"]) == (False, 2, 40, 40)
    assert dry["signals"] == [
        {
            "path": "Vehicle.TraveledDistance", "unit": "m", "before": 2400, "after": 2400,
            "added": 0, "removed": 0, "changed": 2398,  # 0 km stays 0
            "largest_from": 95_590_000.0, "largest_to": pytest.approx(9_559_000.0),
        }
    ]  # fmt: skip
    assert told("--vin", vin(11), "--apply")["messages"] == 20
    text = said("--all", "--apply")
    assert "20 messages of 1 vehicles" in text
    assert "TraveledDistance" in text
    assert "95,590,000 → 9,559,000 m" in text
    assert max(len(row) for row in text.splitlines()[:-1]) <= 80
    assert told("--all")["messages"] == 0


@pytest.mark.usefixtures("wrongly_decoded")
def test_what_is_asked_wrongly_is_refused(database_url: str) -> None:
    said(status=2)
    said("--all", "--model", "Odo City", status=2)
    said("--all", "--until", "2025-09-01", status=2)
    for wrong in (
        ["--vin", vin(99)],
        ["--vin", "SHORT"],
        ["--all", "--codebook", "nobodys"],
        ["--model", "Odo City"],
    ):
        result = CliRunner().invoke(cli, [*ASKED, *wrong])
        assert result.exit_code == 1
    assert str(result.exception) == "no model Odo City"

    async def name() -> None:
        async with connect(database_url) as conn:
            await conn.execute("update vehicle set model = 'Odo City' where vin = %s", (vin(11),))

    asyncio.run(name())
    assert told("--model", "Odo City")["vehicles"] == 1
