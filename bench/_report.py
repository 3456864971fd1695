"""What every benchmark gives: checks against floors, and figures; one JSON line or tables."""

import json
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Check:
    """One number that has a floor."""

    name: str
    value: float | None
    """What was measured; None where it could not be."""
    unit: str
    floor: float
    target: float | None = None
    better: str = "higher"
    """Or "lower"."""
    left_out: str | None = None
    """Why it could not be measured here."""

    @property
    def ok(self) -> bool | None:
        """Whether the floor is held; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.floor if self.better == "higher" else self.value <= self.floor

    def told(self) -> dict[str, object]:
        """As it stands in JSON."""
        told = asdict(self) | {"ok": self.ok}
        if self.left_out is None:
            del told["left_out"]
        return told


@dataclass(slots=True)
class Report:
    """What one benchmark found."""

    bench: str
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    """What else was measured; the unit is in the name."""

    @property
    def ok(self) -> bool:
        """Whether every floor is held that could be measured."""
        return all(check.ok is not False for check in self.checks)

    def line(self) -> str:
        """One line of JSON."""
        checks = [check.told() for check in self.checks]
        return json.dumps({"bench": self.bench, "checks": checks, "figures": self.figures})

    def show(self, console: Console) -> None:
        """Tables for people."""
        checks = Table(title=self.bench, title_justify="left")
        for heading in ("check", "measured", "floor", "target", ""):
            checks.add_column(heading, justify="left" if heading in ("check", "") else "right")
        for one in self.checks:
            value = "left out" if one.value is None else f"{one.value:g} {one.unit}"
            verdict = {True: "ok", False: "[red]missed[/]", None: one.left_out}[one.ok]
            target = "" if one.target is None else f"{one.target:g}"
            checks.add_row(one.name, value, f"{one.floor:g}", target, verdict)
        console.print(checks)
        figures = Table(show_header=False)
        figures.add_column()
        figures.add_column(justify="right")
        for name, figure in self.figures.items():
            figures.add_row(name, f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:,.4g}")
        console.print(figures)
