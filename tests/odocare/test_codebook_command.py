"""A maker's own codebooks in a folder, and the command that looks into signal files."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from odocare import wiring
from odocare.cli import cli
from vehicle.errors import CatalogueError, CodebookError, SettingsError

WILD = Path(__file__).parent.parent / "decoders" / "wild"
MAP = """[codebook]
name = "sedan"
bus = "can"
invalid = ["SNA"]

[[map]]
message = "LONG_DISTANCE"
signal = "Distance"
path = "Vehicle.TraveledDistance"
unit = "m"
"""
MANIFEST = """[[codebook]]
name = "sedan"
files = ["files/sedan.dbc", "cluster.kcd"]
map = "sedan.toml"

[[model]]
model = "Sedan"
codebook = "sedan"
built_from = 2025-01-01

[[model]]
model = "Lorry"
codebook = "j1939"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A maker's folder."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "sedan.dbc").write_bytes((WILD / "sedan.dbc").read_bytes())
    (tmp_path / "cluster.kcd").write_bytes((WILD / "cluster.kcd").read_bytes())
    (tmp_path / "sedan.toml").write_text(MAP.replace('invalid = ["SNA"]\n', ""), encoding="utf-8")
    (tmp_path / "manifest.toml").write_text(MANIFEST, encoding="utf-8")
    return tmp_path


def test_a_folder_s_codebooks_stand_beside_the_shipped_ones(folder: Path) -> None:
    books = wiring.codebooks(folder=folder)
    assert set(wiring.codebooks().codebooks) | {"sedan"} == set(books.codebooks)
    assert books.for_model("Sedan", date(2025, 1, 1)) is books.by_name("sedan")
    assert books.for_model("Sedan", date(2024, 12, 31)) is None
    assert books.for_model("Sedan", None) is None
    assert books.for_model("Lorry", None) is books.by_name("j1939")
    assert books.for_model("Odo City", None) is books.by_name("odo_petrol")
    assert {one.file for one in books.by_name("sedan").warnings} == {"files/sedan.dbc", "cluster.kcd"}
    assert wiring.diagnostics(folder).standard is not None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "sedan"', 'name = "j1939"', "manifest.toml:1: codebook 'j1939' stands twice"),
        (
            'model = "Lorry"',
            'model = "Odo City"',
            "manifest.toml:11: model 'Odo City' has two codebooks for the same build date, the other shipped",
        ),
        (
            'model = "Lorry"',
            'model = "Sedan"',
            "manifest.toml:11: model 'Sedan' has two codebooks for the same",
        ),
        ('codebook = "j1939"', 'codebook = "j1938"', "'j1938', which is not there; did you mean 'j1939'?"),
        ("2025-01-01", "2025-01-01\nbuilt_until = 2024-12-31", "is built until before it is built from"),
        ("2025-01-01", "2025-01-01T00:00:00", "manifest.toml:6: [[model]] needs built_from as date, got"),
        (
            '"cluster.kcd"',
            '"../cluster.kcd"',
            "a file stands in the folder of its manifest, got '../cluster.kcd'",
        ),
        (
            '"cluster.kcd"',
            '"/cluster.kcd"',
            "a file stands in the folder of its manifest, got '/cluster.kcd'",
        ),
        ('"cluster.kcd"', '"other.kcd"', "needs the file 'other.kcd', which is not there"),
        (
            '["files/sedan.dbc", "cluster.kcd"]',
            "[]",
            "manifest.toml:1: [[codebook]] needs files as list, got []",
        ),
    ],
)
def test_a_folder_that_clashes_or_makes_no_sense_is_refused(
    folder: Path, old: str, new: str, says: str
) -> None:
    (folder / "manifest.toml").write_text(MANIFEST.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CodebookError) as refused:
        wiring.codebooks(folder=folder)
    assert says in str(refused.value)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"a folder of codebooks has a manifest\.toml"):
        wiring.codebooks(folder=tmp_path)


def test_check_shows_messages_signals_and_repairs() -> None:
    done = CliRunner().invoke(cli, ["codebook", "check", str(WILD / "sedan.dbc")])
    assert done.exit_code == 0
    assert "LONG_DISTANCE  0x18fef100 (29 bits), 8 bytes" in done.stdout
    assert "if BROKEN = 0, 2–255" in done.stdout
    assert "sedan.dbc:24: name-starts-with-digit: '3RD_ROW' is kept as it is written" in done.stdout
    assert done.stdout.splitlines()[-1] == "3 messages, 11 signals, 22 remarks"


def test_check_tells_what_is_mapped_and_what_not(folder: Path) -> None:
    files = [str(folder / "files" / "sedan.dbc"), str(folder / "cluster.kcd")]
    arguments = ["codebook", "check", *files, "--map", str(folder / "sedan.toml")]
    said = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)
    assert said["problems"] == []
    assert said["counts"]["mapped"] == 1
    mapped = {
        (message["name"], signal["name"]): signal["path"]
        for message in said["messages"]
        for signal in message["signals"]
    }
    assert mapped["LONG_DISTANCE", "Distance"] == "Vehicle.TraveledDistance"
    assert mapped["LONG_DISTANCE", "Distance_2"] is None
    assert len(said["version"]) == 64
    assert "→ Vehicle.TraveledDistance from m" in CliRunner().invoke(cli, arguments).stdout


def test_check_tells_all_problems_with_file_and_line(folder: Path) -> None:
    (folder / "sedan.toml").write_text(MAP.replace('"m"', '"furlong"'), encoding="utf-8")
    where = str(folder / "sedan.toml")
    done = CliRunner().invoke(cli, ["codebook", "check", str(WILD / "sedan.dbc"), "--map", where])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [f"{where}:10: no unit 'furlong'"]
    (folder / "sedan.toml").write_text(MAP, encoding="utf-8")
    done = CliRunner().invoke(cli, ["codebook", "check", str(WILD / "sedan.dbc"), "--map", where])
    assert done.stderr.splitlines() == [f"{where}:4: no mapped signal has a value named 'SNA'"]


def test_check_tells_why_a_file_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "a.dbc"
    file.write_text("nonsense\n", encoding="utf-8")
    done = CliRunner().invoke(cli, ["codebook", "check", str(file), "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["problems"][0].startswith(f"{file}:1: ")


def test_check_tells_without_a_map_what_a_capture_will_not_be_read_for(tmp_path: Path) -> None:
    file = tmp_path / "a.dbc"
    file.write_text(
        'BO_ 1 A: 8 X\n SG_ M M : 0|8@1+ (1,0) [0|0] "" X\n SG_ f m256 : 8|8@1+ (1,0) [0|0] "" X\n',
        encoding="utf-8",
    )
    done = CliRunner().invoke(cli, ["codebook", "check", str(file)])
    assert done.exit_code == 0
    assert f"{file}:3: left-out: A.f is left out: M has too few bits for 256" in done.stdout


def test_list_shows_who_uses_which(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODOCARE_CODEBOOKS", str(folder))
    done = CliRunner().invoke(cli, ["codebook", "list", "--json"])
    books = {one["name"]: one for one in json.loads(done.stdout)["codebooks"]}
    assert books["sedan"]["models"] == [{"model": "Sedan", "built_from": "2025-01-01", "built_until": None}]
    assert {"model": "Lorry", "built_from": None, "built_until": None} in books["j1939"]["models"]
    assert "    Sedan from 2025-01-01" in CliRunner().invoke(cli, ["codebook", "list"]).stdout


OWN = """[[signal]]
number = 20000
path = "Vehicle.X-Maker.Trip"
unit = "m"
kind = "gauge"
"""


def test_a_maker_s_own_signals_are_mapped_like_any_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "signals.toml").write_text(OWN)
    mapping = folder / "sedan.toml"
    mapping.write_text(mapping.read_text().replace("Vehicle.TraveledDistance", "Vehicle.X-Maker.Trip"))
    assert 20000 in wiring.codebooks(folder=folder).by_name("sedan").plan.numbers
    assert wiring.catalogue(folder).of("Vehicle.X-Maker.Trip").number == 20000
    monkeypatch.setenv("ODOCARE_CODEBOOKS", str(folder))
    arguments = ["codebook", "check", str(folder / "files" / "sedan.dbc"), str(folder / "cluster.kcd")]
    done = CliRunner().invoke(cli, [*arguments, "--map", str(mapping), "--json"])
    assert json.loads(done.stdout)["problems"] == []


def test_a_maker_s_signal_with_a_shipped_number_is_refused_with_its_file(folder: Path) -> None:
    (folder / "signals.toml").write_text(OWN.replace("20000", "1"))
    with pytest.raises(CatalogueError, match=r"signals\.toml: Vehicle\.X-Maker\.Trip has a number of 16384"):
        wiring.codebooks(folder=folder)
