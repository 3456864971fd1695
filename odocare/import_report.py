"""What became of an imported file, for people and for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from odocare.import_columns import Kind
from odocare.import_rows import Problem
from store.master_rows import Stored

_MOST_KEPT: Final = 1_000
"""Problems that are told one by one; beyond it they are only counted."""


@dataclass(slots=True)
class ImportReport:
    """Filled while a file is read."""

    kind: Kind
    file: str
    encoding: str
    dry_run: bool
    strict: bool
    rows: int = 0
    refused: int = 0
    """Rows that did not go in."""
    stored: Stored = field(default_factory=Stored)
    problems: list[Problem] = field(default_factory=list)
    problems_n: int = 0
    warnings: list[Problem] = field(default_factory=list)
    warnings_n: int = 0

    def refuse(self, problems: Sequence[Problem]) -> None:
        """One row does not go in."""
        self.refused += 1
        self.problems_n += len(problems)
        self.problems += problems[: max(0, _MOST_KEPT - len(self.problems))]

    def doubt(self, doubts: Sequence[Problem]) -> None:
        """A row goes in, but something about it is odd."""
        self.warnings_n += len(doubts)
        self.warnings += doubts[: max(0, _MOST_KEPT - len(self.warnings))]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "kind": self.kind.value,
            "file": self.file,
            "encoding": "utf-8" if self.encoding == "utf-8-sig" else self.encoding,
            "dry_run": self.dry_run,
            "strict": self.strict,
            "rows": self.rows,
            "refused": self.refused,
            **asdict(self.stored),
            "problems_n": self.problems_n,
            "problems": [asdict(problem) for problem in self.problems],
            "warnings_n": self.warnings_n,
            "warnings": [asdict(warning) for warning in self.warnings],
        }

    def summary(self) -> str:
        """One or two sentences."""
        kept_out = self.strict and self.refused > 0
        counts = f"{self.stored.new} new, {self.stored.changed} changed, {self.stored.unchanged} unchanged"
        if self.stored.registered:
            counts += f" ({self.stored.registered} of them had been sending unregistered)"
        told = f"{self.rows} {self.kind.value} read: {counts}, {self.refused} refused"
        if kept_out:
            told = (
                f"{self.rows} {self.kind.value} read, {self.refused} refused: nothing was stored (--strict)"
            )
        if self.dry_run:
            told += "; dry run, nothing was stored" if not kept_out else "; dry run"
        elif self.stored.touched:
            told += f"; {self.stored.touched} vehicles will be evaluated again"
        if self.encoding == "gb18030":
            told += "\nthe file was read as GBK (GB18030), not UTF-8: look at the Chinese names"
        return told
