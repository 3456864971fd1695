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
    """A tester cleared it, or it was named with the status that leaves: not tested since."""


class FaultState(StrEnum):
    """Where an episode stands, in a word."""

    PENDING = "pending"
    """Seen, not confirmed."""
    ACTIVE = "active"
    """Confirmed, and there at the last look."""
    STORED = "stored"
    """Confirmed, not there at the last look; in the ECU's memory."""
    PERMANENT = "permanent"
    """Cleared by a tester; the ECU keeps it until its own test has passed (service 0A of J1979)."""
    HEALED = "healed"
    CLEARED = "cleared"


def state_of(
    *, confirmed: bool, status: DtcStatus | None, ended_why: EndedWhy | None, has_ended: bool
) -> FaultState:
    """The word for an episode; without a status byte (J1939 DM1, GB/T 32960) what is there is active."""
    if has_ended:
        return FaultState.CLEARED if ended_why is EndedWhy.CLEARED else FaultState.HEALED
    if not confirmed:
        return FaultState.PENDING
    if status is None or status & DtcStatus.TEST_FAILED:
        return FaultState.ACTIVE
    if status & DtcStatus.PERMANENT and not status & DtcStatus.CONFIRMED:
        return FaultState.PERMANENT
    return FaultState.STORED


@dataclass(frozen=True, slots=True, order=True)
class Ecu:
    """One source of reports: an ECU of a vehicle under one standard."""

    vehicle_id: int
    standard: DtcStandard
    name: str


@dataclass(frozen=True, slots=True)
class ReportRun:
    """Consecutive equal reports of one ECU within one message, or a tester's clear."""

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
    scope: DtcStatus | None = None
    """As in `DtcReport` and `DtcClear`."""
    cleared: int | None = None
    """It is no report but a tester's clear of this group; `readings` is empty."""

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
    """What the last reports tell; None: it is there, and its standard has no status byte."""
    occurrences: int = 1
    """The ECU's own highest count; 1 where it does not count."""
    mil: bool | None = None
    freeze_frame: dict[str, float] = field(default_factory=dict)
    """Of the onset: the first one reported."""

    @property
    def state(self) -> FaultState:
        """Where it stands."""
        return state_of(
            confirmed=self.confirmed,
            status=self.status,
            ended_why=self.ended_why,
            has_ended=self.ended_us is not None,
        )
