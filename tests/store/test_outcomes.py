from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from store import feed, outcomes
from store.outcome_report import is_plain
from store.outcomes import OutcomeResult
from store.pool import Connection
from vehicle.trigger import ENDED, Feed, TriggerState, TriggerType, fold, may_follow

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)


@pytest.fixture
async def consumer_id(conn: Connection) -> int:
    row = await (await conn.execute("insert into consumer (name) values ('crm') returning id")).fetchone()
    assert row is not None
    return int(row[0])


async def put_trigger(
    conn: Connection,
    vehicle_id: int,
    kind: TriggerType = TriggerType.SERVICE_DUE,
    subject: str = "engine-oil",
) -> UUID:
    identity = uuid4()
    feed_name = "recall" if kind is TriggerType.RECALL else "service"
    row = {"v": vehicle_id, "t": identity, "s": subject, "kind": kind, "r": str(identity), "feed": feed_name}
    await conn.execute(
        """
        with f as (
            insert into finding (
                vehicle_id, rule_id, rule_version, subject, occasion, opened_at, as_of, values, read_at
            ) values (%(v)s, %(r)s, '1', %(s)s, '1', now(), now(), '{}', '{}') returning id
        )
        insert into trigger (
            id, finding_id, vehicle_id, type, feed, rule_id, rule_version, subject, occasion, job,
            severity, words_zh, words_en, evidence, as_of
        )
        select %(t)s, f.id, %(v)s, %(kind)s, %(feed)s, %(r)s, '1', %(s)s, '1', 'j', 'soon', '', '', '{}',
            now()
        from f
        """,
        row,
    )
    payload = Jsonb({"id": f"{identity}.1", "data": {"revision": 1, "state": "new", "changes": ["x"]}})
    await conn.execute(
        "insert into trigger_event (trigger_id, feed, kind, revision, payload)"
        " values (%s, %s, 'opened', 1, %s)",
        (identity, feed_name, payload),
    )
    return identity


def says(trigger: UUID, state: str, hours_ago: float = 1, **more: object) -> dict[str, Any]:
    at = NOW - timedelta(hours=hours_ago)
    return {"trigger_id": str(trigger), "state": state, "happened_at": at.isoformat(), **more}


async def take(conn: Connection, consumer_id: int, *reports: object) -> list[OutcomeResult]:
    return await outcomes.report(conn, consumer_id, reports, now=NOW)


async def state_of(conn: Connection, trigger: UUID) -> tuple[str, int, bool]:
    row = await (
        await conn.execute(
            "select state, revision, closed_at is not null from trigger where id = %s", (trigger,)
        )
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


async def rows(conn: Connection, query: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(query.encode())).fetchall()


async def test_a_booking_moves_the_trigger_and_is_told_in_the_feed(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    results = await take(
        conn,
        consumer_id,
        says(trigger, "accepted", 3),
        says(trigger, "contacted", 2, channel="phone", result="calls back"),
        says(trigger, "booked", 1, booked_for="2026-06-12T09:00:00+08:00"),
    )
    assert [(one.status, one.state, one.revision) for one in results] == [
        (200, "accepted", 2),
        (200, "contacted", 3),
        (200, "booked", 4),
    ]
    assert await state_of(conn, trigger) == ("booked", 4, False)
    await feed.sequence(conn)
    page = await feed.read(conn, Feed.SERVICE, None)
    assert [event.payload["data"]["state"] for event in page.events] == [
        "new",
        "accepted",
        "contacted",
        "booked",
    ]
    assert [event.payload["id"] for event in page.events] == [f"{trigger}.{n}" for n in (1, 2, 3, 4)]
    assert "changes" not in page.events[-1].payload["data"]


async def test_a_completed_visit_restarts_the_item_and_touches_the_vehicle(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    done = says(
        trigger, "completed", 30, repair_order="RO-1", odometer_km=15230.5, finding="confirmed", hours=0.8
    )
    assert [one.status for one in await take(conn, consumer_id, done)] == [200]
    assert await state_of(conn, trigger) == ("completed", 2, True)
    visits = await rows(
        conn,
        "select vehicle_id, visited_at, odometer_km, repair_order, items, finding, source,"
        " dealer_id is not null from service_visit",
    )
    at = NOW - timedelta(hours=30)
    assert visits == [(vehicle_id, at, 15230.5, "RO-1", ["engine-oil"], "confirmed", "outcome", True)]
    assert await rows(conn, "select vehicle_id, from_day::text from touched") == [(vehicle_id, "2026-06-09")]


async def test_one_repair_order_that_completes_two_triggers_is_one_visit(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    oil, filters = (
        await put_trigger(conn, vehicle_id),
        await put_trigger(conn, vehicle_id, subject="cabin-filter"),
    )
    results = await take(
        conn,
        consumer_id,
        says(oil, "completed", repair_order="RO-2"),
        says(filters, "completed", repair_order="RO-2", odometer_km=9000, items=["cabin-filter", "tyres"]),
    )
    assert [one.status for one in results] == [200, 200]
    visits = await rows(conn, "select items, odometer_km from service_visit")
    assert visits == [(["cabin-filter", "engine-oil", "tyres"], 9000.0)]


async def test_a_completed_recall_is_remedied_and_restarts_nothing(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    await conn.execute(
        "insert into campaign (id, title_zh, title_en, opened_on, source)"
        " values ('R1', '', '', '2026-01-01', '')"
    )
    await conn.execute("insert into campaign_vehicle (campaign_id, vin) select 'R1', vin from vehicle")
    trigger = await put_trigger(conn, vehicle_id, TriggerType.RECALL, "R1")
    await take(conn, consumer_id, says(trigger, "completed", repair_order="RO-3"))
    assert await rows(conn, "select state, remedied_at from campaign_vehicle") == [
        ("remedied", NOW - timedelta(hours=1))
    ]
    assert await rows(conn, "select items from service_visit") == [([],)]


async def test_the_same_report_again_is_known_and_changes_nothing(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    done = says(
        trigger, "completed", repair_order="RO-1", odometer_km=5, items=["a", "b"], finding="not_found"
    )
    first = await take(conn, consumer_id, done)
    again = await take(conn, consumer_id, done, done)
    assert [(one.status, one.revision) for one in [*first, *again]] == [(200, 2)] * 3
    assert [one.detail for one in again] == ["known already"] * 2
    assert await rows(conn, "select count(*) from outcome") == [(1,)]
    assert await rows(conn, "select count(*) from trigger_event") == [(2,)]


async def test_a_late_report_is_taken_by_its_own_time(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    await take(conn, consumer_id, says(trigger, "completed", 1, repair_order="RO-1"))
    late, wrong = await take(
        conn, consumer_id, says(trigger, "contacted", 5), says(trigger, "contacted", 0.5)
    )
    assert (late.status, late.state, late.revision) == (200, "completed", 3)
    assert "stays completed" in late.detail
    assert (wrong.status, wrong.state) == (409, "completed")
    assert "contacted cannot follow completed" in wrong.detail


async def test_a_visit_reported_late_ends_the_trigger_although_it_was_contacted_after(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    await take(conn, consumer_id, says(trigger, "contacted", 1))
    (result,) = await take(conn, consumer_id, says(trigger, "completed", 24, repair_order="RO-1"))
    assert (result.status, result.state) == (200, "completed")
    assert await state_of(conn, trigger) == ("completed", 3, True)


async def test_each_report_has_a_status_of_its_own(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    trigger, unknown = await put_trigger(conn, vehicle_id), uuid4()
    results = await take(
        conn,
        consumer_id,
        says(unknown, "accepted"),
        says(trigger, "in_service"),
        says(trigger, "booked", 0.5),
        "not an object",
        {"trigger_id": "x"},
        says(trigger, "withdrawn"),
        says(trigger, "completed"),
        says(trigger, "declined"),
        says(trigger, "declined", -0.2, reason="tomorrow"),
        {**says(trigger, "completed", repair_order="R"), "vin": "LDEMA1B25PH000001"},
        says(trigger, "completed", repair_order="R", odometer_km=-1),
        {**says(trigger, "accepted"), "happened_at": "2026-06-01T00:00:00"},
        says(trigger, "completed", 0.4, repair_order="R"),
    )
    expected = [404, 200, 409, 422, 422, 422, 422, 422, 422, 422, 422, 422, 200]
    assert [one.status for one in results] == expected
    assert results[0].trigger_id == str(unknown)
    assert results[3].trigger_id is None
    assert "repair_order" in results[6].detail
    assert "reason" in results[7].detail
    assert "future" in results[8].detail
    assert "vin" in results[9].detail
    assert await state_of(conn, trigger) == ("completed", 3, True)
    assert await rows(conn, "select count(*) from service_visit") == [(1,)]


async def test_of_a_transaction_that_is_rolled_back_nothing_stays(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    async with conn.transaction(force_rollback=True):
        await take(conn, consumer_id, says(trigger, "accepted"))
    assert await state_of(conn, trigger) == ("new", 1, False)


REPORTED = sorted(set(TriggerState) - {TriggerState.NEW, TriggerState.WITHDRAWN})


@given(st.lists(st.sampled_from(sorted(TriggerState)), max_size=12))
def test_a_fold_only_goes_where_it_may(steps: list[TriggerState]) -> None:
    state = TriggerState.NEW
    for length in range(1, len(steps) + 1):
        after = fold(steps[:length])
        back = state is TriggerState.WITHDRAWN and after is TriggerState.NEW
        assert after is state or may_follow(state, after) or back
        state = after
    if TriggerState.COMPLETED in [fold(steps[:n]) for n in range(len(steps) + 1)]:
        assert state is TriggerState.COMPLETED


def test_an_ended_state_but_unreachable_leads_only_to_the_workshop() -> None:
    for state in ENDED - {TriggerState.UNREACHABLE, TriggerState.COMPLETED}:
        assert {then for then in REPORTED if may_follow(state, then)} <= {
            TriggerState.BOOKED,
            TriggerState.IN_SERVICE,
            TriggerState.COMPLETED,
        }


@pytest.mark.parametrize("ending", ["declined", "suppressed", "expired", "unreachable"])
@pytest.mark.parametrize("stands", ["booked", "in_service"])
async def test_an_ending_reported_late_does_not_undo_what_came_after_it(
    conn: Connection, vehicle_id: int, consumer_id: int, ending: str, stands: str
) -> None:
    late, told_in_order = await put_trigger(conn, vehicle_id), await put_trigger(conn, vehicle_id)
    results = await take(
        conn,
        consumer_id,
        says(late, stands, 1),
        says(late, ending, 2, reason="no time"),
        says(told_in_order, ending, 2, reason="no time"),
        says(told_in_order, stands, 1),
    )
    assert [(one.status, one.state) for one in results] == [
        (200, stands),
        (200, stands),
        (200, ending),
        (200, stands),
    ]
    assert f"stays {stands}" in results[1].detail
    for trigger in (late, told_in_order):
        assert await state_of(conn, trigger) == (stands, 3, False)


BAD_TEXTS = ["a\u0000b", "\ud800", "line\nend", "\x7f", "\x85"]
BAD_TIMES = ["0001-01-01T00:00:00+08:00", "0001-01-01T00:00:00Z", "2009-12-31T23:59:59Z"]


def bad_rows(trigger: UUID) -> list[dict[str, Any]]:
    """Rows that no database or encoder takes."""
    rows: list[dict[str, Any]] = [{**says(trigger, "contacted"), "happened_at": at} for at in BAD_TIMES]
    for text in BAD_TEXTS:
        rows += [{**says(trigger, "contacted"), name: text} for name in ("result", "channel", "state", text)]
        rows.append(says(trigger, "declined", reason=text))
        rows.append(says(trigger, "completed", repair_order=text))
        rows.append(says(trigger, "completed", repair_order="R", items=["engine-oil", text]))
        rows.append(says(trigger, "completed", repair_order="R", parts=[text]))
        rows.append({**says(trigger, "contacted"), "trigger_id": text})
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]
    rows += [says(trigger, "contacted", result=deep), {**says(trigger, "contacted"), "trigger_id": deep}]
    rows += [
        says(trigger, "completed", repair_order="R", odometer_km=number) for number in (float("nan"), 10**400)
    ]
    return rows


async def test_a_row_that_cannot_be_stored_spoils_no_other(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    first, bad, last = [await put_trigger(conn, vehicle_id) for _ in range(3)]
    rows_sent = [says(first, "booked"), *bad_rows(bad), says(last, "booked")]
    results = await take(conn, consumer_id, *rows_sent)
    assert [one.status for one in results] == [200, *[422] * (len(rows_sent) - 2), 200]
    assert all(one.detail and is_plain(one.detail) for one in results[1:-1])
    assert all(one.trigger_id is None or is_plain(one.trigger_id) for one in results)
    assert await state_of(conn, bad) == ("new", 1, False)
    assert await state_of(conn, last) == ("booked", 2, False)


async def test_words_of_any_language_are_plain(conn: Connection, vehicle_id: int, consumer_id: int) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    (result,) = await take(
        conn, consumer_id, says(trigger, "contacted", result="客户说明天来 👍 – naïve\u00a0!")
    )
    assert result.status == 200


async def test_nothing_happens_to_a_vehicle_before_it_is_built(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    await conn.execute("update vehicle set built_on = '2026-06-10' where id = %s", (vehicle_id,))
    trigger = await put_trigger(conn, vehicle_id)
    early, ok = await take(
        conn, consumer_id, says(trigger, "contacted", 72), says(trigger, "contacted", 12.5)
    )
    assert (early.status, ok.status) == (422, 200)
    assert "before the vehicle was built" in early.detail


async def test_a_trigger_of_another_feed_is_not_there(
    conn: Connection, vehicle_id: int, consumer_id: int
) -> None:
    oil = await put_trigger(conn, vehicle_id)
    recall = await put_trigger(conn, vehicle_id, TriggerType.RECALL, "R1")
    told = [says(oil, "booked"), says(recall, "completed", repair_order="RO-1")]
    results = await outcomes.report(conn, consumer_id, told, now=NOW, feeds={Feed.SERVICE})
    assert [(one.status, one.state) for one in results] == [(200, "booked"), (404, None)]
    assert results[1].detail == f"no trigger {recall}"
    assert await state_of(conn, recall) == ("new", 1, False)
    none = await outcomes.report(conn, consumer_id, told, now=NOW, feeds=())
    assert [one.status for one in none] == [404, 404]
