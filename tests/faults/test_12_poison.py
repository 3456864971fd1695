"""12: poison: random bytes, wrong types, bodies and frames that end early, identifiers nobody knows."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from ingest.delivery import Delivery
from odocare.evaluate import evaluate_touched
from simulator.outgoing import Outgoing
from simulator.publish import Publisher
from simulator.truth import TruthWriter
from store.pool import Connection, open_pool
from tests.faults.corridor import originals, refused, rows, stored, told_of
from tests.faults.poison import corpus
from tests.faults.reconciled import reconcile
from tests.faults.table import Experiment
from tests.faults.traffic import Traffic
from tests.ingest.broker import OwnBroker
from tests.ingest.process import ingesting
from tests.ingest.senders import deliver, vin
from tests.ingest.test_process import reached
from tests.odocare.garage import RULES, Garage, judge_of

NEIGHBOURS: Final = [vin(number) for number in range(1, 21)]
POISONERS: Final = [vin(number) for number in range(700, 705)]
AS_OF: Final = datetime(2025, 10, 20, tzinfo=UTC)
MESSAGES: Final = 400
NOT_OURS: Final = {"unexpected", "malformed"}
"""Reasons that say this version stumbled."""


@pytest.mark.experiment(12, "poison", quick=True)
async def test_poison_is_refused_by_name_or_counted_and_its_neighbours_are_stored(
    experiment: Experiment, conn: Connection
) -> None:
    traffic = Traffic(experiment.draw)
    good = [deliver(traffic.message()) for _ in range(MESSAGES // (1 if experiment.is_whole else 4))]
    bad = corpus(experiment.seed, POISONERS, 4000 if experiment.is_whole else 200)
    await stored(conn, good)
    expected = await told_of(conn, NEIGHBOURS)
    await conn.execute("truncate vehicle cascade")
    mixed = [*good, *bad]
    experiment.draw.shuffle(mixed)
    tally = await stored(conn, mixed)
    assert tally.received == len(mixed)
    assert tally.stored - len(good) + tally.rejected + tally.doubled == len(bad)
    assert not NOT_OURS & tally.by_reason.keys(), tally.by_reason
    assert await told_of(conn, NEIGHBOURS) == expected
    kept = await refused(conn)
    assert sum(one.whole for one in kept) == tally.rejected
    assert all(one.reason and one.detail for one in kept)
    assert not [one.detail for one in kept if any(of in one.detail for of in POISONERS)]
    assert await originals(conn, kept) <= {(one.topic, one.body) for one in bad}
    experiment.note(
        f"{len(bad)} bodies: {tally.rejected} refused for {len(tally.by_reason)} reasons,"
        f" {tally.stored - len(good)} could be read; unknown frames counted: {tally.unknown_frames}"
    )
    assert tally.unknown_frames > 0
    assert tally.short_frames > 0


@pytest.mark.experiment(12, "poison that could be read, evaluated", quick=False)
async def test_what_poison_left_behind_is_evaluated_without_a_failure(
    experiment: Experiment, conn: Connection, database_url: str
) -> None:
    garage = Garage(conn)
    await garage.plan()
    for of in POISONERS:
        await conn.execute(
            "insert into vehicle (vin, model, use_class, built_on, delivered_on, registered_at)"
            " values (%s, 'odo-petrol', 'private', '2025-01-01', '2025-01-02', now())",
            (of,),
        )
    bad = corpus(experiment.seed, POISONERS, 4000)
    tally = await stored(conn, bad)
    assert tally.stored > 100
    async with open_pool(database_url, most=2) as pool:
        found = await evaluate_touched(pool, judge_of(RULES), as_of=AS_OF)
    assert (found.vehicles_n, found.failed_n) == (len(POISONERS), 0)
    assert await rows(conn, "select reason from held_back") == []
    experiment.note(f"{tally.stored} bodies stored, {found.vehicles_n} vehicles evaluated, none failed")


@pytest.mark.experiment(12, "poison through the broker", quick=False)
async def test_the_process_lives_on_poison_and_loses_nothing_beside_it(
    experiment: Experiment, conn: Connection, database_url: str, own_broker: OwnBroker, tmp_path: Path
) -> None:
    traffic, bad = Traffic(experiment.draw), corpus(experiment.seed, POISONERS, 1500)
    async with ingesting(tmp_path, database_url, own_broker) as running:
        with TruthWriter(tmp_path / "truth", with_bodies=True) as truth:
            async with Publisher(own_broker.url) as publisher:
                await _mixed(publisher, truth, traffic, bad)
            truth.end()
        await reached(conn, 1)
        async with asyncio.timeout(120):
            while await _received(running.metrics) < len(bad) + traffic.sent_n:  # noqa: ASYNC110  # a process
                await asyncio.sleep(0.05)
        metrics = await asyncio.to_thread(running.metrics)
        assert running.process.poll() is None
        assert "Traceback" not in running.log.read_text()
    rejects = [name for name in metrics if name.startswith("odocare_ingest_rejects_total")]
    assert rejects
    assert not [name for name in rejects if any(f'"{reason}"' in name for reason in NOT_OURS)], metrics
    await reconcile(experiment, conn, tmp_path / "truth", [metrics])
    experiment.note(f"{len(bad)} bodies among {traffic.sent_n} messages")


async def _mixed(publisher: Publisher, truth: TruthWriter, traffic: Traffic, bad: list[Delivery]) -> None:
    for start in range(0, len(bad), 50):
        for one in bad[start : start + 50]:
            await publisher.send(Outgoing(one.topic, one.body))
        await traffic.send(publisher, truth, 20)


async def _received(metrics: object) -> float:
    assert callable(metrics)
    found = await asyncio.to_thread(metrics)
    return float(found['odocare_ingest_messages_total{outcome="received"}'])
