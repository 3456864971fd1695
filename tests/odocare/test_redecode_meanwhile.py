"""Decoding again while vehicles go on sending, and while the process that does it is killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import dbc
from decoders import codebook
from decoders.codebook import Codebook
from ingest import pipeline
from ingest.delivery import Delivery
from odocare import wiring
from store.pool import Connection, connect
from tests.ingest.senders import ODOMETER, T0_US, can, contents, deliver, signals, vin
from tests.odocare.redecoding import HOUR_US, again, content, derived, drive, empty, line, shown, store
from vehicle.vin import Vin

DEADLINE_S = 60
A, B = vin(1), vin(2)
WRONG, RIGHT = content(km_per_bit=1.0, cranking_bit=12), content()
WRONG_LINE, RIGHT_LINE = line(WRONG), line(RIGHT)


def three_days(of: Vin, first: int = 0) -> list[Delivery]:
    """A message every three hours, and some that the T-Box decoded itself."""
    found = [drive(of, first + n, day=n // 8, hour=3 * (n % 8), km=1000.0 + 10 * n) for n in range(24)]
    own = [
        deliver(signals(of, first + 100 + n, {ODOMETER: 1e6 + n}, t0_us=T0_US + n * HOUR_US))
        for n in range(4)
    ]
    return found + own


@asynccontextmanager
async def blocked(conn: Connection, other: Connection) -> AsyncIterator[None]:
    """On leaving, `other` waits for a lock."""
    yield
    async with asyncio.timeout(DEADLINE_S):
        while True:
            cur = await conn.execute(
                "select wait_event_type from pg_stat_activity where pid = %s", [other.info.backend_pid]
            )
            row = await cur.fetchone()
            if row is not None and row[0] == "Lock":
                return
            await asyncio.sleep(0.01)


async def test_ingest_that_comes_first_is_waited_for_and_counted(conn: Connection, database_url: str) -> None:
    early, late = three_days(A)[:10], three_days(A)[10:]
    await store(conn, [*early, *late], RIGHT_LINE)
    expected = await derived(conn)
    await empty(conn)
    await store(conn, early, WRONG_LINE)
    async with connect(database_url) as other, connect(database_url) as watch:
        async with conn.transaction():
            await store(conn, late, RIGHT_LINE)  # not committed yet
            async with blocked(watch, other):
                run = asyncio.create_task(again(other, RIGHT))
        await asyncio.wait_for(run, DEADLINE_S)
    assert await derived(conn) == expected


async def test_ingest_that_comes_second_adds_to_what_was_replaced(
    conn: Connection, database_url: str
) -> None:
    early, late = three_days(A)[:10], three_days(A)[10:]
    await store(conn, [*early, *late], RIGHT_LINE)
    expected = await derived(conn)
    await empty(conn)
    await store(conn, early, WRONG_LINE)
    async with connect(database_url) as other, connect(database_url) as watch:
        async with conn.transaction():
            await again(conn, RIGHT)  # not committed yet
            async with blocked(watch, other):
                ingest = asyncio.create_task(store(other, late, RIGHT_LINE))
        await asyncio.wait_for(ingest, DEADLINE_S)
    assert await derived(conn) == expected


async def test_nothing_is_lost_or_doubled_while_ingest_stores_all_the_time(
    conn: Connection, database_url: str
) -> None:
    messages = [one for pair in zip(three_days(A), three_days(B), strict=True) for one in pair]
    await store(conn, messages, RIGHT_LINE)
    expected = await derived(conn)
    await empty(conn)

    async def ingest() -> None:
        """Old and new processes in turn, three messages at a time."""
        async with connect(database_url) as own:
            for n in range(0, len(messages), 3):
                by = WRONG_LINE if n % 2 else RIGHT_LINE
                await pipeline.store(own, messages[n : n + 3], by)

    sending = asyncio.create_task(ingest())
    while not sending.done():
        await again(conn, RIGHT)
    await sending
    await again(conn, RIGHT)
    assert await derived(conn) == expected


def petrol(*, is_right: bool) -> Codebook:
    """The shipped codebook, or one that takes a bit of the odometer for a kilometre."""
    text = dbc.read("odo_petrol.dbc")
    if not is_right:
        text = text.replace("7|32@0+ (0.1,0)", "7|32@0+ (1,0)")
    files = {"odo_petrol.dbc": text}
    return codebook.load("odo_petrol", files, dbc.read("odo_petrol.toml"), wiring.catalogue())


async def contents_by_day(conn: Connection) -> dict[tuple[str, date], set[str]]:
    """Which contents decoded the messages of each vehicle's day."""
    cur = await conn.execute(
        "select v.vin, (r.at at time zone v.tz)::date, array_agg(distinct r.codebook_id) || "
        "array_agg(distinct s.codebook_id)"
        " from raw_frame r join vehicle v on v.id = r.vehicle_id"
        " left join segment s using (vehicle_id, boot, life, seq) group by 1, 2"
    )
    return {(vin_, day): set(ids) for vin_, day, ids in await cur.fetchall()}


def messages_of(n: int) -> list[Delivery]:
    """Vehicles with a message every three hours, on four days each."""
    return [
        deliver(
            can(
                vin(10 + car),
                seq,
                [shown(second * 1_000_000, 500.0 * seq + second) for second in range(60)],
                t0_us=T0_US + 3 * seq * HOUR_US,
                codebook="odo_petrol",
            )
        )
        for car in range(n)
        for seq in range(20)
    ]


async def test_killed_in_the_middle_every_day_is_whole_and_the_next_run_finishes(
    conn: Connection, database_url: str
) -> None:
    messages = messages_of(20)
    await store(conn, messages, line(petrol(is_right=True)))
    expected = await derived(conn)
    await empty(conn)
    await store(conn, messages, line(petrol(is_right=False)))
    days_n = len(await contents_by_day(conn))
    for _ in range(2):
        done = await replaced(conn)
        process = await start(database_url)
        async with asyncio.timeout(DEADLINE_S):
            while await replaced(conn) < done + 5:  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        by_day = await contents_by_day(conn)
        assert all(len(ids) == 1 for ids in by_day.values())
    assert await replaced(conn) < days_n
    process = await start(database_url)
    assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
    assert await derived(conn) == expected
    assert await replaced(conn) == days_n
    assert len((await contents(conn, "touched"))["touched"]) == 20


async def replaced(conn: Connection) -> int:
    row = await (await conn.execute("select count(*) from audit where action = 'redecode'")).fetchone()
    assert row is not None
    return int(row[0])


async def start(database_url: str) -> asyncio.subprocess.Process:

    command = "redecode --codebook odo_petrol --from 2025-10-01 --until 2025-10-30 --all --apply --json"
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "odocare",
        *command.split(),
        env=os.environ | {"ODOCARE_DATABASE_URL": database_url},
        stdout=asyncio.subprocess.DEVNULL,
    )
