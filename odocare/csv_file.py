"""CSV files as people save them: encoding found out, header checked, every row with its line number."""

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from vehicle.errors import ImportFileError

_BLOCK_CHARS: Final = 1 << 20
_MOST_CELL_CHARS: Final = 10_000
_WORKBOOK: Final = b"PK\x03\x04"
_OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: cells by column, stripped of the blanks around them."""

    line: int
    """Line of the file it begins on; the header is line 1."""
    cells: dict[str, str]
    cells_n: int
    """As many as the row really has."""


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A file whose header has been read and found good."""

    path: Path
    encoding: str
    """`utf-8-sig` or `gb18030`."""
    header: tuple[str, ...]
    rows_n: int
    """Rows after the header."""

    def rows(self) -> Iterator[Row]:
        """The rows after the header; empty lines are passed over. Raises `ImportFileError`."""
        for number, (line, cells) in enumerate(_lines(self.path, self.encoding)):
            if number > 0:
                named = zip(self.header, (_stripped(cell) for cell in cells), strict=False)
                yield Row(line, dict(named), len(cells))


def open_file(path: Path, *, required: Collection[str], optional: Collection[str]) -> CsvFile:
    """Look at a file's encoding and header. Raises `ImportFileError` where it cannot be read at all."""
    encoding = _encoding(path)
    cells: list[str] | None = None
    rows_n = -1
    for _, row in _lines(path, encoding):  # all of it, so that a broken quote is known before a row is stored
        cells = row if cells is None else cells
        rows_n += 1
    if cells is None:
        raise ImportFileError(f"{path.name} is empty: expected a header with {', '.join(required)}")
    header = tuple(_stripped(cell).lower() for cell in cells)
    _check_header(path.name, header, required, optional)
    return CsvFile(path, encoding, header, rows_n)


def read_text(path: Path) -> tuple[str, str]:
    """A whole text file, and its encoding: `utf-8-sig` or `gb18030`. Raises `ImportFileError`."""
    encoding = _encoding(path)
    return path.read_text(encoding=encoding), encoding


def separated_otherwise(header: str) -> str | None:
    """What separates the columns of a header that is all in one, where it is no comma."""
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if separator in header:
            return word
    return None


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that is not blank; the first of them is the header."""
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, strict=True)
        first = 1
        try:
            for cells in reader:
                line, first = first, reader.line_num + 1
                if any(cell.strip() for cell in cells):
                    yield line, cells
        except csv.Error as error:
            raise ImportFileError(f"{path.name}, line {first}: {error}") from error


def _encoding(path: Path) -> str:
    """UTF-8 with or without a mark, else GB18030, which holds GBK."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise ImportFileError(f"{path}: {error.strerror}") from error
    if start in (_WORKBOOK, _OLD_WORKBOOK):
        raise ImportFileError(f"{path.name} is an Excel workbook: save it as `CSV UTF-8` first")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ImportFileError(f"{path.name} is UTF-16 text: save it as `CSV UTF-8` first")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            _read_through(path, encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    raise ImportFileError(f"{path.name} is neither UTF-8 nor GBK text: save it as `CSV UTF-8` first")


def _read_through(path: Path, encoding: str) -> None:
    with path.open(encoding=encoding, newline="") as file:
        while block := file.read(_BLOCK_CHARS):
            if "\0" in block:
                raise ImportFileError(f"{path.name} holds zero bytes: it is no text file")


def _check_header(
    name: str, header: Sequence[str], required: Collection[str], optional: Collection[str]
) -> None:
    known = [*required, *optional]
    if len(header) == 1 and header[0] not in known and (word := separated_otherwise(header[0])):
        raise ImportFileError(f"{name}: columns must be separated by commas, found {word}")
    for column in header:
        if column not in known:
            absent = [name for name in known if name not in header]
            close = get_close_matches(column, absent, n=1, cutoff=0.6)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            raise ImportFileError(f"{name}, line 1: unknown column {column!r}: {hint}")
        if header.count(column) > 1:
            raise ImportFileError(f"{name}, line 1: column {column!r} stands twice")
    missing = [column for column in required if column not in header]
    if missing:
        raise ImportFileError(
            f"{name}, line 1: expected the columns {', '.join(required)}; missing {', '.join(missing)}"
        )


def _stripped(cell: str) -> str:
    """Without the blanks of any kind around it, and never longer than anything sensible."""
    return cell.strip()[:_MOST_CELL_CHARS]
