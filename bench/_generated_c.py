"""C code that `cantools generate_c_source` writes, driven over batches so that it fills the same columns."""

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from cantools.database.can import Database
from cantools.database.can.c_source import generate
from numpy.typing import NDArray

from bench._workloads import Work
from vehicle.frame import FrameBatch

_NAME: Final = "peer"
_OTHERS: Final = re.compile(
    rf"^\w+ {_NAME}_\w+_(?:pack|init|encode|is_in_range)\([^;{{]*\)\n\{{.*?^\}}\n", re.MULTILINE | re.DOTALL
)
"""Functions that do not decode: they are not compiled, which takes most of the time."""
_FUNCTION: Final = re.compile(rf"^(\w+ {_NAME}_\w+\()", re.MULTILINE)


def compiler() -> str | None:
    """A C compiler of this machine, if it has one."""
    return shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")


@dataclass(frozen=True)
class Peer:
    """The generated code: frames are counted by message, columns of that size allocated and filled."""

    count: Callable[..., object]
    fill: Callable[..., object]
    signals: NDArray[np.intp]
    """Of each message."""

    def decode(self, batch: FrameBatch) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """How many frames each message has, and its columns one after the other, message by message."""
        n, ids = len(batch), batch.can_id.ctypes.data
        frames = np.zeros(len(self.signals), np.intp)
        self.count(ids, n, frames.ctypes.data)
        sizes = frames * self.signals
        starts, filled = np.cumsum(sizes) - sizes, np.zeros(len(frames), np.intp)
        value = np.empty(sizes.sum())
        tables = (starts.ctypes.data, frames.ctypes.data, filled.ctypes.data)
        self.fill(ids, batch.data.ctypes.data, n, *tables, value.ctypes.data)
        return frames, value


def build(work: Work, folder: Path, cc: str, *, inlined: bool = False) -> Peer:
    """The code compiled; identifiers are told by one `switch`.

    As it is written each function can be called and replaced from outside, so that none is inlined; `inlined`
    makes all of them static.
    """
    header, source, _, _ = generate(work.database, _NAME, f"{_NAME}.h", f"{_NAME}.c", "fuzz.c")
    linkage = r"static \1" if inlined else r"\1"
    (folder / f"{_NAME}.h").write_text(_FUNCTION.sub(linkage, header))
    (folder / f"{_NAME}.c").write_text(_FUNCTION.sub(linkage, _OTHERS.sub("", source)))
    (folder / "driver.c").write_text(_driver(work.database, header))
    file = folder / ("inlined.so" if inlined else "as-written.so")
    options = ["-O3", "-march=native", "-ffp-contract=off", "-w", "-shared", "-fPIC"]
    subprocess.run([cc, *options, "-o", str(file), str(folder / "driver.c")], check=True)  # noqa: S603  a compiler
    library = ctypes.CDLL(str(file))
    address, number = ctypes.c_void_p, ctypes.c_size_t
    library.count.argtypes = [address, number, address]
    library.fill.argtypes = [address, address, number, *[address] * 4]
    signals = [len(one.signals) for one in work.database.messages]
    return Peer(library.count, library.fill, np.array(signals, np.intp))


def _driver(database: Database, header: str) -> str:
    """Functions that count frames, and unpack them and append each signal to its column."""
    unpacks = re.findall(r"^int (\w+)_unpack\(\n\s+struct (\w+) \*", header, re.MULTILINE)
    counts, fills = [], []
    for place, (message, (name, struct)) in enumerate(zip(database.messages, unpacks, strict=True)):
        counts.append(f"case {message.frame_id}: frames[{place}]++; break;")
        lines = [
            f"case {message.frame_id}: {{ struct {struct} s; memset(&s, 0, sizeof s);",
            f"{name}_unpack(&s, p, {message.length}u); size_t h = frames[{place}];",
            f"double *at = value + starts[{place}] + filled[{place}]++;",
        ]
        for column, signal in enumerate(message.signals):
            field = signal.name.lower()
            lines.append(f"at[{column} * h] = {name}_{field}_decode(s.{field});")
        fills.append("\n".join([*lines, "break; }"]))
    return _DRIVER.format(name=_NAME, counts="\n".join(counts), fills="\n".join(fills))


_DRIVER: Final = """
#include <string.h>
#include "{name}.c"
void count(const uint32_t *restrict ids, size_t n, size_t *restrict frames) {{
for (size_t i = 0; i < n; i++) switch (ids[i]) {{
{counts}
}}}}
void fill(const uint32_t *restrict ids, const uint8_t *restrict data, size_t n, const size_t *restrict starts,
          const size_t *restrict frames, size_t *restrict filled, double *restrict value) {{
for (size_t i = 0; i < n; i++) {{ const uint8_t *p = data + 8 * i; switch (ids[i]) {{
{fills}
}}}}}}
"""
