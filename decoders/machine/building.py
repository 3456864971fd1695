"""Building the kernel: numba compiles this package, and what is left of it is machine code without Python.

Run in a process of its own (`odocare/kernels.py`): numba takes 60 MB and half a second before it compiles.
"""

import ctypes
from typing import Any, Final

from llvmlite import binding
from numba import cfunc, types

from decoders.kernel import ENTRIES, PREFIX, sealed
from decoders.machine import columns, rows
from vehicle.errors import KernelError

_SOURCES: Final = {
    "room_bytes": rows.room_bytes,
    "capacity": rows.capacity,
    "rows": rows.rows,
    "arrange": columns.arrange,
    "fill": columns.fill,
}
_TYPES: Final = {ctypes.c_void_p: types.voidptr, ctypes.c_int64: types.int64}
_FROM_OUTSIDE: Final = {"memset", "memcpy", "memmove", "bcmp", "memcmp"}
"""What a compiler may ask of the C library."""


def build() -> bytes:
    """The kernel for this processor: an object file, sealed. Raises `KernelError`."""
    modules = [_module(name) for name in ENTRIES]
    whole = modules[0]
    for module in modules[1:]:
        whole.link_in(module)
    for one in (*whole.functions, *whole.global_variables):
        if not one.is_declaration and not one.name.startswith(PREFIX):
            one.linkage = "internal"
    target = _target()
    tuning = binding.create_pipeline_tuning_options(speed_level=3)
    passes = binding.create_pass_builder(target, tuning)
    passes.getModulePassManager().run(whole, passes)
    outside = {one.name for one in whole.functions if one.is_declaration and not one.name.startswith("llvm.")}
    if outside - _FROM_OUTSIDE:  # what may raise needs Python; nothing in the kernel may
        raise KernelError(f"the kernel needs {sorted(outside - _FROM_OUTSIDE)}, which only numba has")
    return sealed(target.emit_object(whole))


def _module(name: str) -> Any:
    """One function of the kernel and all it calls, as C can call it."""
    takes = [_TYPES[one] for one in ENTRIES[name]]
    compiled = cfunc(types.int64(*takes), error_model="numpy")(_SOURCES[name].py_func)
    module = binding.parse_assembly(compiled.inspect_llvm())
    (entry,) = (one for one in module.functions if one.name.startswith("cfunc."))
    entry.name = PREFIX + name
    return module


def _target() -> Any:
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="default",
    )
