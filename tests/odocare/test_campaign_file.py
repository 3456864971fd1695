from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from typer.testing import CliRunner

from odocare import campaign_file
from odocare.campaign_file import RowProblem, read_csv, read_toml
from odocare.cli import cli
from store.campaigns import Campaign
from vehicle.errors import ImportFileError

WHOLE = """
id = "SAMR-2026-001"
title_zh = "制动软管"
title_en = "Brake hose"
remedy_zh = "更换"
remedy_en = "Replace"
do_not_drive = true
parts_ready = false
opened_on = 2026-05-01
source = "invented"
vins = ["LDEMA1B25PH000001", "ldema1b25ph000001", "nonsense", "LDEMA1B25PH000002"]
"""
BRAKES = Campaign(
    "SAMR-2026-001",
    "制动软管",
    "Brake hose",
    "更换",
    "Replace",
    True,
    False,
    date(2026, 5, 1),
    None,
    "invented",
)


def test_a_toml_has_the_campaign_and_its_vehicles() -> None:
    fields, vins = read_toml(WHOLE, where="recall.toml")
    assert campaign_file.campaign(fields, None, where="recall.toml") == BRAKES
    assert vins.vins == ("LDEMA1B25PH000001", "LDEMA1B25PH000002")
    assert vins.duplicates == 1
    assert [problem.row for problem in vins.problems] == [3]
    assert "17 characters" in vins.problems[0].message


def test_a_csv_has_its_vins_in_a_column_among_others() -> None:
    text = "\ufeffOwner,VIN\nA,LDEMA1B25PH000001\nB,\nC,LDEMA1B25PH00000I\nD, ldema1b25ph000002 \n"
    vins = read_csv(text, where="list.csv")
    assert vins.vins == ("LDEMA1B25PH000001", "LDEMA1B25PH000002")
    assert [problem.row for problem in vins.problems] == [3, 4]


def test_what_is_not_given_again_is_kept() -> None:
    known = campaign_file.campaign({"id": BRAKES.id, "parts_ready": True}, BRAKES, where="options")
    assert known.parts_ready
    assert known.title_zh == BRAKES.title_zh


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "id is missing"),
        ({"id": "R"}, "title_zh is missing; title_en is missing; opened_on is missing; source is missing"),
        ({"id": 5}, "id must be a text"),
        ({"id": "R", "opened_on": "2026-01-01"}, "opened_on must be a date"),
        ({"id": "R", "do_not_drive": 1}, "do_not_drive must be true or false"),
        ({"id": "R", "park_it": True}, "unknown field 'park_it'"),
        ({"id": "R\0"}, "id must be a text without zero bytes, got 'R\\x00'"),
    ],
)
def test_fields_that_cannot_be_used_are_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ImportFileError, match=r"recall\.toml") as refused:
        campaign_file.campaign(fields, None, where="recall.toml")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vins = 3", "list of VINs"),
        ("id = ", "Invalid value"),
        ("", "list"),
        ("vins = " + "[" * 5000, "recall.toml: maximum recursion"),
        ("vins = [" + "9" * 5000 + "]", "recall.toml: .*5000 digits"),
    ],
)
def test_a_toml_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ImportFileError, match=message):
        read_toml(text, where="recall.toml")


@pytest.mark.parametrize("text", ["", "chassis\nLDEMA1B25PH000001\n", "vin,vin\na,b\n"])
def test_a_csv_without_exactly_one_column_of_vins_is_refused(text: str) -> None:
    with pytest.raises(ImportFileError, match="one column 'vin'"):
        read_csv(text, where="list.csv")


@pytest.mark.parametrize("text", ['"vin\nLDEMA1B25PH000001\n', '"vin" x\n', 'vin\n"LDEMA1B25PH000001\n'])
def test_a_csv_with_a_broken_quote_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ImportFileError, match=r"list\.csv, line \d: "):
        read_csv(text, where="list.csv")


@given(st.lists(st.text("ABCI01 ", max_size=3) | st.sampled_from(["LDEMA1B25PH000001", "LDEMA1B25PH000002"])))
def test_every_row_is_taken_counted_or_refused(texts: list[str]) -> None:
    found = campaign_file.vin_list(enumerate(texts, start=1))
    assert len(found.vins) + found.duplicates + len(found.problems) == len(texts)
    assert all(isinstance(problem, RowProblem) for problem in found.problems)


def test_a_campaign_is_not_closed_before_it_opens() -> None:
    fields = {
        "id": "R1",
        "title_zh": "一",
        "title_en": "One",
        "source": "test",
        "opened_on": date(2026, 11, 1),
    }
    with pytest.raises(ImportFileError, match="closed_on 2026-10-01 lies before opened_on 2026-11-01"):
        campaign_file.campaign(fields | {"closed_on": date(2026, 10, 1)}, None, where="R1.toml")


def test_a_file_of_the_workshop_s_spreadsheet_is_read_and_its_rows_are_told(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    path = tmp_path / "召回.csv"
    path.write_bytes("车主,VIN\n甲,LDEMA1B25PH000001\n乙,LDEMA1B25PH00000I\n丙,\n".encode("gb18030"))
    command = ["campaign", "import", str(path), "--id", "R1", "--title-zh", "软管", "--title-en", "Hose"]
    command += ["--source", "invented", "--opened-on", "2026-05-01", "--do-not-drive"]
    told = CliRunner().invoke(cli, command)
    assert told.exit_code == 1
    assert "1 vehicles added" in told.stdout
    assert "read as GBK" in told.stdout
    assert told.stderr.splitlines() == [
        (
            "召回.csv, line 3: expected 17 characters of A-Z without I, O, Q and 0-9,"
            " came 'LDEMA1B25PH00000I' (refused)"
        ),
        "召回.csv, line 4: expected 17 characters of A-Z without I, O, Q and 0-9, came nothing (refused)",
    ]
    shown = CliRunner().invoke(cli, ["campaign", "status"], env={"COLUMNS": "80"})
    assert "R1 (2026-05-01)" in shown.stdout
    assert "1 unknown" in shown.stdout
    assert "remedied removed" in " ".join(shown.stdout.split())
    assert max(cell_len(row) for row in shown.stdout.splitlines()) <= 80
    path.write_bytes(b"\xff\xfeV\x00")
    assert isinstance(CliRunner().invoke(cli, command).exception, ImportFileError)


def test_columns_that_no_comma_separates_are_told() -> None:
    with pytest.raises(ImportFileError, match="separated by commas, found semicolons"):
        read_csv("vin;owner\n", where="list.csv")
