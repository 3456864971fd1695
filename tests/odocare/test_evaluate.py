"""From rows as ingest writes them to events in the feed, on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from odocare.evaluate import Tally, evaluate_all, evaluate_touched
from odocare.judgement import Judge
from odocare.wiring import rule_texts
from store import anomalies, campaigns, feed, outcomes
from store.campaigns import Campaign
from store.pool import Connection, Pool
from tests.odocare.garage import Garage, judge_of
from vehicle.errors import ConflictError
from vehicle.trigger import Feed
from vehicle.vin import Vin


def on(day: str) -> datetime:
    """Noon of a day in Shanghai."""
    return datetime.fromisoformat(f"{day}T04:00:00+00:00")


async def events(conn: Connection, name: Feed = Feed.SERVICE) -> list[dict[str, Any]]:
    """Everything in a feed, in order."""
    page = await feed.read(conn, name, None)
    assert [event.position for event in page.events] == list(range(1, len(page.events) + 1))
    return [event.payload for event in page.events]


async def test_an_oil_change_is_announced_once_and_revised_as_it_comes_nearer(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    car = await garage.vehicle()
    await garage.drive(car, "2026-01-01", 80)  # 3,200 of 5,000 km: due in about 45 days
    assert (await evaluate_touched(pool, by, as_of=on("2026-03-21"))).opened_n == 0
    stages = []
    for day in ("2026-04-10", "2026-04-11", "2026-04-25", "2026-05-05"):
        await garage.drive(car, "2026-01-01", (on(day).date() - datetime(2026, 1, 1).date()).days)  # noqa: DTZ001 # a day
        tally = await evaluate_touched(pool, by, as_of=on(day))
        assert tally.vehicles_n == 1
        stages.append((await garage.rows("select stage, state, revision from trigger"))[0])
    told = await events(conn)
    assert told[0]["type"] == "odocare.trigger.opened"
    assert {event["type"] for event in told[1:]} == {"odocare.trigger.revised"}
    assert [stage[0] for stage in stages] == ["30", "30", "14", "3"]
    assert [event["data"]["changes"] for event in told[1:]] == [["stage"], ["stage"]]
    assert len(await garage.rows("select 1 from trigger")) == 1
    assert told[0]["data"]["words"]["zh"].startswith("机油约")
    assert told[0]["data"]["job"] == "oil-change"


async def test_a_second_evaluation_adds_nothing(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    car = await garage.vehicle()
    await garage.drive(car, "2026-01-01", 120)
    await garage.fault(car, "P0301", "2026-04-20T00:00:00Z")
    first = await evaluate_touched(pool, by, as_of=on("2026-05-01"))
    assert (first.vehicles_n, first.opened_n, first.failed_n) == (1, 2, 0)
    before = (await garage.open_triggers(), await events(conn), await events(conn, Feed.RECALL))
    await garage.touch(car)
    assert await evaluate_touched(pool, by, as_of=on("2026-05-01")) == Tally(vehicles_n=1)
    assert await evaluate_touched(pool, by, as_of=on("2026-05-01")) == Tally()
    assert before == (await garage.open_triggers(), await events(conn), await events(conn, Feed.RECALL))


async def test_a_completed_visit_starts_the_next_cycle_with_a_trigger_of_its_own(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    car = await garage.vehicle()
    await garage.drive(car, "2026-01-01", 120)
    await evaluate_touched(pool, by, as_of=on("2026-05-01"))
    ((first, *_),) = await garage.open_triggers()
    ((consumer,),) = await garage.rows("insert into consumer (name) values ('crm') returning id")
    done = {
        "trigger_id": str(first),
        "state": "completed",
        "happened_at": "2026-05-02T10:00:00+08:00",
        "repair_order": "RO-1",
        "odometer_km": 4840,
        "finding": "confirmed",
    }
    (result,) = await outcomes.report(conn, consumer, [done], now=on("2026-05-02"))
    assert result.status == 200
    tally = await evaluate_touched(pool, by, as_of=on("2026-05-02"))
    assert (tally.vehicles_n, tally.opened_n, tally.withdrawn_n) == (1, 0, 0)
    assert await garage.open_triggers() == set()
    assert await garage.rows("select cycle, p50_on > '2026-11-01' from prediction where is_newest") == [
        (1, True)
    ]
    await garage.drive(car, "2026-01-01", 345)  # 13,800 km
    await evaluate_touched(pool, by, as_of=on("2026-12-12"))
    ((second, rule, subject, occasion),) = await garage.open_triggers()
    assert (rule, subject, occasion) == ("oil-due", "engine-oil", "1")
    assert second != first
    states = await garage.rows("select state from trigger order by opened_at")
    assert states == [("completed",), ("new",)]


async def test_a_visit_of_today_counts_at_once_though_its_date_stands_as_noon(
    garage: Garage, pool: Pool, by: Judge
) -> None:
    car = await garage.vehicle()
    await garage.drive(car, "2026-01-01", 120)
    await evaluate_touched(pool, by, as_of=on("2026-05-01"))
    assert len(await garage.open_triggers()) == 1
    await garage.conn.execute(
        "insert into service_visit (vehicle_id, visited_at, repair_order, items, source)"
        " values (%s, '2026-05-02T12:00:00+08:00', 'RO-1', '{engine-oil}', 'import')",
        (car,),
    )
    await garage.touch(car)
    nine = on("2026-05-02") - timedelta(hours=3)
    assert (await evaluate_touched(pool, by, as_of=nine)).withdrawn_n == 1
    assert await garage.rows("select cycle from prediction where is_newest") == [(1,)]
    assert await garage.open_triggers() == set()


async def test_a_service_is_overdue_only_while_the_vehicle_still_drives(garage: Garage, pool: Pool) -> None:
    shipped = judge_of(dict(rule_texts()))
    car = await garage.vehicle()
    await garage.drive(car, "2026-01-01", 150)  # to 30 May: 6,000 of 5,000 km
    await evaluate_touched(pool, shipped, as_of=on("2026-06-29"))
    ((first, rule, *_),) = await garage.open_triggers()
    assert rule == "first-service-missed"
    assert (await evaluate_all(pool, shipped, on("2026-06-30"))).withdrawn_n == 1
    await garage.drive(car, "2026-07-01", 1, from_km=6000.0)
    await evaluate_touched(pool, shipped, as_of=on("2026-07-02"))
    assert [(one[0], one[1]) for one in await garage.open_triggers()] == [(first, rule)]


async def test_a_recall_is_opened_by_import_told_in_its_own_feed_and_ended_by_removal(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    car, stranger = await garage.vehicle(), Vin("LDEMA1B25PH999999")
    recall = Campaign(
        "R-1", "制动软管", "Brake hose", "", "", True, True, on("2026-04-01").date(), None, "test"
    )
    await campaigns.put(conn, recall)
    await campaigns.enlist(conn, "R-1", [Vin(garage.vins[car]), stranger])
    assert (await evaluate_touched(pool, by, as_of=on("2026-05-01"))).opened_n == 1
    (event,) = await events(conn, Feed.RECALL)
    assert event["data"]["type"] == "recall"
    assert event["data"]["words"] == {"zh": "召回：制动软管", "en": "Recall: Brake hose"}
    assert event["data"]["due"]["p50_on"] == "2026-04-01"
    late = await garage.vehicle(999999)  # in the campaign before it was registered
    assert (await evaluate_touched(pool, by, as_of=on("2026-05-02"))).opened_n == 1
    await campaigns.remove(conn, "R-1", [Vin(garage.vins[car])])
    assert (await evaluate_touched(pool, by, as_of=on("2026-05-03"))).withdrawn_n == 1
    open_now = await garage.rows("select vehicle_id from trigger where closed_at is null")
    assert open_now == [(late,)]
    assert [event["type"] for event in await events(conn, Feed.RECALL)][-1] == "odocare.trigger.withdrawn"


async def test_a_fault_that_forbids_driving_goes_to_the_recall_feed_and_is_withdrawn_when_healed(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    car = await garage.vehicle()
    await garage.fault(car, "P0301", "2026-04-20T00:00:00Z")
    await garage.fault(car, "P0420", "2026-04-20T00:00:00Z", severity="soon")
    await evaluate_touched(pool, by, as_of=on("2026-04-20"))
    assert await events(conn) == []
    (event,) = await events(conn, Feed.RECALL)
    assert (event["data"]["severity"], event["data"]["subject"]) == ("stop", "j2012 engine P0301")
    ((evidence,),) = await garage.rows("select evidence from trigger")
    assert evidence["values"] == {"status": "active", "severity": "stop", "code": "P0301"}
    assert (evidence["rule"], evidence["source"]) == ("fault-stop", "invented, for tests")
    await garage.fault(car, "P0301", "2026-04-20T00:00:00Z", ended="2026-04-21T00:00:00Z")
    await evaluate_touched(pool, by, as_of=on("2026-04-22"))
    assert [one["type"] for one in await events(conn, Feed.RECALL)] == [
        "odocare.trigger.opened",
        "odocare.trigger.withdrawn",
    ]
    assert await garage.rows("select state, closed_at is not null from trigger") == [("withdrawn", True)]
    assert await garage.rows("select closed_at is not null from finding") == [(True,)]
    history = await garage.rows("select state, consumer_id, happened_at from outcome")
    assert history == [("withdrawn", None, on("2026-04-22"))]


async def test_an_unregistered_vehicle_gets_nothing_until_it_is_registered(
    garage: Garage, pool: Pool, by: Judge
) -> None:
    car = await garage.vehicle(registered=False)
    await garage.fault(car, "P0301", "2026-04-20T00:00:00Z")
    assert await evaluate_touched(pool, by, as_of=on("2026-04-20")) == Tally()
    assert await evaluate_all(pool, by, on("2026-04-20")) == Tally()
    for table in ("trigger", "finding", "prediction", "rule_state"):
        assert await garage.rows(f"select count(*) from {table}") == [(0,)]
    await garage.conn.execute("update vehicle set registered_at = now()")
    assert (await evaluate_touched(pool, by, as_of=on("2026-04-21"))).opened_n == 1


async def test_late_data_in_any_order_end_in_the_same_open_triggers(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    """Weak nights from 1 to 10 March, then good ones; the good ones arrive first, or last, or all at once."""
    good, weak, tail = ("2026-03-11", 20, 12.6), ("2026-03-01", 10, 11.5), ("2026-03-31", 10, 11.4)
    for number, order in enumerate(([weak, good, tail], [tail, good, weak], [good, tail, weak]), start=1):
        car = await garage.vehicle(number)
        for first, days, volts in order:
            await garage.drive(car, first, days, rest_v=volts)
            await evaluate_touched(pool, by, as_of=on("2026-04-09"))
    found = await garage.rows(
        "select vehicle_id, subject, occasion, (evidence->>'opened_at')::timestamptz from trigger"
        " where closed_at is null and rule_id = 'crank-weak' order by vehicle_id"
    )
    opened = datetime(2026, 4, 3, tzinfo=UTC)
    assert [(row[1], row[2], row[3]) for row in found] == [("", "2", opened)] * 3


async def test_the_nightly_pass_takes_everyone_once_and_moves_with_the_calendar(
    garage: Garage, pool: Pool, by: Judge
) -> None:
    for number in range(1, 6):
        await garage.drive(await garage.vehicle(number), "2026-01-01", 80)
    seen: list[int] = []
    tally = await evaluate_all(pool, by, on("2026-03-21"), chunk=2, progress=seen.append)
    assert (tally.vehicles_n, tally.predictions_n, tally.opened_n, seen) == (5, 5, 0, [2, 2, 1])
    assert await evaluate_all(pool, by, on("2026-03-21")) == Tally()
    later = await evaluate_all(pool, by, on("2026-04-20"))
    assert (later.vehicles_n, later.opened_n) == (5, 5)
    assert await garage.rows("select count(*), count(*) filter (where is_newest) from prediction") == [
        (10, 5)
    ]
    assert await garage.rows("select count(*) from touched") == [(0,)]


async def test_no_evaluation_goes_back_in_time(garage: Garage, pool: Pool, by: Judge) -> None:
    await garage.vehicle()
    await evaluate_touched(pool, by, as_of=on("2026-04-20"))
    with pytest.raises(ConflictError, match="before the latest"):
        await evaluate_touched(pool, by, as_of=on("2026-04-19"))
    assert await evaluate_all(pool, by, on("2026-04-19")) == Tally()


async def test_a_vehicle_touched_again_while_it_is_evaluated_stays_on_the_list(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    car = await garage.vehicle()
    async with pool.connection() as holder:
        await holder.execute("lock table prediction")  # the evaluation stops here, its inputs already read
        task = asyncio.create_task(evaluate_touched(pool, by, as_of=on("2026-04-20")))
        await garage.until_blocked()
        await asyncio.wait_for(garage.touch(car), 5)  # ingest never waits for an evaluation
        await holder.commit()
        assert (await task).vehicles_n == 2
    assert await garage.rows("select count(*) from touched") == [(0,)]


async def test_a_touch_that_is_not_committed_yet_is_neither_waited_for_nor_lost(
    garage: Garage, pool: Pool, by: Judge
) -> None:
    car = await garage.vehicle()
    async with pool.connection() as ingest:
        await ingest.execute(
            "update touched set touched_at = clock_timestamp() where vehicle_id = %s", (car,)
        )
        tally = await asyncio.wait_for(_first_round(pool, by), 10)
        assert tally.vehicles_n == 1
        await ingest.commit()
    assert (await evaluate_touched(pool, by, as_of=on("2026-04-20"))).vehicles_n == 1
    assert await garage.rows("select count(*) from touched") == [(0,)]


async def test_vehicles_that_send_without_end_let_the_others_have_their_turn(
    garage: Garage, pool: Pool, by: Judge, database_url: str
) -> None:
    urgent = [await garage.vehicle(number) for number in (1, 2)]
    calm = await garage.vehicle(3)
    stranger = await garage.vehicle(4, registered=False)
    await garage.drive(stranger, "2026-01-01", 3)
    asked = 0
    with psycopg.connect(database_url, autocommit=True) as ingest:

        def stop() -> bool:
            nonlocal asked
            asked += 1
            ingest.execute("update touched set urgent = vehicle_id = any(%s), cleaned = false", (urgent,))
            return asked > 12

        await evaluate_touched(pool, by, chunk=1, rest=timedelta(minutes=1), stop=stop)
    done = await garage.rows("select vehicle_id from evaluated order by 1")
    assert done == [(urgent[0],), (urgent[1],), (calm,)]
    assert await garage.rows("select vehicle_id from odometer") == [(stranger,)]


async def _first_round(pool: Pool, by: Judge) -> Tally:
    rounds: list[int] = []
    return await evaluate_touched(
        pool, by, as_of=on("2026-04-20"), progress=rounds.append, stop=lambda: bool(rounds)
    )


async def test_two_processes_share_the_vehicles_and_open_each_trigger_once(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    for number in range(1, 13):
        await garage.drive(await garage.vehicle(number), "2026-01-01", 120)
    tallies = await asyncio.gather(
        *(evaluate_touched(pool, by, as_of=on("2026-05-01"), chunk=2) for _ in range(3)),
        evaluate_all(pool, by, on("2026-05-01"), chunk=3),
    )
    assert sum(tally.vehicles_n for tally in tallies) >= 12
    assert sum(tally.opened_n for tally in tallies) == 12
    told = await events(conn)
    assert len({event["subject"] for event in told}) == len(told) == 12


async def test_an_evaluation_and_a_report_that_meet_leave_one_history(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    """The report holds the trigger; the evaluation that wants to withdraw it waits, and finds it booked."""
    car = await garage.vehicle()
    await garage.fault(car, "P0301", "2026-04-20T00:00:00Z")
    await evaluate_touched(pool, by, as_of=on("2026-04-20"))
    ((trigger, *_),) = await garage.open_triggers()
    ((consumer,),) = await garage.rows("insert into consumer (name) values ('crm') returning id")
    booked = {"trigger_id": str(trigger), "state": "booked", "happened_at": "2026-04-20T12:00:00+08:00"}
    await garage.fault(car, "P0301", "2026-04-20T00:00:00Z", ended="2026-04-21T00:00:00Z")
    async with pool.connection() as reporter, reporter.transaction():
        (result,) = await outcomes.report(reporter, consumer, [booked], now=on("2026-04-22"))
        assert result.status == 200
        task = asyncio.create_task(evaluate_touched(pool, by, as_of=on("2026-04-22")))
        await garage.until_blocked()
    assert (await task).revised_n == 1
    told = await events(conn, Feed.RECALL)
    assert [(one["data"]["revision"], one["data"]["state"]) for one in told] == [
        (1, "new"),
        (2, "booked"),
        (3, "booked"),
    ]
    assert told[-1]["data"]["changes"] == ["condition_gone"]


async def test_a_vehicle_that_cannot_be_evaluated_is_held_back_alone(
    garage: Garage, pool: Pool, by: Judge
) -> None:
    cars = [await garage.vehicle(number) for number in range(1, 8)]
    for car in cars:
        await garage.drive(car, "2026-01-01", 120)
    await garage.conn.execute("update vehicle set tz = 'Mars/Olympus' where id = %s", (cars[3],))
    tally = await evaluate_touched(pool, by, as_of=on("2026-05-01"))
    assert (tally.vehicles_n, tally.failed_n, tally.opened_n) == (6, 1, 6)
    assert await garage.rows("select vehicle_id from touched") == [(cars[3],)]
    ((held, failures, until, reason),) = await garage.rows(
        "select vehicle_id, failures_n, until > now(), reason from held_back"
    )
    assert (held, failures, until) == (cars[3], 1, True)
    assert "Mars/Olympus" in reason
    await garage.conn.execute("update held_back set until = now() - interval '1 s'")
    assert (await evaluate_touched(pool, by, as_of=on("2026-05-01"))).failed_n == 1
    assert await garage.rows("select failures_n from held_back") == [(2,)]
    await garage.conn.execute("update vehicle set tz = 'Asia/Shanghai'; update held_back set until = now()")
    assert (await evaluate_touched(pool, by, as_of=on("2026-05-01") + timedelta(hours=1))).opened_n == 1
    assert await garage.rows("select count(*) from held_back") == [(0,)]


async def test_a_vehicle_held_back_in_the_nightly_pass_is_not_left_for_the_next_night(
    garage: Garage, pool: Pool, by: Judge
) -> None:
    car = await garage.vehicle()
    await garage.drive(car, "2026-01-01", 120)
    await garage.conn.execute("delete from touched")
    await garage.conn.execute("update vehicle set tz = 'Mars/Olympus'")
    assert (await evaluate_all(pool, by, on("2026-05-01"))).failed_n == 1
    await garage.conn.execute("update vehicle set tz = 'Asia/Shanghai'")
    later = on("2026-05-01") + timedelta(hours=1)
    assert await evaluate_touched(pool, by, as_of=later) == Tally()
    await garage.conn.execute("update held_back set until = now()")
    assert (await evaluate_touched(pool, by, as_of=later)).opened_n == 1
    assert await garage.rows("select count(*) from touched") == [(0,)]


async def test_a_reading_that_falls_is_an_anomaly_and_moves_no_date(
    garage: Garage, pool: Pool, by: Judge, conn: Connection
) -> None:
    car = await garage.vehicle()
    await garage.drive(car, "2026-01-01", 60)
    await evaluate_touched(pool, by, as_of=on("2026-03-10"))
    before = await garage.rows("select p10_on, p50_on, p90_on from prediction where is_newest")
    await garage.drive(car, "2026-03-03", 1, from_km=3.0, km_per_d=1.0)
    await evaluate_touched(pool, by, as_of=on("2026-03-10"))
    found = await anomalies.of_vehicle(conn, car)
    assert {(one.kind, one.after) for one in found} == {("odometer-fall", 3.0), ("odometer-fall", 4.0)}
    assert await garage.rows("select p10_on, p50_on, p90_on from prediction where is_newest") == before
    await conn.execute("delete from odometer_day where day = '2026-03-03'")  # as if it had never been sent
    await garage.touch(car)
    await evaluate_touched(pool, by, as_of=on("2026-03-10"))
    assert await anomalies.of_vehicle(conn, car) == []
