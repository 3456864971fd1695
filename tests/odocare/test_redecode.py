"""A corrected signal file over stored frames: what it tells, what it replaces, what it leaves alone."""

import json
import random
from datetime import date

import numpy as np
import pytest

from decoders.codebook import Codebook
from ingest.delivery import Delivery
from odocare.redecode_report import RedecodeReport
from store import audit, redecode, segments
from store.messages import MessageKeys
from store.pool import Connection, connect
from store.redecode import Choice
from tests.ingest.senders import T0_US, can, contents, deliver, signals, vin
from tests.odocare.redecoding import (
    AMBIENT,
    CRANKING,
    FIRST,
    HOUR_US,
    LAST,
    MAPPED,
    NAME,
    ODOMETER,
    SECOND_US,
    again,
    content,
    cranked,
    derived,
    drive,
    empty,
    line,
    outside,
    place,
    shown,
    store,
)
from vehicle.day import at_of
from vehicle.errors import ConflictError, NotFoundError
from vehicle.frame import SignalRows

A, B = vin(1), vin(2)
WRONG, RIGHT = content(km_per_bit=1.0), content()
WRONG_LINE, RIGHT_LINE = line(WRONG), line(RIGHT)


def change(report: RedecodeReport, path: str) -> tuple[int, ...]:
    """Values before, after, added, removed and changed of one signal."""
    found = {one.path: one.change for one in report.lines(RIGHT_LINE.lexicon.catalogue)}[path]
    return found.before_n, found.after_n, found.added_n, found.removed_n, found.changed_n


def fleet() -> list[Delivery]:
    return [
        drive(A, 0, km=1000.0),
        drive(A, 1, hour=2, km=1050.0),
        drive(A, 2, day=1, km=1100.0),
        drive(B, 0, day=1, km=7000.0),
        deliver(signals(A, 3, {ODOMETER: 1.06e6, AMBIENT: -3.0}, t0_us=T0_US + 3 * HOUR_US)),
    ]


async def test_a_dry_run_tells_the_difference_and_changes_nothing(conn: Connection) -> None:
    await store(conn, fleet(), WRONG_LINE)
    before = await contents(conn)
    report = await again(conn, RIGHT, apply=False)
    assert (report.vehicles_n, report.days_n, report.messages_n, report.changed_messages_n) == (2, 3, 4, 4)
    assert change(report, ODOMETER) == (80, 80, 0, 0, 80)
    assert change(report, AMBIENT) == (80, 80, 0, 0, 0)
    largest = report.changes[RIGHT_LINE.lexicon.numbers[ODOMETER]]
    assert largest.largest_from == 70_019_000.0
    assert largest.largest_to == pytest.approx(7_001_900.0)
    assert report.from_versions == (WRONG.version,)
    assert await contents(conn) == before
    assert not (await (await conn.execute("select 1 from audit")).fetchall())


async def test_applied_the_store_is_as_if_the_new_content_had_decoded_from_the_start(
    conn: Connection,
) -> None:
    await store(conn, fleet(), RIGHT_LINE)
    expected = await derived(conn)
    await empty(conn)
    await store(conn, fleet(), WRONG_LINE)
    assert (await derived(conn))["latest"] != expected["latest"]
    await conn.execute("truncate touched")
    report = await again(conn, RIGHT)
    assert report.changed_messages_n == 4
    assert await derived(conn) == expected
    assert (await contents(conn, "touched"))["touched"] == [(A, date(2025, 10, 9)), (B, date(2025, 10, 10))]


async def test_messages_that_come_afterwards_join_what_was_replaced(conn: Connection) -> None:
    late = [drive(A, 9, hour=1, km=1020.0), drive(B, 4, day=2, km=7100.0)]
    await store(conn, [*fleet(), *late], RIGHT_LINE)
    expected = await derived(conn)
    await empty(conn)
    await store(conn, fleet(), WRONG_LINE)
    await again(conn, RIGHT)
    await store(conn, late, RIGHT_LINE)
    assert await derived(conn) == expected


async def test_the_same_content_again_changes_nothing(conn: Connection) -> None:
    await store(conn, fleet(), RIGHT_LINE)
    before = await contents(conn)
    report = await again(conn, RIGHT)
    assert report.messages_n == 0  # there is nothing of another content
    report = await again(conn, RIGHT, from_version=RIGHT.version[:10])
    assert (report.messages_n, report.changed_messages_n) == (4, 0)
    assert change(report, ODOMETER) == (80, 80, 0, 0, 0)
    after = await contents(conn)
    assert {name: rows for name, rows in after.items() if name != "touched"} == {
        name: rows for name, rows in before.items() if name != "touched"
    }


async def test_signals_come_and_go_with_their_map_and_the_latest_state_falls_back(conn: Connection) -> None:
    await store(conn, fleet(), WRONG_LINE)
    number = RIGHT_LINE.lexicon.numbers
    report = await again(conn, content(mapped=["CrankingVoltage"], cranking_bit=12))
    assert change(report, ODOMETER) == (80, 0, 0, 80, 0)
    assert change(report, CRANKING) == (4, 4, 0, 0, 4)
    found = await derived(conn)
    assert [list(zip(row[2], row[4], strict=True)) for row in found["latest"]] == [
        [(number[ODOMETER], 1.06e6), *([(number[AMBIENT], -3.0)] if _is_latest(AMBIENT) else [])]
        + ([(number[CRANKING], 12.5)] if _is_latest(CRANKING) else []),
        [(number[CRANKING], 12.5)] if _is_latest(CRANKING) else [],
    ]
    report = await again(conn, RIGHT)
    assert change(report, ODOMETER) == (0, 80, 80, 0, 0)
    assert report.from_versions == (
        WRONG.version,
        content(mapped=["CrankingVoltage"], cranking_bit=12).version,
    )
    replaced = await derived(conn)
    await empty(conn)
    await store(conn, fleet(), RIGHT_LINE)
    assert await derived(conn) == replaced


def _is_latest(path: str) -> bool:
    return bool(RIGHT_LINE.lexicon.is_latest[RIGHT_LINE.lexicon.numbers[path]])


def drawn(draw: random.Random) -> tuple[Codebook, list[Delivery]]:
    """Some content of the codebook, and messages of two vehicles over three days and across midnights."""
    some = [name for name in MAPPED if draw.random() < 0.7]
    book = content(draw.choice([0.1, 0.2, 1.0]), draw.choice([12, 24]), some, version=str(draw.random()))
    found = []
    for seq in range(14):
        of = draw.choice([A, B])
        t0_us = T0_US + draw.randrange(60) * HOUR_US + draw.randrange(3600) * SECOND_US
        if draw.random() < 0.3:
            values = {draw.choice([ODOMETER, AMBIENT, CRANKING]): float(draw.randrange(5, 15))}
            found.append(deliver(signals(of, seq, values, t0_us=t0_us)))
            continue
        frames = []
        for _ in range(draw.randrange(12)):
            at_us = draw.randrange(3000) * SECOND_US  # some at the same moment
            kind = draw.choice([shown, outside, cranked])
            frames.append(kind(at_us, float(draw.randrange(1, 40))))
        found.append(deliver(can(of, seq, frames, t0_us=t0_us, codebook=NAME)))
    return book, found


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_was_wrong_the_store_ends_as_if_it_never_had_been(conn: Connection, seed: int) -> None:
    draw = random.Random(seed)
    old, messages = drawn(draw)
    new, _ = drawn(draw)
    await store(conn, messages, line(new))
    expected = await derived(conn)
    await empty(conn)
    await store(conn, messages, line(old))
    before = await contents(conn)
    await again(conn, old, from_version=old.version)
    assert await contents(conn) == before  # bit by bit
    told = await again(conn, new, apply=False)
    done = await again(conn, new)
    assert told.changes == done.changes
    found = await derived(conn)
    for rows in (found["latest"], expected["latest"]):  # when it was heard of does not go back
        rows[:] = [(row[0], *row[2:]) for row in rows]
    assert found == expected


async def test_only_the_chosen_vehicles_days_and_versions_are_looked_at(conn: Connection) -> None:
    await store(conn, fleet(), WRONG_LINE)
    one_day = await again(conn, RIGHT, since=date(2025, 10, 10), until=date(2025, 10, 10))
    assert (one_day.vehicles_n, one_day.messages_n) == (2, 2)
    one_car = await again(conn, RIGHT, choice=Choice(vins=(B,)), apply=False)
    assert one_car.messages_n == 0  # its only day is done
    rest = await again(conn, RIGHT, choice=Choice(vins=(A,)), from_version=WRONG.version[:8])
    assert (rest.vehicles_n, rest.messages_n) == (1, 2)
    of_no_model = await again(conn, RIGHT, choice=Choice(model="Odo City"))
    assert of_no_model.vehicles_n == 0
    with pytest.raises(NotFoundError):
        await again(conn, RIGHT, from_version="abcdefabcdef")


async def test_a_message_across_midnight_changes_both_days(conn: Connection) -> None:
    midnight_us = 7 * HOUR_US + 400 * SECOND_US  # after T0, in Shanghai
    frames = [
        frame
        for minute in range(-3, 4)
        for frame in (
            shown((minute + 3) * 60 * SECOND_US, 1000.0 + minute),
            outside((minute + 3) * 60 * SECOND_US, 5.0 + minute),
        )
    ]
    t0_us = T0_US + midnight_us - 180 * SECOND_US
    across = deliver(can(A, 7, frames, t0_us=t0_us, codebook=NAME))
    messages = [across, drive(A, 8, hour=8, km=1005.0)]
    await store(conn, messages, RIGHT_LINE)
    expected = await derived(conn)
    assert len(expected["vehicle_day"]) == 2
    await empty(conn)
    await store(conn, messages, WRONG_LINE)
    first_day = await again(conn, RIGHT, until=date(2025, 10, 9))
    assert first_day.messages_n == 1
    await again(conn, RIGHT, since=date(2025, 10, 10))
    assert await derived(conn) == expected


async def test_days_whose_frames_are_gone_keep_their_values_and_are_told(conn: Connection) -> None:
    await store(conn, fleet(), WRONG_LINE)
    await conn.execute("delete from raw_frame where at < %s", [at_of(T0_US + 12 * HOUR_US)])
    report = await again(conn, RIGHT)
    assert (report.messages_n, report.gone_messages_n) == (2, 2)
    assert report.gone_days == {date(2025, 10, 9): 2}
    assert (
        "2 messages keep their values: their frames are gone (2025-10-09 to 2025-10-09)" in report.summary()
    )
    found = await derived(conn)
    assert [version for (version,) in found["segment versions"]] == sorted([WRONG.version, RIGHT.version])


async def test_positions_stay_hidden_and_those_found_only_now_are_taken_out(conn: Connection) -> None:
    frames = [shown(0, 1000.0), place(0, 31.2), shown(SECOND_US, 1000.1), place(SECOND_US, 31.3)]
    await conn.execute("insert into vehicle (vin, location_allowed) values (%s, true)", [B])
    messages = [deliver(can(one, 0, frames, codebook=NAME)) for one in (A, B)]
    placed = content(mapped=["Odometer", "Lat"])
    await store(conn, messages, line(placed))
    expected = await derived(conn)
    await empty(conn)
    await store(conn, messages, WRONG_LINE)
    told = await again(conn, placed, apply=False)
    assert told.hidden_frames_n == 2
    await again(conn, placed)
    assert await derived(conn) == expected
    again_shown = await again(conn, content(mapped=["Odometer", "Lat"], version="2"))
    assert (again_shown.hidden_frames_n, again_shown.changed_messages_n) == (0, 0)


async def test_values_of_the_same_message_that_something_else_decoded_stay(conn: Connection) -> None:
    await store(conn, fleet(), WRONG_LINE)
    await conn.execute("insert into codebook (name, version) values ('identifiers', '1')")
    cur = await conn.execute("select id from codebook where name = 'identifiers'")
    ((book,),) = await cur.fetchall()
    cur = await conn.execute(
        "select vehicle_id, boot, life, seq, (extract(epoch from at) * 1000000)::bigint from segment"
        " where codebook_id is not null"
    )
    *keys, at_us = np.array(await cur.fetchall(), dtype=np.int64).T
    answered = SignalRows(np.arange(4, dtype=np.int32), at_us, np.full(4, 31, np.int16), np.full(4, 77.0))
    await segments.append(conn, MessageKeys(*keys), [book] * 4, answered)
    report = await again(conn, RIGHT)
    assert change(report, ODOMETER) == (80, 80, 0, 0, 80)
    cur = await conn.execute(
        "select value from segment, segment_values(body) where codebook_id = %(book)s", {"book": book}
    )
    assert await cur.fetchall() == [(77.0,)] * 4


async def test_each_replaced_day_is_in_the_audit(conn: Connection) -> None:
    await store(conn, fleet(), WRONG_LINE)
    await again(conn, RIGHT)
    rows = await (await conn.execute("select actor, action, detail from audit order by id")).fetchall()
    assert [(row[0], row[1], row[2]["day"], row[2]["messages"]) for row in rows] == [
        ("test", "redecode", "2025-10-09", 2),
        ("test", "redecode", "2025-10-10", 1),
        ("test", "redecode", "2025-10-10", 1),
    ]
    assert rows[0][2]["to_version"] == RIGHT.version
    assert rows[0][2]["from_versions"] == WRONG.version
    assert (await audit.verify(conn)).broken_at is None


async def test_two_runs_do_not_exchange_at_once(conn: Connection, database_url: str) -> None:
    await store(conn, fleet(), WRONG_LINE)
    async with connect(database_url) as other:
        await redecode.lock(other)
        with pytest.raises(ConflictError):
            await redecode.lock(conn, patience_s=0.1)
        assert (await again(conn, RIGHT, apply=False)).messages_n == 4  # looking is free
        await redecode.unlock(other)
    assert (await again(conn, RIGHT)).messages_n == 4


def test_the_report_is_plain_values() -> None:
    report = RedecodeReport(NAME, "a" * 64, ("b" * 64,), FIRST, LAST, applied=False)
    told = json.loads(json.dumps(report.as_json(RIGHT_LINE.lexicon.catalogue)))
    assert (told["messages"], told["from"], told["signals"]) == (0, "2025-10-01", [])
