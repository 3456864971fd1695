"""Captures to files of values: which book reads them, what comes of it, and what is told about it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from decoders import codebook, verbatim
from decoders.captures.findings import Findings
from decoders.frames import concatenate
from decoders.mapping import Map
from decoders.plan import EXTENDED
from decoders.recording import FaultLists, Recording, Tally
from decoders.signal_files import database
from decoders.verbatim import FileBook, Options
from odocare import capture_file
from odocare.ahead import ahead
from odocare.capture_file import Advance, CaptureError
from vehicle.day import at_of
from vehicle.errors import DecodeError
from vehicle.frame import FrameBatch
from vehicle.signal import Catalogue

if TYPE_CHECKING:
    from decoders.kernel import Kernel
    from odocare.decoded import Output, Portion

BATCH_FRAMES: Final = 65_536
"""Decoded at once."""
IDS_TOLD: Final = 20
"""Unknown identifiers in a summary; all are counted."""


@dataclass(slots=True)
class Read:
    """One capture."""

    file: str
    frames: int = 0
    findings: Findings = field(default_factory=Findings)


@dataclass(slots=True)
class Done:
    """What became of some captures."""

    out: list[str]
    files: list[Read]
    values: int
    signals: int
    tally: Tally
    faults: FaultLists
    remarks: list[str]
    took_s: float

    @property
    def is_whole(self) -> bool:
        """Whether every capture was read to its end."""
        return all(one.findings.cut_off is None for one in self.files)

    def summary(self) -> dict[str, Any]:
        """For `--json`; docs/decoding-files.md describes it."""
        tally = self.tally
        return {
            "out": self.out,
            "files": [_read(one) for one in self.files],
            "frames": tally.frames,
            "first_at": _at(tally.first_us),
            "last_at": _at(tally.last_us),
            "values": self.values,
            "signals": self.signals,
            "unknown_frames": tally.unknown_ids.total(),
            "unknown_ids_n": len(tally.unknown_ids),
            "unknown_ids": {spell(one): n for one, n in tally.unknown_ids.most_common(IDS_TOLD)},
            "short_frames": tally.short_frames,
            "rejected": {"no_measurement": tally.no_measurement, "out_of_range": tally.out_of_range},
            "payloads": tally.payloads,
            "lost": dict(tally.lost),
            "faults": [
                {
                    "ecu": ecu,
                    "mil": mil,
                    "reports": n,
                    "codes": [{"code": code, "oc": oc} for code, oc in codes],
                }
                for (ecu, codes, mil), n in self.faults.said.items()
            ],
            "remarks": self.remarks,
            "took_s": round(self.took_s, 3),
        }


def book_of(
    signal_files: Sequence[Path],
    mapping: Path | None,
    options: Options,
    kernel: "Kernel | None",
    catalogue: Catalogue,
) -> FileBook:
    """The book of some signal files, with a map or in their own names. Raises `CodebookError`, `OSError`."""
    contents: dict[str, str | bytes] = {str(path): path.read_bytes() for path in signal_files}
    if mapping is None:
        return verbatim.load(database.load(contents), signal_files[0].stem, options, kernel)
    text = mapping.read_text(encoding="utf-8")
    name = Map.from_toml(text, where=str(mapping)).name
    found = codebook.load(name, contents, text, catalogue, kernel)
    placed = database.load(contents).messages.values()
    return verbatim.mapped(found, catalogue, placed, isotp=options.isotp)


def decode(captures: Sequence[Path], book: FileBook, output: "Output", advance: Advance) -> Done:
    """Decode captures of one vehicle, in this order, into one output.

    Raises `CaptureError` for a file that is no capture, and where no frame was read at all; then nothing is
    written.
    """
    begun_s = time.perf_counter()
    recording = Recording(book)
    files = [Read(str(path)) for path in captures]
    output.write(_portions(captures, files, recording, advance))
    return Done(
        out=[str(path) for path in output.written],
        files=files,
        values=output.values,
        signals=output.signals,
        tally=recording.tally,
        faults=recording.faults,
        remarks=[str(one) for one in book.codebook.warnings],
        took_s=time.perf_counter() - begun_s,
    )


def _portions(
    captures: Sequence[Path], files: list[Read], recording: Recording, advance: Advance
) -> "Iterator[Portion]":
    reader = recording.book.codebook.reader
    kernel = None if reader is None else reader.kernel
    for path, read in zip(captures, files, strict=True):
        try:
            for batch in ahead(_together(capture_file.batches(path, read.findings, advance, kernel))):
                read.frames += len(batch)
                yield list(recording.decode(batch))
        except DecodeError as error:
            raise CaptureError(f"{path}: {error}") from error
    recording.close()
    if recording.tally.frames == 0:
        first = next((problem for read in files for problem in read.findings.problems), None)
        why = "" if first is None else f"; {first.where}: {first.what}"
        raise CaptureError(f"{', '.join(map(str, captures))}: no data frame that can be read{why}")


def _together(batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
    """Fewer and larger ones."""
    waiting: list[FrameBatch] = []
    frames = 0
    for batch in batches:
        waiting.append(batch)
        frames += len(batch)
        if frames >= BATCH_FRAMES:
            yield concatenate(waiting)
            waiting, frames = [], 0
    yield concatenate(waiting)


def spell(wire_id: int) -> str:
    """An identifier as candump writes it."""
    return f"{wire_id & ~EXTENDED:08X}" if wire_id >= EXTENDED else f"{wire_id:03X}"


def _at(t_us: int | None) -> str | None:
    return None if t_us is None else at_of(t_us).isoformat()


def _read(one: Read) -> dict[str, Any]:
    findings = one.findings
    return {
        "file": one.file,
        "frames": one.frames,
        "error_frames": findings.error_frames_n,
        "remote_frames": findings.remote_frames_n,
        "broken": findings.broken_n,
        "problems": [{"where": problem.where, "what": problem.what} for problem in findings.problems],
        "cut_off": findings.cut_off,
    }
