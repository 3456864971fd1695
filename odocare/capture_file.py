"""Captures as files: candump, ASC, BLF, TRC and MF4 to batches of frames, a portion at a time."""

import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, Protocol

from decoders.captures import asc, candump, trc
from decoders.captures.blf import Blf
from decoders.captures.compiled import Compiled
from decoders.captures.findings import Findings
from decoders.captures.lines import Lines
from decoders.kernel import Kernel
from vehicle.errors import OdocareError
from vehicle.frame import FrameBatch

PORTION_BYTES: Final = 1 << 21
_BLF_PORTION_BYTES: Final = 1 << 19
"""Inflated it is some four times as much."""
_GZIP: Final = b"\x1f\x8b"
_BLF: Final = b"LOGG"
_MDF: Final = (b"MDF ", b"UnFinMF ")
_HEAD_BYTES: Final = 4096
STANDARD_INPUT: Final = Path("-")
_GZIP_WINDOW: Final = 31
"""A header of gzip, and the largest window."""
SUPPORTED: Final = "candump (.log), Vector ASC (.asc) and BLF (.blf), PEAK TRC (.trc), ASAM MF4 (.mf4)"

Advance = Callable[[int], None]


class CaptureError(OdocareError):
    """A file that is no capture, or holds no frame."""


def batches(
    path: Path, findings: Findings, advance: Advance, kernel: Kernel | None = None
) -> Iterator[FrameBatch]:
    """The data frames of a capture, some ten thousand at a time, in its order.

    What a file is, its first bytes say; it may be packed by gzip. A pipe is read as it comes;
    `STANDARD_INPUT` is the process's own. `advance` is told of bytes read.
    Raises `CaptureError`, `DecodeError` for a kind of file that is not read, and `OSError`.
    """
    with _open(path) as stored:
        first = stored.read(_HEAD_BYTES)
        is_packed = first.startswith(_GZIP)
        portions = (
            _unpacked(first, stored, findings, advance) if is_packed else _portions(first, stored, advance)
        )
        head = next(portions, b"")
        if head.startswith(_MDF):
            if is_packed:
                raise CaptureError(f"{path.name}: unpack an MF4 file first, it is read from many places")
            if path == STANDARD_INPUT or not stored.seekable():
                raise CaptureError(f"{path.name}: an MF4 is read from many places: give a file, not a pipe")
            from odocare import mf4_file

            yield from mf4_file.batches(path, findings, advance)
            return
        compiled = None if kernel is None else Compiled.of(kernel)
        reader = _reader(head[:_HEAD_BYTES], path, findings, compiled)
        yield reader.feed(head)
        for portion in portions:
            yield reader.feed(portion)
        yield reader.close()


def _open(path: Path) -> IO[bytes]:
    return sys.stdin.buffer if path == STANDARD_INPUT else path.open("rb")


class Reader(Protocol):
    """Reads one capture, a portion at a time."""

    def feed(self, portion: bytes) -> FrameBatch:
        """The frames that end in a portion."""
        ...

    def close(self) -> FrameBatch:
        """Those that the file's end ends."""
        ...


def _reader(head: bytes, path: Path, findings: Findings, compiled: Compiled | None) -> Reader:
    """By what a file begins with; candump has no head, so whatever looks like text may be one."""
    if head.startswith(_BLF):
        return Blf(findings=findings, compiled=compiled)
    if not head:
        raise CaptureError(f"{path.name} is empty")
    lines: Lines
    if asc.is_head(head):
        lines = asc.lines(head)
    elif trc.is_head(head):
        lines = trc.lines(head)
    elif b"\0" in head:
        raise CaptureError(
            f"{path.name} is of no known format; supported are {SUPPORTED}, packed by gzip or not"
        )
    else:
        lines = candump.lines()
    lines.findings, lines.compiled = findings, compiled
    return lines


def _portions(portion: bytes, stored: IO[bytes], advance: Advance) -> Iterator[bytes]:
    """The bytes of a file that begins so; of a BLF file fewer at a time, for each becomes several."""
    size = _BLF_PORTION_BYTES if portion.startswith(_BLF) else PORTION_BYTES
    while portion:
        yield portion
        advance(len(portion))
        portion = stored.read(size)


def _unpacked(packed: bytes, stored: IO[bytes], findings: Findings, advance: Advance) -> Iterator[bytes]:
    """What a file that begins so and is packed by gzip holds, as far as it can be unpacked."""
    inflater, at = zlib.decompressobj(_GZIP_WINDOW), 0
    packed += stored.read(_BLF_PORTION_BYTES)
    while packed:
        size = len(packed)
        advance(size)
        while packed:
            if inflater.eof:  # one archive behind the other is one file
                packed = packed.lstrip(b"\0")
                inflater = zlib.decompressobj(_GZIP_WINDOW)
            try:
                portion = inflater.decompress(packed, PORTION_BYTES)
            except zlib.error as error:
                findings.end_early(f"byte {at} of the packed file or behind", f"{error}")
                return
            if portion:
                yield portion
            packed = inflater.unconsumed_tail or inflater.unused_data
        at += size
        packed = stored.read(_BLF_PORTION_BYTES)
    if not inflater.eof:
        findings.end_early(f"byte {at} of the packed file", "the archive is not whole")
