import pytest

from vehicle.dtc import Dtc, DtcStandard
from vehicle.dtc_table import Drivability, DtcTable
from vehicle.errors import CatalogueError
from vehicle.trigger import Severity

WORDS = 'zh = "失火"\nen = "Misfire"\nadvice_zh = "检查"\nadvice_en = "Check"\n'
REST = f'severity = "urgent"\nfamily = "misfire"\ndrivability = "limited"\n{WORDS}'
PETROL = f'[[j2012]]\ncode = "P0301"\n{REST}'
TRUCK = f"[[j1939]]\nspn = 980\nfmi = 9\n{REST}".replace("urgent", "soon")

ALARM = f'[[gbt32960]]\ncode = "ALARM 11"\n{REST}'


def test_a_code_is_found_by_its_standard() -> None:
    table = DtcTable.from_toml(PETROL + TRUCK)
    petrol = table.lookup(Dtc(DtcStandard.J2012, "ecm", "P0301"))
    assert (petrol.severity, petrol.family, petrol.drivability) == (
        Severity.URGENT,
        "misfire",
        Drivability.LIMITED,
    )
    assert (petrol.zh, petrol.en, petrol.advice_zh, petrol.advice_en) == ("失火", "Misfire", "检查", "Check")
    truck = table.lookup(Dtc(DtcStandard.J1939, "sa-00", "SPN 980 FMI 9", spn=980, fmi=9))
    assert truck.severity is Severity.SOON


def test_an_alarm_of_an_electric_vehicle_is_found_by_its_bit() -> None:
    table = DtcTable.from_toml(ALARM)
    assert table.lookup(Dtc(DtcStandard.GBT32960, "vehicle", "ALARM 11")).family == "misfire"
    assert not table.lookup(Dtc(DtcStandard.GBT32960, "vehicle", "ALARM 12")).is_known


def test_a_uds_code_means_what_its_two_bytes_mean() -> None:
    meaning = DtcTable.from_toml(PETROL).lookup(Dtc(DtcStandard.UDS, "ecm", "P0301", ftb=0x11))
    assert meaning.is_known


@pytest.mark.parametrize(
    "dtc",
    [
        Dtc(DtcStandard.J2012, "ecm", "P1234"),
        Dtc(DtcStandard.J1939, "sa-00", "SPN 980 FMI 8", spn=980, fmi=8),
        Dtc(DtcStandard.J1939, "sa-00", "CM1 341209 FMI 9", fmi=9),
        Dtc(DtcStandard.GBT32960, "battery", "4711"),
    ],
)
def test_an_unknown_code_says_so_and_never_stops_a_car(dtc: Dtc) -> None:
    meaning = DtcTable.from_toml(PETROL + TRUCK).lookup(dtc)
    assert not meaning.is_known
    assert meaning.severity is Severity.INFO
    assert meaning.en == f"Unknown code {dtc.code}"
    assert meaning.zh == f"未知故障码 {dtc.code}"
    assert meaning.family == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PETROL + PETROL, "[[j2012]] 2 (P0301): stands twice"),
        (TRUCK + TRUCK, "[[j1939]] 2 (980 9): stands twice"),
        (
            PETROL.replace("urgent", "high"),
            "(P0301): severity is one of info, soon, urgent, stop, got 'high'",
        ),
        (
            PETROL.replace("limited", "slow"),
            "drivability is one of normal, reduced, limited, none, got 'slow'",
        ),
        (PETROL.replace("P0301", "P4301"), "(P4301): a code is P, C, B or U"),
        (ALARM.replace("ALARM 11", "P0301"), "(P0301): a code is ALARM and two digits, or LEVEL 1 to 4"),
        (PETROL.replace('"misfire"', '"Mis fire"'), "family is one word in lower case"),
        (PETROL.replace('"Check"', '" "'), "advice_en is a sentence"),
        (PETROL.replace("family =", "famly ="), "unknown key 'famly'"),
        (PETROL.replace("family =", "famly ="), "family is missing"),
        (TRUCK.replace("spn = 980", "spn = 524288"), "(524288 9): spn is 0 to 524287, got 524288"),
        (TRUCK.replace("fmi = 9", 'fmi = "9"'), "fmi is 0 to 31, got '9'"),
        (PETROL.replace("[[j2012]]", "[[j2021]]"), "unknown table 'j2021'"),
        (PETROL.replace("[[j2012]]", "[j2012]"), "with two brackets"),
        ("[[j2012]\n", "dtc.toml: "),
    ],
)
def test_a_table_with_a_mistake_is_refused_by_its_entry(text: str, says: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        DtcTable.from_toml(text)
    assert says in str(refused.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(CatalogueError) as refused:
        DtcTable.from_toml(PETROL.replace("urgent", "high") + TRUCK.replace("soon", "low"))
    assert len(str(refused.value).splitlines()) == 2
