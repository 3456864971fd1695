"""Alarms as fault codes: the highest level, the general flags, and a maker's own codes by subsystem.

Bit 23 of the flags is spelled `ALARM 23`, a level `LEVEL 3`, a maker's four bytes `BATTERY 0010A2FF`; the
subsystem is a part of the code because each has numbers of its own.
"""

from collections.abc import Iterator
from typing import Final

from decoders.gbt32960.layout import Record
from decoders.gbt32960.report import Report
from decoders.gbt32960.words import Edition
from vehicle.dtc import Dtc, DtcReading, DtcReport, DtcStandard

ECU: Final = "vehicle"
"""Alarms come from the vehicle as a whole."""
LAST_FLAG: Final = {Edition.GBT_2016: 18, Edition.GBT_2025: 27}
"""The highest bit of the general flags that means something; those above are reserved."""
MAKERS_LISTS: Final = ("battery", "motor", "engine", "other")
LEVEL_PATH: Final = "Vehicle.X-Odo.AlarmLevel"


def reports(report: Report, message: int) -> list[DtcReport]:
    """What the last alarm unit of a report says, as one ECU; nothing where there is no such unit.

    It is a complete statement, so what it does not name is over, unless the vehicle says of its level,
    its flags or one of the lists that it does not know.
    """
    return [
        DtcReport(
            message=message,
            at_us=report.at_us,
            standard=DtcStandard.GBT32960,
            ecu=ECU,
            complete=not {"level", "flags", *MAKERS_LISTS} & record.missing.keys(),
            readings=tuple(_readings(report.edition, record)),
        )
        for record in report.all("alarms")[-1:]
    ]


def _readings(edition: Edition, record: Record) -> Iterator[DtcReading]:
    if level := record.number("level"):
        yield _reading(f"LEVEL {level:.0f}")
    if flags := record.bits("flags"):
        levels = _levels(record)
        for bit in range(LAST_FLAG[edition] + 1):
            if flags >> bit & 1:
                yield _reading(f"ALARM {bit:02d}", levels.get(bit))
    for name in MAKERS_LISTS:
        if series := record.series[name]:
            for code in dict.fromkeys(series.raws.tolist()):  # a code that stands twice is one
                yield _reading(f"{name.upper()} {code:08X}")


def _reading(code: str, level: float | None = None) -> DtcReading:
    frame = {} if level is None else {LEVEL_PATH: level}
    return DtcReading(Dtc(DtcStandard.GBT32960, ECU, code), freeze_frame=frame)


def _levels(record: Record) -> dict[int, float]:
    """Level of each general alarm by its bit, where the packet tells (2025)."""
    pairs = ((one.bits("bit"), one.number("level")) for one in record.groups.get("general", ()))
    return {bit: level for bit, level in pairs if bit is not None and level is not None}


def reserved_flags(report: Report) -> int:
    """How many reserved bits of the general flags are set; no faults, but somebody meant something."""
    allowed = (1 << LAST_FLAG[report.edition] + 1) - 1
    return sum(((record.bits("flags") or 0) & ~allowed).bit_count() for record in report.all("alarms"))
