"""10: a vehicle's clock is wrong: years ahead, a day behind, in 1970, a thousand weeks back, or it jumps."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from decoders.message import Message
from ingest.judging import AHEAD_US
from store.pool import Connection
from tests.faults.corridor import originals, refused, rows, stored
from tests.faults.table import Experiment
from tests.ingest.senders import (
    AMBIENT,
    KNOWN_US,
    ODOMETER,
    SECOND_US,
    T0_US,
    can,
    codes,
    deliver,
    signals,
    vdhr,
    vin,
)
from vehicle.day import at_of

DAY_US: Final = 86_400 * SECOND_US
CLOCKS: Final = {
    "three years ahead": (KNOWN_US + 3 * 365 * DAY_US, "future-time"),
    "six minutes ahead": (KNOWN_US + AHEAD_US + 60 * SECOND_US, "future-time"),
    "in 1970": (17 * SECOND_US, "before-built"),
    "a thousand weeks back": (T0_US - 1024 * 7 * DAY_US, "before-built"),
    "in the year 6000": (127_174_492_800 * SECOND_US, "future-time"),
}
"""By what it shows: the time, and why it is refused. GPS counts 1024 weeks and begins again."""
CHUNKS: Final = """
    select range_start, range_end from timescaledb_information.chunks
    where hypertable_name in ('segment', 'raw_frame', 'raw_packet', 'raw_answer')
"""
WIDEST: Final = timedelta(days=7)
"""A chunk holds so much time at most, and begins where the calendar says."""


def said(of: int, seq: int, t0_us: int) -> list[Message]:
    """One message of every kind that has a time of its own."""
    return [
        signals(vin(of), seq, {ODOMETER: [1e6, 1e6 + 40], AMBIENT: 3.0}, t0_us=t0_us),
        can(vin(of), seq + 1, [vdhr(0, 1000.0), vdhr(SECOND_US, 1000.1)], t0_us=t0_us),
        codes(vin(of), seq + 2, "P0301", t0_us=t0_us),
    ]


async def chunks_lie_inside(conn: Connection, earliest_us: int, latest_us: int) -> int:
    """How many chunks there are; none that holds no possible time."""
    found = await rows(conn, CHUNKS)
    for start, end in found:
        assert start >= at_of(earliest_us) - WIDEST, f"a chunk begins {start}"
        assert end <= at_of(latest_us) + WIDEST, f"a chunk ends {end}"
    return len(found)


@pytest.mark.experiment(10, "vehicles' clocks are wrong", quick=True)
async def test_what_cannot_be_true_is_kept_as_it_came_and_its_neighbours_are_stored(
    experiment: Experiment, conn: Connection
) -> None:
    wrong = {
        deliver(one): reason
        for of, (t0_us, reason) in enumerate(CLOCKS.values(), start=1)
        for one in said(of, 0, t0_us)
    }
    right = [deliver(one) for of in range(1, len(CLOCKS) + 2) for one in said(of, 3, T0_US)]
    mixed = [*wrong, *right]
    experiment.draw.shuffle(mixed)
    tally = await stored(conn, mixed)
    assert (tally.stored, tally.by_reason) == (len(right), dict(Counter(wrong.values())))
    kept = await refused(conn)
    assert await originals(conn, kept) == {(one.topic, one.body) for one in wrong}
    assert {(one.boot, one.seq) for one in kept} == {(1, 0), (1, 1), (1, 2)}
    chunks = await chunks_lie_inside(conn, T0_US, KNOWN_US)
    experiment.note(f"{len(wrong)} refused and kept, {len(right)} stored, {chunks} chunks, none elsewhere")


@pytest.mark.experiment(10, "a vehicle's clock is a day behind, jumps, or is before its time", quick=True)
async def test_late_is_stored_under_its_day_and_a_jump_costs_only_what_it_spoilt(
    experiment: Experiment, conn: Connection
) -> None:
    today = [deliver(one) for one in said(1, 0, T0_US)]
    behind = [deliver(one) for one in said(1, 3, T0_US - DAY_US)]
    tally = await stored(conn, [*today, *behind])
    assert (tally.stored, tally.rejected) == (6, 0)
    days = await rows(conn, "select day::text, samples_n > 0 from vehicle_day order by 1")
    assert days == [("2025-10-08", True), ("2025-10-09", True)]
    assert await rows(conn, "select seen_at from latest") == [(at_of(T0_US + SECOND_US),)]

    jumping = [
        deliver(signals(vin(2), 0, {ODOMETER: [1e6, 1e6 + 1]}, step_us=3 * 365 * DAY_US)),
        deliver(signals(vin(2), 1, {ODOMETER: 1e6}, t0_us=T0_US + 3 * 365 * DAY_US)),
        deliver(signals(vin(2), 2, {ODOMETER: 1e6 + 2}, t0_us=T0_US + 2 * SECOND_US)),
    ]
    tally = await stored(conn, jumping)
    assert (tally.stored, tally.by_reason) == (1, {"span-too-long": 1, "future-time": 1})
    corrected = signals(vin(2), 1, {ODOMETER: 1e6 + 1}, t0_us=T0_US + SECOND_US)
    assert (await stored(conn, [deliver(corrected)])).stored == 1
    await chunks_lie_inside(conn, T0_US - DAY_US, KNOWN_US)

    await conn.execute("insert into vehicle (vin, built_on) values (%s, '2025-06-01')", [vin(3)])
    built = datetime(2025, 6, 1, tzinfo=UTC) - timedelta(hours=8)  # its first day begins in Shanghai
    before = int(built.timestamp() - 1) * SECOND_US
    early = [deliver(signals(vin(3), seq, {ODOMETER: 1.0}, t0_us=before + seq * SECOND_US)) for seq in (0, 1)]
    tally = await stored(conn, early)
    assert (tally.stored, tally.by_reason) == (1, {"before-built": 1})
    await chunks_lie_inside(conn, before, KNOWN_US)
    experiment.note("a day late: its own day, latest stays; jumps: what they spoilt; no day before the first")
