"""A line per step with its time; on a terminal a bar that moves. Runs before anything is installed."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_WIDTH: Final = 24
_REDRAW_S: Final = 0.1


class SetupError(Exception):
    """A step that cannot be done; says what was expected and what to do."""


class Step:
    """One step under way."""

    def __init__(self, label: str) -> None:
        self.result = "done"
        self._label = label
        self._begun_s = time.monotonic()
        self._drawn_s = 0.0
        self._is_terminal = sys.stdout.isatty()
        print(label, end=" " if not self._is_terminal else "", flush=True)

    def show(self, what: str, done: int = 0, total: int = 0) -> None:
        """Show what happens now, on a terminal only; `done` of `total` as a bar."""
        now_s = time.monotonic()
        if not self._is_terminal or now_s - self._drawn_s < _REDRAW_S:
            return
        self._drawn_s = now_s
        filled = min(_WIDTH, _WIDTH * done // total) if total else 0
        bar = f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {done}/{total} " if total else ""
        print(f"\r\033[K{self._label} {bar}{what[:40]} {now_s - self._begun_s:.0f} s", end="", flush=True)

    def run(
        self,
        argv: Sequence[object],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Run a program to its end and return what it printed. Raises `SetupError` with its last lines."""
        lines = []
        process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if on_line is not None:
                    on_line(line)
        if process.returncode:
            end = "".join(f"\n  {line.rstrip()}" for line in lines[-12:])
            raise SetupError(f"`{' '.join(str(word) for word in argv[:4])} ...` failed:{end}")
        return "".join(lines)

    def close(self, result: str) -> None:
        """Print the step's line for good."""
        start = f"\r\033[K{self._label} " if self._is_terminal else ""
        print(f"{start}{result} ({time.monotonic() - self._begun_s:.1f} s)", flush=True)


class Progress:
    """The steps of one run."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._begun = 0

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Time one step; set its `result` to say what it did."""
        self._begun += 1
        step = Step(f"[{self._begun}/{self._total}] {title}:")
        try:
            yield step
        except BaseException:
            step.close("failed")
            raise
        step.close(step.result)
