"""Parquet of our own: another reader finds in it what was written."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odocare import thrift
from odocare.parquet import Chunk, Coded, Column, Kind, Page, ParquetFile, Plain
from odocare.thrift import I8, I64

COLUMNS = (
    Column("time", Kind.TIME),
    Column("plain", Kind.NUMBER),
    Column("coded", Kind.NUMBER),
    Column("bus", Kind.SMALL),
    Column("text", Kind.TEXT),
)


def test_a_structure_is_spelled_as_the_compact_protocol_says() -> None:
    # deltas of field numbers, kinds, zigzag and lengths, written out by hand
    found = thrift.encode({1: 150, 3: True, 4: "ab", 12: [I64(-1), I64(1)], 13: I8(7), 14: {}})
    assert found == bytes.fromhex("15 AC02 21 18 02 6162 89 26 01 02 13 07 1C 00 00")


@st.composite
def pages(draw: st.DrawFn) -> tuple[list[float], list[str], list[list[tuple[float | None, int | None, int]]]]:
    """What codes stand for, and rows of several pages: a number, a code, a bus."""
    listed = draw(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=700, unique=True))
    row = st.tuples(
        st.none() | st.floats(-1e9, 1e9), st.none() | st.integers(0, len(listed) - 1), st.integers(0, 255)
    )
    return (
        listed,
        [f"é{k}" for k in range(len(listed))],
        draw(st.lists(st.lists(row, min_size=1, max_size=40), min_size=1, max_size=4)),
    )


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages(), st.integers(1, 3))
def test_another_reader_finds_what_was_written(
    tmp_path: Path,
    drawn: tuple[list[float], list[str], list[list[tuple[float | None, int | None, int]]]],
    groups: int,
) -> None:
    listed, texts, of_pages = drawn
    path = tmp_path / "a.parquet"
    path.unlink(missing_ok=True)
    file = ParquetFile(path, COLUMNS, {"about": "ü"})
    kind = np.uint8 if len(listed) <= 256 else np.uint16
    for _ in range(groups):
        columns: list[list[Page]] = [[], [], [], [], []]
        for rows in of_pages:
            valid = np.array([row[0] is not None for row in rows])
            is_coded = np.array([row[1] is not None for row in rows])
            codes: Any = np.array([row[1] or 0 for row in rows], kind)
            columns[0].append(Plain(np.arange(len(rows), dtype=np.int64)))
            columns[1].append(Plain(np.array([row[0] or 0.0 for row in rows]), valid))
            columns[2].append(Coded(codes, is_coded))
            columns[3].append(Coded(np.array([row[2] for row in rows], np.uint8)))
            columns[4].append(Coded(codes, is_coded))
        file.append(
            [
                Chunk(columns[0]),
                Chunk(columns[1]),
                Chunk(columns[2], np.array(listed)),
                Chunk(columns[3], np.arange(256, dtype=np.int32)),
                Chunk(columns[4], texts),
            ]
        )
    file.close()
    table = pl.read_parquet(path)
    rows = [row for of_page in of_pages for row in of_page] * groups
    assert table.schema["time"] == pl.Datetime("us", "UTC")
    assert table.schema["bus"] == pl.UInt8
    assert table["plain"].to_list() == [row[0] for row in rows]
    assert table["coded"].to_list() == [None if row[1] is None else listed[row[1]] for row in rows]
    assert table["bus"].to_list() == [row[2] for row in rows]
    assert table["text"].to_list() == [None if row[1] is None else texts[row[1]] for row in rows]
    assert pl.read_parquet_metadata(path)["about"] == "ü"


def test_a_file_without_rows_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    ParquetFile(path, COLUMNS).close()
    assert pl.read_parquet(path).shape == (0, 5)
