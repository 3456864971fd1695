"""Signals and their catalogue: COVESA VSS 6.0 paths with unit, range and number."""

import math
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from vehicle.errors import CatalogueError
from vehicle.units import Unit

FIRST_OWN: Final = 16_384
LAST_OWN: Final = 32_767
"""Numbers of makers' own signals, which no version ships; a signal's number is a `smallint` in the store."""
_OWN_PATHS: Final = "Vehicle.X-"
_ROUNDING: Final = 1e-12
"""Relative: 255 times 0.005 V is a little more than 1.275 V."""


class SignalKind(StrEnum):
    """How a signal behaves in time."""

    GAUGE = "gauge"
    """Goes up and down; bucketed by min, max and mean."""
    COUNTER = "counter"
    """Only rises, but for rollover and replacement."""
    STATE = "state"
    """One of a few values; a mean has no meaning."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of the catalogue."""

    number: int
    """Stable small number, the key in the store; never given to another signal."""
    path: str
    """VSS path; a maker's own lives under `Vehicle.X-<maker>.`"""
    unit: Unit
    kind: SignalKind
    minimum: float | None = None
    """Values below it are no measurements, in `unit`."""
    maximum: float | None = None
    is_latest: bool = False
    """Kept in the vehicle's latest state."""
    is_position: bool = False
    """Personal position data, removed before storing where location is off."""

    @property
    def lowest(self) -> float:
        """The least measurement: `minimum`, but for the rounding of a value that lies on it; or -inf."""
        return -math.inf if self.minimum is None else self.minimum - abs(self.minimum) * _ROUNDING

    @property
    def highest(self) -> float:
        """The greatest measurement: `maximum`, but for the rounding of a value that lies on it; or inf."""
        return math.inf if self.maximum is None else self.maximum + abs(self.maximum) * _ROUNDING


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every signal this installation knows, by path and by number."""

    signals: tuple[Signal, ...]
    by_path: dict[str, Signal] = field(repr=False)
    by_number: dict[int, Signal] = field(repr=False)

    @classmethod
    def from_toml(cls, text: str, *, where: str = "signals.toml") -> "Catalogue":
        """Read the catalogue's file: tables of `[[signal]]`. Raises `CatalogueError`."""
        try:
            tables = tomllib.loads(text).get("signal", [])
        except tomllib.TOMLDecodeError as error:
            raise CatalogueError(f"{where}: {error}") from error
        signals = tuple(_signal(table, where=where) for table in tables)
        by_path = {signal.path: signal for signal in signals}
        by_number = {signal.number: signal for signal in signals}
        if len(by_path) < len(signals) or len(by_number) < len(signals):
            raise CatalogueError(f"{where}: a path or a number stands twice")
        return cls(signals=signals, by_path=by_path, by_number=by_number)

    def with_own(self, own: "Catalogue", *, where: str) -> "Catalogue":
        """Both together, where `own` are a maker's signals under paths and numbers that nobody else has.

        Raises `CatalogueError` with all problems, one per line.
        """
        problems = []
        for one in own.signals:
            if not one.path.startswith(_OWN_PATHS):
                problems.append(
                    f"{where}: a maker's signals live under {_OWN_PATHS}<maker>., got {one.path!r}"
                )
            elif one.path in self.by_path:
                problems.append(f"{where}: {one.path} is in the catalogue that is shipped")
            if not FIRST_OWN <= one.number <= LAST_OWN:
                problems.append(
                    f"{where}: {one.path} has a number of {FIRST_OWN} to {LAST_OWN}, got {one.number}"
                )
        if problems:
            raise CatalogueError("\n".join(problems))
        return Catalogue(
            self.signals + own.signals, self.by_path | own.by_path, self.by_number | own.by_number
        )

    def of(self, path: str) -> Signal:
        """The signal of a path. Raises `CatalogueError`."""
        try:
            return self.by_path[path]
        except KeyError:
            raise CatalogueError(f"the catalogue has no signal {path!r}") from None


def _signal(table: dict[str, object], *, where: str) -> Signal:
    known = {"number", "path", "unit", "kind", "minimum", "maximum", "latest", "position"}
    unknown = set(table) - known
    if unknown:
        raise CatalogueError(f"{where}: signal {table.get('path')!r} has unknown keys {sorted(unknown)}")
    try:
        return Signal(
            number=int(str(table["number"])),
            path=str(table["path"]),
            unit=Unit(str(table.get("unit", ""))),
            kind=SignalKind(str(table["kind"])),
            minimum=_limit(table.get("minimum")),
            maximum=_limit(table.get("maximum")),
            is_latest=bool(table.get("latest", False)),
            is_position=bool(table.get("position", False)),
        )
    except (KeyError, ValueError) as error:
        raise CatalogueError(f"{where}: signal {table.get('path')!r}: {error}") from error


def _limit(value: object) -> float | None:
    return None if value is None else float(str(value))
