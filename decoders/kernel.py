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
from decoders.tables import Tables, pack
from vehicle.errors import KernelError
from vehicle.frame import FrameBatch

PREFIX: Final = "odocare_"
"""Before the name of each function in the machine code."""
_ADDRESS: Final = ctypes.c_void_p
_NUMBER: Final = ctypes.c_int64
_BATCH: Final = (_NUMBER, _NUMBER, *[_ADDRESS] * 6)
"""Frames, bytes of a payload, and the columns of `FrameBatch` but the bus."""
ENTRIES: Final[dict[str, tuple[type[Any], ...]]] = {
    "room_bytes": (_ADDRESS, _NUMBER),
    "capacity": (_ADDRESS, *_BATCH, *[_ADDRESS] * 2),
    "rows": (_ADDRESS, *_BATCH, *[_ADDRESS] * 2, _NUMBER, _ADDRESS),
    "arrange": (_ADDRESS, *_BATCH, *[_ADDRESS] * 4),
    "fill": (_ADDRESS, *_BATCH, *[_ADDRESS] * 6),
}
"""The kernel's functions and what they take; each gives a number."""
_COUNTERS: Final = 5
_COUNTERS_BYTES: Final = 8 * _COUNTERS
_ROW_BYTES: Final = 26
_ROOMY_BYTES: Final = 1 << 25
"""Up to here a batch gets room for all values it could have; above, they are counted first."""
_SEAL_BYTES: Final = 32
_START: Final = ctypes.c_char * 0
_COUNTED: Final = struct.Struct(f"={_COUNTERS}q")
_NONE: Final = np.zeros(0, np.int32)


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
    """The compiled functions, each called as `ENTRIES` says."""

    room_bytes: Callable[..., int]
    capacity: Callable[..., int]
    rows: Callable[..., int]
    arrange: Callable[..., int]
    fill: Callable[..., int]
    engine: Any = field(repr=False)
    """Owns their code."""

    def bind(self, plan: Plan) -> "Reader | None":
        """A reader of one plan; None where only numpy can read it."""
        tables = pack(plan)
        if tables is None:
            return None
        address = tables.block.ctypes.data
        fixed = self.room_bytes(address, 0)
        return Reader(self, plan, tables, address, fixed, (self.room_bytes(address, 2) - fixed) // 2)


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
        frames, n, _columns = _frames(batch)
        work = np.empty(self.fixed_bytes + self.frame_bytes * (n + 1), np.uint8)
        room = _address(work)
        capacity = n * self.tables.max_values
        if capacity * _ROW_BYTES > _ROOMY_BYTES:
            counters = np.empty(_COUNTERS, np.int64)
            capacity = self.kernel.capacity(self.address, *frames, room, _address(counters))
        out = np.empty(_COUNTERS_BYTES + _ROW_BYTES * capacity, np.uint8)
        at = _address(out)
        m = self.kernel.rows(self.address, *frames, room, at + _COUNTERS_BYTES, capacity, at)
        unknown, short_frames, no_measurement, out_of_range, _ = _COUNTED.unpack_from(out.data)
        at = _COUNTERS_BYTES
        return Rows(
            np.frombuffer(out, np.int32, m, at + 16 * capacity),
            np.frombuffer(out, np.int64, m, at),
            np.frombuffer(out, np.int16, m, at + 24 * capacity),
            np.frombuffer(out, np.float64, m, at + 8 * capacity),
            np.frombuffer(out, np.int32, m, at + 20 * capacity),
            _unknown(work, unknown),
            short_frames,
            no_measurement,
            out_of_range,
        )

    def columns(self, batch: FrameBatch) -> Columns:
        """One series per signal, in the order of the batch."""
        frames, n, _columns = _frames(batch)
        work = np.empty(self.fixed_bytes + self.frame_bytes * (n + 1), np.uint8)
        layouts = len(self.plan.owner)
        starts = np.empty(2 * (layouts + 1), np.int64)
        counters = np.empty(_COUNTERS, np.int64)
        at = _address(starts)
        here = (_address(work), _address(counters), at, at + starts.nbytes // 2)
        value = np.empty(self.kernel.arrange(self.address, *frames, *here))
        frame = np.empty(starts[layouts], np.int32)
        self.kernel.fill(self.address, *frames, *here, _address(frame), _address(value))
        unknown, short_frames, no_measurement, out_of_range, _ = counters.tolist()
        return Columns(
            plan=self.plan,
            frame_start=starts[: layouts + 1],
            value_start=starts[layouts + 1 :],
            frame=frame,
            value=value,
            unknown=_unknown(work, unknown),
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
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    try:
        target = binding.Target.from_default_triple().create_target_machine(jit=True)
        engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target)
        engine.add_object_file(binding.ObjectFileRef.from_data(code))
        engine.finalize_object()
    except (RuntimeError, ValueError) as error:
        raise KernelError(f"the machine code of the kernel cannot be loaded: {error}") from error
    functions: dict[str, Callable[..., int]] = {}
    for name, takes in ENTRIES.items():
        address = engine.get_function_address(PREFIX + name)
        if not address:
            raise KernelError(f"the machine code of the kernel has no function {PREFIX}{name}")
        functions[name] = ctypes.CFUNCTYPE(_NUMBER, *takes)(address)
    return Kernel(**functions, engine=engine)


def _unknown(work: NDArray[np.uint8], count: int) -> NDArray[np.int32]:
    """So many frames, which the kernel left at the beginning of its room, rising."""
    return np.sort(np.frombuffer(work, np.int32, count)) if count else _NONE


def _frames(batch: FrameBatch) -> tuple[tuple[int, ...], int, tuple[NDArray[Any], ...]]:
    """What the kernel is told about a batch, the number of frames, and the arrays that must live as long."""
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
        _address(message),
        _address(t_us),
        _address(can_id),
        _address(is_extended),
        _address(length),
        _address(data),
    )
    return told, n, (message, t_us, can_id, is_extended, length, data)


def _address(array: Any) -> int:  # noqa: ANN401  before Python 3.12 no array is a buffer for mypy
    """Where an array begins. numpy's own way takes four times as long; it is for what is read-only."""
    try:
        return ctypes.addressof(_START.from_buffer(array))
    except (TypeError, ValueError):
        address: int = array.ctypes.data
        return address
