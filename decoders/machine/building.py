"""Building the kernel: numba compiles this package, and what is left of it is machine code without Python.

Run in a process of its own (`odocare/kernels.py`): numba takes 60 MB and half a second before it compiles.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import binding
from numba import cfunc, types

from decoders.kernel import PREFIX, sealed
from decoders.machine import coding, columns, lines, objects, rows
from vehicle.errors import KernelError

_SOURCES: Final = (
    rows.room_bytes, rows.capacity, rows.rows, columns.arrange, columns.fill,
    lines.line_ends, lines.lines, objects.objects, coding.codes,
)  # fmt: skip
_FROM_OUTSIDE: Final = {"memset", "memcpy", "memmove", "bcmp", "memcmp"}
"""What a compiler may ask of the C library."""


def build() -> bytes:
    """The kernel for this processor: an object file, sealed. Raises `KernelError`."""
    modules = [_module(one.py_func) for one in _SOURCES]
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


def _module(source: Callable[..., int]) -> Any:
    """One function of the kernel and all it calls, as C can call it."""
    compiled = cfunc(types.int64(types.voidptr), error_model="numpy")(source)
    module = binding.parse_assembly(compiled.inspect_llvm())
    (entry,) = (one for one in module.functions if one.name.startswith("cfunc."))
    entry.name = PREFIX + source.__name__
    return module


def _target() -> Any:
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="default",
    )
