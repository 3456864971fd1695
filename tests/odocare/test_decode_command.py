"""`odocare decode`: captures of every format give the values that their signal file says."""

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import can
import polars as pl
import pytest
from typer.testing import CliRunner

from odocare.cli import cli
from vehicle.errors import OdocareError

SIGNALS = """VERSION ""
BU_: X
BO_ 291 Engine: 8 X
 SG_ Speed : 0|16@1+ (0.25,0) [0|8000] "rpm" X
 SG_ Temperature : 16|8@1+ (1,-40) [-40|150] "degC" X
 SG_ Gear : 24|4@1+ (1,0) [0|0] "" X
BO_ 2566844673 Brake: 2 X
 SG_ Pressure : 7|16@0- (0.5,0) [0|0] "kPa" X
VAL_ 291 Gear 0 "neutral" 1 "first" 15 "error" ;
"""
BASE_S = 1_700_000_000.0
WRITERS: dict[str, Any] = {
    "a.log": can.CanutilsLogWriter, "a.asc": can.ASCWriter, "a.blf": can.BLFWriter, "a.trc": can.TRCWriter,
}  # fmt: skip


def frames() -> list[can.Message]:
    def frame(k: int, can_id: int, data: str, *, is_extended: bool = False) -> can.Message:
        payload = bytes.fromhex(data)
        return can.Message(
            timestamp=BASE_S + k / 1000, arbitration_id=can_id, is_extended_id=is_extended, channel=0,
            dlc=len(payload), data=payload,
        )  # fmt: skip

    return [
        frame(0, 291, "A00F7801FFFFFFFF"),
        frame(1, 0x18FEF101, "FFFE", is_extended=True),
        frame(2, 291, "FFFF7A0FFFFFFFFF"),  # speed outside its range
        frame(3, 291, "A10F"),  # short
        frame(4, 0x7FF, "00"),
    ]


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    path = tmp_path / "car.dbc"
    path.write_text(SIGNALS)
    return path


def capture(path: Path) -> Path:
    with WRITERS[path.name](path) as writer:
        for frame in frames():
            writer.on_message_received(frame)
    return path


def run(*arguments: object, exits: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(cli, ["decode", *map(str, arguments), "--json"])
    assert done.exit_code == exits, done.output
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_values(name: str, tmp_path: Path, signals: Path) -> None:
    out = tmp_path / "out.parquet"
    summary = run(capture(tmp_path / name), "--dbc", signals, "--out", out)
    table = pl.read_parquet(out).sort("time", "signal")
    rows = [
        (row["message"], row["signal"], row["value"], row["unit"], row["text"]) for row in table.to_dicts()
    ]
    assert summary["first_at"][:19] == "2023-11-14T22:13:20"
    assert sorted(rows, key=str) == sorted(
        [
            ("Engine", "Speed", 1000.0, "rpm", None),
            ("Engine", "Temperature", 80.0, "degC", None),
            ("Engine", "Gear", 1.0, "", "first"),
            ("Brake", "Pressure", -1.0, "kPa", None),
            ("Engine", "Temperature", 82.0, "degC", None),
            ("Engine", "Gear", 15.0, "", "error"),
            ("Engine", "Speed", 1000.25, "rpm", None),
        ],
        key=str,
    )
    assert table.schema["time"] == pl.Datetime("us", "UTC")
    assert (summary["frames"], summary["values"], summary["signals"], summary["short_frames"]) == (5, 7, 4, 1)
    assert summary["unknown_ids"] == {"7FF": 1}
    assert summary["rejected"] == {"no_measurement": 0, "out_of_range": 1}


def test_csv_and_json_lines_are_in_order_of_time(tmp_path: Path, signals: Path) -> None:
    log = capture(tmp_path / "a.log")
    run(log, "--dbc", signals, "--out", tmp_path / "out.csv")
    run(log, "--dbc", signals, "--out", tmp_path / "out.jsonl")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "time,bus,source,message,signal,value,unit,text"
    assert lines[1] == "2023-11-14T22:13:20.000000Z,0,,Engine,Speed,1000.0,rpm,"
    times = [json.loads(line)["time"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert times == sorted(times)
    assert times[-1] == "2023-11-14T22:13:20.003000Z"


def test_values_outside_the_range_are_kept_where_all_are_asked_for(tmp_path: Path, signals: Path) -> None:
    summary = run(
        capture(tmp_path / "a.log"), "--dbc", signals, "--all-values", "--out", tmp_path / "out.parquet"
    )
    assert (summary["values"], summary["rejected"]["out_of_range"]) == (8, 0)


def test_a_map_gives_paths_and_units_of_the_catalogue(tmp_path: Path, signals: Path) -> None:
    mapping = tmp_path / "car.toml"
    mapping.write_text(
        '[codebook]\nname = "car"\nbus = "can"\n[[map]]\nmessage = "Engine"\nsignal = "Speed"\n'
        'path = "Vehicle.Powertrain.CombustionEngine.Speed"\nunit = "rpm"\n'
    )
    run(capture(tmp_path / "a.log"), "--dbc", signals, "--map", mapping, "--out", tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[1].split(",")[3:] == [
        "Engine",
        "Vehicle.Powertrain.CombustionEngine.Speed",
        "1000.0",
        "rpm",
        "",
    ]
    assert len(lines) == 3


def test_several_captures_become_one_file(tmp_path: Path, signals: Path) -> None:
    log = capture(tmp_path / "a.log")
    packed = tmp_path / "b.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()[:50]) + gzip.compress(log.read_bytes()[50:]))
    summary = run(log, packed, "--dbc", signals, "--out", tmp_path / "out.parquet")
    assert [one["frames"] for one in summary["files"]] == [5, 5]
    assert summary["values"] == 14


@pytest.mark.parametrize("packed", ["packed", "plain"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_pipe_is_read_like_a_file(name: str, packed: str, tmp_path: Path, signals: Path) -> None:
    path = tmp_path / name
    capture(path)
    said = gzip.compress(path.read_bytes()) if packed == "packed" else path.read_bytes()
    arguments = ["decode", "-", "--dbc", str(signals), "--out", str(tmp_path / "out.csv"), "--json"]
    done = CliRunner().invoke(cli, arguments, input=said)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["values"] == 7
    assert json.loads(done.stdout)["files"][0]["file"] == "-"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as writer:
        writer.submit(pipe.write_bytes, said)
        assert run(pipe, "--dbc", signals, "--out", tmp_path / "out.parquet")["values"] == 7


@pytest.mark.parametrize(
    ("said", "files", "why"),
    [
        (b"MDF     4.10    ", ["-"], "an MF4 is read from many places: give a file, not a pipe"),
        (b"", ["-"], "- is empty"),
        (b"(1.0) can0 123#00", ["-", "-"], "can be read once"),
    ],
)
def test_what_no_pipe_can_give_is_refused(
    said: bytes, files: list[str], why: str, tmp_path: Path, signals: Path
) -> None:
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(cli, ["decode", *files, "--dbc", str(signals), "--out", str(out)], input=said)
    assert done.exit_code != 0
    assert why in f"{done.output} {done.exception}"
    assert not out.exists()


@pytest.mark.parametrize("name", ["a.log.gz", "a.blf"])
def test_a_capture_that_ends_early_is_decoded_as_far_as_it_goes(
    name: str, tmp_path: Path, signals: Path
) -> None:
    path = tmp_path / name
    if name.endswith(".gz"):
        log = capture(tmp_path / "a.log").read_bytes() * 500
        path.write_bytes(gzip.compress(log)[:-60])
    else:
        capture(path)
        path.write_bytes(path.read_bytes()[:-16])
    summary = run(path, "--dbc", signals, "--out", tmp_path / "out.parquet", exits=3)
    assert summary["frames"] > 0
    assert summary["files"][0]["cut_off"]
    assert pl.read_parquet(tmp_path / "out.parquet").height == summary["values"]


@pytest.mark.parametrize("content", [b"", b"nonsense\n" * 9, b"\0\1\2\3" * 9, b"LOGG", b"base dec\n"])
def test_what_is_no_capture_is_refused_and_nothing_is_written(
    content: bytes, tmp_path: Path, signals: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    done = CliRunner().invoke(
        cli, ["decode", str(path), "--dbc", str(signals), "--out", str(tmp_path / "out.csv")]
    )
    assert isinstance(done.exception, OdocareError)
    assert "a.log" in str(done.exception)
    assert {one.name for one in tmp_path.iterdir()} == {"a.log", "car.dbc"}


@pytest.mark.parametrize(
    "wrong",
    [
        ["--out", "out.txt", "--codebook", "j1939"],
        ["--out", "out.csv"],
        ["--out", "a.csv", "--map", "car.dbc"],
        ["--out", "a.csv", "--codebook", "j1939", "--all-values"],
        ["--out", "a.csv", "--codebook", "j1939", "--no-isotp"],
        ["--out", "a.csv", "--dbc", "car.dbc", "--map", "car.dbc", "--j1939"],
        ["--out", "no-such-folder/a.csv", "--codebook", "j1939"],
        ["--out", "{messages}.csv", "--codebook", "j1939"],
    ],
)
def test_wrong_usage_is_told(wrong: list[str], tmp_path: Path, signals: Path) -> None:
    path = capture(tmp_path / "a.log")
    here = [str(signals) if one == "car.dbc" else one for one in wrong]
    assert CliRunner().invoke(cli, ["decode", str(path), *here]).exit_code == 2


def test_a_folder_is_no_output(tmp_path: Path, signals: Path) -> None:
    path, out = capture(tmp_path / "a.log"), tmp_path / "out.csv"
    out.mkdir()
    done = CliRunner().invoke(cli, ["decode", str(path), "--dbc", str(signals), "--out", str(out)])
    assert done.exit_code == 2
    assert {one.name for one in tmp_path.iterdir()} == {"a.log", "car.dbc", "out.csv"}


def test_a_makers_own_codebook_is_a_codebook_of_this_installation(
    tmp_path: Path, signals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = capture(tmp_path / "a.log")
    (tmp_path / "manifest.toml").write_text(
        '[[codebook]]\nname = "own"\nfiles = ["car.dbc"]\nmap = "own.toml"\n'
    )
    (tmp_path / "own.toml").write_text(
        '[codebook]\nname = "own"\nbus = "can"\nversion = "1"\norigin = "here"\n'
        '[[map]]\nmessage = "Engine"\nsignal = "Speed"\n'
        'path = "Vehicle.Powertrain.CombustionEngine.Speed"\nunit = "rpm"\n'
    )
    monkeypatch.setenv("ODOCARE_CODEBOOKS", str(tmp_path))
    run(path, "--codebook", "own", "--out", tmp_path / "out.csv")
    assert pl.read_csv(tmp_path / "out.csv")["value"].to_list() == [1000.0, 1000.25]


def test_unknown_groups_are_told_by_their_number(tmp_path: Path) -> None:
    path, out = capture(tmp_path / "a.log"), tmp_path / "out.csv"
    path.write_text(path.read_text() + "(1700000001.000000) can0 0CF00400#FFFFFF0010FFFFFF\n")
    done = CliRunner().invoke(cli, ["decode", str(path), "--codebook", "j1939", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "18FEF101" not in done.stdout, "that group is known"
    path.write_text(path.read_text() + "(1700000002.000000) can0 18FEDF00#FFFFFF0010FFFFFF\n")
    done = CliRunner().invoke(cli, ["decode", str(path), "--codebook", "j1939", "--out", str(out)])
    assert "18FEDF00 PGN 65247 (1)" in done.stdout
    assert "123 (3)" in done.stdout


def test_payloads_put_together_stand_where_they_ended(tmp_path: Path) -> None:
    frames = ["7EC#1009620101020304", "123#0102", "7EC#21AABBCC", "123#0304"]
    log, book = tmp_path / "a.log", tmp_path / "answers.dbc"
    log.write_text("".join(f"(1700000000.{k:06d}) can0 {frame}\n" for k, frame in enumerate(frames)))
    book.write_text(
        'VERSION ""\nBU_: X\nBO_ 2028 Answer: 10 X\n SG_ A : 39|8@0+ (1,0) [0|0] "" X\n'
        'BO_ 291 Other: 2 X\n SG_ B : 7|8@0+ (1,0) [0|0] "" X\n'
    )
    run(log, "--dbc", book, "--out", tmp_path / "out.csv")
    assert pl.read_csv(tmp_path / "out.csv")["signal"].to_list() == ["B", "A", "B"]


def test_a_payload_that_the_end_leaves_open_is_told_as_lost(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    announced, first = "18ECFF00#200E0002FFCAFE00", "18EBFF00#0104FF6E00030118"
    log.write_text(f"(1700000000.000000) can0 {announced}\n(1700000000.050000) can0 {first}\n")
    summary = run(log, "--codebook", "j1939", "--out", tmp_path / "out.csv")
    assert (summary["payloads"], summary["lost"]) == (0, {"unfinished": 1})
    answers = tmp_path / "answers.dbc"
    answers.write_text('VERSION ""\nBU_: X\nBO_ 2028 Answer: 19 X\n SG_ A : 39|8@0+ (1,0) [0|0] "" X\n')
    log.write_text("(1700000000.000000) can0 7EC#1012620101020304\n")
    summary = run(log, "--dbc", answers, "--out", tmp_path / "out.csv")
    assert (summary["payloads"], summary["lost"]) == (0, {"unfinished": 1})


@pytest.mark.parametrize("out", ["out.csv", "{message}.csv", "{message}.parquet"])
def test_a_signal_file_of_another_bus_is_told(out: str, tmp_path: Path) -> None:
    path, other = capture(tmp_path / "a.log"), tmp_path / "other.dbc"
    other.write_text('BO_ 2147484177 Other: 8 X\n SG_ A : 0|8@1+ (1,0) [0|0] "" X\n')
    done = CliRunner().invoke(cli, ["decode", str(path), "--dbc", str(other), "--out", str(tmp_path / out)])
    assert done.exit_code == 0, done.output
    assert f"0 values of 0 signals in {tmp_path / out if out == 'out.csv' else 'no file'}" in done.stdout
    assert "is this the signal file of that bus? --j1939 tells" in done.stdout


def test_compiled_code_is_not_kept_beside_captures(
    tmp_path: Path, signals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = capture(tmp_path / "a.log"), Path(os.environ["ODOCARE_CACHE"]).absolute()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "odocare").symlink_to(cache)
    monkeypatch.delenv("ODOCARE_CACHE")
    monkeypatch.delenv("ODOCARE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    monkeypatch.chdir(tmp_path)
    run(path, "--dbc", signals, "--out", "out.csv")
    assert {one.name for one in tmp_path.iterdir()} == {"a.log", "car.dbc", "out.csv", "kept"}


def test_people_are_told_in_sentences(tmp_path: Path, signals: Path) -> None:
    path = capture(tmp_path / "a.log")
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    done = CliRunner().invoke(
        cli, ["decode", str(path), "--dbc", str(signals), "--out", str(tmp_path / "out.csv")]
    )
    assert done.exit_code == 0
    assert "a.log: 5 frames, 1 broken" in done.stdout
    assert (
        "  line 6: a line like (1608041699.326500) can1 7BB#10266201007E5007 was expected, got nonsense"
        in done.stdout
    )
    assert "1 frames of 1 ids that are in no message: 7FF (1)" in done.stdout
    assert "7 values of 4 signals in " in done.stdout


def fixture(name: str) -> Path:
    folder = os.environ.get("ODOCARE_FIXTURES")
    if folder is None:
        pytest.skip("no real captures: set ODOCARE_FIXTURES to their folder")
    return Path(folder) / name


@pytest.mark.parametrize("name", ["truck.log.gz", "truck.mf4"])
def test_the_truck_gives_what_is_expected(name: str, tmp_path: Path) -> None:
    if name.endswith(".mf4"):
        pytest.importorskip("asammdf")
    folder = fixture("truck_j1939")
    expected = json.loads((folder / "expected.json").read_text())
    own, shipped = tmp_path / "own.parquet", tmp_path / "shipped.parquet"
    summary = run(folder / name, "--dbc", folder / "eec1_ccvs1.dbc", "--out", own)
    assert summary["frames"] == expected["n_frames"]
    speed = pl.read_parquet(own).filter(pl.col("signal") == "EngineSpeed")["value"]
    wanted = expected["engine_speed_rpm"]
    assert (len(speed), speed.min(), speed.max()) == (wanted["n"], wanted["min"], wanted["max"])
    run(folder / name, "--codebook", "j1939", "--out", shipped)
    distance = pl.read_parquet(shipped).filter(
        pl.col("signal") == "Vehicle.TraveledDistance", pl.col("source") == 0
    )
    assert distance.sort("time")["value"][-1] in (
        expected["total_vehicle_distance_km"]["value"], expected["total_vehicle_distance_km"]["value"] * 1000,
    )  # fmt: skip
    [fault] = summary["faults"]
    assert (fault["reports"], fault["mil"]) == (expected["dm1"]["messages"], True)
    assert [(one["code"], one["oc"]) for one in fault["codes"]] == [
        (f"SPN {one['spn']} FMI {one['fmi']}", one["oc"]) for one in expected["dm1"]["dtcs"]
    ]


@pytest.mark.parametrize("name", ["kona.log", "kona.mf4"])
def test_the_state_of_charge_comes_out_of_diagnostic_answers(name: str, tmp_path: Path) -> None:
    if name.endswith(".mf4"):
        pytest.importorskip("asammdf")
    folder = fixture("ev_uds")
    out = tmp_path / "out.parquet"
    summary = run(folder / name, "--dbc", folder / "kona_uds.dbc", "--out", out)
    assert summary["payloads"] == 270
    table = pl.read_parquet(out)
    charge = table.filter(pl.col("signal") == "M_SID_0x220101_StateOfChargeBMS")
    assert charge["value"].to_list() == [50.0] * 120
    outdoor = table.filter(pl.col("signal") == "M_SID_0x220100_OutdoorTemp")
    assert (outdoor.height, outdoor.sort("time")["value"][0]) == (150, 7.0)
