"""Faults of a vehicle's life: when they begin, are confirmed and end, and what the ECUs report of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator.battery import Weakness
from simulator.fleet import LEMONS, LIFE_D, Vehicle
from simulator.usage import Bools, Floats, next_drive
from vehicle.dtc import Dtc, DtcStandard, DtcStatus

BLOCK_D: Final = 30
RETURNS_RATIO: Final = 0.12
"""Share of repairs after which the fault comes back."""

_FAILED: Final = (
    DtcStatus.TEST_FAILED
    | DtcStatus.TEST_FAILED_THIS_CYCLE
    | DtcStatus.PENDING
    | DtcStatus.FAILED_SINCE_CLEAR
)
PENDING: Final = _FAILED
CONFIRMED: Final = _FAILED | DtcStatus.CONFIRMED | DtcStatus.WARNING_INDICATOR


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A fault that vehicles get. Rates and durations are invented."""

    name: str
    petrol: str | None
    """SAE J2012 code; None: petrol cars do not get it."""
    diesel: tuple[int, int] | None
    """SPN and FMI of J1939."""
    yearly: float
    """Expected number a year."""
    shortest_d: int
    longest_d: int
    """Days until it is repaired."""
    ecu: str = "ecm"
    youngest_d: int = 0
    """Age of the vehicle below which it does not happen."""
    alone_ratio: float = 0.2
    """Share that goes away without a visit."""
    coolant_degc: float = 0.0
    """What it does to the hottest coolant of a day, fully developed."""

    def dtc(self, standard: DtcStandard) -> Dtc:
        """The code a vehicle of this standard reports."""
        if standard is DtcStandard.J2012:
            assert self.petrol is not None, self.name
            return Dtc(standard, self.ecu, self.petrol)
        assert self.diesel is not None, self.name
        spn, fmi = self.diesel
        return Dtc(standard, "sa-00", f"SPN {spn} FMI {fmi}", spn=spn, fmi=fmi)


MISFIRE: Final = FaultKind("misfire", "P0301", None, 0.07, 6, 40)
OVERHEATING: Final = FaultKind(
    "overheating", "P0217", (110, 0), 0.014, 8, 24, alone_ratio=0.0, coolant_degc=27.0
)
VOLTAGE: Final = FaultKind("voltage", "P0562", (168, 18), 0.0, 1, 1)
"""Has no rate of its own: it belongs to a weak battery."""
KINDS: Final = (
    MISFIRE,
    OVERHEATING,
    FaultKind("lean mixture", "P0171", None, 0.06, 6, 50, alone_ratio=0.35),
    FaultKind("catalyst", "P0420", None, 0.07, 10, 60, youngest_d=900),
    FaultKind("fuel vapour leak", "P0442", None, 0.07, 8, 60, alone_ratio=0.4),
    FaultKind("thermostat", "P0128", (110, 17), 0.04, 10, 60, coolant_degc=-19.0),
    FaultKind("oil pressure", "P0524", (100, 1), 0.006, 2, 9, alone_ratio=0.0),
    FaultKind("wheel speed sensor", "C0035", None, 0.04, 5, 40, ecu="abs"),
    FaultKind("NOx conversion", None, (3216, 20), 0.2, 8, 50, alone_ratio=0.3),
    FaultKind("fuel pressure", None, (94, 18), 0.08, 4, 25),
    FaultKind("particle filter", None, (3251, 16), 0.12, 5, 30, alone_ratio=0.5),
)


@dataclass(frozen=True, slots=True)
class Episode:
    """One fault from its first failing test to its end; day numbers of the vehicle's life, all driven."""

    kind: FaultKind
    onset: int
    confirmed: int | None
    """None: it went away before a second failing cycle."""
    end: int
    """First day without it; `LIFE_D` or more: it lasts."""
    repaired: bool
    """By a visit on the driven day before `end`."""

    def coolant_degc(self) -> Floats:
        """Its effect on the hottest coolant of each day of the life."""
        progress = (np.arange(LIFE_D) - self.onset + 1) / 14.0
        during = (progress > 0.0) & (np.arange(LIFE_D) < self.end)
        return np.where(during, np.clip(progress, 0.3, 1.0) * self.kind.coolant_degc, 0.0)


@dataclass(frozen=True, slots=True)
class Present:
    """A code in an ECU's memory after a change."""

    dtc: Dtc
    status: DtcStatus
    occurrences: int
    onset: int
    """Day number of its first failing test."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one ECU reports on a day on which its codes changed; nothing present means healed."""

    day: int
    ecu: str
    present: tuple[Present, ...]


def episodes(
    rng: np.random.Generator, vehicle: Vehicle, drives: Bools, batteries: Sequence[Weakness]
) -> tuple[Episode, ...]:
    """Every fault of a life, in order of onset; a kind never overlaps itself."""
    standard = standard_of(vehicle)
    found: list[Episode] = []
    for kind in KINDS:
        if (kind.petrol if standard is DtcStandard.J2012 else kind.diesel) is not None:
            found.extend(_apart(_drawn(rng, kind, drives)))
    for weakness in batteries:
        onset = next_drive(drives, weakness.onset + (weakness.replaced - weakness.onset) * 2 // 3)
        if onset < min(weakness.replaced, LIFE_D):
            end = next_drive(drives, weakness.replaced + 1)
            found.append(Episode(VOLTAGE, onset, _confirmed(drives, onset, end), end, repaired=False))
    if vehicle.slot % 100 in LEMONS:
        found = [episode for episode in found if episode.kind is not OVERHEATING]
        found.extend(_recurring(vehicle, drives))
    return tuple(sorted(found, key=lambda episode: (episode.onset, episode.kind.name)))


def standard_of(vehicle: Vehicle) -> DtcStandard:
    """Which codes a vehicle speaks."""
    return DtcStandard.J2012 if vehicle.model.is_petrol else DtcStandard.J1939


def changes(episodes: Sequence[Episode], standard: DtcStandard) -> list[Change]:
    """Reports of the ECUs whose codes changed, in order of day and ECU."""
    moments: set[tuple[int, str]] = set()
    for episode in episodes:
        ecu = episode.kind.dtc(standard).ecu
        days = (episode.onset, episode.confirmed, episode.end)
        moments.update((day, ecu) for day in days if day is not None and day < LIFE_D)
    found: list[Change] = []
    before: dict[str, tuple[Present, ...]] = {}
    for day, ecu in sorted(moments):
        present = present_on(episodes, standard, day, ecu)
        if present != before.get(ecu, ()):
            found.append(Change(day, ecu, present))
            before[ecu] = present
    return found


def present_on(episodes: Sequence[Episode], standard: DtcStandard, day: int, ecu: str) -> tuple[Present, ...]:
    """The codes an ECU holds at the end of a day."""
    found = []
    for episode in episodes:
        dtc = episode.kind.dtc(standard)
        if dtc.ecu == ecu and episode.onset <= day < episode.end:
            is_confirmed = episode.confirmed is not None and episode.confirmed <= day
            if standard is DtcStandard.J1939 and not is_confirmed:
                continue  # DM1 tells active codes only
            status = CONFIRMED if is_confirmed else PENDING
            found.append(Present(dtc, status, 2 if is_confirmed else 1, episode.onset))
    return tuple(found)


def _drawn(rng: np.random.Generator, kind: FaultKind, drives: Bools) -> Iterator[Episode]:
    count = int(rng.poisson(kind.yearly * (LIFE_D - kind.youngest_d) / 365.0))
    for day in np.sort(rng.integers(kind.youngest_d, LIFE_D, count)):
        onset = next_drive(drives, int(day))
        again = True
        while again and onset < LIFE_D:
            episode = _episode(rng, kind, drives, onset)
            yield episode
            again = episode.repaired and rng.random() < RETURNS_RATIO
            onset = next_drive(drives, episode.end + int(rng.integers(8, 45)))


def _episode(rng: np.random.Generator, kind: FaultKind, drives: Bools, onset: int) -> Episode:
    lasts_d = int(rng.integers(kind.shortest_d, kind.longest_d + 1))
    alone = bool(rng.random() < kind.alone_ratio)
    if alone and rng.random() < 0.5:  # seen once, not again
        return Episode(kind, onset, None, next_drive(drives, onset + 3), repaired=False)
    end = next_drive(drives, onset + max(lasts_d, 3))
    return Episode(kind, onset, _confirmed(drives, onset, end), end, repaired=not alone)


def _confirmed(drives: Bools, onset: int, end: int) -> int | None:
    """The second failing driving cycle, a day later; None when the fault ends before."""
    day = next_drive(drives, onset + 1)
    return day if day < end else None


def _apart(episodes: Iterator[Episode]) -> Iterator[Episode]:
    free = 0
    for episode in episodes:
        if episode.onset >= free:
            yield episode
            free = episode.end + 1


def _recurring(vehicle: Vehicle, drives: Bools) -> Iterator[Episode]:
    """A coolant leak that opens again in every other month of thirty days, counted from 1970."""
    parity = LEMONS[vehicle.slot % 100]
    first_block = (vehicle.delivered_day + 120) // BLOCK_D
    for block in range(first_block, (vehicle.delivered_day + LIFE_D) // BLOCK_D):
        start = block * BLOCK_D - vehicle.delivered_day
        if block % 2 == parity and start >= 0:
            onset = next_drive(drives, start + 1)
            end = next_drive(drives, start + BLOCK_D - 1)
            if onset < start + BLOCK_D // 2:
                yield Episode(OVERHEATING, onset, _confirmed(drives, onset, end), end, repaired=True)
