"""A capture of 1,000,000 frames to Parquet: candump and BLF by odocare, MF4 by asammdf.

Both write a table per message with every signal. Time on the clock: odocare reads in a second thread, and
asammdf's tables are written by polars with as many threads as there are cores. Run as `odocare bench files`.
"""

import statistics
import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from bench import _captures
from bench._report import Check, Report
from bench._timing import in_turn, ratio
from bench._workloads import Work, work
from decoders.kernel import Kernel
from decoders.signal_files import database
from decoders.verbatim import FileBook, Options, load
from odocare import decoding, kernels
from odocare.decoded import RowFile, Rows
from odocare.decoded_tables import MessageTables
from odocare.settings import Settings
from vehicle.errors import KernelError

ROUNDS: Final = 7
FRAMES: Final = 1_000_000
FLOOR: Final = 4.0
TARGET: Final = 8.0
PEER: Final = "asammdf, MF4"
CAPTURES: Final = {"candump": "a.log", "BLF": "a.blf"}


def run(settings: Settings) -> Report:
    """Both formats; raises `KernelError` where there is no kernel to measure."""
    kernel = kernels.decoding(settings)
    if kernel is None:
        raise KernelError("there is no compiled kernel here, and it is what is measured")
    report = Report("files")
    one = work("mixed", FRAMES, kernel)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asammdf's own
        folder = Path(name)
        has_peer = find_spec("asammdf") is not None
        _write(one, folder, has_peer=has_peer)
        contenders = {what: (_ours(folder, capture, kernel), FRAMES) for what, capture in CAPTURES.items()}
        contenders["candump, a row per value"] = (_rows(folder, kernel), FRAMES)
        if has_peer:
            contenders[PEER] = (_theirs(folder), FRAMES)
            _check_values(folder, kernel)
        speeds = in_turn("files", contenders, ROUNDS)
        report.figures["tables by odocare, MB"] = _size_mb(folder / "ours")
        if has_peer:
            report.figures["tables by asammdf, MB"] = _size_mb(folder / "theirs")
    for what in CAPTURES:
        value = round(ratio(speeds[what], speeds[PEER]), 1) if has_peer else None
        left_out = None if has_peer else "asammdf is not installed"
        report.checks.append(
            Check(f"{what} to Parquet, against {PEER}", value, "x", FLOOR, TARGET, left_out=left_out)
        )
    for what, found in speeds.items():
        report.figures[f"{what}, frames/s"] = round(statistics.median(found))
    return report


def _write(one: Work, folder: Path, *, has_peer: bool) -> None:
    unsigned = one.text.replace("@1-", "@1+").replace("@0-", "@0+")  # asammdf 8.8 loses signs across bytes
    (folder / "a.dbc").write_text(unsigned, encoding="utf-8")
    _captures.candump(folder / "a.log", one.ids, one.data)
    _captures.blf(folder / "a.blf", one.ids, one.data)
    if has_peer:
        _captures.mf4(folder / "a.mf4", one.ids, one.data)


def _book(folder: Path, kernel: Kernel) -> FileBook:
    return load(database.load({"a.dbc": (folder / "a.dbc").read_bytes()}), "a", Options(), kernel)


def _ours(folder: Path, capture: str, kernel: Kernel) -> Callable[[], object]:
    """All of it: the signal file is read, too."""

    def decode() -> None:
        _empty(folder / "ours")
        output = MessageTables(_book(folder, kernel), folder / "ours" / "{message}.parquet")
        decoding.decode([folder / capture], output.book, output, lambda _: None)

    return decode


def _rows(folder: Path, kernel: Kernel) -> Callable[[], object]:
    def decode() -> None:
        book = _book(folder, kernel)
        decoding.decode(
            [folder / "a.log"], book, RowFile(Rows(book), folder / "rows.parquet"), lambda _: None
        )

    return decode


def _theirs(folder: Path) -> Callable[[], object]:
    """Group by group; pandas' own Parquet needs pyarrow, so polars writes, in the way it does by itself."""
    from asammdf import MDF

    def decode() -> None:
        _empty(folder / "theirs")
        with MDF(folder / "a.mf4") as mdf:
            extracted: Any = mdf.extract_bus_logging({"CAN": [(folder / "a.dbc", 0)]})
            for place, frame in enumerate(extracted.iter_groups()):
                columns = {"time": frame.index.to_numpy()}
                columns |= {str(name): frame[name].to_numpy() for name in frame.columns}
                path = folder / "theirs" / f"{place}.parquet"
                pl.DataFrame(columns).write_parquet(path)
            extracted.close()

    return decode


def _check_values(folder: Path, kernel: Kernel) -> None:
    """The same values, or there is nothing to compare."""
    _theirs(folder)()
    for capture in CAPTURES.values():
        _ours(folder, capture, kernel)()
        mine = sorted(_sums(folder / "ours"))
        theirs = sorted(_sums(folder / "theirs"))
        if len(mine) != len(theirs) or not np.allclose(mine, theirs, rtol=1e-12, atol=0.0):
            raise AssertionError(f"asammdf reads other values than odocare out of {capture}")


def _sums(folder: Path) -> list[tuple[float, ...]]:
    """Of each table rows, and the sum of each signal weighted by the row's place."""
    found = []
    for path in folder.iterdir():
        table = pl.read_parquet(path)
        weights = np.arange(1, table.height + 1) / table.height
        names = sorted((name for name in table.columns if name[0] == "S"), key=lambda name: int(name[1:]))
        sums = (float(table[name].cast(pl.Float64).to_numpy() @ weights) for name in names)
        found.append((float(table.height), *sums))
    return found


def _empty(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()


def _size_mb(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1)
