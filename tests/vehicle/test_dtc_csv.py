from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vehicle.dtc import Dtc, DtcStandard
from vehicle.dtc_csv import Overlay, RowProblem, laid_over, overlay, spellings
from vehicle.dtc_table import Drivability, DtcTable
from vehicle.errors import CatalogueError
from vehicle.trigger import Severity

BASE = DtcTable.from_toml("""
[[j2012]]
code = "P0301"
severity = "urgent"
family = "misfire"
drivability = "limited"
zh = "1缸失火"
en = "Misfire in cylinder 1"
advice_zh = "检查火花塞"
advice_en = "Check the plugs"
""")
HEADER = "code,severity,zh,en\n"


def load(rows: str, header: str = HEADER) -> Overlay:
    return overlay(BASE, header + rows, where="maker.csv")


def p0301(ftb: int | None = None) -> Dtc:
    return Dtc(DtcStandard.UDS if ftb is not None else DtcStandard.J2012, "ecm", "P0301", ftb=ftb)


def test_a_maker_s_words_hold_before_ours() -> None:
    found = load("P0301,urgent,一缸不点火,Cylinder 1 does not fire\n")
    meaning = found.table.lookup(p0301())
    assert (meaning.zh, meaning.en) == ("一缸不点火", "Cylinder 1 does not fire")
    assert (meaning.family, meaning.drivability, meaning.advice_en) == (
        "misfire",
        Drivability.LIMITED,
        "Check the plugs",
    )
    assert (found.taken, found.problems) == (1, ())
    assert BASE.lookup(p0301()).en == "Misfire in cylinder 1"


def test_another_severity_brings_its_own_advice() -> None:
    meaning = load("P0301,stop,一缸不点火,Cylinder 1 does not fire\n").table.lookup(p0301())
    assert (meaning.severity, meaning.drivability) == (Severity.STOP, Drivability.NONE)
    assert (meaning.advice_en, meaning.family) == ("Stop, call for help", "misfire")


def test_a_row_may_tell_everything() -> None:
    header = "standard,code,severity,family,drivability,zh,en,advice_zh,advice_en\n"
    found = load("j2012,P1234,soon,seats,normal,座椅,Seat,检查座椅,Check the seat\n", header)
    meaning = found.table.lookup(Dtc(DtcStandard.J2012, "seat", "P1234"))
    assert (meaning.family, meaning.drivability, meaning.advice_zh, meaning.advice_en) == (
        "seats",
        Drivability.NORMAL,
        "检查座椅",
        "Check the seat",
    )


def test_a_failure_type_has_a_meaning_of_its_own() -> None:
    table = load("p0301-11,soon,一缸线圈对地短路,Coil 1 shorted to ground\n").table
    assert table.lookup(p0301(0x11)).en == "Coil 1 shorted to ground"
    assert table.lookup(p0301(0x11)).family == "misfire"
    assert table.lookup(p0301(0x12)).en == "Misfire in cylinder 1"
    assert table.lookup(p0301()).en == "Misfire in cylinder 1"


def test_trucks_and_other_standards_have_rows_too() -> None:
    header = "standard,code,severity,zh,en\n"
    rows = ",SPN 980 FMI 9,soon,取力器,PTO\ngbt32960,BATTERY 0000A1B2,urgent,电池,Battery\n"
    table = load(rows, header).table
    assert table.lookup(Dtc(DtcStandard.J1939, "sa-00", "SPN 980 FMI 9", spn=980, fmi=9)).en == "PTO"
    battery = table.lookup(Dtc(DtcStandard.GBT32960, "vehicle", "BATTERY 0000A1B2"))
    assert (battery.en, battery.family, battery.advice_en) == ("Battery", "maker", "Have it checked soon")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("PO301,soon,一,One", "a code is spelled P0301, P0301-11 or SPN 980 FMI 9, got 'PO301'"),
        ("SPN 980 FMI 32,soon,一,One", "a code is spelled P0301, P0301-11 or SPN 980 FMI 9"),
        (",soon,一,One", "a code is spelled P0301"),
        ("P0301,high,一,One", "severity is one of info, soon, urgent, stop, got 'high'"),
        ("P0301,,一,One", "severity is one of info, soon, urgent, stop, got ''"),
        ("P0301,soon,,One", "zh is empty"),
        ("P0301,soon,一", "en is empty"),
        ("P0301,soon,一,One,more", "more cells than the header has"),
        (f"P0301,soon,一,{'x' * 501}", "en has at most 500 characters, got 501"),
        ("P0420,soon,一,One", "stands in line 2 already"),
    ],
)
def test_a_bad_row_is_reported_and_harms_no_other(row: str, message: str) -> None:
    found = load(f"P0420,soon,催化器,Catalyst\n{row}\nP0430,soon,催化器,Catalyst 2\n")
    (problem,) = found.problems
    assert (problem.line, problem.code) == (3, row.split(",")[0])
    assert problem.message.startswith(message)
    assert found.taken == 2
    assert found.table.lookup(Dtc(DtcStandard.J2012, "ecm", "P0430")).en == "Catalyst 2"


def test_other_columns_are_checked_too() -> None:
    header = "standard,code,severity,family,drivability,zh,en\n"
    found = load("iso,P0301,soon,mis fire,slow,一,One\n", header)
    assert [one.message for one in found.problems] == [
        "standard is one of j2012, uds, j1939, gbt32960, got 'iso'",
        "drivability is one of normal, reduced, limited, none, got 'slow'",
        "family is one word in lower case, got 'mis fire'",
    ]


def test_empty_rows_a_mark_at_the_start_and_crlf_are_no_problem() -> None:
    found = overlay(
        BASE, "\ufeff" + HEADER.replace("\n", "\r\n") + ",,,\r\n\r\nP0420,soon,催化器,Catalyst\r\n"
    )
    assert (found.taken, found.problems) == (1, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "maker.csv:1: a column 'code' is needed, got nothing"),
        ("code,severity,zh\n", "maker.csv:1: a column 'en' is needed, got code, severity, zh"),
        (HEADER.strip() + ",sevrity\n", "maker.csv:1: no column is called 'sevrity'"),
        (HEADER.strip() + ",en\n", "maker.csv:1: column 'en' stands twice"),
        (HEADER + 'P0301,soon,"一"x,One\n', "maker.csv:2: "),
    ],
)
def test_a_file_that_is_no_such_file_is_refused(text: str, says: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        overlay(BASE, text, where="maker.csv")
    assert says in str(refused.value)


@given(st.text('P03Cc01-,"\n\r\x00 失soon', max_size=80))
@settings(max_examples=100)
def test_any_text_behind_the_header_gives_rows_problems_or_a_refusal(text: str) -> None:
    with suppress(CatalogueError):
        found = load(text)
        assert found.taken == len(found.table.by_key) - (found.table.by_key.keys() == BASE.by_key.keys())
        assert all(isinstance(one, RowProblem) and one.line > 1 for one in found.problems)


CODES = ("P0301", "P0301-11", "P0301-00", "P0420", "SPN 100 FMI 1", "SPN 100 FMI 2", "ALARM 03")


@given(
    st.lists(st.sampled_from(CODES), unique=True),
    st.sampled_from(CODES[:1] + CODES[3:]),
    st.sampled_from([None, 0, 0x11]),
)
def test_what_a_code_can_be_spelled_as_is_all_that_its_meaning_needs(
    said: list[str], code: str, ftb: int | None
) -> None:
    rows = [{"code": one, "severity": "stop", "zh": one, "en": one} for one in said]
    spn, fmi = (100, int(code[-1])) if code.startswith("SPN") else (None, None)
    dtc = Dtc(DtcStandard.UDS if spn is None else DtcStandard.J1939, "", code, ftb, spn, fmi)
    few = [row for row in rows if row["code"] in spellings(dtc)]
    assert laid_over(DtcTable({}), few).lookup(dtc) == laid_over(DtcTable({}), rows).lookup(dtc)
