"""BLF, Vector's binary log: a header, then containers of zlib-compressed objects."""

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from decoders.captures import blf_objects
from decoders.captures.blf_objects import BASE_BYTES, SIGNATURE
from decoders.captures.compiled import Compiled
from decoders.captures.findings import Findings
from decoders.captures.inflating import InflateError, inflated
from decoders.frames import concatenate
from vehicle.day import us_of
from vehicle.errors import DecodeError
from vehicle.frame import FrameBatch

_FILE: Final = struct.Struct("<4sI8xQ")
"""Signature, size of this header, size of the file."""
_START: Final = struct.Struct("<8H")
_START_AT: Final = 40
SIGNATURE_OF_FILE: Final = b"LOGG"
_HEADER_BYTES: Final = 72
_BASE: Final = struct.Struct("<4sHHII")
_CONTAINER: Final = struct.Struct("<H6xI4x")
_LOG_CONTAINER: Final = 10
_STORED: Final = 0
_DEFLATED: Final = 2
MAX_CONTAINER_BYTES: Final = 1 << 26
"""Packed or not; tools write 128 kB."""


class NotBlfError(DecodeError):
    """A file that does not begin as a BLF file does."""

    reason = "wrong-start"


@dataclass(slots=True)
class Blf:
    """Reads one BLF file, a portion at a time; any bytes may come."""

    findings: Findings = field(default_factory=Findings)
    position: int = 0
    """In the file, of the first byte that is not used up."""
    announced_bytes: int = 0
    """Size of the file as its header says; 0 where it does not."""
    compiled: Compiled | None = None
    """None: numpy reads."""
    _since_us: int | None = None
    """Start of the recording; None before the header was read."""
    _rest: bytes = b""
    _objects: bytes = b""
    _owed: int = 0

    def feed(self, portion: bytes) -> FrameBatch:
        """The frames of the objects that end in this portion, in their order.

        Raises `NotBlfError` for a file that is none.
        """
        self._rest += portion[self._owed :]
        self._owed = max(self._owed - len(portion), 0)
        if self._since_us is None and not self._read_header():
            return concatenate([])
        at, parts, batches = 0, [self._objects], []
        while (size := self._next(at)) is not None:
            contents = self._contents(at, size)
            if contents is None:  # what began before it cannot go on behind it
                batches.append(self._frames(b"".join(parts)))
                self._objects, parts = b"", []
            else:
                parts.append(contents)
            at += size + size % 4
        self._use(at)
        return concatenate([*batches, self._frames(b"".join(parts))])

    def close(self) -> FrameBatch:
        """What can be read of a container that was cut off."""
        if self._since_us is None:
            raise NotBlfError(
                f"a BLF file has a header of {_HEADER_BYTES} bytes or more, got {len(self._rest)}"
            )
        rest, at = self._rest, self.position
        objects = self._objects
        if len(rest) > BASE_BYTES + _CONTAINER.size and rest.startswith(SIGNATURE):
            objects += self._contents(0, len(rest)) or b""
        batch = self._frames(objects)
        end = at + len(rest)
        if self.findings.cut_off is None and (len(rest) > 3 or end < self.announced_bytes):
            expected = (
                f"{self.announced_bytes} bytes announced" if end < self.announced_bytes else "not whole"
            )
            self.findings.end_early(f"byte {at}", f"the file ends at byte {end}, {expected}")
        elif self.findings.cut_off is None and len(self._objects) > 3:
            self.findings.end_early(f"byte {at}", "the file ends within an object")
        self._rest = self._objects = b""
        return batch

    def _read_header(self) -> bool:
        """Whether the header is there whole."""
        if not SIGNATURE_OF_FILE.startswith(self._rest[:4]):
            raise NotBlfError(f"a BLF file begins with {SIGNATURE_OF_FILE!r}, got {self._rest[:4]!r}")
        if len(self._rest) < _HEADER_BYTES:
            return False
        _, size, announced = _FILE.unpack_from(self._rest)
        if size < _HEADER_BYTES or size > MAX_CONTAINER_BYTES:
            raise NotBlfError(f"the header of a BLF file has {_HEADER_BYTES} bytes or more, got {size}")
        if len(self._rest) < size:
            return False
        self._since_us = _moment(_START.unpack_from(self._rest, _START_AT))
        self.announced_bytes = announced
        self._use(size)
        return True

    def _next(self, at: int) -> int | None:
        """Size of the object that stands whole at this place of the rest; None where there is none.

        Behind what is no object, the next one is looked for.
        """
        if len(self._rest) - at < BASE_BYTES or self.findings.cut_off is not None:
            return None
        signature, _, _, size, _ = _BASE.unpack_from(self._rest, at)
        if signature != SIGNATURE or not BASE_BYTES <= size <= MAX_CONTAINER_BYTES:
            where = f"byte {self.position + at}"
            self.findings.end_early(where, f"an object was expected, got {self._rest[at : at + 8].hex(' ')}")
            return None
        return size if len(self._rest) - at >= size else None

    def _contents(self, at: int, size: int) -> bytes | None:
        """What a container holds, None where that cannot be read; any other object is what it is."""
        _, _, _, _, kind = _BASE.unpack_from(self._rest, at)
        if kind != _LOG_CONTAINER:
            return self._rest[at : at + size]
        start = at + BASE_BYTES + _CONTAINER.size
        if size < start - at:
            return None
        method, inflated_bytes = _CONTAINER.unpack_from(self._rest, at + BASE_BYTES)
        packed = memoryview(self._rest)[start : at + size]
        where = f"byte {self.position + at}"
        if method == _STORED:
            return bytes(packed)
        if method != _DEFLATED:
            self.findings.report(where, f"a container is stored or deflated, got method {method}")
            return None
        try:
            found, is_whole = inflated(packed, MAX_CONTAINER_BYTES)
        except InflateError as error:
            self.findings.report(where, f"{error}")
            return None
        if is_whole and len(found) != inflated_bytes:
            self.findings.report(
                where, f"a container of {inflated_bytes} bytes was expected, got {len(found)}"
            )
        return found

    def _frames(self, objects: bytes) -> FrameBatch:
        batch, used = blf_objects.read(
            objects,
            self._since_us or 0,
            self.findings,
            f"the container before byte {self.position}",
            self.compiled,
        )
        self._objects = objects[used:]
        return batch

    def _use(self, size: int) -> None:
        """Filling that has not come yet is owed by the next portion."""
        self.position += size
        self._owed = max(size - len(self._rest), 0)
        self._rest = self._rest[size:]


def parse(content: bytes) -> tuple[FrameBatch, Findings]:
    """The data frames of a whole file, in its order, and what was left out. Raises `NotBlfError`."""
    reader = Blf()
    batches = [reader.feed(content), reader.close()]
    return concatenate(batches), reader.findings


def _moment(start: tuple[int, ...]) -> int:
    """A moment as Windows writes it, taken as UTC; 0 where there is none."""
    year, month, _, day, hour, minute, second, millisecond = start
    try:
        return us_of(datetime(year, month, day, hour, minute, second, millisecond * 1000, tzinfo=UTC))
    except ValueError:
        return 0
