"""What was left out of a capture."""

from dataclasses import dataclass, field
from typing import Final

REPORTED_MAX: Final = 20
"""Problems kept with their text; beyond it they are only counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a capture that could not be read."""

    where: str
    """`line 7`, or `byte 4160` in a binary file."""
    what: str


@dataclass(slots=True)
class Findings:
    """What was left out of a capture, and where it ended too early."""

    problems: list[Problem] = field(default_factory=list)
    """The first `REPORTED_MAX`."""
    broken_n: int = 0
    error_frames_n: int = 0
    remote_frames_n: int = 0
    cut_off: str | None = None
    """Why nothing behind some place could be read; None: the capture was read to its end."""

    def report(self, where: str, what: str, *, times: int = 1) -> None:
        """Count a problem and keep the first ones."""
        self.broken_n += times
        if len(self.problems) < REPORTED_MAX:
            self.problems.append(Problem(where, what))

    def end_early(self, where: str, what: str) -> None:
        """Count what ended the capture before its end."""
        self.report(where, what)
        self.cut_off = f"{where}: {what}"
