"""All five invariants of one truth, in order."""

from collections.abc import Callable, Mapping, Sequence

from decoders.codebook import Codebooks
from odocare import reconciling, wiring
from odocare.feed_consumer import feed_is_whole
from odocare.reconciling import Finding
from simulator.truth import Truth
from store import reconciling as stored
from store.pool import Connection
from vehicle.errors import MigrationError


async def findings(
    conn: Connection,
    truth: Truth,
    metrics: Sequence[Mapping[str, float]] = (),
    *,
    codebooks: Codebooks | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Finding]:
    """What became of each invariant; I5 has a line for the gaps and one for each process's metrics.

    `codebooks` are those that ship, unless given; `progress` is told how many messages were decoded again.
    """
    found = await reconciling.held(conn, truth)
    sums = None
    left_out = 0
    if truth.has_bodies:
        sums, left_out = await reconciling.compare(
            conn, truth, found, wiring.catalogue(), codebooks or wiring.codebooks(), progress
        )
    equal = (
        Finding("I3", "-", "the truth has no bodies: send with --bodies")
        if sums is None
        else reconciling.values_are_equal(sums, left_out)
    )
    return [
        reconciling.nothing_is_lost(truth, found),
        reconciling.nothing_is_doubled(truth, found),
        equal,
        await feed_is_whole(conn),
        *(await _outside(conn, truth, found, metrics)),
    ]


async def _outside(
    conn: Connection, truth: Truth, found: reconciling.Held, metrics: Sequence[Mapping[str, float]]
) -> list[Finding]:
    vins = sorted({one.vin for one in truth.messages})
    boots = sorted({one.boot for one in truth.messages})
    try:
        gaps = reconciling.gaps_agree(truth, found, await stored.open_gaps(conn, vins, boots))
    except MigrationError as error:
        gaps = Finding("I5", "-", f"gaps: {error}")
    counts = await stored.counts(conn)
    return [gaps, *(reconciling.metrics_agree(one, *counts) for one in metrics)]
