"""17: a vehicle speaks for another: its certificate on another's topic, and another's VIN in its own body."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from decoders.envelope import encode
from store.pool import Connection
from tests.faults.client import NOT_AUTHORIZED, V5, V311, connected
from tests.faults.corridor import refused, rows, stored
from tests.faults.door import Shipped, VehicleDoor, vehicle_door
from tests.faults.reconciled import settled
from tests.faults.table import Experiment
from tests.ingest.broker import until
from tests.ingest.process import ingesting
from tests.ingest.senders import ODOMETER, codes, raw, signals, vin

A, B = vin(170), vin(171)
MISMATCH = "vin-mismatch"


@pytest.fixture(scope="module")
def door() -> Iterator[VehicleDoor]:
    with vehicle_door() as opened:
        yield opened


def topic(of: str) -> str:
    return f"tbox/v1/{of}/up/signals"


@pytest.mark.experiment(17, "a certificate on another's topic", quick=False)
async def test_nothing_arrives_on_anothers_topic_and_anothers_body_is_refused_by_name(
    experiment: Experiment, conn: Connection, database_url: str, door: VehicleDoor, tmp_path: Path
) -> None:
    certificate = door.certificate(A)

    def spoof(version: int, seq: int) -> list[int]:
        sent = [(topic(B), B), (topic(A), B), (topic(A), A)]
        with connected(door.port, "anything", version=version, tls=certificate) as client:
            answers = [client.publish(to, encode(signals(of, seq, {ODOMETER: 1.0}))) for to, of in sent]
            assert client.is_alive()
        return answers

    async with ingesting(tmp_path, database_url, Shipped(door.ingest_url)) as running:
        assert await asyncio.to_thread(spoof, V5, 0) == [NOT_AUTHORIZED, 0, 0]
        assert await asyncio.to_thread(spoof, V311, 1) == [0, 0, 0]
        await settled(conn, stored=2, refused=2)
        metrics = await asyncio.to_thread(running.metrics)
        assert metrics[f'odocare_ingest_rejects_total{{reason="{MISMATCH}"}}'] == 2
        await until(lambda: MISMATCH in running.log.read_text(), "a line in the log")
        log = running.log.read_text()
    assert await rows(conn, "select vin from vehicle") == [(A,)]
    assert {(one.reason, one.whole) for one in await refused(conn)} == {(MISMATCH, True)}
    told = await rows(conn, "select distinct v.vin from reject r join vehicle v on v.id = r.vehicle_id")
    assert told in ([], [(A,)])
    assert A not in log
    assert B not in log
    experiment.note(
        "MQTT 5: 0x87 Not authorized; 3.1.1: Success, and nothing arrives; a body: reject, metric, log"
    )


@pytest.mark.experiment(17, "a body that names another vehicle", quick=True)
async def test_a_body_that_names_another_vehicle_changes_neither(
    experiment: Experiment, conn: Connection
) -> None:
    honest = [raw(of, "signals", encode(signals(of, 0, {ODOMETER: 1e6}))) for of in (A, B)]
    spoofed = [
        raw(A, "signals", encode(signals(B, 1, {ODOMETER: 9e6}))),
        raw(A, "dtc", encode(codes(B, 2, "P0301"), as_json=True)),
        raw(A, "signals", encode(signals(B, 3, {ODOMETER: 9e6}), compress=True)),
    ]
    tally = await stored(conn, [*honest, *spoofed])
    assert (tally.stored, tally.by_reason) == (2, {MISMATCH: 3})
    assert await rows(conn, "select count(*) from message group by vehicle_id") == [(1,), (1,)]
    assert await rows(conn, "select count(*) from fault_report") == [(0,)]
    kept = await rows(
        conn, "select v.vin, r.reason from reject r join vehicle v on v.id = r.vehicle_id order by r.id"
    )
    assert kept == [(A, MISMATCH)] * 3, "the event names the vehicle whose topic it was"
    experiment.note("three bodies refused, each an event of the vehicle that sent it")
