import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from odocare.cli import cli
from odocare.wiring import rule_texts
from rules.features import TABLES

RUN = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("crank-weak.toml", "coolant-hot.toml"):
        (tmp_path / name).write_text(rule_texts()[name], encoding="utf-8")
    return tmp_path


def test_check_passes_the_shipped_rules() -> None:
    ran = RUN.invoke(cli, ["rules", "check"])
    assert ran.exit_code == 0
    assert "0 problems" in ran.stdout


def test_check_tells_every_problem_with_its_file_and_line(folder: Path) -> None:
    broken = folder / "coolant-hot.toml"
    broken.write_text(
        broken.read_text(encoding="utf-8").replace("coolant_max_degc >", "coolant >"), encoding="utf-8"
    )
    ran = RUN.invoke(cli, ["rules", "check", str(folder)])
    assert ran.exit_code == 1
    assert f"{broken}:3: when: table vehicle has no column 'coolant'" in ran.stderr
    assert "1 rule ready, 1 problem" in ran.stdout


def test_check_in_json_says_the_same(folder: Path) -> None:
    (folder / "coolant-hot.toml").write_bytes('id = "过热"'.encode("gbk"))
    ran = RUN.invoke(cli, ["rules", "check", str(folder), "--json"])
    assert ran.exit_code == 1
    assert json.loads(ran.stdout) == {
        "rules": ["crank-weak"],
        "problems": [
            {"file": "coolant-hot.toml", "line": 1, "message": "the file is not UTF-8: save it as UTF-8"}
        ],
    }


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    assert RUN.invoke(cli, ["rules", "check", str(tmp_path)]).exit_code == 1


def test_a_file_saved_with_a_byte_order_mark_is_read(folder: Path) -> None:
    file = folder / "crank-weak.toml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert RUN.invoke(cli, ["rules", "check", str(folder)]).exit_code == 0


def test_list_shows_what_a_rule_waits_for() -> None:
    ran = RUN.invoke(cli, ["rules", "list"])
    assert "crank-weak: vehicle → wear, soon, for 3 d, keep 7 d" in ran.stdout
    listed = json.loads(RUN.invoke(cli, ["rules", "list", "--json"]).stdout)["rules"]
    assert [rule["id"] + ".toml" for rule in listed] == list(rule_texts())


def test_features_lists_every_column() -> None:
    told = json.loads(RUN.invoke(cli, ["rules", "features", "--json"]).stdout)["tables"]
    assert {name: len(columns) for name, columns in told.items()} == {
        name: len(table.features) for name, table in TABLES.items()
    }
    assert "crank_rel_v" in RUN.invoke(cli, ["rules", "features"]).stdout
