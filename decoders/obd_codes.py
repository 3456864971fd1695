"""OBD-II code lists of one ECU put together to what they say about its codes."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from decoders import dtc as spelling
from decoders.obd import CodeKind, Codes
from vehicle.dtc import BYTE, Dtc, DtcClear, DtcReading, DtcReport, DtcStandard, DtcStatus

SAME_SCAN_US: Final = 10_000_000
"""Lists of one ECU and message that lie no further apart are one look at its codes."""
SAME_LIST_US: Final = 1_000_000
"""So are answers without a count, which hold three codes each."""


@dataclass(frozen=True, slots=True)
class CodeList:
    """Codes of one kind as they were heard."""

    message: int
    at_us: int
    ecu: str
    codes: Codes


@dataclass(frozen=True, slots=True)
class Lamp:
    """Malfunction indicator lamp of an ECU (service 01, PID 01)."""

    message: int
    at_us: int
    ecu: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class FreezeFrame:
    """Values that an ECU froze when a code came (service 02)."""

    message: int
    ecu: str
    number: int
    code: int | None
    """Two bytes; None where PID 02 was not heard."""
    values: Mapping[str, float]
    """VSS path to value."""


_Told = TypeVar("_Told", Lamp, FreezeFrame, DtcClear)


@dataclass(slots=True)
class _Scan:
    """One look at the codes of one ECU."""

    message: int
    first_us: int
    last_us: int
    lists: dict[CodeKind, list[int]] = field(default_factory=dict)
    counted: dict[CodeKind, bool] = field(default_factory=dict)
    whole: set[CodeKind] = field(default_factory=set)

    def continues(self, one: CodeList, cleared_us: Sequence[int]) -> bool:
        """Whether a list belongs to this look, rather than beginning another one.

        `cleared_us` are moments of the ECU's clears in the list's message, rising.
        """
        if one.message != self.message or one.at_us - self.first_us > SAME_SCAN_US:
            return False
        if bisect_left(cleared_us, self.last_us) < bisect_left(cleared_us, one.at_us):
            return False
        if one.codes.kind not in self.lists:
            return True
        is_part = not one.codes.is_counted and not self.counted[one.codes.kind]
        return is_part and one.at_us - self.last_us <= SAME_LIST_US

    def add(self, one: CodeList) -> None:
        """Take a list in."""
        kind = one.codes.kind
        self.last_us = max(self.last_us, one.at_us)
        self.lists.setdefault(kind, []).extend(one.codes.codes)
        self.counted[kind] = one.codes.is_counted
        if one.codes.is_last:
            self.whole.add(kind)


def reports(
    heard: Iterable[CodeList],
    lamps: Sequence[Lamp] = (),
    frames: Sequence[FreezeFrame] = (),
    clears: Iterable[DtcClear] = (),
) -> list[DtcReport]:
    """What ECUs said about their codes, by message, time and ECU; one report for each look at an ECU.

    A code is confirmed (service 03), pending (07) or permanent (0A); a permanent one that is not among the
    confirmed ones of the same look was cleared by a tester and not tested since. A report is complete where
    every list was heard whole, and tells about those lists; services 03 and 07 together tell everything but
    permanence. A clear of the ECU ends a look: what was heard before it says nothing about what is behind it.
    """
    cleared = {
        look: sorted(one.at_us for one in mine)
        for look, mine in _by_look(one for one in clears if one.standard is DtcStandard.J2012).items()
    }
    scans: dict[str, list[_Scan]] = {}
    for one in sorted(heard, key=lambda one: (one.message, one.at_us)):
        mine = scans.setdefault(one.ecu, [])
        if not mine or not mine[-1].continues(one, cleared.get((one.message, one.ecu), ())):
            mine.append(_Scan(one.message, one.at_us, one.at_us))
        mine[-1].add(one)
    lit = _by_look(sorted(lamps, key=lambda one: one.at_us))
    frozen = {look: _frozen(mine) for look, mine in _by_look(frames).items()}
    found = [
        _report(ecu, scan, lit.get((scan.message, ecu), ()), frozen.get((scan.message, ecu), {}))
        for ecu, mine in scans.items()
        for scan in mine
    ]
    return sorted(found, key=lambda one: (one.message, one.at_us, one.ecu))


def _by_look(heard: Iterable[_Told]) -> dict[tuple[int, str], list[_Told]]:
    """By message and ECU: a message may have thousands of looks and lamps."""
    found: dict[tuple[int, str], list[_Told]] = {}
    for one in heard:
        found.setdefault((one.message, one.ecu), []).append(one)
    return found


def _frozen(frames: Sequence[FreezeFrame]) -> dict[int, dict[str, float]]:
    """What was frozen with each code; the first frame counts."""
    return {one.code: dict(one.values) for one in reversed(frames) if one.code is not None}


def _nearest(lamps: Sequence[Lamp], at_us: int) -> Lamp | None:
    """Of lamps in order of time; of two equally near ones the earlier."""
    place = bisect_left(lamps, at_us, key=lambda one: one.at_us)
    return min(lamps[max(place - 1, 0) : place + 1], key=lambda one: abs(one.at_us - at_us), default=None)


def _report(
    ecu: str, scan: _Scan, lamps: Sequence[Lamp], frozen: Mapping[int, dict[str, float]]
) -> DtcReport:
    """`lamps` and `frozen` are this ECU's in this message."""
    nearest = _nearest(lamps, scan.last_us)
    return DtcReport(
        message=scan.message,
        at_us=scan.last_us,
        standard=DtcStandard.J2012,
        ecu=ecu,
        complete=scan.lists.keys() <= scan.whole,
        readings=tuple(
            DtcReading(
                Dtc(DtcStandard.J2012, ecu, spelling.spell(code)), status, freeze_frame=frozen.get(code, {})
            )
            for code, status in _statuses(scan).items()
        ),
        mil=None if nearest is None else nearest.is_on,
        scope=_scope(scan),
    )


_BITS: Final = {
    CodeKind.CONFIRMED: DtcStatus.CONFIRMED,
    CodeKind.PENDING: DtcStatus.PENDING,
    CodeKind.PERMANENT: DtcStatus.PERMANENT,
}


def _scope(scan: _Scan) -> DtcStatus:
    """What a look tells of codes that it does not name: the bits of its whole lists."""
    scope = DtcStatus(0)
    for kind in scan.whole:
        scope |= _BITS[kind]
    return scope | BYTE if {CodeKind.CONFIRMED, CodeKind.PENDING} <= scan.whole else scope


def _statuses(scan: _Scan) -> dict[int, DtcStatus]:
    found: dict[int, DtcStatus] = {}
    for kind, bit in _BITS.items():
        for code in scan.lists.get(kind, ()):
            found[code] = found.get(code, DtcStatus(0)) | bit
    if CodeKind.CONFIRMED in scan.lists:
        for code in scan.lists.get(CodeKind.PERMANENT, ()):
            if not found[code] & DtcStatus.CONFIRMED:
                found[code] |= DtcStatus.NOT_COMPLETED_SINCE_CLEAR
    return found
