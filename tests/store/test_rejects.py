"""Rejects keep the bytes sealed, count a double once, and say when they were replayed."""

from dataclasses import replace

import pytest

from store import rejects
from store.pool import Connection
from store.rejects import Refused
from store.sealed import Seal
from vehicle.day import us_of
from vehicle.errors import NotFoundError

SEAL = Seal(bytes(range(32)))
REFUSED = Refused(
    known_us=1_760_000_000_000_000,
    vehicle_id=None,
    kind="can",
    reason="truncated",
    detail="data needs 8 bytes, got 7",
    body_hash=-5,
    topic="tbox/v1/LRW3E7FA7NC000001/up/can",
    body=b"\x81body",
    boot=3,
    seq=2**62,
)


async def test_a_reject_is_kept_with_its_bytes_and_without_the_vin_in_clear(conn: Connection) -> None:
    assert await rejects.append(conn, SEAL, [REFUSED]) == {(-5, "can", True)}
    (found,) = await rejects.newest(conn, reason=None, limit=10)
    assert (found.kind, found.reason, found.detail) == ("can", "truncated", "data needs 8 bytes, got 7")
    assert (found.boot, found.seq, found.body_bytes, found.whole) == (3, 2**62, 5, True)
    assert us_of(found.known_at) == REFUSED.known_us
    original = await rejects.original(conn, SEAL, found.id)
    assert original is not None
    assert (original.topic, original.body) == (REFUSED.topic, REFUSED.body)
    row = await (await conn.execute("select reject::text from reject")).fetchone()
    assert row is not None
    assert "LRW3E7FA7NC000001" not in row[0]
    assert b"LRW3E7FA7NC000001".hex() not in row[0]


async def test_the_same_bytes_again_are_not_kept_again(conn: Connection) -> None:
    part = replace(REFUSED, whole=False)
    assert len(await rejects.append(conn, SEAL, [REFUSED, REFUSED, part])) == 2
    assert await rejects.append(conn, SEAL, [REFUSED]) == set()
    assert await rejects.counts(conn) == {"truncated": 2}


async def test_what_the_broker_kept_has_no_bytes_and_waits_for_nothing(conn: Connection) -> None:
    mine = replace(REFUSED, kind="broker", reason="too-large", body=None)
    await rejects.append(conn, SEAL, [mine, replace(REFUSED, body_hash=6)])
    everything = await rejects.newest(conn, reason=None, limit=10)
    assert [one.kind for one in everything] == ["can", "broker"]
    assert await rejects.original(conn, SEAL, everything[1].id) is None
    assert everything[1].body_bytes is None
    assert [one.kind for one in await rejects.waiting(conn, reason=None, after=0, limit=10)] == ["can"]


async def test_replayed_ones_no_longer_wait(conn: Connection) -> None:
    await rejects.append(conn, SEAL, [replace(REFUSED, body_hash=number) for number in range(5)])
    page = await rejects.waiting(conn, reason="truncated", after=0, limit=3)
    assert len(page) == 3
    await rejects.mark_replayed(conn, [page[0].id, page[2].id])
    left = await rejects.waiting(conn, reason=None, after=0, limit=10)
    assert [one.body_bytes for one in left] == [5, 5, 5]
    assert page[1].id in {one.id for one in left}
    assert (await rejects.one(conn, page[0].id)).replayed_at is not None
    assert await rejects.waiting(conn, reason="too-large", after=0, limit=10) == []


async def test_a_number_that_is_none_is_not_found(conn: Connection) -> None:
    with pytest.raises(NotFoundError, match="no reject 7"):
        await rejects.one(conn, 7)
    with pytest.raises(NotFoundError, match="no reject 7"):
        await rejects.original(conn, SEAL, 7)


async def test_a_topic_that_grew_too_long_by_what_is_no_utf_8_is_cut(conn: Connection) -> None:
    long = replace(REFUSED, topic="\\xff" * 40_000 + "码", body=b"body")
    cut = replace(REFUSED, topic="码" * 30_000, body=b"body", body_hash=2)
    await rejects.append(conn, SEAL, [long, cut])
    found = await rejects.newest(conn, reason=None, limit=9)
    kept = [await rejects.original(conn, SEAL, one.id) for one in found]
    assert [(one.topic, one.body) for one in kept if one is not None] == [
        (cut.topic[: 65_535 // 3], b"body"),
        (long.topic[:65_535], b"body"),
    ]
