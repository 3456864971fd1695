"""What each fault experiment found, and the table of it."""

import contextlib
import os
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

INVARIANTS: Final = ("I1", "I2", "I3", "I4", "I5")

Verdict = Literal["ok", "broken", "-"]
"""Of an invariant; `-`: this experiment has nothing that it could be checked with."""


@dataclass(slots=True)
class Experiment:
    """One run of one experiment; the test writes into it what it found."""

    number: int
    fault: str
    seed: int
    """Repeats the run: `make faults FAULTS=1 SEED=…`."""
    is_whole: bool
    """False inside `make test`: as small as still says something, and within a second or two."""
    draw: random.Random = field(init=False)
    """The only source of chance, seeded."""
    seconds: float = 0.0
    has_passed: bool = False
    measured: list[str] = field(default_factory=list)
    """What the extra criterion wants and what came, a phrase each."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    def note(self, phrase: str) -> None:
        """Say in the table what was measured: `first commit 0.8 s after the restart, < 5 s`."""
        self.measured.append(phrase)

    def found(self, verdicts: Mapping[str, Verdict]) -> None:
        """Take over what `reconcile` says; once broken stays broken."""
        for name, verdict in verdicts.items():
            if self.verdicts.get(name) != "broken" and (verdict != "-" or name not in self.verdicts):
                self.verdicts[name] = verdict


def crowding() -> float:
    """How many times as long everything takes because others use the machine: 1 on one that is free.

    Limits in seconds are meant for a free machine with two cores.
    """
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def waited_for_a_core_s(pid: int) -> float:
    """How long a process was ready to run while others had the processor, its threads added up."""
    waited_ns = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            waited_ns += int(thread.read_text(encoding="ascii").split()[1])
    return waited_ns / 1e9


def lines(experiments: Iterable[Experiment]) -> list[str]:
    """The table: a line of headings, and one per experiment."""
    rows: list[tuple[str, ...]] = [("#", "fault", "seed", "s", *INVARIANTS, "", "what was measured")]
    for one in sorted(experiments, key=lambda each: (each.number, each.fault)):
        verdicts = (one.verdicts.get(name, "-") for name in INVARIANTS)
        outcome = "pass" if one.has_passed else "FAIL"
        row = (str(one.number), one.fault, str(one.seed), f"{one.seconds:.1f}", *verdicts, outcome)
        rows.append((*row, "; ".join(one.measured)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
