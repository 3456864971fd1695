"""Which sequence numbers a batch brings: what was passed over, what comes late, what begins again.

Every message whose envelope could be read brings its number, stored, doubled or refused. GB/T 32960 packets
(boots below 0) have none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.metrics import Tally
from ingest.refusal import Refusal
from store import boots, gaps, ledger_ranges
from store.boots import NEW, Boots
from store.gaps import Numbers
from store.messages import REFUSED, LedgerEntry
from store.pool import Connection
from store.vehicles import VehicleRef
from vehicle.vin import Vin

_DOUBLE: Final = -2
"""In the place of a life."""
_NOBODY: Final = -1
"""In the place of a message's place: it does not ask the ledger, for it is refused."""
_Row = tuple[int, int, int, int, int, int]
"""Vehicle, boot, number, arrival, place, event time."""


@dataclass(slots=True)
class Numbering:
    """The numbers of a batch as columns, in order of arrival."""

    vehicle_id: NDArray[np.int64]
    boot: NDArray[np.int64]
    seq: NDArray[np.int64]
    known_us: NDArray[np.int64]
    place: NDArray[np.int64]
    """Among the messages that ask the ledger; `_NOBODY` for what is refused before."""
    of_boot: NDArray[np.int64]
    """Row of `boots`."""
    boots: Boots
    folded: dict[int, int | None] = field(default_factory=dict)
    """Place to the lowest life that is free, None for a double; of numbers that the ledger has folded."""


async def begin(
    conn: Connection,
    entries: Sequence[LedgerEntry],
    refusals: Sequence[Refusal],
    fleet: Mapping[Vin, VehicleRef],
) -> Numbering | None:
    """Note how far the batch's boots have come, before its messages ask the ledger; None without numbers."""
    rows: list[_Row] = [
        (one.vehicle_id, one.boot, one.seq, one.known_us, place, one.happened_us)
        for place, one in enumerate(entries)
        if one.boot >= 0
    ]
    rows += _refused(refusals, fleet)
    if not rows:
        return None
    columns = np.array(rows, dtype=np.int64).T
    vehicle_id, boot, seq, known_us, place, happened_us = columns
    order = np.lexsort((seq, boot, vehicle_id))
    starts = _starts(vehicle_id[order], boot[order])
    of_boot = np.empty(len(order), dtype=np.int64)
    of_boot[order] = np.cumsum(starts) - 1
    ends = np.append(np.flatnonzero(starts)[1:], len(order)) - 1
    newest_us = np.maximum.reduceat(known_us[order], np.flatnonzero(starts))
    last = order[ends]
    reached = await boots.advance(conn, vehicle_id[last], boot[last], seq[last], newest_us)
    batch = Numbering(vehicle_id, boot, seq, known_us, place, of_boot, reached)
    was = reached.was[of_boot]
    maybe = (seq <= was) | (was == NEW)
    maybe |= reached.life[of_boot] > 0  # the run before has come further
    maybe &= place != _NOBODY
    found = await ledger_ranges.known(
        conn, place[maybe], vehicle_id[maybe], boot[maybe], seq[maybe], happened_us[maybe]
    )
    batch.folded = {one.place: None if one.is_double else one.next_life for one in found}
    return batch


async def finish(conn: Connection, batch: Numbering, lives: Sequence[int | None], tally: Tally) -> None:
    """Open and fill gaps, once the ledger has answered what asked it."""
    became = np.full(len(batch.seq), REFUSED, dtype=np.int64)
    asked = batch.place != _NOBODY
    answers = np.array([_DOUBLE if life is None else life for life in lives], dtype=np.int64)
    became[asked] = answers[batch.place[asked]]
    life, was = batch.boots.life[batch.of_boot], batch.boots.was[batch.of_boot]
    counts = became != _DOUBLE
    if not counts.all():
        await _hold_back(conn, batch, counts)
    if (became > life).any():
        await _begin_again(conn, batch, became, life, was)
    holes, seen_us = _holes(batch, counts, life, was)
    await gaps.open_(conn, holes, seen_us)
    tally.gaps += len(holes)
    tally.passed_over += holes.count()
    late = _late(batch, counts, life, was)
    if len(late):
        tally.late += await gaps.fill(conn, late, known_us=int(batch.known_us.max()))


def _refused(refusals: Sequence[Refusal], fleet: Mapping[Vin, VehicleRef]) -> list[_Row]:
    """The numbers of messages that are refused whole, of vehicles that are known."""
    rows = []
    for one in refusals:
        vehicle = None if one.vin is None else fleet.get(one.vin)
        if (
            vehicle is not None
            and one.whole
            and one.boot is not None
            and one.seq is not None
            and one.boot >= 0
        ):
            rows.append((vehicle.id, one.boot, one.seq, one.delivery.known_us, _NOBODY, 0))
    return rows


async def _hold_back(conn: Connection, batch: Numbering, counts: NDArray[np.bool_]) -> None:
    """Let no double raise a boot's highest number: it is one of the run before the counter began again."""
    told, real = batch.boots.was.copy(), batch.boots.was.copy()
    np.maximum.at(told, batch.of_boot, batch.seq)
    np.maximum.at(real, batch.of_boot[counts], batch.seq[counts])
    wrong = (told > real) & (real != NEW)
    if wrong.any():
        of = batch.boots
        await boots.restart(conn, of.vehicle_id[wrong], of.boot[wrong], of.life[wrong], real[wrong])


async def _begin_again(
    conn: Connection,
    batch: Numbering,
    became: NDArray[np.int64],
    life: NDArray[np.int64],
    was: NDArray[np.int64],
) -> None:
    """Count from 0 where a number came again, with another body and lower than one before it: a reset.

    Changes `life` and `was` of the messages behind it. A number that two bodies share although the counter
    did not fall is an accident, and no reset.
    """
    again = []
    for number in np.unique(batch.of_boot[became > life]).tolist():
        rows = np.flatnonzero(batch.of_boot == number)
        now, highest = int(batch.boots.life[number]), int(batch.boots.was[number])
        is_reset = False
        for row in rows.tolist():
            if became[row] > now and batch.seq[row] < highest:
                now, highest, is_reset = int(became[row]), NEW, True
            if is_reset:
                life[row], was[row] = now, NEW
            if became[row] != _DOUBLE:
                highest = max(highest, int(batch.seq[row]))
        if is_reset:
            again.append((batch.boots.vehicle_id[number], batch.boots.boot[number], now, highest))
    if again:
        vehicle_id, boot, lives, highest_of = np.array(again, dtype=np.int64).T
        await boots.restart(conn, vehicle_id, boot, lives, highest_of)


def _holes(
    batch: Numbering, counts: NDArray[np.bool_], life: NDArray[np.int64], was: NDArray[np.int64]
) -> tuple[Numbers, NDArray[np.int64]]:
    """Runs of numbers between what was known and what comes; arrival of what passed them over."""
    rows = np.flatnonzero(counts)
    order = rows[np.lexsort((batch.seq[rows], life[rows], batch.of_boot[rows]))]
    seq, floor = batch.seq[order], was[order]
    starts = _starts(batch.of_boot[order], life[order])
    before = np.where(starts, floor, np.maximum(np.append(NEW, seq[:-1]), floor))
    hole = seq - 1 > before
    found = order[hole]
    numbers = Numbers(
        batch.vehicle_id[found], batch.boot[found], life[found], before[hole] + 1, seq[hole] - 1
    )
    return numbers, batch.known_us[found]


def _late(
    batch: Numbering, counts: NDArray[np.bool_], life: NDArray[np.int64], was: NDArray[np.int64]
) -> Numbers:
    """New numbers below what was known, each once."""
    rows = np.flatnonzero((batch.seq <= was) & counts)
    if not len(rows):
        return Numbers(rows, rows, rows, rows, rows)
    _, first = np.unique(np.stack([batch.of_boot[rows], batch.seq[rows]]), axis=1, return_index=True)
    rows = rows[first]
    seq = batch.seq[rows]
    return Numbers(batch.vehicle_id[rows], batch.boot[rows], life[rows], seq, seq)


def _starts(*keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where, in sorted rows, another key begins."""
    starts = np.ones(len(keys[0]), dtype=np.bool_)
    starts[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return starts
