"""Gaps are found by vehicle and time, a page at a time, and counted over all pages."""

from datetime import timedelta
from typing import Final

from ingest import numbering
from ingest.metrics import Tally
from store import gap_list, messages, vehicles
from store.gap_list import Totals, Wanted
from store.messages import LedgerEntry
from store.pool import Connection
from vehicle.day import at_of
from vehicle.vin import Vin

VIN: Final = Vin("LRW3E7FA7NC000001")
OTHER: Final = Vin("LRW3E7FA9NC000002")
SEEN_US: Final = 1_790_000_000_000_000
HOUR_US: Final = 3_600_000_000


async def fill(conn: Connection) -> None:
    """Gaps 1-4 and 6-9 of one vehicle, of which 7 came an hour late; 0-2 of another one two hours later."""
    fleet = await vehicles.by_vin(conn, [VIN, OTHER])
    for of, seqs, hours in ((VIN, (0, 5, 10), 0), (VIN, (7,), 1), (OTHER, (3,), 2)):
        entries = [
            LedgerEntry(fleet[of].id, 1, seq, "signals", SEEN_US, SEEN_US + hours * HOUR_US, seq, 10)
            for seq in seqs
        ]
        async with conn.transaction():
            numbers = await numbering.begin(conn, entries, [], {})
            assert numbers is not None
            await numbering.finish(conn, numbers, await messages.admit(conn, entries), Tally())


async def test_gaps_are_listed_newest_first_and_counted_over_all_pages(conn: Connection) -> None:
    await fill(conn)
    first = await gap_list.page(conn, Wanted(), limit=3)
    rest = await gap_list.page(conn, Wanted(), limit=3, before=first[-1].id)
    told = [(one.first_seq, one.last_seq, one.messages, one.closed_at is None) for one in [*first, *rest]]
    assert told == [(0, 2, 3, True), (8, 9, 2, True), (7, 7, 1, False), (6, 6, 1, True), (1, 4, 4, True)]
    assert await gap_list.totals(conn, Wanted()) == Totals(vehicles=2, gaps=5, missing=10, late=1)
    assert await gap_list.still_open(conn) == (4, 10.0)


async def test_every_filter_leaves_what_it_names(conn: Connection) -> None:
    await fill(conn)
    row = await (await conn.execute("select public_id from vehicle where vin = %s", (OTHER,))).fetchone()
    assert row is not None
    later = at_of(SEEN_US) + timedelta(minutes=1)
    for wanted, gaps in (
        (Wanted(is_open=True), 4),
        (Wanted(vin=VIN), 4),
        (Wanted(vin=VIN, is_open=True), 3),
        (Wanted(vehicle=row[0]), 1),
        (Wanted(since=later), 1),
        (Wanted(until=later), 4),
        (Wanted(vin=Vin("LRW3E7FA9NC000003")), 0),
    ):
        assert len(await gap_list.page(conn, wanted, limit=10)) == gaps, wanted
        assert (await gap_list.totals(conn, wanted)).gaps == gaps, wanted


async def test_more_numbers_are_missing_than_64_bits_count(conn: Connection) -> None:
    for boot in range(3):
        await conn.execute(
            "insert into gap (vehicle_id, boot, life, first_seq, last_seq, seen_at)"
            " values (1, %s, 0, 0, 9223372036854775806, now())",
            (boot,),
        )
    assert (await gap_list.totals(conn, Wanted())).missing == 3 * (2**63 - 1)
