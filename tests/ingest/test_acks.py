"""Acknowledgements to vehicles: after the commit, to who asks, and never of what is not stored."""

import asyncio
import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from decoders.envelope import decode, encode
from decoders.message import Message
from ingest import parking, pipeline
from ingest.acks import payload
from ingest.delivery import Delivery
from ingest.metrics import Metrics
from ingest.mqtt import Broker
from ingest.pipeline import Line
from ingest.run import Options, run
from store.gaps import MOST_MISSING, Standing
from store.pool import Connection
from tests.decoders import asyncapi
from tests.ingest.broker import DEADLINE_S, OwnBroker, publish
from tests.ingest.conftest import REPOSITORY
from tests.ingest.senders import ODOMETER, T0_US, deliver, raw, signals, vin
from tests.simulator.listener import listening

A, B = vin(1), vin(2)
DAY_US = 86_400_000_000


class Said:
    """What a door was asked to publish."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, topic: str, body: bytes) -> None:
        self.messages.append((topic, json.loads(body)))


def asking(message: Message) -> Delivery:
    return deliver(replace(message, envelope=structs.replace(message.envelope, ack=True)))


async def said(conn: Connection, line: Line, *deliveries: Delivery) -> list[tuple[str, dict[str, Any]]]:
    told = Said()
    await pipeline.store(conn, deliveries, replace(line, publish=told))
    return told.messages


async def test_each_boot_that_asks_is_told_once_per_batch_how_it_stands(conn: Connection, line: Line) -> None:
    batch = [asking(signals(A, seq, {ODOMETER: 5.0})) for seq in (0, 1, 4)]
    batch += [deliver(signals(B, 0, {ODOMETER: 5.0})), asking(signals(A, 1, {ODOMETER: 6.0}, boot=2))]
    assert await said(conn, line, *batch) == [
        (f"tbox/v1/{A}/down/ack", {"boot": 1, "upto": 1, "missing": [2, 3], "gaps": [[2, 3]], "seen": 4}),
        (f"tbox/v1/{A}/down/ack", {"boot": 2, "upto": -1, "missing": [0], "gaps": [[0, 0]], "seen": 1}),
    ]


async def test_who_does_not_ask_is_not_told(conn: Connection, line: Line) -> None:
    assert await said(conn, line, deliver(signals(A, 0, {ODOMETER: 5.0}))) == []


async def test_a_lost_acknowledgement_costs_a_resend_and_stores_nothing_twice(
    conn: Connection, line: Line
) -> None:
    message = signals(A, 0, {ODOMETER: 5.0})
    first = await said(conn, line, asking(message))
    resent = replace(message, envelope=structs.replace(message.envelope, resent=True))
    assert await said(conn, line, asking(resent)) == first
    row = await (await conn.execute("select count(*) from message")).fetchone()
    assert row == (1,)


async def test_what_is_refused_whole_is_acknowledged_for_it_is_kept(conn: Connection, line: Line) -> None:
    future = signals(A, 0, {ODOMETER: 5.0}, t0_us=T0_US + 30 * DAY_US)
    told = await said(conn, line, asking(future), deliver(signals(A, 2, {ODOMETER: 5.0})))
    assert [body for _, body in told] == [{"boot": 1, "upto": 0, "missing": [1], "gaps": [[1, 1]], "seen": 2}]


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_body_that_is_broken_behind_its_envelope_is_answered_for_it_is_kept(
    conn: Connection, line: Line, *, as_json: bool
) -> None:
    whole = asking(signals(A, 1, {ODOMETER: 5.0}))
    body = json.loads(encode(decode("signals", whole.body), as_json=True)) | {"signals": "none"}
    broken = raw(A, "signals", json.dumps(body).encode() if as_json else msgspec.msgpack.encode(body))
    assert await said(conn, line, broken) == []  # nobody has heard of this vehicle
    await pipeline.store(conn, [deliver(signals(A, 0, {ODOMETER: 5.0}))], line)
    assert [told for _, told in await said(conn, line, broken)] == [{"boot": 1, "upto": 1, "missing": []}]
    foreign = Delivery(f"tbox/v1/{B}/up/signals", broken.body, broken.known_us)
    assert await said(conn, line, foreign) == []


async def test_what_this_version_stumbles_over_is_acknowledged_for_it_is_set_aside(
    conn: Connection, line: Line
) -> None:
    told = Said()
    answering = replace(line, publish=told)
    stranger = asking(signals(B, 0, {ODOMETER: 5.0}))
    for delivery in (deliver(signals(A, 0, {ODOMETER: 5.0})), asking(signals(A, 1, {ODOMETER: 5.0}))):
        await pipeline.store(conn, [delivery], line)
    for delivery in (asking(signals(A, 3, {ODOMETER: 5.0})), stranger, raw(A, "can", b"\xc1")):
        tally = await parking.park(conn, delivery, KeyError("x"), answering)
        assert tally.by_reason == {"unexpected": 1}
    assert [body for _, body in told.messages] == [
        {"boot": 1, "upto": 1, "missing": [2], "gaps": [[2, 2]], "seen": 3}
    ]


async def test_a_body_that_cannot_be_read_is_not_answered(conn: Connection, line: Line) -> None:
    assert await said(conn, line, raw(A, "signals", b"\xc1")) == []


async def test_nothing_is_said_of_a_batch_that_is_not_committed(conn: Connection, line: Line) -> None:
    told = Said()
    await conn.execute("create function no() returns trigger language plpgsql as $$ begin raise 'no'; end $$")
    await conn.execute(
        "create constraint trigger no after insert on message deferrable initially deferred"
        " for each row execute function no()"
    )
    with pytest.raises(psycopg.errors.RaiseException):  # by the commit itself
        await pipeline.store(conn, [asking(signals(A, 0, {ODOMETER: 5.0}))], replace(line, publish=told))
    assert told.messages == []


async def test_the_answer_reaches_the_vehicle_through_the_broker(
    database_url: str, own_broker: OwnBroker, line: Line
) -> None:
    options = Options(database_url, Broker.parse(own_broker.url), client_id="acks")
    stop, ready, metrics = asyncio.Event(), asyncio.Event(), Metrics()
    sent = [(one.topic, one.body) for one in (asking(signals(A, seq, {ODOMETER: 5.0})) for seq in (0, 2))]
    async with listening(own_broker.url, f"tbox/v1/{A}/down/ack") as vehicle, asyncio.TaskGroup() as tasks:
        tasks.create_task(run(options, line, metrics, stop=stop, on_ready=ready.set))
        await asyncio.wait_for(ready.wait(), DEADLINE_S)
        await asyncio.to_thread(publish, own_broker.port, A, sent)
        await vehicle.until(
            lambda: json.loads(vehicle.bodies[-1][1])["missing"] == [1] if vehicle.bodies else False
        )
        stop.set()
    assert metrics.registry.get_sample_value("odocare_ingest_gaps_total") == 1
    told = metrics.registry.get_sample_value("odocare_ingest_gap_messages_total", {"what": "passed_over"})
    assert told == 1


def test_what_the_batch_itself_brought_is_there_whatever_the_count_says() -> None:
    standing = Standing(500, ((0, 4), (7, 7)))
    assert json.loads(payload(1, standing, {0, 1, 3, 9})) == {
        "boot": 1,
        "upto": 1,
        "missing": [2, 4, 7],
        "gaps": [[2, 2], [4, 4], [7, 7]],
        "seen": 500,
    }
    assert json.loads(payload(1, Standing(7, ((3, 3),)), {3})) == {"boot": 1, "upto": 7, "missing": []}


def test_the_golden_answer_is_the_one_that_is_written() -> None:
    golden = json.loads((REPOSITORY / "tests" / "golden" / "wire" / "ack.json").read_text())
    assert json.loads(payload(12, Standing(351, ((346, 347),)), {348})) == golden


def test_a_long_loss_is_told_as_one_run_so_that_what_lies_above_it_is_confirmed() -> None:
    told = json.loads(payload(1, Standing(2000, ((7, 8), (12, 1999))), {2000}))
    assert told["missing"] == [7, 8, *range(12, 12 + MOST_MISSING - 2)]
    assert (told["upto"], told["gaps"], told["seen"]) == (6, [[7, 8], [12, 1999]], 2000)


@settings(max_examples=60, deadline=None)
@given(
    boot=st.integers(0, 2**63 - 1),
    edges=st.lists(st.integers(0, 2**63 - 2), max_size=80, unique=True).map(sorted),
    brought=st.sets(st.integers(0, 40), max_size=5),
)
def test_every_answer_follows_the_file_and_confirms_nothing_that_is_missing(
    boot: int, edges: list[int], brought: set[int]
) -> None:
    ends = [min(last, following - 2) for last, following in pairwise([*edges, 2**63 - 1])]
    gaps = tuple((first, last) for first, last in zip(edges, ends, strict=True) if first <= last)
    standing = Standing(2**63 - 1, gaps)
    told = json.loads(payload(boot, standing, brought))
    assert list(asyncapi.violations(told, asyncapi.schema("Ack"))) == []
    assert asyncapi.schema("Ack")["properties"]["missing"]["maxItems"] == MOST_MISSING
    for first, last in gaps:
        for number in {first, last} - brought:
            assert number > told["upto"]
            assert any(low <= number <= high for low, high in told["gaps"])
    for number in brought:
        assert number <= told["upto"] or number not in told["missing"]
