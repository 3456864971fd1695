import asyncio

from store import master
from store.master_rows import DealerRecord, Stored, VehicleRecord
from store.pool import Connection, connect
from store.touched import CHANNEL
from vehicle.vin import Vin, parse_vin

ALL = ("vin", "plate", "model", "market", "use_class", "fuel", "tz", "built_on", "delivered_on", "dealer")

WAITING = """
    select count(*) from pg_locks
    where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())
"""


def car(vin: Vin, model: str = "Odo City") -> VehicleRecord:
    return VehicleRecord(vin, None, model, "CN", "private", "petrol", "Asia/Shanghai", None, None, None, None)


def fleet(count: int) -> list[VehicleRecord]:
    return [car(parse_vin(f"A0DC00000TA{number:06d}")) for number in range(count)]


async def test_nothing_is_nothing(conn: Connection) -> None:
    assert await master.put_vehicles(conn, [], ALL) == Stored()
    assert await master.put_plans(conn, [], ()) == Stored()


async def test_thousands_of_rows_are_one_statement(conn: Connection) -> None:
    assert await master.put_vehicles(conn, fleet(3_000), ALL) == Stored(new=3_000, touched=3_000)
    changed = [car(one.vin, "Odo Trail") for one in fleet(10)]
    again = await master.put_vehicles(conn, [*changed, *fleet(3_000)[10:]], ALL)
    assert again == Stored(changed=10, unchanged=2_990, touched=10)


async def test_the_bell_rings_when_the_transaction_commits(conn: Connection, database_url: str) -> None:
    async with connect(database_url) as listener:
        await listener.execute(f"listen {CHANNEL}".encode())
        async with conn.transaction():
            await master.put_vehicles(conn, fleet(2), ALL)
        heard = [note.channel async for note in listener.notifies(timeout=10.0, stop_after=1)]
    assert heard == [CHANNEL]


async def test_a_dealer_changes_no_prediction(conn: Connection) -> None:
    stored = await master.put_dealers(conn, [DealerRecord("D1", "店", "Shop", "", "")], ("code",))
    assert stored == Stored(new=1)
    assert await master.dealer_ids(conn, ["D1", "D2"]) == {
        "D1": (await (await conn.execute("select id from dealer")).fetchall())[0][0]
    }


async def test_two_imports_at_once_wait_for_each_other(conn: Connection, database_url: str) -> None:
    async with connect(database_url) as second, asyncio.timeout(20.0):
        await master.lock(conn)
        waiting = asyncio.create_task(master.lock(second))
        while await (await conn.execute(WAITING)).fetchone() != (1,):  # noqa: ASYNC110 - no bell rings
            await asyncio.sleep(0.01)
        assert not waiting.done()
        await master.unlock(conn)
        await waiting
        await master.unlock(second)
