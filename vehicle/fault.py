"""What ECUs said about their codes over time, and the episodes that follow from it."""

from dataclasses import dataclass, field
from enum import StrEnum

from vehicle.dtc import Dtc, DtcReading, DtcStandard, DtcStatus

Order = tuple[int, int, int, int, int, int]
"""Event order of reports: first and last moment, then the message's boot, life, seq and the run within it."""


class EndedWhy(StrEnum):
    """How a fault episode ended."""

    HEALED = "healed"
    """Absent from a complete report, or named with a status that says its test passed."""
    CLEARED = "cleared"
    """Named with the status a tester's clear leaves: not tested since."""


@dataclass(frozen=True, slots=True, order=True)
class Ecu:
    """One source of reports: an ECU of a vehicle under one standard."""

    vehicle_id: int
    standard: DtcStandard
    name: str


@dataclass(frozen=True, slots=True)
class ReportRun:
    """Consecutive equal reports of one ECU within one message."""

    vehicle_id: int
    boot: int
    life: int
    seq: int
    run: int
    """Ordinal within the message."""
    first_us: int
    """First report of the run, microseconds since 1970 UTC."""
    until_us: int
    """Last report of the run."""
    standard: DtcStandard
    ecu: str
    complete: bool
    mil: bool | None
    readings: tuple[DtcReading, ...]

    @property
    def source(self) -> Ecu:
        """Who made the reports."""
        return Ecu(self.vehicle_id, self.standard, self.ecu)

    @property
    def order(self) -> Order:
        """Event order; the message's own numbers make it total."""
        return (self.first_us, self.until_us, self.boot, self.life, self.seq, self.run)


@dataclass(frozen=True, slots=True)
class Episode:
    """One stretch of time in which a code was there, of one vehicle."""

    dtc: Dtc
    number: int
    """Ordinal per ECU and code, from 1."""
    first_seen_us: int
    last_seen_us: int
    confirmed: bool
    ended_us: int | None = None
    ended_why: EndedWhy | None = None
    status: DtcStatus | None = None
    """Of the last report."""
    occurrences: int = 1
    """The ECU's own highest count; 1 where it does not count."""
    mil: bool | None = None
    freeze_frame: dict[str, float] = field(default_factory=dict)
    """Of the onset: the first one reported."""
