from datetime import UTC, datetime, timedelta

import numpy as np

from store import evaluations
from store import touched as marking
from store.pool import Connection, Pool

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


async def put_vehicles(conn: Connection, many: int) -> list[int]:
    """Registered vehicles, all touched."""
    rows = await (
        await conn.execute(
            "with v as (insert into vehicle (vin, registered_at)"
            " select 'LDEMA1B25PH' || lpad(n::text, 6, '0'), now() from generate_series(1, %s) n"
            " returning id) insert into touched (vehicle_id, from_day) select id, '2026-06-01' from v"
            " returning vehicle_id",
            (many,),
        )
    ).fetchall()
    return sorted(row[0] for row in rows)


async def touched(conn: Connection) -> list[int]:
    rows = await (await conn.execute("select vehicle_id from touched order by 1")).fetchall()
    return [row[0] for row in rows]


async def test_a_claimed_vehicle_is_nobody_elses_until_the_transaction_ends(
    pool: Pool, conn: Connection
) -> None:
    ids = await put_vehicles(conn, 5)
    async with pool.connection() as one, pool.connection() as other:
        first = await evaluations.claim_touched(one, 3)
        second = await evaluations.claim_touched(other, 10)
        assert len(first.vehicle_ids) == 3
        assert sorted(first.vehicle_ids + second.vehicle_ids) == ids
        await one.rollback()
        again = await evaluations.claim_not_yet(conn, as_of=AS_OF, after=0, limit=10)
        assert again.vehicle_ids == sorted(first.vehicle_ids)


async def test_a_claim_does_not_keep_rows_from_referring_to_the_vehicle(pool: Pool, conn: Connection) -> None:
    ids = await put_vehicles(conn, 1)
    async with pool.connection() as one:
        await evaluations.claim_touched(one, 3)
        await conn.execute("set lock_timeout = '2s'")
        await conn.execute(
            "insert into service_visit (vehicle_id, visited_at, repair_order, source)"
            " values (%s, now(), 'R', 'import')",
            (ids[0],),
        )


async def test_urgent_vehicles_come_first_and_need_no_rest(conn: Connection) -> None:
    ids = await put_vehicles(conn, 4)
    day = np.zeros(1, np.int32)
    await marking.mark(conn, np.array(ids[2:3]), day, urgent=[ids[2]])
    await marking.mark(conn, np.array(ids[2:3]), day)
    first = await evaluations.claim_touched(conn, 2)
    assert first.vehicle_ids[0] == ids[2]
    assert (await evaluations.claim_touched(conn, 9, urgent=True)).vehicle_ids == [ids[2]]
    evaluation_id = await evaluations.begin(conn, as_of=AS_OF, scope="touched")
    await evaluations.mark(conn, evaluation_id, ids[:3], as_of=AS_OF)
    resting = await evaluations.claim_touched(conn, 9, rested=AS_OF - timedelta(seconds=1))
    assert resting.vehicle_ids == [ids[2], ids[3]]
    rested = await evaluations.claim_touched(conn, 9, rested=AS_OF)
    assert sorted(rested.vehicle_ids) == ids


async def test_only_what_was_not_touched_again_leaves_the_list(conn: Connection) -> None:
    ids = await put_vehicles(conn, 3)
    claim = await evaluations.claim_touched(conn, 10)
    await conn.execute("update touched set touched_at = touched_at where vehicle_id = %s", (ids[1],))
    await evaluations.untouch(conn, claim)
    assert await touched(conn) == [ids[1]]
    await evaluations.untouch(conn, claim)
    assert await touched(conn) == [ids[1]]


async def test_a_vehicle_that_fails_waits_twice_as_long_each_time_and_a_day_at_most(conn: Connection) -> None:
    (vehicle,) = await put_vehicles(conn, 1)
    waits = []
    for failures in range(1, 15):
        assert await evaluations.hold_back(conn, vehicle, "ValueError: x") == failures
        row = await (
            await conn.execute("select round(extract(epoch from until - now()) / 60)::int from held_back")
        ).fetchone()
        assert row is not None
        waits.append(row[0])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440, 1440]
    assert (await evaluations.claim_touched(conn, 1)).vehicle_ids == []
    assert await evaluations.count_not_yet(conn, as_of=AS_OF) == 0


async def test_a_vehicle_that_failed_is_tried_again_when_its_hold_is_over_whoever_had_it(
    conn: Connection,
) -> None:
    (vehicle,) = await put_vehicles(conn, 1)
    await conn.execute("delete from touched")  # only a pass over all vehicles had it
    await evaluations.hold_back(conn, vehicle, "ValueError: x")
    assert (await evaluations.claim_touched(conn, 1)).vehicle_ids == []
    await conn.execute("update held_back set until = now() - interval '1 s'")
    assert (await evaluations.claim_touched(conn, 1)).vehicle_ids == [vehicle]


async def test_holding_a_vehicle_back_leaves_an_older_touch_as_it_is(conn: Connection) -> None:
    (vehicle,) = await put_vehicles(conn, 1)
    before = await (await conn.execute("select * from touched")).fetchall()
    await evaluations.hold_back(conn, vehicle, "ValueError: x")
    assert await (await conn.execute("select * from touched")).fetchall() == before


async def test_what_has_been_evaluated_is_not_claimed_again_for_the_same_moment(conn: Connection) -> None:
    ids = await put_vehicles(conn, 3)
    number = await evaluations.begin(conn, as_of=AS_OF, scope="all")
    assert await evaluations.last_as_of(conn) == AS_OF
    await evaluations.mark(conn, number, ids[:2], as_of=AS_OF)
    assert (await evaluations.claim_not_yet(conn, as_of=AS_OF, after=0, limit=10)).vehicle_ids == ids[2:]
    assert await evaluations.count_not_yet(conn, as_of=AS_OF + timedelta(seconds=1)) == 3
    assert not await evaluations.is_finished(conn, as_of=AS_OF)
    await evaluations.finish(conn, number, failed_n=1)
    assert await evaluations.is_finished(conn, as_of=AS_OF)
    row = await (await conn.execute("select vehicles_n, failed_n from evaluation")).fetchone()
    assert row == (2, 1)
