"""The kernel's functions that read captures and number values; where there is none, numpy does the same."""

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decoders.kernel import PREFIX, Kernel
from decoders.machine.words import CODES, ENDS, LINES, OBJECTS
from vehicle.frame import FrameBatch

_Function = Callable[[bytes], int]
_EndWords, _LineWords, _ObjectWords, _CodeWords = type(ENDS), type(LINES), type(OBJECTS), type(CODES)
_LEAST_OBJECT_BYTES: Final = 48
"""Of one that holds a frame."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Functions of one kernel; may be used by many threads at once."""

    line_ends_at: _Function
    lines_at: _Function
    objects_at: _Function
    codes_at: _Function
    engine: Any = field(repr=False)
    """Owns their code."""

    @classmethod
    def of(cls, kernel: Kernel) -> "Compiled":
        """Those of a kernel."""
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)
        names = ("line_ends", "lines", "objects", "codes")
        ends, lines, objects, codes = (
            kind(kernel.engine.get_function_address(PREFIX + name)) for name in names
        )
        return cls(ends, lines, objects, codes, kernel.engine)

    def line_ends(self, text: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The places of line feeds."""
        end = np.empty(len(text), np.int64)
        words = _EndWords(text=_address(text), size=len(text), end=_address(end))
        return end[: self.line_ends_at(_told(words))].copy()

    def objects(self, stream: bytes, since_us: int) -> "tuple[FrameBatch, tuple[int, int, int]] | None":
        """The frames of a BLF stream; bytes used, error frames and remote frames.

        None where the stream has anything that is to be looked at more closely.
        """
        n = len(stream) // _LEAST_OBJECT_BYTES
        t_us, can_id, is_extended = np.empty(n, np.int64), np.empty(n, np.uint32), np.empty(n, np.bool_)
        bus, length, data = np.empty(n, np.uint8), np.empty(n, np.uint8), np.empty((n, 8), np.uint8)
        told = np.empty(3, np.int64)
        words = _ObjectWords(
            stream=_address(np.frombuffer(stream, np.uint8)) if stream else 0,
            size=len(stream),
            since_us=since_us,
            t_us=_address(t_us),
            can_id=_address(can_id),
            is_extended=_address(is_extended),
            buses=_address(bus),
            lengths=_address(length),
            payloads=_address(data),
            told=_address(told),
        )
        found = self.objects_at(_told(words))
        if found < 0:
            return None
        rows = slice(found)
        used, errors, remotes = told.tolist()
        batch = FrameBatch(
            message=np.zeros(found, np.int32),
            t_us=t_us[rows],
            can_id=can_id[rows],
            is_extended=is_extended[rows],
            bus=bus[rows],
            length=length[rows],
            data=data[rows],
        )
        return batch, (used, errors, remotes)

    def codes(
        self,
        value: NDArray[np.float64],
        steps: NDArray[np.float64],
        shift: NDArray[np.float64],
        code: NDArray[np.uint16],
        missing: NDArray[np.bool_] | None,
    ) -> int:
        """Number values, shape (columns, n), as `value * steps + shift`, cut; how many are NaN, with code 0.

        Where `missing` is None, there must be no NaN. Rows of each array are without gaps.
        """
        words = _CodeWords(
            value=_address(value),
            step=value.strides[0] // 8,
            columns=len(value),
            n=value.shape[1],
            steps=_address(steps),
            shift=_address(shift),
            code=_address(code),
            code_step=code.strides[0] // 2,
            missing=0 if missing is None else _address(missing),
            missing_step=0 if missing is None else missing.strides[0],
        )
        return self.codes_at(_told(words))

    def lines(self, **words: int) -> int:
        """The frames of lines of one shape, see `machine.words.LINES`."""
        return self.lines_at(_told(_LineWords(**words)))


def _address(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)


def _told(words: tuple[int, ...]) -> bytes:
    return struct.pack(f"={len(words)}q", *words)
