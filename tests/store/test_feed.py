import asyncio
import random
from uuid import UUID, uuid4

import pytest

from store import feed
from store.feed import ExpiredCursorError, Position
from store.pool import Connection, Pool
from vehicle.errors import ConflictError
from vehicle.trigger import EventKind, Feed, TriggerType

WRITERS = 8
EACH = 60


async def put_trigger(conn: Connection, vehicle_id: int, kind: TriggerType = TriggerType.FAULT) -> UUID:
    """A trigger without events, so that the test decides about them."""
    identity = uuid4()
    await conn.execute(
        """
        with f as (
            insert into finding (
                vehicle_id, rule_id, rule_version, subject, occasion, opened_at, as_of, values, read_at
            ) values (%(v)s, 'r', '1', %(s)s, '1', now(), now(), '{}', '{}') returning id
        )
        insert into trigger (
            id, finding_id, vehicle_id, type, feed, rule_id, rule_version, subject, occasion, job,
            severity, words_zh, words_en, evidence, as_of
        )
        select %(t)s, f.id, %(v)s, %(kind)s, 'service', 'r', '1', %(s)s, '1', 'j', 'soon', '', '', '{}', now()
        from f
        """,
        {"v": vehicle_id, "t": identity, "s": str(identity), "kind": kind},
    )
    return identity


async def put_event(conn: Connection, trigger: UUID, revision: int, name: str = "service") -> None:
    """An event that tells the type its trigger has now."""
    await conn.execute(
        "insert into trigger_event (trigger_id, feed, kind, revision, payload)"
        " select id, %s, 'revised', %s, jsonb_build_object('data', jsonb_build_object('type', type))"
        " from trigger where id = %s",
        (name, revision, trigger),
    )


async def test_an_event_without_a_position_is_not_read(conn: Connection, vehicle_id: int) -> None:
    await put_event(conn, await put_trigger(conn, vehicle_id), 1)
    before = await feed.read(conn, Feed.SERVICE, None)
    assert before.events == []
    assert before.lag_s > 0
    assert await feed.sequence(conn) == 1
    assert await feed.sequence(conn) == 0
    page = await feed.read(conn, Feed.SERVICE, before.next)
    assert [(event.position, event.revision, event.kind) for event in page.events] == [
        (1, 1, EventKind.REVISED)
    ]
    assert page.next == Position(Feed.SERVICE, 1, 1)
    assert page.lag_s == 0


async def test_positions_are_dense_per_feed(conn: Connection, vehicle_id: int) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    for revision in range(1, 8):
        await put_event(conn, trigger, revision, "recall" if revision % 3 == 0 else "service")
    assert await feed.sequence(conn) == 7
    service = await feed.read(conn, Feed.SERVICE, None)
    recall = await feed.read(conn, Feed.RECALL, None)
    assert [(event.position, event.revision) for event in service.events] == [
        (1, 1),
        (2, 2),
        (3, 4),
        (4, 5),
        (5, 7),
    ]
    assert [(event.position, event.revision) for event in recall.events] == [(1, 3), (2, 6)]


async def test_a_page_ends_where_the_next_begins(conn: Connection, vehicle_id: int) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    for revision in range(1, 6):
        await put_event(conn, trigger, revision)
    await feed.sequence(conn)
    seen, after = [], None
    for _ in range(4):
        page = await feed.read(conn, Feed.SERVICE, after, 2)
        seen.append([event.revision for event in page.events])
        after = page.next
    assert seen == [[1, 2], [3, 4], [5], []]


async def test_a_filtered_reader_moves_past_what_it_does_not_want(conn: Connection, vehicle_id: int) -> None:
    fault = await put_trigger(conn, vehicle_id)
    wear = await put_trigger(conn, vehicle_id, TriggerType.WEAR)
    for revision in (1, 2, 3):
        await put_event(conn, fault, revision)
    await put_event(conn, wear, 1)
    await put_event(conn, fault, 4)
    await feed.sequence(conn)
    page = await feed.read(conn, Feed.SERVICE, None, 10, types=frozenset({TriggerType.WEAR}))
    assert [event.trigger_id for event in page.events] == [wear]
    assert page.next.position == 5


async def test_an_event_is_of_the_type_it_tells_whatever_its_trigger_became(
    conn: Connection, vehicle_id: int
) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    await put_event(conn, trigger, 1)
    await conn.execute("update trigger set type = 'wear' where id = %s", (trigger,))
    await put_event(conn, trigger, 2)
    await feed.sequence(conn)
    for kind, revision in ((TriggerType.FAULT, 1), (TriggerType.WEAR, 2)):
        page = await feed.read(conn, Feed.SERVICE, None, 10, types=frozenset({kind}))
        assert [event.revision for event in page.events] == [revision]


async def test_a_late_commit_with_a_lower_id_gets_a_later_position(pool: Pool, vehicle_id: int) -> None:
    async with pool.connection() as slow, pool.connection() as quick:
        await slow.set_autocommit(True)
        await quick.set_autocommit(True)
        first, second = await put_trigger(quick, vehicle_id), await put_trigger(quick, vehicle_id)
        async with slow.transaction():
            await put_event(slow, first, 1)  # the lower id
            await put_event(quick, second, 1)
            assert await feed.sequence(quick) == 1
            page = await feed.read(quick, Feed.SERVICE, None)
            assert [event.trigger_id for event in page.events] == [second]
        assert await feed.sequence(quick) == 1
        page = await feed.read(quick, Feed.SERVICE, page.next)
        assert [event.trigger_id for event in page.events] == [first]


async def test_the_sequencer_refuses_to_run_inside_a_transaction(conn: Connection) -> None:
    async with conn.transaction():
        await conn.execute("select 1")
        with pytest.raises(ConflictError, match="of its own"):
            await feed.sequence(conn)


async def test_cursors_of_another_epoch_or_of_dropped_events_expire(
    conn: Connection, vehicle_id: int
) -> None:
    trigger = await put_trigger(conn, vehicle_id)
    for revision in range(1, 6):
        await put_event(conn, trigger, revision)
    await feed.sequence(conn)
    await conn.execute("delete from trigger_event where position <= 2")
    with pytest.raises(ExpiredCursorError) as dropped:
        await feed.read(conn, Feed.SERVICE, Position(Feed.SERVICE, 1, 1))
    assert dropped.value.earliest == Position(Feed.SERVICE, 1, 2) == await feed.earliest(conn, Feed.SERVICE)
    page = await feed.read(conn, Feed.SERVICE, dropped.value.earliest)
    assert [event.position for event in page.events] == [3, 4, 5]
    with pytest.raises(ExpiredCursorError):
        await feed.read(conn, Feed.SERVICE, Position(Feed.SERVICE, 1, 6))  # ahead: never given
    await feed.renew_epochs(conn)
    with pytest.raises(ExpiredCursorError) as restored:
        await feed.read(conn, Feed.SERVICE, Position(Feed.SERVICE, 1, 5))
    assert restored.value.earliest == Position(Feed.SERVICE, 2, 2)
    await conn.execute("delete from trigger_event")
    assert await feed.earliest(conn, Feed.SERVICE) == Position(Feed.SERVICE, 2, 5)


async def test_no_reader_misses_an_event_of_eight_writers_that_commit_out_of_order(
    pool: Pool, conn: Connection, vehicle_id: int
) -> None:
    triggers = [await put_trigger(conn, vehicle_id) for _ in range(WRITERS)]
    written = {(trigger, revision) for trigger in triggers for revision in range(1, EACH + 1)}

    async def write(trigger: UUID, seed: int) -> None:
        draw = random.Random(seed)
        async with pool.connection() as writer:
            revision = 1
            while revision <= EACH:
                many = draw.randint(1, 4)
                async with writer.transaction():
                    for _ in range(min(many, EACH + 1 - revision)):
                        await put_event(writer, trigger, revision)
                        revision += 1
                        await writer.execute("select pg_sleep(%s)", (draw.random() / 400,))  # commits cross
                if draw.random() < 0.5:
                    await writer.rollback()
                    await writer.set_autocommit(True)
                    await feed.sequence(writer)
                    await writer.set_autocommit(False)

    async def read(done: asyncio.Event) -> list[tuple[int, UUID, int]]:
        got: list[tuple[int, UUID, int]] = []
        async with pool.connection() as reader:
            await reader.set_autocommit(True)
            after = await feed.earliest(reader, Feed.SERVICE)
            while True:
                was_done = done.is_set()
                page = await feed.read(reader, Feed.SERVICE, after, 25)
                got += [(event.position, event.trigger_id, event.revision) for event in page.events]
                after = page.next
                if was_done and not page.events:
                    return got

    done = asyncio.Event()
    readers = [asyncio.create_task(read(done)) for _ in range(2)]
    await asyncio.gather(*(write(trigger, seed) for seed, trigger in enumerate(triggers)))
    await feed.sequence(conn)
    done.set()
    for got in await asyncio.gather(*readers):
        assert [position for position, _, _ in got] == list(range(1, WRITERS * EACH + 1))
        assert {(trigger, revision) for _, trigger, revision in got} == written
        for trigger in triggers:
            assert [revision for _, of, revision in got if of == trigger] == list(range(1, EACH + 1))


async def test_new_positions_are_announced_by_the_name_of_their_feed(
    pool: Pool, conn: Connection, vehicle_id: int
) -> None:
    await put_event(conn, await put_trigger(conn, vehicle_id), 1)
    async with pool.connection() as listener:
        await listener.set_autocommit(True)
        await listener.execute("listen feed")
        await feed.sequence(conn)
        heard = [notice.payload async for notice in listener.notifies(timeout=5, stop_after=1)]
    assert heard == ["service"]
