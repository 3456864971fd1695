"""Odometer readings of a batch with who counted them, which the decoded values no longer say."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders import can, j1939
from ingest.lexicon import Lexicon
from vehicle import odometer
from vehicle.frame import FrameBatch, SignalRows
from vehicle.odometer import OdometerSamples

_OF_KIND: Final = {"signals": odometer.SIGNALS, "gbt32960": odometer.GBT32960}
DISTANCE: Final = 0xFEE0
"""Vehicle distance, PGN 65248; what is finer is PGN 65217."""


def of_frames(
    found: can.Decoded, joined: FrameBatch, lexicon: Lexicon, *, speaks_j1939: bool
) -> OdometerSamples:
    """Readings in frames: J1939 tells its sources apart by their addresses."""
    mine = counted(found.rows, lexicon)
    if not speaks_j1939:
        return _samples(found.rows, mine, np.full(len(mine), odometer.CAN), lexicon)
    can_id = joined.can_id[found.frame[mine]]
    group = np.where(j1939.pgn(can_id) == DISTANCE, odometer.J1939_VD, odometer.J1939_VDHR)
    return _samples(found.rows, mine, group + j1939.source_address(can_id), lexicon)


def of_rows(rows: SignalRows, kinds: Sequence[str], lexicon: Lexicon) -> OdometerSamples:
    """Readings that came otherwise; `kinds` are those of the batch's messages.

    What is in no frame of its own and neither the T-Box's own nor GB/T 32960 is an answer to a tester.
    """
    mine = counted(rows, lexicon)
    source = np.array([_OF_KIND.get(kind, odometer.DIAGNOSTIC) for kind in kinds], dtype=np.int64)
    chosen = source[rows.message[mine]]
    is_fine = (rows.signal[mine] == lexicon.daily.high_resolution) & (chosen == odometer.SIGNALS)
    return _samples(rows, mine, np.where(is_fine, odometer.HIGH_RESOLUTION, chosen), lexicon)


def together(parts: Sequence[OdometerSamples]) -> OdometerSamples:
    """All of them, in any order."""
    return OdometerSamples(
        message=np.concatenate([np.zeros(0, np.int32), *(part.message for part in parts)]),
        t_us=np.concatenate([np.zeros(0, np.int64), *(part.t_us for part in parts)]),
        source=np.concatenate([np.zeros(0, np.int16), *(part.source for part in parts)]),
        km=np.concatenate([np.zeros(0), *(part.km for part in parts)]),
    )


def counted(rows: SignalRows, lexicon: Lexicon) -> NDArray[np.intp]:
    """Which of the rows are readings of an odometer, in their order."""
    daily = lexicon.daily
    return np.flatnonzero((rows.signal == daily.odometer) | (rows.signal == daily.high_resolution))


def _samples(
    rows: SignalRows, mine: NDArray[np.intp], source: NDArray[np.integer], lexicon: Lexicon
) -> OdometerSamples:
    km = rows.value[mine] / lexicon.daily.odometer_per_km
    return OdometerSamples(rows.message[mine], rows.t_us[mine], source.astype(np.int16), km)
