"""Tables per message hold the values of the rows, whatever the format and however signals are laid out."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from decoders.captures.findings import Findings
from decoders.recording import Recording
from decoders.signal_files import database
from decoders.verbatim import FileBook, Options, load
from odocare import capture_file, decoded_tables
from odocare.decoded import RowFile, Rows
from odocare.decoded_tables import MessageTables
from tests.decoders.compiled import kernel

SIGNALS = """VERSION ""
BU_: X
BO_ 256 Plain: 8 X
 SG_ time : 0|8@1+ (0.1,-3) [0|20] "s" X
 SG_ Wide : 8|24@1- (0.25,1000) [0|0] "m" X
 SG_ State : 32|2@1+ (1,0) [0|0] "" X
 SG_ Signed : 34|5@1- (2,1) [0|0] "" X
 SG_ Middle : 40|12@1+ (0.001,-1) [0|0] "" X
BO_ 257 Mux: 8 X
 SG_ Which M : 0|8@1+ (1,0) [0|0] "" X
 SG_ First m0 : 8|16@1+ (1,0) [0|0] "" X
 SG_ Second m1 : 8|32@1+ (1,0) [0|0] "" X
 SG_ Always : 56|8@1+ (1,0) [0|0] "" X
VAL_ 256 State 0 "off" 2 "on" ;
VAL_ 257 Second 7 "seven" ;
"""


@pytest.fixture(params=["numpy", "kernel"])
def book(request: pytest.FixtureRequest) -> FileBook:
    with_kernel = kernel() if request.param == "kernel" else None
    return load(database.load({"a.dbc": SIGNALS.encode()}), "a", Options(), with_kernel)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    path = tmp_path / "a.log"
    lines = []
    for k in range(900):
        size = int(rng.choice([8, 8, 8, 3]))
        data = rng.integers(0, 256, size, dtype=np.uint8)
        can_id = int(rng.choice([256, 257]))
        if can_id == 257:
            data[0] = rng.integers(0, 3)
        lines.append(f"(1700000000.{k:06d}) can{k % 2} {can_id:03X}#{data.tobytes().hex()}\n")
    path.write_text("".join(lines) + "(1700000001.000000) can0 101#0107000000000000\n")
    return path


def write(book: FileBook, log: Path, output: MessageTables | RowFile) -> None:
    recording = Recording(book)
    batches = capture_file.batches(log, Findings(), lambda _: None)
    output.write(list(recording.decode(batch)) for batch in batches)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("block_rows", [1, 32_768])
def test_tables_hold_the_values_of_the_rows(
    suffix: str, block_rows: int, book: FileBook, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_tables, "BLOCK_ROWS", block_rows)
    monkeypatch.setattr(decoded_tables, "GROUP_ROWS", 300)
    tables = MessageTables(book, tmp_path / "tables" / ("{message}." + suffix))
    rows = RowFile(Rows(book), tmp_path / "rows.parquet")
    write(book, log, tables)
    write(book, log, rows)
    assert (tables.values, tables.signals) == (rows.values, rows.signals)
    assert {path.name for path in tables.written} == {f"Plain.{suffix}", f"Mux.{suffix}"}
    long = pl.read_parquet(tmp_path / "rows.parquet")
    found = 0
    for path in tables.written:
        table = read(path)
        signals = [one for one in table.columns if one not in ("time", "bus") and not one.endswith("_text")]
        for name in signals:
            signal = "time" if name == "time_" else name
            wanted = long.filter(pl.col("message") == path.stem, pl.col("signal") == signal).sort("time")
            mine = table.filter(pl.col(name).is_not_null()).sort("time")
            assert mine[name].cast(pl.Float64).to_list() == wanted["value"].to_list()
            assert mine["bus"].to_list() == wanted["bus"].to_list()
            assert mine["time"].to_list() == wanted["time"].to_list()
            if f"{name}_text" in table.columns:
                assert mine[f"{name}_text"].to_list() == wanted["text"].cast(pl.String).to_list()
                assert mine[f"{name}_text"].drop_nulls().len() > 0
            found += mine.height
    assert found == rows.values


def read(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    read_text = pl.read_csv if path.suffix == ".csv" else pl.read_ndjson
    table = read_text(path, infer_schema_length=None)
    return table.with_columns(
        pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_zone="UTC", time_unit="us")
    )


def test_units_stand_in_the_file(book: FileBook, log: Path, tmp_path: Path) -> None:
    write(book, log, MessageTables(book, tmp_path / "{message}.parquet"))
    about = pl.read_parquet_metadata(tmp_path / "Plain.parquet")
    assert json.loads(about["odocare.units"]) == {
        "time_": "s",
        "Wide": "m",
        "State": "",
        "Signed": "",
        "Middle": "",
    }


def test_nothing_is_left_where_reading_fails(book: FileBook, log: Path, tmp_path: Path) -> None:
    def portions() -> object:
        recording = Recording(book)
        for batch in capture_file.batches(log, Findings(), lambda _: None):
            yield list(recording.decode(batch))
        raise ZeroDivisionError

    for output in (
        MessageTables(book, tmp_path / "{message}.parquet"),
        RowFile(Rows(book), tmp_path / "rows.csv"),
    ):
        with pytest.raises(ZeroDivisionError):
            output.write(portions())  # type: ignore[arg-type]  # it is an iterator
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
