"""The compiled reader of plans: built once by numba, kept as machine code, run without numba.

Building takes seconds and all of numba (`decoders/machine/building.py`), loading takes neither. Where there
is no kernel, `decoders/reference.py` reads the same values (docs/decisions/0010-one-kernel.md).
"""

import ctypes
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.columns import Columns
from decoders.plan import Plan
from decoders.tables import COUNTERS_BYTES, ROW_BYTES, WORDS, Tables, pack
from vehicle.errors import KernelError
from vehicle.frame import FrameBatch

PREFIX: Final = "odocare_"
"""Before the name of each function in the machine code."""
_words: Final = struct.Struct(f"={len(WORDS)}q").pack
"""What each function of the kernel is given, see `tables.WORDS`."""
_HEADER: Final = object.__basicsize__
"""Where in an array object its header begins: `PyArrayObject` in C, first the address of its numbers.

To ask numpy for the addresses of the ten arrays of a message takes longer than to decode it.
"""
_ROOMY_BYTES: Final = 1 << 25
"""Up to here a batch gets room for all values it could have; above, they are counted first."""
_SEAL_BYTES: Final = 32
_COUNTED: Final = struct.Struct("=4q")
_Function = Callable[[bytes], int]
_NONE: Final = np.zeros(0, np.int32)
_I2: Final = np.dtype(np.int16)
_I4: Final = np.dtype(np.int32)
_I8: Final = np.dtype(np.int64)
_F8: Final = np.dtype(np.float64)


class Rows(NamedTuple):
    """Long rows, see `vehicle.frame.SignalRows`, with each row's frame; and what gave none."""

    message: NDArray[np.int32]
    t_us: NDArray[np.int64]
    signal: NDArray[np.int16]
    value: NDArray[np.float64]
    frame: NDArray[np.int32]
    unknown: NDArray[np.int32]
    """Frames that fit no message, rising."""
    short_frames: int
    no_measurement: int
    out_of_range: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """The compiled functions; each is given words as `tables.WORDS` says."""

    room_bytes: _Function
    capacity: _Function
    rows: _Function
    arrange: _Function
    fill: _Function
    engine: Any = field(repr=False)
    """Owns their code."""

    def bind(self, plan: Plan) -> "Reader | None":
        """A reader of one plan; None where only numpy can read it."""
        tables = pack(plan)
        if tables is None:
            return None
        address = tables.block.ctypes.data
        nothing, two = (self.room_bytes(_words(address, n, *[0] * 12)) for n in (0, 2))
        return Reader(self, plan, tables, address, nothing, (two - nothing) // 2)


@dataclass(frozen=True, slots=True)
class Reader:
    """A kernel and the tables of one plan; may be used by many threads at once."""

    kernel: Kernel = field(repr=False)
    plan: Plan = field(repr=False)
    tables: Tables = field(repr=False)
    address: int
    """Of the tables."""
    fixed_bytes: int
    """Working room that does not depend on the number of frames."""
    frame_bytes: int
    """Working room for each frame."""

    def rows(self, batch: FrameBatch) -> Rows:
        """Long rows by message, signal and time."""
        frames, _held = _told(batch)
        n = frames[0]
        room = COUNTERS_BYTES + self.fixed_bytes + self.frame_bytes * (n + 1)
        capacity = (n * self.tables.max_values + 3) & -4
        if capacity * ROW_BYTES > _ROOMY_BYTES:
            block = np.empty(room, np.uint8)
            capacity = (
                self.kernel.capacity(_words(self.address, *frames, id(block) + _HEADER, 0, 0, 0, 0)) + 3
            ) & -4
        block = np.empty(ROW_BYTES * capacity + room, np.uint8)
        m = self.kernel.rows(_words(self.address, *frames, id(block) + _HEADER, capacity, 0, 0, 0))
        unknown, short_frames, no_measurement, out_of_range = _COUNTED.unpack_from(block.data)
        at = COUNTERS_BYTES
        return Rows(
            np.frombuffer(block, _I4, m, at + 16 * capacity),
            np.frombuffer(block, _I8, m, at),
            np.frombuffer(block, _I2, m, at + 24 * capacity),
            np.frombuffer(block, _F8, m, at + 8 * capacity),
            np.frombuffer(block, _I4, m, at + 20 * capacity),
            _unknown(block, unknown, at + ROW_BYTES * capacity),
            short_frames,
            no_measurement,
            out_of_range,
        )

    def columns(self, batch: FrameBatch) -> Columns:
        """One series per signal, in the order of the batch."""
        frames, _held = _told(batch)
        layouts = len(self.plan.owner)
        block = np.empty(COUNTERS_BYTES + self.fixed_bytes + self.frame_bytes * (frames[0] + 1), np.uint8)
        starts = np.empty(2 * (layouts + 1), np.int64)
        here = (self.address, *frames, id(block) + _HEADER, 0, id(starts) + _HEADER)
        value = _aligned(self.kernel.arrange(_words(*here, 0, 0)))
        frame = np.empty(starts[layouts], np.int32)
        self.kernel.fill(_words(*here, id(frame) + _HEADER, id(value) + _HEADER))
        unknown, short_frames, no_measurement, out_of_range = _COUNTED.unpack_from(block.data)
        return Columns(
            plan=self.plan,
            frame_start=starts[: layouts + 1],
            value_start=starts[layouts + 1 :],
            frame=frame,
            value=value,
            unknown=_unknown(block, unknown, COUNTERS_BYTES),
            short_frames=short_frames,
            no_measurement=no_measurement,
            out_of_range=out_of_range,
        )


def sealed(code: bytes) -> bytes:
    """Machine code behind its SHA-256: what is damaged would end the process that loads it."""
    return hashlib.sha256(code).digest() + code


def load(sealed_code: bytes) -> Kernel:
    """The kernel out of what `building.build` gave on a processor of the same kind. Raises `KernelError`."""
    from llvmlite import binding

    code = sealed_code[_SEAL_BYTES:]
    if sealed(code) != sealed_code:
        raise KernelError(f"the machine code of the kernel is damaged: {len(sealed_code)} bytes")
    probe = np.zeros(1)
    if ctypes.c_void_p.from_address(id(probe) + _HEADER).value != probe.ctypes.data:
        raise KernelError("this numpy keeps its arrays in another way than the kernel reads them")
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    try:
        target = binding.Target.from_default_triple().create_target_machine(jit=True)
        engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target)
        engine.add_object_file(binding.ObjectFileRef.from_data(code))
        engine.finalize_object()
    except (RuntimeError, ValueError) as error:
        raise KernelError(f"the machine code of the kernel cannot be loaded: {error}") from error
    functions: dict[str, _Function] = {}
    for name in ("room_bytes", "capacity", "rows", "arrange", "fill"):
        address = engine.get_function_address(PREFIX + name)
        if not address:
            raise KernelError(f"the machine code of the kernel has no function {PREFIX}{name}")
        functions[name] = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(address)
    return Kernel(**functions, engine=engine)


def _aligned(count: int) -> NDArray[np.float64]:
    """Room for so many numbers that begins on a border of 64 bytes."""
    room = np.empty(count + 7)
    skew = -(ctypes.c_int64.from_address(id(room) + _HEADER).value // 8) % 8
    return room[skew : skew + count]


def _unknown(block: NDArray[np.uint8], count: int, at: int) -> NDArray[np.int32]:
    """So many frames, which the kernel left at the beginning of its room, rising."""
    return np.sort(np.frombuffer(block, _I4, count, at)) if count else _NONE


def _told(batch: FrameBatch) -> tuple[tuple[int, ...], tuple[NDArray[Any], ...]]:
    """What the kernel is told about a batch, and the arrays that must live as long."""
    message = np.ascontiguousarray(batch.message, np.int32)
    t_us = np.ascontiguousarray(batch.t_us, np.int64)
    can_id = np.ascontiguousarray(batch.can_id, np.uint32)
    is_extended = np.ascontiguousarray(batch.is_extended, np.bool_)
    length = np.ascontiguousarray(batch.length, np.uint8)
    data = np.ascontiguousarray(batch.data, np.uint8)
    n, width = data.shape
    if not len(message) == len(t_us) == len(can_id) == len(is_extended) == len(length) == n:
        raise ValueError(f"columns of a batch have one length, the payloads' is {n}")
    if width not in (8, 64):
        raise ValueError(f"payloads stand in rows of 8 or 64 bytes, got {width}")
    told = (
        n,
        width,
        id(message) + _HEADER,
        id(t_us) + _HEADER,
        id(can_id) + _HEADER,
        id(is_extended) + _HEADER,
        id(length) + _HEADER,
        id(data) + _HEADER,
    )
    return told, (message, t_us, can_id, is_extended, length, data)
