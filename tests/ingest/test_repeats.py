"""Alarms every ten seconds: a row for what is new, and in any order the same rows."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from decoders.message import DtcMessage, EcuDtcs
from ingest import pipeline
from ingest.delivery import Delivery
from ingest.pipeline import Line
from store.pool import Connection
from tests.ingest.gbt_packets import alarming, published
from tests.ingest.senders import KNOWN_US, SECOND_US, T0_US, contents, deliver, envelope, shuffled, vin
from vehicle.day import at_of
from vehicle.dtc import Dtc, DtcReading, DtcStandard

A, B = vin(1), vin(2)
TABLES = ("fault_report", "fault_event", "fault")


def at(second: int) -> int:
    return T0_US + second * SECOND_US


def sent(*reports: bytes) -> list[Delivery]:
    return published(reports, known_us=KNOWN_US)


async def stored(conn: Connection, stream: Sequence[Delivery], line: Line, size: int) -> dict[str, Any]:
    """The rows after this stream in batches of a size, in an empty store."""
    await conn.execute(
        "truncate message, segment, raw_packet, latest, vehicle_day, fault_report, fault_event, fault,"
        " touched, reject, vehicle cascade"
    )
    for start in range(0, len(stream), size):
        await pipeline.store(conn, stream[start : start + size], line)
    return await contents(conn, *TABLES)


async def runs(conn: Connection) -> list[tuple[int, int]]:
    """First and last second of each run."""
    rows = await (
        await conn.execute("select happened_at, until_at from fault_report order by happened_at, until_at")
    ).fetchall()
    return [tuple(int((one - at_of(T0_US)).total_seconds()) for one in row) for row in rows]  # type: ignore[misc]  # two


async def test_an_hour_of_equal_reports_is_one_row_that_knows_its_end(conn: Connection, line: Line) -> None:
    for second in range(0, 3600, 600):
        hour = (alarming(A, at(second + step), 3, level=2) for step in range(0, 600, 10))
        await pipeline.store(conn, sent(*hour), line)
    assert await runs(conn) == [(0, 3590)]
    found = await contents(conn, *TABLES)
    assert len(found["fault_event"]) == 2
    assert {row[1]["code"] for row in found["fault"]} == {"ALARM 03", "LEVEL 2"}
    cur = await conn.execute("select distinct first_seen_at, last_seen_at, ended_at from fault")
    assert await cur.fetchall() == [(at_of(at(0)), at_of(at(3590)), None)]


async def test_an_alarm_that_goes_heals_and_one_that_comes_back_is_another_episode(
    conn: Connection, line: Line
) -> None:
    for second, flags in ((0, (3,)), (10, (3,)), (20, ()), (30, ()), (40, (3, 4))):
        await pipeline.store(conn, sent(alarming(A, at(second), *flags)), line)
    assert await runs(conn) == [(0, 10), (20, 30), (40, 40)]
    cur = await conn.execute(
        "select code, episode, first_seen_at, last_seen_at, ended_at from fault order by code, episode"
    )
    assert await cur.fetchall() == [
        ("ALARM 03", 1, at_of(at(0)), at_of(at(10)), at_of(at(20))),
        ("ALARM 03", 2, at_of(at(40)), at_of(at(40)), None),
        ("ALARM 04", 1, at_of(at(40)), at_of(at(40)), None),
    ]


async def test_a_late_report_that_says_something_else_cuts_a_run_where_it_was(
    conn: Connection, line: Line
) -> None:
    await pipeline.store(conn, sent(*(alarming(A, at(second)) for second in range(0, 100, 10))), line)
    assert await runs(conn) == [(0, 90)]
    await pipeline.store(conn, sent(alarming(A, at(45), 3, reissued=True)), line)
    assert await runs(conn) == [(0, 40), (45, 45), (50, 90)]
    cur = await conn.execute("select last_seen_at, ended_at from fault")
    assert await cur.fetchall() == [(at_of(at(45)), at_of(at(50)))]


async def test_a_list_of_the_t_box_about_the_same_alarms_is_folded_with_the_packets(
    conn: Connection, line: Line
) -> None:
    reading = DtcReading(Dtc(DtcStandard.GBT32960, "vehicle", "ALARM 05"))
    told = EcuDtcs("vehicle", DtcStandard.GBT32960, complete=False, readings=(reading,))
    listed = deliver(DtcMessage(envelope(A, 0, t0_us=at(5)), (told,)))
    packets = sent(alarming(A, at(0), 3), alarming(A, at(10), 3))
    await pipeline.store(conn, [*packets, listed], line)
    expected = await contents(conn, *TABLES)
    assert [row[1]["code"] for row in expected["fault"]] == ["ALARM 03", "ALARM 05"]
    assert await stored(conn, [listed, *packets], line, 1) == expected


async def test_where_the_raw_packets_are_gone_a_late_report_still_counts(
    conn: Connection, line: Line
) -> None:
    await pipeline.store(conn, sent(*(alarming(A, at(second)) for second in range(0, 100, 10))), line)
    await conn.execute("truncate raw_packet")
    await pipeline.store(conn, sent(alarming(A, at(45), 3, reissued=True)), line)
    assert await runs(conn) == [(0, 0), (45, 45), (90, 90)]
    cur = await conn.execute("select last_seen_at, ended_at from fault")
    assert await cur.fetchall() == [(at_of(at(45)), at_of(at(90)))]


@pytest.mark.parametrize("seed", range(8))
async def test_the_same_reports_in_any_order_and_any_batches_end_in_the_same_rows(
    conn: Connection, line: Line, seed: int
) -> None:
    draw = random.Random(seed)
    choices = [(), (), (3,), (3, 4), (4,)]
    reports = [
        alarming(
            draw.choice([A, A, A, B]),
            at(draw.randrange(20)),
            *draw.choice(choices),
            level=draw.choice([0, 0, 2, 0xFF]),
            reissued=draw.random() < 0.2,
        )
        for _ in range(30)
    ]
    stream = sent(*reports)
    wanted = await stored(conn, sorted(stream, key=lambda one: one.body[24:30]), line, 1)
    for size in (4, 11, 30):
        assert await stored(conn, shuffled([*stream, *stream[:10]], seed + size), line, size) == wanted
