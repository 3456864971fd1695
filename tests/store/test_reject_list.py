"""Refusals are found by everything that tells them apart, a page at a time."""

from dataclasses import replace
from datetime import timedelta

from store import reject_list, rejects, vehicles
from store.pool import Connection
from store.reject_list import Wanted
from store.sealed import Seal
from tests.store.test_rejects import REFUSED
from vehicle.day import at_of
from vehicle.vin import Vin

SEAL = Seal(bytes(range(32)))
VIN = Vin("LRW3E7FA7NC000001")
HOUR_US = 3_600_000_000


async def fill(conn: Connection) -> None:
    """Six refusals, an hour apart, of two reasons and kinds, two of a vehicle, one without bytes."""
    fleet = await vehicles.by_vin(conn, [VIN])
    refused = [
        replace(
            REFUSED,
            body_hash=n,
            known_us=REFUSED.known_us + n * HOUR_US,
            reason="truncated" if n % 2 else "bad-topic",
            kind="can" if n < 4 else "signals",
            vehicle_id=fleet[VIN].id if n < 2 else None,
            body=None if n == 5 else b"x",
        )
        for n in range(6)
    ]
    await rejects.append(conn, SEAL, refused)


async def test_every_filter_leaves_what_it_names(conn: Connection) -> None:
    await fill(conn)
    third = at_of(REFUSED.known_us + 2 * HOUR_US)
    row = await (await conn.execute("select public_id from vehicle")).fetchone()
    assert row is not None
    for wanted, expected in (
        (Wanted(), 6),
        (Wanted(reason="truncated"), 3),
        (Wanted(kind="signals"), 2),
        (Wanted(vin=VIN), 2),
        (Wanted(vehicle=row[0]), 2),
        (Wanted(since=third), 4),
        (Wanted(until=third), 2),
        (Wanted(since=third, until=third + timedelta(seconds=1)), 1),
        (Wanted(is_waiting=True), 5),
        (Wanted(reason="no-such-reason"), 0),
    ):
        found = await reject_list.page(conn, wanted, limit=10)
        assert len(found) == expected, wanted
        assert sum((await reject_list.counts(conn, wanted)).values()) == expected


async def test_pages_follow_each_other_without_gap_or_overlap(conn: Connection) -> None:
    await fill(conn)
    first = await reject_list.page(conn, Wanted(), limit=4)
    rest = await reject_list.page(conn, Wanted(), limit=4, before=first[-1].id)
    ids = [one.id for one in first + rest]
    assert (len(first), len(rest)) == (4, 2)
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 6
