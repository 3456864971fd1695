"""OBD-II code lists of one ECU put together to what they say about its codes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from decoders import dtc as spelling
from decoders.obd import CodeKind, Codes
from vehicle.dtc import Dtc, DtcReading, DtcReport, DtcStandard, DtcStatus

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


@dataclass(slots=True)
class _Scan:
    """One look at the codes of one ECU."""

    message: int
    first_us: int
    last_us: int
    lists: dict[CodeKind, list[int]] = field(default_factory=dict)
    counted: dict[CodeKind, bool] = field(default_factory=dict)
    whole: set[CodeKind] = field(default_factory=set)

    def continues(self, one: CodeList) -> bool:
        """Whether a list belongs to this look, rather than beginning another one."""
        if one.message != self.message or one.at_us - self.first_us > SAME_SCAN_US:
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
    heard: Iterable[CodeList], lamps: Sequence[Lamp] = (), frames: Sequence[FreezeFrame] = ()
) -> list[DtcReport]:
    """What ECUs said about their codes, by message and time; one report for each look at an ECU.

    A code is confirmed (service 03) or pending (07). A permanent one (0A) that is not among the confirmed
    ones of the same look was cleared by a tester and not tested since; without service 03 it counts as
    confirmed, for that it was. A report is complete where the whole lists of services 03 and 07 were heard:
    either one alone leaves out codes that are there.
    """
    scans: dict[str, list[_Scan]] = {}
    for one in sorted(heard, key=lambda one: (one.message, one.at_us)):
        mine = scans.setdefault(one.ecu, [])
        if not mine or not mine[-1].continues(one):
            mine.append(_Scan(one.message, one.at_us, one.at_us))
        mine[-1].add(one)
    found = [_report(ecu, scan, lamps, frames) for ecu, mine in scans.items() for scan in mine]
    return sorted(found, key=lambda one: (one.message, one.at_us))


def _report(ecu: str, scan: _Scan, lamps: Sequence[Lamp], frames: Sequence[FreezeFrame]) -> DtcReport:
    lit = [one for one in lamps if (one.message, one.ecu) == (scan.message, ecu)]
    nearest = min(lit, key=lambda one: abs(one.at_us - scan.last_us), default=None)
    frozen = {
        one.code: dict(one.values)
        for one in reversed(frames)
        if (one.message, one.ecu) == (scan.message, ecu) and one.code is not None
    }
    return DtcReport(
        message=scan.message,
        at_us=scan.last_us,
        standard=DtcStandard.J2012,
        ecu=ecu,
        complete={CodeKind.CONFIRMED, CodeKind.PENDING} <= scan.whole,
        readings=tuple(
            DtcReading(
                Dtc(DtcStandard.J2012, ecu, spelling.spell(code)), status, freeze_frame=frozen.get(code, {})
            )
            for code, status in _statuses(scan).items()
        ),
        mil=None if nearest is None else nearest.is_on,
    )


def _statuses(scan: _Scan) -> dict[int, DtcStatus]:
    found: dict[int, DtcStatus] = {}
    bits = {CodeKind.CONFIRMED: DtcStatus.CONFIRMED, CodeKind.PENDING: DtcStatus.PENDING}
    for kind, bit in bits.items():
        for code in scan.lists.get(kind, ()):
            found[code] = found.get(code, DtcStatus(0)) | bit
    only = DtcStatus.NOT_COMPLETED_SINCE_CLEAR if CodeKind.CONFIRMED in scan.lists else DtcStatus.CONFIRMED
    for code in scan.lists.get(CodeKind.PERMANENT, ()):
        if not found.get(code, DtcStatus(0)) & DtcStatus.CONFIRMED:
            found[code] = found.get(code, DtcStatus(0)) | only
    return found
