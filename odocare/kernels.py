"""Compiled kernels: built once per processor in a process of their own, kept under `<home>/cache/numba`.

`python -m odocare.kernels` builds what is not there, so that nobody has to wait for it later.
"""

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from odocare.settings import Settings
from vehicle.errors import KernelError

if TYPE_CHECKING:
    from decoders.kernel import Kernel

log = structlog.get_logger(__name__)

_SOURCES: Final = ("field.py", "kernel.py", "tables.py", "machine")
_PATIENCE_S: Final = 600


def decoding(settings: Settings) -> "Kernel | None":
    """The kernel that decodes frames; None where settings or the machine want none: then numpy decodes.

    The first call on a machine compiles it, which takes some ten seconds.
    """
    if not settings.decode_kernel:
        return None
    from decoders import kernel

    try:
        file = (settings.cache or settings.home / "cache") / "numba" / f"decode-{_fingerprint()}.o"
        try:
            return kernel.load(own(file))
        except FileNotFoundError:
            event, why = "compiling the decoder for this processor, once", {"file": str(file)}
        except KernelError as error:
            event, why = "compiling the decoder for this processor again", {"why": str(error)}
        _require_room(file.parent)
        _tell(event, **why)
        _compile(file)
        return kernel.load(own(file))
    except (KernelError, OSError, ImportError) as error:
        _tell("decoding without the compiled kernel", why=str(error))
        return None


def own(file: Path) -> bytes:
    """Machine code that nobody else can have put there. Raises `KernelError`, `FileNotFoundError`."""
    with file.open("rb") as code:
        found = os.fstat(code.fileno())
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise KernelError(f"machine code is run only where no other user can write it, not from {file}")
        return code.read()


def _require_room(folder: Path) -> None:
    """What cannot be kept would be compiled at each start. Raises `KernelError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        what = (
            f"machine code cannot be kept in {folder}: {error.strerror}; ODOCARE_CACHE names another folder"
        )
        raise KernelError(what) from error


def _tell(event: str, **facts: str) -> None:
    """A line of the log where there is one, else a line on stderr: stdout is for answers."""
    if structlog.is_configured():
        log.info(event, **facts)
    else:
        print(f"odocare: {event}", *(f"{name}={fact}" for name, fact in facts.items()), file=sys.stderr)  # noqa: T201


def _fingerprint() -> str:
    """Changes with all that the machine code depends on: its source, its compiler, the processor."""
    from llvmlite import binding

    content = hashlib.sha256()
    for name in _SOURCES:
        source = files("decoders") / name
        parts = sorted(source.iterdir(), key=lambda each: each.name) if source.is_dir() else [source]
        for part in parts:
            if part.name.endswith(".py"):
                content.update(part.read_bytes())
    processor = (binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
    for word in (version("numba"), version("llvmlite"), binding.get_process_triple(), *processor):
        content.update(f"{word}\n".encode())
    return content.hexdigest()[:20]


def _compile(file: Path) -> None:
    """Fill the file in a process of its own, which takes numba's memory away with it. Raises `KernelError`.

    numba itself optimises nothing there: what it gives is optimised as a whole afterwards.
    """
    command = [sys.executable, "-m", "odocare.kernels", str(file.absolute())]
    environment = os.environ | {"NUMBA_OPT": "0"}
    try:
        done = subprocess.run(  # noqa: S603  this program itself
            command, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise KernelError(f"compiling took more than {_PATIENCE_S} s") from error
    if done.returncode:
        raise KernelError(f"compiling failed: {done.stderr.strip()[-500:]}")


def _fill(file: Path) -> None:
    """Compile, and put the file there whole or not at all."""
    from decoders.machine.building import build

    code = build()
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as whole:  # mode 0600
        whole.write(code)
    Path(whole.name).replace(file)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _fill(Path(sys.argv[1]))
    else:
        print("there" if decoding(Settings()) else "left out")  # noqa: T201
