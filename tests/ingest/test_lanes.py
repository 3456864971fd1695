"""Lanes beside each other leave the rows of one, and stop as one."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import lanes, pipeline
from ingest.committer import StoppedError
from ingest.delivery import Delivery
from ingest.lanes import Lanes
from ingest.metrics import Metrics
from ingest.pipeline import Line
from store.pool import Connection
from tests.ingest.senders import ODOMETER, codes, contents, deliver, raw, signals, vin

CARS = [vin(number) for number in range(20)]
KINDS = ("signals", "can", "dtc")


def traffic() -> list[Delivery]:
    """400 messages of 20 cars: values, codes that come and go, doubles, resets, and what is broken."""
    found = []
    for seq in range(20):
        for number, car in enumerate(CARS):
            if seq % 7 == 3:
                found.append(deliver(codes(car, seq, *(["P0301"] if seq < 12 else []))))
            elif (seq + number) % 11 == 0:
                found.append(raw(car, "signals", b"\xc1 no MessagePack %d" % seq))
            else:
                found.append(deliver(signals(car, seq, {ODOMETER: 1e6 + seq * 1000 + number})))
    return [*found, *found[100:150], deliver(signals(CARS[0], 1, {ODOMETER: 7.0}))]


@given(
    st.lists(st.tuples(st.integers(0, 19), st.sampled_from(KINDS)), min_size=200, max_size=300),
    st.integers(1, 5),
)
def test_a_vehicle_is_in_one_part_and_in_order(sent: list[tuple[int, str]], most: int) -> None:
    batch = [
        Delivery(f"tbox/v1/{CARS[number]}/up/{kind}", b"%d" % place, place)
        for place, (number, kind) in enumerate(sent)
    ]
    parts = lanes.split(batch, most)
    assert 1 <= len(parts) <= most
    assert sorted((one for part in parts for one in part), key=lambda one: one.known_us) == batch
    for part in parts:
        assert [one.known_us for one in part] == sorted(one.known_us for one in part)
    owners = [{one.topic[8:25] for one in part} for part in parts]
    assert sum(map(len, owners)) == len(set().union(*owners))


def test_a_small_batch_is_not_split() -> None:
    batch = [Delivery(f"tbox/v1/{car}/up/can", b"", 0) for car in CARS]
    assert lanes.split(batch, 2) == [batch]
    assert lanes.split([], 2) == [[]]


async def test_two_lanes_store_what_one_transaction_does(
    conn: Connection, database_url: str, line: Line
) -> None:
    async with conn.transaction(force_rollback=True):
        await pipeline.store(conn, traffic(), line)
        expected = await contents(conn)
    metrics = Metrics()
    async with Lanes(database_url, line, metrics, asyncio.Event()) as both:
        parts = await both.read(traffic())
        assert len(parts) == 2
        tally = await both.commit(parts)
        again = await both.commit(await both.read(traffic()))
    assert await contents(conn) == expected
    assert tally.received == len(traffic()) == tally.stored + tally.doubled + tally.rejected
    assert (again.stored, again.rejected, again.received) == (0, 0, again.doubled)
    counted = metrics.registry.get_sample_value("odocare_ingest_messages_total", {"outcome": "received"})
    assert counted == 2 * len(traffic())


async def test_without_a_database_all_lanes_wait_and_stop_together(line: Line) -> None:
    stop = asyncio.Event()
    nowhere = "host=127.0.0.1 port=1 dbname=none"
    async with Lanes(nowhere, line, Metrics(), stop) as both:
        parts = await both.read(traffic())
        asyncio.get_running_loop().call_later(0.3, stop.set)
        with pytest.raises(StoppedError):
            await both.commit(parts)
        assert both.away_since is not None
