"""Sequence numbers that were passed over: opened, closed or split by what comes late, told to who asks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from store import arrays
from store.pool import Connection
from vehicle.day import at_of

MOST_MISSING: Final = 100
"""Missing numbers, and runs of them, that an acknowledgement names at most, the lowest ones."""

OPEN: Final = """
    insert into gap (vehicle_id, boot, life, first_seq, last_seq, seen_at)
    select * from unnest(%(vehicle_id)s, %(boot)s, %(life)s, %(first)s, %(last)s, %(seen_at)s)
"""
HOLDING: Final = """
    select g.id, g.first_seq, g.last_seq, k.seq
    from unnest(%(vehicle_id)s, %(boot)s, %(life)s, %(seq)s) as k (vehicle_id, boot, life, seq)
    cross join lateral (
        select g.id, g.first_seq, g.last_seq from gap g
        where g.vehicle_id = k.vehicle_id and g.boot = k.boot and g.life = k.life
          and g.first_seq <= k.seq and g.closed_at is null
        order by g.first_seq desc limit 1
    ) g
    where g.last_seq >= k.seq
    order by g.id, k.seq
"""
SPLIT: Final = """
    with whole as (
        delete from gap where id = any(%(id)s) returning id, vehicle_id, boot, life, seen_at
    )
    insert into gap (vehicle_id, boot, life, first_seq, last_seq, seen_at, closed_at)
    select w.vehicle_id, w.boot, w.life, p.first_seq, p.last_seq, w.seen_at,
           case when p.is_closed = 1 then %(closed_at)s end
    from whole w
    join unnest(%(id)s, %(first)s, %(last)s, %(is_closed)s) as p (id, first_seq, last_seq, is_closed)
        using (id)
    order by w.id, p.first_seq
"""
STANDING: Final = """
    select b.vehicle_id, b.boot, b.highest, g.first_seq, g.last_seq
    from unnest(%(vehicle_id)s, %(boot)s) as k (vehicle_id, boot)
    join boot_seen b using (vehicle_id, boot)
    left join lateral (
        select g.first_seq, g.last_seq from gap g
        where g.vehicle_id = b.vehicle_id and g.boot = b.boot and g.life = b.life and g.closed_at is null
        order by g.first_seq limit %(most)s
    ) g on true
    order by b.vehicle_id, b.boot, g.first_seq
"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of boots as columns, or the first of a run of them where `last` is given."""

    vehicle_id: NDArray[np.int64]
    boot: NDArray[np.int64]
    life: NDArray[np.int64]
    seq: NDArray[np.int64]
    last: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.seq)

    def count(self) -> int:
        """How many numbers that is; they may be more than 64 bits count."""
        return sum(int(last) - int(first) + 1 for first, last in zip(self.seq, self.last, strict=True))


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a boot is stored or refused by now."""

    seen: int
    """What is told of reaches up to here: to the highest number, where `gaps` are all there are."""
    gaps: tuple[tuple[int, int], ...]
    """First and last number of the lowest runs that are absent, at most `MOST_MISSING`."""

    @property
    def upto(self) -> int:
        """The number up to which nothing is missing; -1 where 0 is."""
        return self.gaps[0][0] - 1 if self.gaps else self.seen

    @property
    def missing(self) -> list[int]:
        """The lowest numbers that are absent, at most `MOST_MISSING`."""
        numbers: list[int] = []
        for first, last in self.gaps:
            numbers.extend(range(first, min(last + 1, first + MOST_MISSING - len(numbers))))
        return numbers

    def without(self, brought: Iterable[int]) -> "Standing":
        """The same, with some numbers not absent."""
        gaps = self.gaps
        for number in brought:
            pieces = [
                piece
                for first, last in gaps
                for piece in (
                    ((first, number - 1), (number + 1, last)) if first <= number <= last else ((first, last),)
                )
            ]
            gaps = tuple((first, last) for first, last in pieces if first <= last)
        return Standing(self.seen, gaps)


async def open_(conn: Connection, holes: Numbers, seen_us: NDArray[np.int64]) -> None:
    """Note runs of numbers that were passed over, and the arrival of what passed them over."""
    if not len(holes):
        return
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            OPEN,
            {
                "vehicle_id": arrays.int8s(holes.vehicle_id),
                "boot": arrays.int8s(holes.boot),
                "life": arrays.int2s(holes.life),
                "first": arrays.int8s(holes.seq),
                "last": arrays.int8s(holes.last),
                "seen_at": arrays.timestamps(seen_us),
            },
        )


async def fill(conn: Connection, late: Numbers, *, known_us: int) -> int:
    """Take numbers that have come out of the gaps that hold them; how many were in one.

    Each number stands once. A gap whose middle comes is split in two.
    """
    if not len(late):
        return 0
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            HOLDING,
            {
                "vehicle_id": arrays.int8s(late.vehicle_id),
                "boot": arrays.int8s(late.boot),
                "life": arrays.int2s(late.life),
                "seq": arrays.int8s(late.seq),
            },
        )
        found = np.array(await cur.fetchall(), dtype=np.int64).reshape(-1, 4)
        if not len(found):
            return 0
        pieces = _pieces(found)
        await cur.execute(
            SPLIT,
            {
                "id": arrays.int8s(pieces[0]),
                "first": arrays.int8s(pieces[1]),
                "last": arrays.int8s(pieces[2]),
                "is_closed": arrays.int2s(pieces[3]),
                "closed_at": at_of(known_us),
            },
        )
    return len(found)


def _pieces(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """What becomes of gaps: rows of gap, first, last, and 1 for what has come.

    `found` has a row per number that has come, by gap and number: gap, its first, its last, the number.
    """
    gap, first, last, seq = found.T
    goes_on = np.zeros(len(gap), dtype=np.bool_)
    goes_on[1:] = (gap[1:] == gap[:-1]) & (seq[1:] - 1 == seq[:-1])
    starts = np.flatnonzero(~goes_on)
    ends = np.append(starts[1:], len(gap)) - 1
    come = np.stack([gap[starts], seq[starts], seq[ends], np.ones(len(starts), dtype=np.int64)])
    opens = np.ones(len(starts), dtype=np.bool_)
    opens[1:] = gap[starts][1:] != gap[starts][:-1]
    closes = np.append(opens[1:], True)
    before = np.where(opens, first[starts], np.append(0, seq[ends][:-1] + 1))
    head = np.stack([gap[starts], before, seq[starts] - 1, np.zeros_like(starts)])
    tail = np.stack([gap[ends], seq[ends] + 1, last[ends], np.zeros_like(starts)])[:, closes]
    pieces = np.concatenate([come, head, tail], axis=1)
    return pieces[:, pieces[1] <= pieces[2]]


async def standing(
    conn: Connection, vehicle_id: NDArray[np.int64], boot: NDArray[np.int64]
) -> Mapping[tuple[int, int], Standing]:
    """How some boots stand, by vehicle and boot."""
    async with arrays.cursor(conn) as cur:
        await cur.execute(
            STANDING,
            {
                "vehicle_id": arrays.int8s(vehicle_id),
                "boot": arrays.int8s(boot),
                "most": MOST_MISSING + 1,
            },
        )
        rows = await cur.fetchall()
    highest: dict[tuple[int, int], int] = {}
    gaps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for vehicle, of_boot, top, first, last in rows:
        found = gaps.setdefault((vehicle, of_boot), [])
        highest[vehicle, of_boot] = top if len(found) < MOST_MISSING else first - 1
        if first is not None and len(found) < MOST_MISSING:
            found.append((first, last))
    return {key: Standing(highest[key], tuple(found)) for key, found in gaps.items()}
