"""11: the server's clock steps an hour forward and back, again and again, over days."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from odocare import worker
from odocare.evaluate import evaluate_touched
from odocare.feed_consumer import Consumer, feed_is_whole
from odocare.worker import Nightly
from store import feed as feeds
from store.pool import Connection
from tests.faults.evaluating import evaluating
from tests.faults.table import Experiment
from vehicle.trigger import Feed

NIGHTLY: Final = Nightly(3, ZoneInfo("UTC"))
STEP: Final = timedelta(hours=1)
TICK: Final = timedelta(minutes=20)
BEGIN: Final = datetime(2026, 4, 1, 2, 30, tzinfo=UTC)


class Clock:
    """True time, and what the server believes."""

    def __init__(self) -> None:
        self.true = BEGIN
        self.wrong_by = timedelta(0)

    def __call__(self) -> datetime:
        return self.true + self.wrong_by


@pytest.mark.experiment(11, "the server's clock steps by an hour", quick=True)
async def test_every_night_has_one_pass_and_no_cursor_goes_astray(
    experiment: Experiment, conn: Connection, database_url: str
) -> None:
    days = 6 if experiment.is_whole else 1
    clock, steps, passes = Clock(), 0, []
    believed: list[datetime] = []
    consumer = Consumer()
    async with evaluating(conn, database_url) as (garage, pool, by):
        cars = [await garage.vehicle(number) for number in range(1, 4)]
        cursor = await feeds.earliest(conn, Feed.RECALL)
        for tick in range(int(timedelta(days=days) / TICK)):
            if experiment.draw.random() < 0.15:
                clock.wrong_by = experiment.draw.choice((-STEP, timedelta(0), STEP))
                steps += 1
            believed.append(clock())
            if tick % 12 == 0:
                car = experiment.draw.choice(cars)
                await garage.fault(car, f"P{tick:04}", (clock.true - STEP * 2).isoformat())
            tally = await worker.night(pool, by, NIGHTLY, clock())
            if tally is not None:
                passes.append(NIGHTLY.last_due(clock()))
            await evaluate_touched(pool, by, rest=timedelta(seconds=10), now=clock)
            assert await garage.rows("select count(*) from touched") == [(0,)], "nobody waits for the clock"
            page = await feeds.read(conn, Feed.RECALL, cursor)
            assert [one.position for one in page.events] == list(
                range(cursor.position + 1, cursor.position + 1 + len(page.events))
            )
            for event in page.events:
                consumer.take(event)
            cursor = page.next
            clock.true += TICK
        first, last = (NIGHTLY.last_due(moment) for moment in (believed[0], max(believed)))
        wanted = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        assert len(wanted) >= days
        assert passes == wanted, "each night once, none left out"
        finished = await garage.rows("select as_of from evaluation where scope = 'all' order by as_of")
        assert [row[0] for row in finished] == wanted
        opened = await garage.rows("select count(*), count(distinct id) from trigger")
        whole = await feed_is_whole(conn)
    assert opened[0][0] == opened[0][1] == consumer.processed == -(-int(timedelta(days=days) / TICK) // 12)
    assert whole.verdict == "ok", whole
    experiment.found({"I4": whole.verdict})
    experiment.note(f"{steps} steps of an hour in {days} days: {len(passes)} nights, each once")
    experiment.note("cursors unaffected")


@pytest.mark.experiment(11, "the clock is set back over the nightly pass", quick=False)
async def test_set_back_over_its_hour_the_pass_of_the_day_before_is_not_made_again(
    experiment: Experiment, conn: Connection, database_url: str
) -> None:
    async with evaluating(conn, database_url) as (garage, pool, by):
        await garage.vehicle()
        after = datetime(2026, 4, 1, 3, 10, tzinfo=UTC)
        assert await worker.night(pool, by, NIGHTLY, after) is not None
        assert await worker.night(pool, by, NIGHTLY, after - STEP) is None
        assert await worker.night(pool, by, NIGHTLY, after) is None
        assert await worker.night(pool, by, NIGHTLY, after + timedelta(days=1)) is not None
        assert await garage.rows("select count(*) from evaluation where scope = 'all'") == [(2,)]
    experiment.note("no second pass")
