"""Decoded captures on their way into a file: one row per value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from decoders.columns import Columns, Series
from decoders.verbatim import FileBook
from vehicle.frame import FrameBatch

COLUMNS: Final = ("time", "bus", "source", "message", "signal", "value", "unit", "text")
Part = tuple[FrameBatch, Columns]
Portion = Sequence[Part]
"""Frames that were decoded together, and the payloads that end in them."""
_TIME: Final = pl.Datetime("us", "UTC")
_NO_TEXT: Final = -1
_INTERRUPTIONS: Final = 8
"""Passed over while an unfinished file is removed."""
ISO: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"
SUFFIXES: Final = (".parquet", ".csv", ".jsonl")


@dataclass(slots=True)
class Rows:
    """Makes long rows of a book's values: the same columns, whatever the capture."""

    book: FileBook
    _messages: pl.Enum = field(init=False)
    _signals: pl.Enum = field(init=False)
    _units: pl.Enum = field(init=False)
    _texts: list[str] = field(init=False)
    _codes: NDArray[np.uint32] = field(init=False)
    """By number of a signal: place of its message, name and unit in their lists."""
    _text_of: dict[int, tuple[NDArray[np.float64], NDArray[np.int32]]] = field(init=False)

    def __post_init__(self) -> None:
        labels = self.book.labels
        places: list[dict[str, int]] = [{}, {}, {}]
        self._codes = np.zeros((max(labels, default=0) + 1, 3), np.uint32)
        texts: dict[str, int] = {}
        self._text_of = {}
        for number, label in labels.items():
            for column, word in enumerate((label.message, label.signal, label.unit)):
                self._codes[number, column] = places[column].setdefault(word, len(places[column]))
            if label.texts:
                values = sorted(label.texts)
                codes = [texts.setdefault(label.texts[value], len(texts)) for value in values]
                self._text_of[number] = (np.array(values), np.array(codes, np.int32))
        self._messages, self._signals, self._units = (pl.Enum(list(one)) for one in places)
        self._texts = list(texts)

    @property
    def schema(self) -> pl.Schema:
        """Names and kinds of the columns."""
        kinds = (
            _TIME,
            pl.UInt8,
            pl.UInt8,
            self._messages,
            self._signals,
            pl.Float64,
            self._units,
            pl.Enum(self._texts),
        )
        return pl.Schema(zip(COLUMNS, kinds, strict=True))

    def table(self, portion: Portion, *, by_time: bool) -> pl.DataFrame:
        """The rows of a portion: by message, signal and time or, for people, by time."""
        parts = [self._part(batch, series) for batch, columns in portion for series in columns]
        if not parts:
            return pl.DataFrame(schema=self.schema)
        t_us, bus, source, number, value, text = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
        if by_time:
            order = np.argsort(t_us, kind="stable")
            t_us, bus, source, number, value, text = (
                one[order] for one in (t_us, bus, source, number, value, text)
            )
        code = self._codes[number]
        columns = {
            "time": pl.Series(t_us).cast(_TIME),
            "bus": pl.Series(bus),
            "source": _nullable(source, pl.UInt8),
            "message": _enumerated(code[:, 0], self._messages),
            "signal": _enumerated(code[:, 1], self._signals),
            "value": pl.Series(value),
            "unit": _enumerated(code[:, 2], self._units),
            "text": _nullable(text, pl.UInt32).cat.to(pl.Enum(self._texts)),
        }
        return pl.DataFrame(columns)

    def _part(self, batch: FrameBatch, series: Series) -> tuple[NDArray[np.generic], ...]:
        """Columns of one series: time, bus, source, number, value, text."""
        signals, frames = series.value.shape
        value = np.ascontiguousarray(series.value).reshape(-1)
        t_us = np.tile(batch.t_us[series.frame], signals)
        bus = np.tile(batch.bus[series.frame], signals)
        number = np.repeat(series.number, frames)
        source = np.full(len(value), -1, np.int16)
        if self.book.codebook.matches_pgn:
            address = (batch.can_id[series.frame] & np.uint32(0xFF)).astype(np.int16)
            address[~batch.is_extended[series.frame]] = -1
            source = np.tile(address, signals)
        text = self._text(series)
        is_value = ~np.isnan(value)
        columns = (t_us, bus, source, number, value, text)
        return columns if is_value.all() else tuple(one[is_value] for one in columns)

    def _text(self, series: Series) -> NDArray[np.int32]:
        found = np.full(series.value.shape, _NO_TEXT, np.int32)
        for row, number in enumerate(series.number.tolist()):
            if number in self._text_of:
                values, codes = self._text_of[number]
                place = np.minimum(np.searchsorted(values, series.value[row]), len(values) - 1)
                found[row] = np.where(values[place] == series.value[row], codes[place], _NO_TEXT)
        return found.reshape(-1)


def _nullable(codes: NDArray[np.generic], kind: type[pl.DataType]) -> pl.Series:
    """Numbers; negative ones are null."""
    series = pl.Series(codes)
    return series.set(series < 0, None).cast(kind)


def _enumerated(codes: NDArray[np.uint32], kind: pl.Enum) -> pl.Series:
    return pl.Series(codes).cat.to(kind)


class Output(Protocol):
    """A place for values."""

    @property
    def written(self) -> list[Path]:
        """Files that are there now."""
        ...

    @property
    def values(self) -> int:
        """How many were written."""
        ...

    @property
    def signals(self) -> int:
        """How many have values."""
        ...

    def write(self, portions: Iterator[Portion]) -> None:
        """Take all portions; where they end in an error, nothing is written."""
        ...


@dataclass(slots=True)
class RowFile:
    """One file with a row per value: Parquet, CSV or JSON Lines."""

    rows: Rows
    path: Path
    written: list[Path] = field(default_factory=list)
    values: int = 0
    _seen: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._seen = np.zeros(max(self.rows.book.labels, default=0) + 1, np.bool_)

    @property
    def signals(self) -> int:
        """How many have values."""
        return int(self._seen.sum())

    def write(self, portions: Iterator[Portion]) -> None:
        """See `Output.write`; a few portions are held at a time."""
        unfinished = self.path.with_name(f".{self.path.name}.part")
        try:
            self._sink(portions, unfinished)
            unfinished.replace(self.path)
        except BaseException:
            try:
                remove(unfinished)
            except KeyboardInterrupt:  # before it has begun
                remove(unfinished)
            raise
        self.written.append(self.path)

    def _sink(self, portions: Iterator[Portion], unfinished: Path) -> None:
        """By a thread, for signals reach this one only while it is not inside polars."""
        from polars.io.plugins import register_io_source

        failed: list[BaseException] = []
        is_stopped = Event()

        def source(
            _columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            try:
                for table in self._tables(portions):
                    yield table
                    if is_stopped.is_set():
                        return
            except BaseException as error:
                failed.append(error)  # polars would tell it in words of its own
                raise

        def sink() -> None:
            try:
                _sink(register_io_source(source, schema=self.rows.schema), unfinished, self.path.suffix)
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
                failed.append(error)

        writer = Thread(target=sink, name="rows")
        writer.start()
        try:
            writer.join()
        except BaseException:
            is_stopped.set()
            writer.join()
            raise
        if failed:
            raise failed[0] from None

    def _tables(self, portions: Iterator[Portion]) -> Iterator[pl.DataFrame]:
        for portion in portions:
            table = self.rows.table(portion, by_time=self.path.suffix != ".parquet")
            self.values += table.height
            for series in (one for _, columns in portion for one in columns):
                self._seen[series.number[~np.isnan(series.value).all(axis=1)]] = True
            if table.height:
                yield table


def remove(unfinished: Path) -> None:
    """Even where one who waits presses Ctrl-C once more."""
    for _ in range(_INTERRUPTIONS):
        try:
            unfinished.unlink(missing_ok=True)
        except KeyboardInterrupt:
            continue
        return


def _sink(frames: pl.LazyFrame, path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        frames.sink_parquet(path, compression="zstd")
    elif suffix == ".csv":
        frames.sink_csv(path, datetime_format=ISO)
    else:
        frames.with_columns(pl.col("time").dt.to_string(ISO)).sink_ndjson(path)
