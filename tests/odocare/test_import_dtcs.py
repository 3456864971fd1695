"""A maker's own fault codes: their file, what they change about open faults, and who reads them."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ingest import pipeline
from odocare import dtc_meanings, ingesting, wiring
from odocare.cli import cli
from odocare.import_columns import Kind
from odocare.import_report import ImportReport
from odocare.imports import load
from odocare.settings import Settings
from store.pool import Connection
from tests.ingest.senders import codes, contents, deliver, vin
from tests.odocare.redecoding import line
from vehicle.dtc import Dtc, DtcStandard
from vehicle.trigger import Severity

HEADER = "code,severity,zh,en"
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
Bring = Callable[..., Awaitable[ImportReport]]


@pytest.fixture
def bring(conn: Connection, tmp_path: Path) -> Bring:
    """Import lines as a file of fault codes."""

    async def run(*lines: str, encoding: str = "utf-8", **options: Any) -> ImportReport:
        path = tmp_path / "codes.csv"
        path.write_bytes("\n".join(lines).encode(encoding))
        return await load(conn, Kind.DTCS, path, now=NOW, **options)

    return run


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.stored.new, report.stored.changed, report.stored.unchanged, report.refused


async def faults(conn: Connection) -> list[tuple[str, str, str]]:
    found = (await contents(conn, "fault"))["fault"]
    return [(row["code"], row["severity"], row["family"]) for _, row in found]


async def test_codes_go_in_once_in_either_encoding_and_change_nothing_the_second_time(bring: Bring) -> None:
    lines = (HEADER + ",family", "P1A20,urgent,座椅电机,Seat motor,seats", "p1a21,soon,车窗,Window,")
    assert counts(await bring(*lines, encoding="gb18030")) == (2, 0, 0, 0)
    assert counts(await bring(*lines, encoding="utf-8-sig")) == (0, 0, 2, 0)
    assert counts(await bring(HEADER, "P1A20,stop,座椅电机,Seat motor")) == (0, 1, 0, 0)


async def test_bad_rows_are_told_by_line_and_column_and_the_good_ones_go_in(bring: Bring) -> None:
    report = await bring(
        HEADER + ",standard,family,drivability",
        "P1A20,urgent,座椅,Seat,,,",
        "Q1A20,urgent,座椅,Seat,,,",
        "P1A22,grave,座椅,,j2013,Two Words,flying",
        "P1A20,soon,座椅,Seat,,,",
        "SPN 980 FMI 99,soon,阀,Valve,j1939,,",
    )
    assert counts(report) == (1, 0, 0, 4)
    assert [str(problem) for problem in report.problems] == [
        "line 3, column code: expected P0301, P0301-11 or SPN 980 FMI 9, came 'Q1A20'",
        "line 4, column severity: expected one of info, soon, urgent, stop, came 'grave'",
        "line 4, column en: expected a value, came nothing",
        "line 4, column standard: expected one of j2012, uds, j1939, gbt32960, came 'j2013'",
        "line 4, column family: expected one word in lower case, such as misfire, came 'Two Words'",
        "line 4, column drivability: expected one of normal, reduced, limited, none, came 'flying'",
        "line 5, column code: expected code once in a file, came the same as in line 2",
        "line 6, column code: expected P0301, P0301-11 or SPN 980 FMI 9, came 'SPN 980 FMI 99'",
    ]


async def test_a_code_stands_in_the_list_of_one_maker(bring: Bring) -> None:
    await bring(HEADER, "P1A20,urgent,座椅,Seat", maker="Odo")
    report = await bring(HEADER, "P1A20,soon,座椅,Seat", "P1A21,soon,车窗,Window", maker="Other")
    assert counts(report) == (1, 0, 0, 1)
    assert "not in the list of maker 'Odo'" in str(report.problems[0])


async def test_open_faults_get_the_new_severity_and_their_vehicles_are_evaluated(
    conn: Connection, bring: Bring
) -> None:
    a, b = vin(1), vin(2)
    both = [codes(a, 0, "P0301", "P1A20"), codes(b, 0, "P1A20"), codes(b, 1), codes(vin(3), 0, "P0420")]
    await pipeline.store(conn, [deliver(one) for one in both], line())
    await conn.execute("truncate touched")
    before = await faults(conn)
    rows = (HEADER + ",family", "P1A20,stop,座椅,Seat,seats", "P0301,soon,失火,Misfire,")
    told = await bring(*rows, dry_run=True)
    assert (told.stored.new, told.stored.touched, await faults(conn)) == (2, 1, before)
    done = await bring(*rows)
    assert done.stored.touched == 1
    assert "1 vehicles will be evaluated again" in done.summary()
    assert sorted(await faults(conn)) == [
        ("P0301", "soon", "misfire"),
        ("P0420", "soon", "catalyst"),
        ("P1A20", "info", ""),  # healed before
        ("P1A20", "stop", "seats"),
    ]
    assert (await contents(conn, "touched"))["touched"] == [(a, date(2025, 10, 9))]
    assert (await bring(*rows)).stored.touched == 0


async def test_ingest_worker_and_pages_read_them_at_their_next_start(
    bring: Bring, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await bring(HEADER, "P1A20,stop,座椅电机,Seat motor", "P0301-11,stop,对地短路,Short to ground")
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    settings = Settings(home=tmp_path, decode_kernel=False)
    table = ingesting.line(settings).lexicon.dtc_table
    assert table.lookup(Dtc(DtcStandard.J2012, "ecm", "P1A20")).severity is Severity.STOP
    assert table.lookup(Dtc(DtcStandard.UDS, "ecm", "P0301", ftb=0x11)).en == "Short to ground"
    assert table.lookup(Dtc(DtcStandard.J2012, "ecm", "P0301")).family == "misfire"
    assert table == dtc_meanings.table(database_url)
    assert wiring.judge(settings).code_names["zh"]["P1A20"] == "P1A20 座椅电机"


def test_the_command_tells_and_refuses(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    path = tmp_path / "codes.csv"
    path.write_text(f"{HEADER}\nP1A20,stop,座椅,Seat\nP1A21,bad,车窗,Window\n", encoding="gb18030")
    told = CliRunner().invoke(cli, ["import", "dtcs", str(path), "--maker", "Odo", "--dry-run"])
    assert told.exit_code == 1
    assert "2 dtcs read: 1 new, 0 changed, 0 unchanged, 1 refused; dry run" in told.stdout
    assert "codes.csv, line 3, column severity: expected one of info" in told.stderr
    done = json.loads(CliRunner().invoke(cli, ["import", "dtcs", str(path), "--json"]).stdout)
    assert (done["kind"], done["new"], done["refused"], done["encoding"]) == ("dtcs", 1, 1, "gb18030")
    wrong = CliRunner().invoke(cli, ["import", "vehicles", str(path), "--maker", "Odo"])
    assert wrong.exit_code == 2
