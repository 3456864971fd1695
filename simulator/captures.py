"""Recorded CAN traffic as columns: candump, ASC, BLF and TRC files, read by python-can.

A capture that broke somewhere is still a capture: what cannot be read is counted and reported with its
line, and the rest is used.
"""

import gzip
import logging
import struct
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO, cast

import can
import numpy as np
from can.io.blf import BLFParseError
from numpy.typing import NDArray

from decoders.captures.findings import Findings
from decoders.envelope import EXTENDED, MAX_PAYLOAD_BYTES
from vehicle.errors import OdocareError

TEXT_READERS: Final[dict[str, Callable[[Any], can.io.generic.TextIOMessageReader]]] = {
    ".log": can.CanutilsLogReader,
    ".asc": can.ASCReader,
    ".trc": can.TRCReader,
}
SUPPORTED: Final = "candump -L (.log), Vector ASC (.asc) and BLF (.blf), PEAK TRC (.trc), each also as .gz"
_ASC_GOES_ON: Final = "no internal events logged\n"
"""What ends an ASC header; python-can reads a header whenever it begins to read."""
_CLASSIC_BYTES: Final = 8
_LATEST_S: Final = 4.0e9


class CaptureError(OdocareError):
    """A file that is no capture, or holds no frame."""


@dataclass(frozen=True, slots=True)
class Capture:
    """Data frames in order of time, arrays of length n; `findings` tells what was left out."""

    t_us: NDArray[np.int64]
    """As recorded, microseconds; since 1970 UTC or since the recording began, as the format has it."""
    can_id: NDArray[np.uint32]
    """Bit 31 set for an extended identifier, as on the wire."""
    bus: NDArray[np.uint8]
    length: NDArray[np.uint8]
    data: NDArray[np.uint8]
    """Payloads, one behind the other."""
    findings: Findings

    def __len__(self) -> int:
        return len(self.t_us)

    def first(self, seconds: float) -> "Capture":
        """The beginning of it, `seconds` long."""
        frames_n = int(np.searchsorted(self.t_us, self.t_us[0] + int(seconds * 1e6), side="right"))
        return Capture(
            self.t_us[:frames_n],
            self.can_id[:frames_n],
            self.bus[:frames_n],
            self.length[:frames_n],
            self.data[: int(self.length[:frames_n].sum(dtype=np.int64))],
            self.findings,
        )


def read(path: Path) -> Capture:
    """Read a capture whole. Raises `CaptureError`, and `OSError` where there is no file."""
    suffix = (
        path.suffixes[-2] if path.suffix.lower() == ".gz" and len(path.suffixes) > 1 else path.suffix
    ).lower()
    findings = Findings()
    columns = _Columns(findings)
    if suffix in TEXT_READERS:
        with _open_text(path) as file:
            _read_text(TEXT_READERS[suffix], _Lines(file), columns, findings)
    elif suffix == ".blf":
        _read_blf(path, columns, findings)
    else:
        raise CaptureError(f"{path.name} is of no known format; supported are {SUPPORTED}")
    if not columns.t_us:
        what = f"; {findings.problems[0].where}: {findings.problems[0].what}" if findings.problems else ""
        raise CaptureError(f"{path.name} holds no data frame that can be read{what}")
    return columns.capture()


def _open_text(path: Path) -> TextIO:
    """Undecodable bytes become characters that no number has, so that they break their own line only."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


class _Lines:
    """The lines of a file with their number; python-can takes it for the file."""

    def __init__(self, file: TextIO) -> None:
        self.number = 0
        self.put_first: str | None = None
        self._lines = iter(file)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self.put_first is not None:
            line, self.put_first = self.put_first, None
            return line
        try:
            line = next(self._lines)
        except (EOFError, gzip.BadGzipFile, OSError) as error:
            raise _BrokenArchiveError(str(error)) from error
        self.number += 1
        return line

    def close(self) -> None:
        """python-can closes its file at the end; whoever opened it does that here."""


class _BrokenArchiveError(Exception):
    """The .gz ends early or is damaged; nothing behind can be read."""


def _read_text(
    reader_of: Callable[[Any], can.io.generic.TextIOMessageReader],
    lines: _Lines,
    columns: "_Columns",
    findings: Findings,
) -> None:
    """Read line by line; python-can's reader is started again behind a line that broke it."""
    reader = reader_of(lines)
    with _warnings_of("can.io.trc", lambda: findings.report(f"line {lines.number}", "cannot be read")):
        while True:
            try:
                for message in reader:
                    columns.take(message, f"line {lines.number}")
            except (ValueError, LookupError) as error:
                findings.report(f"line {lines.number}", _phrase(error))
                if reader_of is can.ASCReader:
                    lines.put_first = _ASC_GOES_ON
            except _BrokenArchiveError as error:
                findings.report(f"after line {lines.number}", str(error))
                return
            else:
                return


def _read_blf(path: Path, columns: "_Columns", findings: Findings) -> None:
    """Read until the end, or until the containers make no sense any more."""
    is_packed = path.suffix.lower() == ".gz"
    with path.open("rb") as stored:
        opened = gzip.GzipFile(fileobj=stored) if is_packed else stored
        try:
            reader = can.BLFReader(cast("BinaryIO", opened))
            for message in reader:
                columns.take(message, f"after frame {len(columns.t_us)}")
        except (BLFParseError, struct.error, ValueError, EOFError, OSError) as error:
            findings.report(f"after frame {len(columns.t_us)}", _phrase(error))
            return
    size = path.stat().st_size
    if not is_packed and size < reader.file_size:  # python-can takes the end of the file for the end
        where = f"after frame {len(columns.t_us)}"
        findings.report(where, f"{reader.file_size} bytes announced, the file has {size}")


def _phrase(error: Exception) -> str:
    return f"{error}" or type(error).__name__


@contextmanager
def _warnings_of(name: str, then: Callable[[], None]) -> Iterator[None]:
    """python-can's TRC reader swallows a broken line with a warning in the log: hear it."""

    class Ear(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            then()

    logger, ear = logging.getLogger(name), Ear(logging.WARNING)
    logger.addHandler(ear)
    propagates, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(ear)
        logger.propagate = propagates


class _Columns:
    """Frames as they come in."""

    def __init__(self, findings: Findings) -> None:
        self.t_us = array("q")
        self._can_id = array("I")
        self._bus = array("B")
        self._length = array("B")
        self._data = bytearray()
        self._findings = findings
        self._buses: dict[object, int] = {}

    def take(self, message: can.Message, where: str) -> None:
        """Append a data frame; what cannot go over the wire is counted instead."""
        if message.is_error_frame:
            self._findings.error_frames_n += 1
        elif message.is_remote_frame:
            self._findings.remote_frames_n += 1
        elif (wrong := _wrong(message)) is not None:
            self._findings.report(where, wrong)
        else:
            self.t_us.append(round(message.timestamp * 1e6))
            self._can_id.append(message.arbitration_id | (EXTENDED if message.is_extended_id else 0))
            self._bus.append(self._bus_of(message.channel))
            self._length.append(len(message.data))
            self._data += message.data

    def _bus_of(self, channel: object) -> int:
        """The number in an interface's name (`can1`), else the order in which it was seen first."""
        if channel not in self._buses:
            digits = "".join(char for char in str(channel) if char.isdigit())
            self._buses[channel] = (int(digits) if digits else len(self._buses)) & 0xFF
        return self._buses[channel]

    def capture(self) -> Capture:
        """The columns, in order of time; frames of the same time keep their order."""
        t_us = np.frombuffer(self.t_us, dtype=np.int64)
        length = np.frombuffer(self._length, dtype=np.uint8)
        data = np.frombuffer(self._data, dtype=np.uint8)
        can_id = np.array(self._can_id, dtype=np.uint32)
        bus = np.frombuffer(self._bus, dtype=np.uint8)
        if np.all(np.diff(t_us) >= 0):
            return Capture(t_us, can_id, bus, length, data, self._findings)
        order = np.argsort(t_us, kind="stable")
        ends = np.cumsum(length, dtype=np.int64)
        parts = [data[ends[k] - length[k] : ends[k]] for k in order]
        return Capture(
            t_us[order], can_id[order], bus[order], length[order], np.concatenate(parts), self._findings
        )


def _wrong(message: can.Message) -> str | None:
    """Why a frame that python-can read is none."""
    limit = MAX_PAYLOAD_BYTES if message.is_fd else _CLASSIC_BYTES
    if len(message.data) > limit:
        return f"a frame has at most {limit} bytes, got {len(message.data)}"
    if len(message.data) != message.dlc:
        return f"{message.dlc} bytes announced, {len(message.data)} found"
    if not 0.0 <= message.timestamp < _LATEST_S:
        return f"a time in seconds was expected, got {message.timestamp}"
    if message.arbitration_id > (0x1FFF_FFFF if message.is_extended_id else 0x7FF):
        return f"identifier {message.arbitration_id:x} is too large"
    return None
