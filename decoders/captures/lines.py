"""Text captures in columns: lines of the same shape are read together, whatever the format.

A format says, of one line, where its parts stand (`Shape`). All lines of that length which have the same
characters between those parts are then read by a few array operations, or by the kernel. A capture has some
dozens of shapes: one per bus, length of payload and length of identifier.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders.captures import compiled_lines
from decoders.captures.compiled import Compiled
from decoders.captures.findings import Findings
from decoders.captures.part import MAX_LINE_BYTES, PADDING, Part
from decoders.captures.shape import Shape
from vehicle.frame import FrameBatch

_SHAPES_TRIED: Final = 24
"""For lines of one length in one portion; what is left is read one by one."""
_UNREADABLE: Final = "cannot be read"


@dataclass(slots=True)
class Lines:
    """Reads one text capture, a portion at a time; any bytes may come."""

    shape_of: Callable[[bytes], Shape | str | None]
    """Of one line: its shape, what is wrong with it, or None where it holds no frame."""
    findings: Findings = field(default_factory=Findings)
    number: int = 0
    """Lines read."""
    compiled: Compiled | None = None
    """None: numpy reads."""
    _rest: bytes = b""

    def feed(self, portion: bytes) -> FrameBatch:
        """The frames of the lines that end in this portion, in their order."""
        text = b"".join((self._rest, portion, PADDING))
        size = len(text) - len(PADDING)
        end = text.rfind(b"\n", 0, size) + 1
        self._rest = text[end:size]
        if len(self._rest) > MAX_LINE_BYTES:
            end, self._rest = size, b""
        return self._read(text, end)

    def close(self) -> FrameBatch:
        """What stands behind the last line's end; a capture that was cut off ends within a line."""
        text, self._rest = self._rest, b""
        return self._read(text + PADDING, len(text))

    def _read(self, padded: bytes, size: int) -> FrameBatch:
        part = Part.of(padded, size, self.compiled)
        for rows in part.by_length():
            self._read_alike(part, rows)
        for row, what in sorted(part.problems):
            self.findings.report(f"line {self.number + row + 1}", what)
        self.findings.remote_frames_n += part.remote_n
        self.findings.error_frames_n += part.error_n
        self.number += len(part.start)
        return part.frames()

    def _read_alike(self, part: Part, rows: NDArray[np.intp]) -> None:
        """Lines of one length: all of the first one's shape, then all of the next one's that is left."""
        length = int(part.length[rows[0]])
        if length == 0:
            return
        if length > MAX_LINE_BYTES:
            what = f"a line has at most {MAX_LINE_BYTES} bytes, got {length}"
            part.problems += [(row, what) for row in rows.tolist()]
            return
        words = None
        shapes = 0
        while len(rows):
            shape = self._shape(part, int(rows[0]))
            behind: NDArray[np.bool_] | slice = slice(1, None)
            if shape is not None:
                shapes += 1
                first_only = shapes > _SHAPES_TRIED
                if self.compiled is not None and compiled_lines.is_for(shape):
                    rows = _take_compiled(self.compiled, part, rows, shape, first_only=first_only)
                    words = None
                    continue
                words = part.words(rows, length) if words is None else words
                behind = _take(part, rows, words, shape, first_only=first_only)
            rows, words = rows[behind], None if words is None else words[behind]

    def _shape(self, part: Part, row: int) -> Shape | None:
        found = self.shape_of(part.line(row))
        if isinstance(found, str):
            part.problems.append((row, found))
            return None
        return found


def _take_compiled(
    compiled: Compiled, part: Part, rows: NDArray[np.intp], shape: Shape, *, first_only: bool
) -> NDArray[np.intp]:
    """Read lines of the first one's shape; those that are left."""
    left = compiled_lines.take(compiled, part, rows[:1] if first_only else rows, shape)
    if len(left) and left[0] == rows[0]:
        part.problems.append((int(rows[0]), _UNREADABLE))
        left = left[1:]
    return rows[1:] if first_only else left


def _take(
    part: Part, rows: NDArray[np.intp], words: NDArray[np.uint64], shape: Shape, *, first_only: bool
) -> NDArray[np.bool_] | slice:
    """The same by numpy; which are left."""
    here = slice(1) if first_only else _alike(words, shape, int(part.length[rows[0]]))
    strange = part.take(rows[here], words[here], shape)
    if strange[0]:
        part.problems.append((int(rows[0]), _UNREADABLE))
    if isinstance(here, slice):
        return slice(1, None)
    here[here] = ~strange
    here[0] = True
    return ~here


def _alike(words: NDArray[np.uint64], shape: Shape, length: int) -> NDArray[np.bool_]:
    """Which lines have the characters of the first one wherever the shape says that they are the same."""
    differs = np.zeros(len(words), np.uint64)
    for column, mask in enumerate(shape.fixed(length)):
        if mask:
            differs |= (words[:, column] ^ words[0, column]) & mask
    return np.asarray(differs == 0)
