"""Decoded captures on their way into files: a table per message, a row per frame, a column per signal."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from decoders.captures.compiled import Compiled
from decoders.columns import Columns, Series
from decoders.verbatim import FileBook
from odocare.codings import Coding, codings
from odocare.decoded import ISO, Portion, remove
from odocare.parquet import Chunk, Coded, Column, Kind, Page, ParquetFile, Plain
from odocare.waiting import Block, Codes, Waiting
from vehicle.frame import FrameBatch

PLACEHOLDER: Final = "{message}"
BLOCK_ROWS: Final = 32_768
"""Rows of a message that are coded together: what they become stays in the processor's cache."""
GROUP_ROWS: Final = 1 << 20
"""Rows of a row group."""
BUFFERED_VALUES: Final = 1 << 26
"""Coded and not yet written, over all tables."""
_BYTE: Final = 256
_OWN: Final = ("time", "bus", "source")
_TEXT: Final = "_text"


@dataclass(slots=True)
class _Table:
    """The table of one message."""

    path: Path
    names: list[str]
    numbers: list[list[int]]
    """Of each column: signals of that name, of which a frame has at most one."""
    coding: list[Coding | None]
    """Of each column."""
    place: list[int]
    """Of each column, among the coded ones or among the others."""
    waiting: Waiting
    file: ParquetFile | None = None
    pages: list[list[Page]] = field(default_factory=list)
    rows: int = 0
    """In pages."""

    @property
    def unfinished(self) -> Path:
        return self.path.with_name(f".{self.path.name}.part")


@dataclass(slots=True)
class MessageTables:
    """One file per message: Parquet, CSV or JSON Lines."""

    book: FileBook
    path: Path
    """With `{message}` in it."""
    written: list[Path] = field(default_factory=list)
    values: int = 0
    _tables: dict[str, _Table] = field(default_factory=dict)
    _codings: dict[int, Coding] = field(default_factory=dict)
    _compiled: Compiled | None = None
    _seen: set[int] = field(default_factory=set)
    _buffered: int = 0

    def __post_init__(self) -> None:
        if self.path.suffix == ".parquet":
            self._codings = codings(self.book.codebook.plan, self.book)
        reader = self.book.codebook.reader
        self._compiled = None if reader is None else Compiled.of(reader.kernel)

    @property
    def signals(self) -> int:
        """How many have values."""
        return len(self._seen)

    def write(self, portions: Iterator[Portion]) -> None:
        """See `Output.write`; what is coded is held until a row group is full."""
        try:
            for batch, columns in chain.from_iterable(portions):
                self._take(batch, columns)
            for table in self._tables.values():
                self._code(table)
                self._flush(table)
                if table.file is not None:
                    table.file.close()
            for table in self._tables.values():
                table.unfinished.replace(table.path)
                self.written.append(table.path)
        except BaseException:
            try:
                self._remove_unfinished()
            except KeyboardInterrupt:  # polars raised the first one, now the interpreter does
                self._remove_unfinished()
            raise

    def _remove_unfinished(self) -> None:
        for table in self._tables.values():
            remove(table.unfinished)

    def _take(self, batch: FrameBatch, columns: Columns) -> None:
        is_full = columns.short_frames + columns.no_measurement + columns.out_of_range == 0
        by_message: dict[str, list[Series]] = {}
        for series in columns:
            by_message.setdefault(series.message, []).append(series)
        for message, of_message in by_message.items():
            table = self._tables.get(message) or self._open(message)
            frame, values, is_whole = _side_by_side(table, of_message)
            table.waiting.add(batch, frame, values, is_full=is_full and is_whole)
            if len(table.waiting) >= BLOCK_ROWS:
                self._code(table)
                if table.rows >= GROUP_ROWS:
                    self._flush(table)
        if self._buffered > BUFFERED_VALUES:
            for table in self._tables.values():
                self._flush(table)

    def _open(self, message: str) -> _Table:
        file_name = re.sub(r"[^\w.-]", "_", message)
        path = Path(str(self.path).replace(PLACEHOLDER, file_name))
        path.parent.mkdir(parents=True, exist_ok=True)
        by_name: dict[str, list[int]] = {}
        for number, label in self.book.labels.items():
            if label.message == message:
                name = f"{label.signal}_" if label.signal in _OWN else label.signal
                by_name.setdefault(name, []).append(number)
        coding = [
            self._codings.get(numbers[0]) if len(numbers) == 1 else None for numbers in by_name.values()
        ]
        is_coded = np.array([one is not None for one in coding], np.bool_)
        place = np.where(is_coded, np.cumsum(is_coded), np.cumsum(~is_coded)) - 1
        coded = [one for one in coding if one is not None]
        table = _Table(
            path=path,
            names=list(by_name),
            numbers=list(by_name.values()),
            coding=coding,
            place=place.tolist(),
            waiting=Waiting(
                Codes(
                    is_coded,
                    np.array([[one.steps] for one in coded]).reshape(-1, 1),
                    np.array([[one.shift] for one in coded]).reshape(-1, 1),
                    self.book.codebook.matches_pgn,
                    self._compiled,
                )
            ),
        )
        table.unfinished.unlink(missing_ok=True)
        self._tables[message] = table
        return table

    def _code(self, table: _Table) -> None:
        """Waiting blocks as one page of each column."""
        if not len(table.waiting):
            return
        block = table.waiting.block()
        for column, numbers in enumerate(table.numbers):
            count = len(block) - (0 if block.missing is None else int(block.missing[column].sum()))
            self.values += count
            if count:
                self._seen.update(numbers)
        if self.path.suffix != ".parquet":
            self._append_text(table, block)
            return
        pages: list[Page] = [Plain(block.t_us), Coded(block.bus)]
        if self.book.codebook.matches_pgn:
            pages.append(Coded(block.source))
        for column in range(len(table.names)):
            pages += self._pages(table, block, column)
        table.pages = table.pages or [[] for _ in pages]
        for kept, page in zip(table.pages, pages, strict=True):
            kept.append(page)
        table.rows += len(block)
        self._buffered += len(block) * len(pages)

    def _pages(self, table: _Table, block: Block, column: int) -> list[Page]:
        """A signal's values and, where they have names, those."""
        valid = None
        if block.missing is not None and block.missing[column].any():
            valid = ~block.missing[column]
        coding, place = table.coding[column], table.place[column]
        if coding is None:
            values = block.plain[place]
            names = _names_of(self.book, table.numbers[column])
            pages: list[Page] = [Plain(values, valid)]
            return [*pages, _named(values, names)] if names else pages
        codes = block.coded[place]
        pages = [Coded(codes.astype(np.uint8) if len(coding.listed) <= _BYTE else codes, valid)]
        if coding.texts:
            text = coding.text_of[codes]
            has_text = text >= 0 if valid is None else (text >= 0) & valid
            pages.append(Coded(np.maximum(text, 0).astype(np.uint16), has_text))
        return pages

    def _flush(self, table: _Table) -> None:
        """What is coded becomes a row group."""
        if not table.pages:
            return
        if table.file is None:
            units = {
                name: self.book.labels[numbers[0]].unit
                for name, numbers in zip(table.names, table.numbers, strict=True)
            }
            about = {"odocare.units": json.dumps(units, ensure_ascii=False)}
            table.file = ParquetFile(table.unfinished, self._columns(table), about)
        own = [Chunk(table.pages[0]), Chunk(table.pages[1], np.arange(_BYTE, dtype=np.int32))]
        if self.book.codebook.matches_pgn:
            own.append(Chunk(table.pages[2], np.arange(_BYTE, dtype=np.int32)))
        chunks, place = own, len(own)
        for coding, numbers in zip(table.coding, table.numbers, strict=True):
            chunks.append(_chunk(table.pages[place], coding, table.rows))
            place += 1
            texts = coding.texts if coding is not None else tuple(_texts_of(self.book, numbers))
            if texts:
                chunks.append(Chunk(table.pages[place], texts))
                place += 1
        table.file.append(chunks)
        self._buffered -= table.rows * len(chunks)
        table.pages, table.rows = [], 0

    def _columns(self, table: _Table) -> list[Column]:
        found = [Column("time", Kind.TIME), Column("bus", Kind.SMALL)]
        if self.book.codebook.matches_pgn:
            found.append(Column("source", Kind.SMALL))
        for name, numbers in zip(table.names, table.numbers, strict=True):
            found.append(Column(name, Kind.NUMBER))
            if _texts_of(self.book, numbers):
                found.append(Column(name + _TEXT, Kind.TEXT))
        return found

    def _append_text(self, table: _Table, block: Block) -> None:
        columns: dict[str, pl.Series] = {
            "time": pl.Series(block.t_us).cast(pl.Datetime("us", "UTC")).dt.to_string(ISO),
            "bus": pl.Series(block.bus),
        }
        if self.book.codebook.matches_pgn:
            columns["source"] = pl.Series(block.source)
        for column, (name, numbers) in enumerate(zip(table.names, table.numbers, strict=True)):
            values = pl.Series(np.ascontiguousarray(block.plain[column])).fill_nan(None)
            columns[name] = values
            names = _names_of(self.book, numbers)
            if names:
                columns[name + _TEXT] = values.replace_strict(names, default=None, return_dtype=pl.String)
        frame = pl.DataFrame(columns)
        with table.unfinished.open("ab") as file:
            if self.path.suffix == ".csv":
                frame.write_csv(file, include_header=file.tell() == 0)
            else:
                frame.write_ndjson(file)


def _side_by_side(
    table: _Table, of_message: Sequence[Series]
) -> tuple[NDArray[np.int32], NDArray[np.float64], bool]:
    """Frames of a message and the values of each column in them; frames that lack some have NaN there.

    Whether every frame has what the message can have.
    """
    only = of_message[0]
    if len(of_message) == 1 and len(only.number) == sum(map(len, table.numbers)) == len(table.names):
        return only.frame, only.value, True  # numbers rise in both
    frame = np.unique(np.concatenate([series.frame for series in of_message]))
    values = np.full((len(table.names), len(frame)), np.nan)
    column_of = {number: column for column, same in enumerate(table.numbers) for number in same}
    for series in of_message:
        place = np.searchsorted(frame, series.frame)
        for row, number in enumerate(series.number.tolist()):
            values[column_of[number], place] = series.value[row]
    return frame, values, False


def _chunk(pages: Sequence[Page], coding: Coding | None, rows: int) -> Chunk:
    """Coded, unless the list is longer than what it saves."""
    if coding is None:
        return Chunk(pages)
    wide = len(coding.listed) > _BYTE
    if not wide or 8 * len(coding.listed) + 2 * rows < 8 * rows:
        return Chunk(pages, coding.listed)
    return Chunk([Plain(coding.listed[page.codes], page.valid) for page in pages if isinstance(page, Coded)])


def _named(values: NDArray[np.float64], names: Mapping[float, str]) -> Page:
    """What values are called, as places among the names in their order."""
    texts = list(dict.fromkeys(names.values()))
    known = np.array(sorted(names))
    place_of = np.array([texts.index(names[value]) for value in known.tolist()], np.uint16)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return Coded(place_of[place], known[place] == values)


def _names_of(book: FileBook, numbers: Sequence[int]) -> dict[float, str]:
    return {value: text for number in numbers for value, text in book.labels[number].texts.items()}


def _texts_of(book: FileBook, numbers: Sequence[int]) -> list[str]:
    return list(dict.fromkeys(_names_of(book, numbers).values()))
