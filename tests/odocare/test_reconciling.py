"""Reconciling finds what was lost, doubled or altered, and nothing where all is well."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from typer.testing import CliRunner

from decoders.envelope import Message
from ingest import pipeline
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from odocare import reconcile_run, wiring
from odocare.cli import cli
from odocare.reconciling import Finding, worst
from simulator import truth as truth_files
from simulator.outgoing import outgoing
from simulator.truth import Truth, TruthWriter
from store import signals as catalogue
from store.pool import Connection
from store.sealed import Seal
from tests.ingest.senders import AMBIENT, ODOMETER, can, codes, deliver, raw, signals, vdhr, vin


@pytest.fixture(scope="module")
def line() -> Line:
    lexicon = Lexicon.of(wiring.catalogue(), wiring.codebooks(), wiring.dtc_table(), wiring.diagnostics())
    return Line(lexicon, Seal(bytes(range(32))))


def journey() -> list[Message]:
    """Of every sort: samples in and out of range, frames, codes, what is refused."""
    return [
        signals(vin(1), 0, {ODOMETER: [1000.0, 1001.5, 1002.0], AMBIENT: [21.0, 900.0]}),
        signals(vin(1), 1, {ODOMETER: 1003.0, "Vehicle.Nowhere": 1.0}),
        signals(vin(1), 2, {ODOMETER: 1003.0}, t0_us=10**14),  # before any vehicle was built
        can(vin(2), 0, [vdhr(n * 1000, 50.0 + n) for n in range(20)]),
        codes(vin(2), 1, "P0301"),
    ]


def told(path: Path, messages: Sequence[Message], *, with_bodies: bool = True) -> Truth:
    with TruthWriter(path, with_bodies=with_bodies) as writer:
        for message in messages:
            writer.sent(message, outgoing(message))
        writer.end()
    return truth_files.read(path)


def by_name(findings: list[Finding]) -> dict[str, str]:
    return {
        name: worst([one for one in findings if one.name == name]) for name in ("I1", "I2", "I3", "I4", "I5")
    }


async def stored(conn: Connection, line: Line, messages: Sequence[Message]) -> None:
    await catalogue.sync(conn, wiring.catalogue())
    await pipeline.store(conn, [deliver(one) for one in messages], line)


async def test_what_arrived_whatever_the_order_and_however_often_is_all_there(
    conn: Connection, line: Line, tmp_path: Path
) -> None:
    messages = journey()
    again = [replace(one, envelope=structs.replace(one.envelope, resent=True)) for one in messages]
    arriving = [*messages, *again, *messages]
    random.Random(3).shuffle(arriving)
    for start in range(0, len(arriving), 4):
        await stored(conn, line, arriving[start : start + 4])
    findings = await reconcile_run.findings(conn, told(tmp_path / "truth", messages))
    assert not [one for one in findings if one.verdict == "broken"]
    assert findings[0].sentence == "5 sent: 4 stored, 1 refused, 0 lost (refused for before-built)"
    assert "3 messages: 24 values" in findings[2].sentence  # one is partly refused


async def test_what_was_never_stored_is_named(conn: Connection, line: Line, tmp_path: Path) -> None:
    messages = journey()
    await stored(conn, line, messages[1:])
    findings = await reconcile_run.findings(conn, told(tmp_path / "truth", messages))
    assert by_name(findings)["I1"] == "broken"
    assert findings[0].examples == (f"{vin(1)} boot 1 seq 0",)


async def test_what_its_vehicle_still_holds_is_not_lost(conn: Connection, line: Line, tmp_path: Path) -> None:
    messages = journey()
    await stored(conn, line, messages[:-1])
    truth = told(tmp_path / "truth", messages)
    truth.buffered = {truth.messages[-1].key}
    findings = await reconcile_run.findings(conn, truth)
    assert by_name(findings)["I1"] == "ok"
    assert "1 in a buffer" in findings[0].sentence


async def test_another_body_under_the_same_number_is_not_the_message_that_was_sent(
    conn: Connection, line: Line, tmp_path: Path
) -> None:
    await stored(conn, line, [signals(vin(1), 0, {ODOMETER: 2.0})])
    truth = told(tmp_path / "truth", [signals(vin(1), 0, {ODOMETER: 1.0})])
    assert by_name(await reconcile_run.findings(conn, truth))["I1"] == "broken"


async def test_a_message_under_two_lives_though_it_was_sent_once_is_doubled(
    conn: Connection, line: Line, tmp_path: Path
) -> None:
    first, other = signals(vin(1), 0, {ODOMETER: 1.0}), signals(vin(1), 0, {ODOMETER: 2.0})
    await stored(conn, line, [first, other])
    assert by_name(await reconcile_run.findings(conn, told(tmp_path / "one", [first])))["I2"] == "broken"
    both = by_name(await reconcile_run.findings(conn, told(tmp_path / "two", [first, other])))
    assert (both["I1"], both["I2"], both["I3"]) == ("ok", "ok", "ok")  # a T-Box that was reset


async def test_a_segment_that_stands_twice_is_doubled(conn: Connection, line: Line, tmp_path: Path) -> None:
    messages = journey()
    await stored(conn, line, messages)
    truth = told(tmp_path / "truth", messages)
    await conn.execute("insert into segment select * from segment where boot = 1 and seq = 0")
    findings = await reconcile_run.findings(conn, truth)
    assert findings[1].examples == (f"{vin(1)} boot 1 seq 0", f"{vin(2)} boot 1 seq 0")
    assert by_name(findings)["I3"] == "broken"


async def test_one_bit_of_one_value_is_seen(
    conn: Connection, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [signals(vin(1), 0, {ODOMETER: [1000.0, 1001.0]})]
    arrived = [signals(vin(1), 0, {ODOMETER: [1000.0, 1001.0000000000001]})]
    await stored(conn, line, arrived)
    row = await (await conn.execute("select body_hash from message")).fetchone()
    assert row is not None
    truth = told(tmp_path / "truth", sent)
    await conn.execute(
        "delete from message"
    )  # the right message in the ledger, the wrong values in the segment
    await conn.execute(
        "insert into message select id, 1, 0, 0, 'signals', now(), now(), %s, 1 from vehicle",
        [_hash(truth)],
    )
    found = by_name(await reconcile_run.findings(conn, truth))
    assert (found["I1"], found["I3"]) == ("ok", "broken")


def _hash(truth: Truth) -> int:
    from ingest.delivery import hash_of

    body = truth.messages[0].body
    assert body is not None
    return hash_of(body)


async def test_without_bodies_it_says_what_it_could_not_check(
    conn: Connection, line: Line, tmp_path: Path
) -> None:
    messages = journey()[:2]
    await stored(conn, line, messages)
    findings = await reconcile_run.findings(conn, told(tmp_path / "truth", messages, with_bodies=False))
    assert by_name(findings)["I1"] == "ok"
    assert by_name(findings)["I3"] == "-"
    assert "--bodies" in findings[2].sentence


async def test_a_body_nobody_can_read_counts_as_refused(conn: Connection, line: Line, tmp_path: Path) -> None:
    path = tmp_path / "truth"
    message = signals(vin(1), 0, {ODOMETER: 1.0})
    with TruthWriter(path, with_bodies=True) as writer:
        ready = outgoing(message)
        broken = ready._replace(body=ready.body[:-3])
        writer.sent(message, broken)
        writer.end()
    await pipeline.store(conn, [raw(vin(1), "signals", broken.body)], line)
    assert by_name(await reconcile_run.findings(conn, truth_files.read(path)))["I1"] == "ok"


async def test_counters_that_do_not_add_up_are_told(conn: Connection, line: Line, tmp_path: Path) -> None:
    messages = journey()[:1]
    await stored(conn, line, messages)
    truth = told(tmp_path / "truth", messages)
    name = 'odocare_ingest_messages_total{outcome="%s"}'
    good = {name % "received": 2.0, name % "stored": 1.0, name % "doubled": 1.0, name % "rejected": 0.0}
    assert by_name(await reconcile_run.findings(conn, truth, [good]))["I5"] == "ok"
    for word in ("received", "stored", "rejected"):
        assert (
            by_name(await reconcile_run.findings(conn, truth, [good | {name % word: 9.0}]))["I5"] == "broken"
        )


async def test_the_command_prints_a_line_per_invariant_and_fails_where_one_is_broken(
    conn: Connection, line: Line, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = journey()
    await stored(conn, line, messages[1:])
    told(tmp_path / "truth", messages)
    monkeypatch.setenv("ODOCARE_DATABASE_URL", database_url)
    arguments = ["reconcile", "--truth", str(tmp_path / "truth")]
    done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert done.exit_code == 1
    assert [text[:2] for text in done.stdout.splitlines() if not text.startswith(" ")] == [
        "I1",
        "I2",
        "I3",
        "I4",
        "I5",
    ]
    assert f"{vin(1)} boot 1 seq 0" in done.stdout
    await stored(conn, line, messages)
    done = await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, "--json"])
    assert json.loads(done.stdout)["ok"], done.stdout
    assert done.exit_code == 0
