"""What decoding again found or did, for people and for programs."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from decoders.difference import Change
from odocare.redecode_day import Found
from vehicle.signal import Catalogue


@dataclass(frozen=True, slots=True)
class SignalLine:
    """One signal's line."""

    path: str
    unit: str
    change: Change


@dataclass(slots=True)
class RedecodeReport:
    """Filled while a run goes on."""

    codebook: str
    to_version: str
    from_versions: tuple[str, ...]
    since: date
    """First local day."""
    until: date
    """Last local day."""
    applied: bool
    vehicles_n: int = 0
    """With messages that were decoded again."""
    days_n: int = 0
    """Vehicle-days with such messages."""
    messages_n: int = 0
    changed_messages_n: int = 0
    """That have other values now."""
    hidden_frames_n: int = 0
    """Frames that turn out to carry a position which must not be stored."""
    gone_messages_n: int = 0
    """Messages whose frames are no longer there: their values stay as they are."""
    gone_days: dict[date, int] = field(default_factory=dict)
    """Local day to the number of such messages."""
    changes: dict[int, Change] = field(default_factory=dict)
    """By `Signal.number`."""

    def add(self, found: Found) -> None:
        """Count what became of a vehicle's day."""
        self.days_n += 1
        self.messages_n += found.messages_n
        self.changed_messages_n += found.changed_n
        self.hidden_frames_n += found.hidden_n
        for signal, change in found.changes.items():
            self.changes[signal] = self.changes.get(signal, Change()) + change

    def gone(self, day: date, messages_n: int) -> None:
        """Count messages of a day that are out of reach."""
        if messages_n:
            self.gone_messages_n += messages_n
            self.gone_days[day] = self.gone_days.get(day, 0) + messages_n

    def lines(self, catalogue: Catalogue) -> list[SignalLine]:
        """The signals that have values before or after, by path."""
        known = {signal.number: signal for signal in catalogue.signals}
        found = []
        for number, change in self.changes.items():
            signal = known.get(number)
            unit = "" if signal is None else signal.unit.value
            found.append(SignalLine(f"signal {number}" if signal is None else signal.path, unit, change))
        return sorted(found, key=lambda line: line.path)

    def as_json(self, catalogue: Catalogue) -> dict[str, Any]:
        """Plain values."""
        return {
            "codebook": self.codebook,
            "to_version": self.to_version,
            "from_versions": list(self.from_versions),
            "from": self.since.isoformat(),
            "until": self.until.isoformat(),
            "applied": self.applied,
            "vehicles": self.vehicles_n,
            "vehicle_days": self.days_n,
            "messages": self.messages_n,
            "changed_messages": self.changed_messages_n,
            "hidden_frames": self.hidden_frames_n,
            "gone_messages": self.gone_messages_n,
            "gone_days": {day.isoformat(): n for day, n in sorted(self.gone_days.items())},
            "signals": [
                {
                    "path": line.path,
                    "unit": line.unit,
                    "before": line.change.before_n,
                    "after": line.change.after_n,
                    "added": line.change.added_n,
                    "removed": line.change.removed_n,
                    "changed": line.change.changed_n,
                    "largest_from": line.change.largest_from,
                    "largest_to": line.change.largest_to,
                }
                for line in self.lines(catalogue)
            ],
        }

    def summary(self) -> str:
        """A few sentences."""
        done = "were replaced" if self.applied else "would be replaced"
        told = (
            f"{self.messages_n:,} messages of {self.vehicles_n:,} vehicles on {self.days_n:,} vehicle-days"
            f" decoded again: the values of {self.changed_messages_n:,} messages {done}"
        )
        if not self.messages_n:
            told = "nothing to decode again: no frames are stored that this content has to read"
        if self.hidden_frames_n:
            taken = "were taken out" if self.applied else "would be taken out"
            told += (
                f"\n{self.hidden_frames_n:,} frames carry a position that must not be stored: they {taken}"
            )
        if self.gone_messages_n:
            days = f"{min(self.gone_days)} to {max(self.gone_days)}"
            told += f"\n{self.gone_messages_n:,} messages keep their values: their frames are gone ({days})"
        if not self.applied:
            told += "\ndry run, nothing was changed: --apply does it"
        return told
