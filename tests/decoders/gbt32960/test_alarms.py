"""Alarms as fault codes, and what heals them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.gbt32960 import alarms, packet, report
from decoders.gbt32960.fields import Missing, Series, Why
from decoders.gbt32960.layout import Record
from decoders.gbt32960.report import UNITS, Entry, Report
from decoders.gbt32960.units_shared import FAULT_CODE
from decoders.gbt32960.words import Edition
from maintenance import episodes
from odocare import wiring
from tests.decoders.gbt32960 import drawn, files
from vehicle.dtc import Dtc, DtcReport, DtcStandard
from vehicle.fault import EndedWhy
from vehicle.trigger import Severity

AT_US = 1_795_233_906_000_000
ALARM_UNIT = {
    edition: next(u for u in units.values() if u.name == "alarms") for edition, units in UNITS.items()
}


def alarm(
    edition: Edition = Edition.GBT_2016, *, flags: int = 0, level: float = 0.0, **codes: list[int]
) -> Record:
    record = Record({"level": level, "flags": flags})
    for name in alarms.MAKERS_LISTS:
        octets = b"".join(code.to_bytes(4, "big") for code in codes.get(name, []))
        record.series[name] = Series(FAULT_CODE.named(name), octets)
    return record


def said(record: Record, edition: Edition = Edition.GBT_2016, *, after_s: int = 0) -> DtcReport:
    """What is made of a report with this alarm unit."""
    unit = ALARM_UNIT[edition]
    at_us = AT_US + after_s * 1_000_000
    (made,) = alarms.reports(Report(edition, at_us, (Entry(unit.number, unit.name, record),)), 3)
    return made


def codes(made: DtcReport) -> list[str]:
    return [reading.dtc.code for reading in made.readings]


def test_the_golden_alarms_are_codes() -> None:
    (made,) = alarms.reports(report.decode(packet.parse(files.read("2016-report").data)), 5)
    assert (made.message, made.at_us, made.standard, made.ecu) == (5, AT_US, DtcStandard.GBT32960, "vehicle")
    assert made.complete
    assert made.mil is None
    assert codes(made) == [
        "LEVEL 2",
        "ALARM 03",
        "ALARM 11",
        "BATTERY 10A2FF00",
        "OTHER 00000007",
        "OTHER FFFFFFFF",
    ]


def test_the_golden_thermal_event_knows_its_level() -> None:
    (made,) = alarms.reports(report.decode(packet.parse(files.read("2025-report").data)), 0)
    assert codes(made) == ["LEVEL 4", "ALARM 00", "ALARM 23", "MOTOR 00000123"]
    levels = {reading.dtc.code: reading.freeze_frame.get(alarms.LEVEL_PATH) for reading in made.readings}
    assert levels == {"LEVEL 4": None, "ALARM 00": 1.0, "ALARM 23": 4.0, "MOTOR 00000123": None}
    assert wiring.catalogue().of(alarms.LEVEL_PATH)


def test_a_report_without_alarms_says_nothing_about_them() -> None:
    assert alarms.reports(Report(Edition.GBT_2016, AT_US, ()), 0) == []


def test_no_alarm_is_a_statement_that_heals() -> None:
    made = said(alarm())
    assert made.readings == ()
    assert made.complete
    before = episodes.runs_of([said(alarm(flags=1 << 3))], vehicle_id=1, boot=0, life=0, seq=0)
    after = episodes.runs_of([said(alarm(), after_s=30)], vehicle_id=1, boot=0, life=0, seq=1)
    (episode,) = episodes.fold(episodes.fold([], before), after)
    assert (episode.dtc.code, episode.confirmed, episode.ended_why) == ("ALARM 03", True, EndedWhy.HEALED)


@pytest.mark.parametrize("part", ["level", "flags", *alarms.MAKERS_LISTS])
def test_what_the_vehicle_does_not_know_heals_nothing(part: str) -> None:
    record = alarm(flags=1)
    record.values.pop(part, None)
    record.missing[part] = Missing(Why.INVALID, 0xFF)
    made = said(record)
    assert not made.complete
    assert codes(made) == ([] if part == "flags" else ["ALARM 00"])


def test_reserved_flags_are_no_faults_but_counted() -> None:
    made = said(alarm(flags=1 << 18 | 1 << 19 | 1 << 31))
    assert codes(made) == ["ALARM 18"]
    one = Report(Edition.GBT_2016, AT_US, (Entry(7, "alarms", alarm(flags=1 << 18 | 1 << 19 | 1 << 31)),))
    assert alarms.reserved_flags(one) == 2
    assert alarms.reserved_flags(replace(one, edition=Edition.GBT_2025)) == 1


def test_a_code_that_stands_twice_is_one() -> None:
    assert codes(said(alarm(motor=[7, 7]))) == ["MOTOR 00000007"]


def test_equal_numbers_of_two_subsystems_are_two_codes() -> None:
    assert codes(said(alarm(battery=[7], motor=[7]))) == ["BATTERY 00000007", "MOTOR 00000007"]


def test_the_last_of_two_alarm_units_counts() -> None:
    entries = tuple(Entry(7, "alarms", alarm(flags=flags)) for flags in (1, 2))
    (made,) = alarms.reports(Report(Edition.GBT_2016, AT_US, entries), 0)
    assert codes(made) == ["ALARM 01"]


@given(st.sampled_from(Edition), st.data())
@settings(max_examples=60)
def test_every_alarm_unit_has_an_answer_and_every_code_once(edition: Edition, data: st.DataObject) -> None:
    record = data.draw(drawn.records(ALARM_UNIT[edition].layout))
    made = said(record, edition)
    assert len(set(codes(made))) == len(made.readings)
    for one in made.readings:
        assert one.dtc.standard is DtcStandard.GBT32960
        assert set(one.freeze_frame) <= {alarms.LEVEL_PATH}


def test_every_general_alarm_and_level_has_a_meaning() -> None:
    table = wiring.dtc_table()
    known = [f"ALARM {bit:02d}" for bit in range(28)] + [f"LEVEL {level}" for level in range(1, 5)]
    for code in known:
        assert table.lookup(Dtc(DtcStandard.GBT32960, "vehicle", code)).is_known, code
    stops = {
        code
        for code in known
        if table.lookup(Dtc(DtcStandard.GBT32960, "vehicle", code)).severity is Severity.STOP
    }
    assert stops == {"ALARM 23", "ALARM 24", "LEVEL 3", "LEVEL 4"}
    makers = table.lookup(Dtc(DtcStandard.GBT32960, "vehicle", "BATTERY 10A2FF00"))
    assert (makers.is_known, makers.severity) == (False, Severity.INFO)
