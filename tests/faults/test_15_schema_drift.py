"""15: the schema drifts: more envelope fields, envelope version 2, a new signal, another scale or file."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
import pytest
from typer.testing import CliRunner

from decoders import codebook
from decoders.codebook import Codebook, Codebooks
from ingest import replay
from ingest.delivery import Delivery
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from ingest.replay import Outcome
from odocare import wiring
from odocare.cli import cli
from store import signals as catalogue
from store.pool import Connection, connect
from tests.faults.corridor import line, originals, refused, rows, stored
from tests.faults.table import Experiment
from tests.ingest.senders import AMBIENT, ODOMETER, can, deliver, raw, signals, vin

CAR: Final = vin(15)
NAME: Final = "drifting"
DBC: Final = """VERSION ""
BS_:
BU_: CLUSTER
BO_ 992 ODOMETER: 6 CLUSTER
 SG_ Odometer : 0|32@1+ ({km_per_bit},0) [0|9999999] "km" Vector__XXX
 SG_ Outside : 32|16@1- (0.5,0) [-60|80] "degC" Vector__XXX
"""
MAP: Final = '[codebook]\nname = "drifting"\nbus = "can"\nversion = "1"\norigin = "test"\n'
SIGNALS: Final = {"Odometer": (ODOMETER, "km"), "Outside": (AMBIENT, "celsius")}
VALUES: Final = "select seq, path, value from observation order by seq, path"


def mapped(*names: str) -> str:
    return MAP + "".join(
        f'[[map]]\nmessage = "ODOMETER"\nsignal = "{name}"\npath = "{SIGNALS[name][0]}"\n'
        f'unit = "{SIGNALS[name][1]}"\n'
        for name in names
    )


def book(km_per_bit: float, *names: str) -> Codebook:
    files = {"drifting.dbc": DBC.format(km_per_bit=km_per_bit)}
    return codebook.load(NAME, files, mapped(*names), wiring.catalogue())


def knowing(*books: Codebook) -> Line:
    """Ingest of one moment: what it knows of codebooks."""
    known = Codebooks({one.name: one for one in books})
    return Line(Lexicon.of(wiring.catalogue(), known, wiring.dtc_table()), line().seal)


def shown(seq: int, bits: int) -> Delivery:
    """A frame with an odometer of so many bits and 20 °C outside."""
    payload = bits.to_bytes(4, "little") + (40).to_bytes(2, "little")
    return deliver(can(CAR, seq, [(0, 992, payload)], codebook=NAME))


def with_fields(more: Mapping[str, Any], *, as_json: bool) -> bytes:
    """A body whose envelope says more, or something else."""
    good = deliver(signals(CAR, 0, {ODOMETER: 1e6}), as_json=as_json).body
    tree = json.loads(good) if as_json else msgspec.msgpack.decode(good)
    tree |= more
    return json.dumps(tree).encode() if as_json else msgspec.msgpack.encode(tree)


@pytest.mark.experiment(15, "the envelope drifts", quick=True)
async def test_a_field_nobody_knows_is_ignored_and_version_2_is_refused_by_name(
    experiment: Experiment, conn: Connection
) -> None:
    more = {"firmware": "9.9", "extra": {"deep": [1, None, {"x": []}]}, "seq": 1}
    later = {"v": 2, "payload": {"anything": [1, 2, 3]}, "seq": 3}
    read = [raw(CAR, "signals", with_fields(more | {"seq": seq}, as_json=bool(seq))) for seq in (0, 1)]
    kept = [
        raw(CAR, "signals", with_fields(later | {"seq": 2 + as_json}, as_json=bool(as_json)))
        for as_json in (0, 1)
    ]
    tally = await stored(conn, [*read, *kept])
    assert (tally.stored, tally.by_reason) == (2, {"wrong-version": 2})
    found = await refused(conn)
    assert {one.detail for one in found} == {"an envelope has version 1, got 2"}
    assert await originals(conn, found) == {(one.topic, one.body) for one in kept}
    for one in found:
        async with conn.transaction():
            again = await replay.replay(conn, one, line())
        assert (again.outcome, again.reason) == (Outcome.REFUSED, "wrong-version")
    experiment.note(
        "more fields: stored; version 2: refused by name, its bytes kept for a version that reads it"
    )


@pytest.mark.experiment(15, "signal files drift", quick=True)
async def test_old_and_new_messages_are_read_by_the_content_of_their_time(
    experiment: Experiment, conn: Connection
) -> None:
    await catalogue.sync(conn, wiring.catalogue())
    first, more, scaled = (
        book(0.1, "Odometer"),
        book(0.1, "Odometer", "Outside"),
        book(1, "Odometer", "Outside"),
    )
    assert len({first.version, more.version, scaled.version}) == 3
    await stored(conn, [shown(0, 10_000)], knowing(first))
    await stored(conn, [shown(1, 10_000)], knowing(more))
    await stored(conn, [shown(2, 1_000)], knowing(scaled))
    assert (await stored(conn, [shown(0, 10_000)], knowing(scaled))).doubled == 1
    assert await rows(conn, VALUES) == [
        (0, ODOMETER, 1e6),
        (1, AMBIENT, 20.0),
        (1, ODOMETER, 1e6),
        (2, AMBIENT, 20.0),
        (2, ODOMETER, 1e6),
    ]
    for table in ("segment", "raw_frame"):
        versions = await rows(
            conn, f"select c.version from {table} s join codebook c on c.id = s.codebook_id order by s.seq"
        )
        assert [row[0] for row in versions] == [first.version, more.version, scaled.version]
    experiment.note("a new signal and another scale: three contents, each message by its own")


@pytest.mark.experiment(15, "a codebook that nobody has yet", quick=False)
def test_what_names_an_unknown_codebook_waits_for_it_and_is_replayed_by_the_command(
    experiment: Experiment, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "store.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    folder = tmp_path / "books"
    folder.mkdir()
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    monkeypatch.setenv("ODOCARE_KEY_FILE", str(key))
    monkeypatch.setenv("ODOCARE_HOME", str(tmp_path / "home"))

    async def park() -> None:
        async with connect(database_url) as conn:
            await catalogue.sync(conn, wiring.catalogue())
            tally = await stored(conn, [shown(seq, 10_000 + seq) for seq in range(3)])
            assert (tally.stored, tally.by_reason) == (0, {"unknown-codebook": 3})

    def replayed() -> dict[str, int]:
        done = CliRunner().invoke(cli, ["rejects", "replay", "--reason", "unknown-codebook", "--json"])
        assert done.exit_code == 0, done.output
        counts: dict[str, int] = json.loads(done.stdout)["counts"]
        return counts

    asyncio.run(park())
    assert replayed() == {"refused": 3}
    (folder / "drifting.dbc").write_text(DBC.format(km_per_bit=0.1))
    (folder / "drifting.toml").write_text(mapped("Odometer"))
    (folder / "manifest.toml").write_text(
        '[[codebook]]\nname = "drifting"\nfiles = ["drifting.dbc"]\nmap = "drifting.toml"\n'
    )
    monkeypatch.setenv("ODOCARE_CODEBOOKS", str(folder))
    assert replayed() == {"stored": 3}
    assert replayed() == {}
    with psycopg.connect(database_url) as conn:
        assert conn.execute(VALUES.encode()).fetchall() == [
            (seq, ODOMETER, 1e6 + 100.0 * seq) for seq in range(3)
        ]
    experiment.note(
        "parked with its reason; once the folder has the codebook, `odocare rejects replay` stores all"
    )
