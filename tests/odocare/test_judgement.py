"""What happens to open triggers when the rules or the plan change under them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from odocare.evaluate import Tally, evaluate_all, remember_rules
from odocare.judgement import Judge
from rules import book
from store.pool import Connection, Pool
from tests.odocare.garage import RULES, Garage, judge_of
from vehicle.trigger import Feed


def on(day: str) -> datetime:
    """Noon of a day in Shanghai."""
    return datetime.fromisoformat(f"{day}T04:00:00+00:00")


@pytest.fixture
async def car(garage: Garage, pool: Pool, by: Judge) -> int:
    """A car with an open oil change and an open fault."""
    number = await garage.vehicle()
    await garage.drive(number, "2026-01-01", 120)
    await garage.fault(number, "P0301", "2026-04-20T00:00:00Z")
    tally = await evaluate_all(pool, by, on("2026-05-01"))
    assert tally.opened_n == 2
    return number


async def states(garage: Garage) -> dict[str, str]:
    return {row[0]: row[1] for row in await garage.rows("select rule_id, state from trigger")}


async def test_a_rule_that_was_taken_out_withdraws_its_triggers(garage: Garage, pool: Pool, car: int) -> None:
    without = judge_of({name: text for name, text in RULES.items() if name != "fault-stop.toml"})
    assert (await evaluate_all(pool, without, on("2026-05-02"))).withdrawn_n == 1
    assert await states(garage) == {"oil-due": "new", "fault-stop": "withdrawn"}
    assert await garage.rows("select count(*) from rule_state where rule_id = 'fault-stop'") == [(0,)]


async def test_a_rule_file_that_is_broken_leaves_its_triggers_as_they_are(
    garage: Garage, pool: Pool, by: Judge, car: int
) -> None:
    broken = replace(by, book=book.load({**RULES, "fault-stop.toml": "id = "}))
    assert broken.book.problems
    later = on("2026-05-01") + timedelta(hours=1)
    assert await evaluate_all(pool, broken, later) == Tally(vehicles_n=1)
    assert await states(garage) == {"oil-due": "new", "fault-stop": "new"}
    assert await evaluate_all(pool, by, later + timedelta(hours=1)) == Tally(vehicles_n=1)


async def test_a_rule_that_becomes_milder_moves_its_triggers_to_the_other_feed(
    garage: Garage, pool: Pool, car: int
) -> None:
    milder = RULES["fault-stop.toml"].replace('\nseverity = "stop"', '\nseverity = "urgent"')
    changed = judge_of({**RULES, "fault-stop.toml": milder})
    await evaluate_all(pool, changed, on("2026-05-02"))
    told = await garage.rows(
        "select feed, kind, revision from trigger_event e where trigger_id ="
        " (select id from trigger where rule_id = 'fault-stop') order by revision"
    )
    assert told == [("recall", "opened", 1), ("recall", "withdrawn", 2), (Feed.SERVICE, "opened", 3)]
    assert await garage.rows("select feed, severity from trigger where rule_id = 'fault-stop'") == [
        ("service", "urgent")
    ]


async def test_other_words_in_a_rule_do_not_disturb_anybody(garage: Garage, pool: Pool, car: int) -> None:
    reworded = judge_of({**RULES, "oil-due.toml": RULES["oil-due.toml"].replace("due in about", "due in")})
    assert (await evaluate_all(pool, reworded, on("2026-05-01"))).revised_n == 0


async def test_an_item_that_leaves_the_plan_takes_prediction_and_trigger_with_it(
    garage: Garage, pool: Pool, by: Judge, car: int
) -> None:
    await garage.conn.execute("delete from service_plan")
    assert (await evaluate_all(pool, by, on("2026-05-02"))).withdrawn_n == 1
    assert await states(garage) == {"oil-due": "withdrawn", "fault-stop": "new"}
    assert await garage.rows("select count(*) from prediction where is_newest") == [(0,)]
    assert await garage.rows("select subject, closed_at from finding where rule_id = 'oil-due'") == [
        ("engine-oil", on("2026-05-02"))
    ]


async def test_every_open_trigger_rests_on_an_open_finding_whose_rule_is_kept(
    garage: Garage, pool: Pool, by: Judge, car: int, conn: Connection
) -> None:
    await remember_rules(pool, by)
    unfounded = await garage.rows(
        "select t.id from trigger t join finding f on f.id = t.finding_id"
        " left join rule_version r on r.rule_id = t.rule_id and r.version = t.rule_version"
        " where t.closed_at is null and (f.closed_at is not null or r.body is null)"
    )
    assert unfounded == []
    ((values, read_at),) = await garage.rows("select values, read_at from finding where rule_id = 'oil-due'")
    assert set(values) == {"due_in_p20_d", "item", "due_in_p50_d"}
    assert read_at == {"row": "2026-04-30T04:00:00+00:00"}  # the odometer's day, not the evaluation's
