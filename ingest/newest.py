"""What a batch can change about the latest state, reduced before the store is asked."""

import numpy as np
from numpy.typing import NDArray

from ingest import samples
from ingest.admitted import Admitted
from ingest.lexicon import Lexicon
from store.latest import Readings, Seen
from vehicle.frame import SignalRows


def seen(batch: Admitted, rows: SignalRows) -> Seen:
    """The newest moment of each vehicle of the batch."""
    _, last_us = moments(batch, rows)
    ids, which = np.unique(batch.keys.vehicle_id, return_inverse=True)
    return Seen(ids, _highest(which, last_us, len(ids)), _highest(which, batch.known_us, len(ids)))


def readings(batch: Admitted, rows: SignalRows, lexicon: Lexicon) -> Readings:
    """The last sample of each message and signal that the latest state keeps."""
    if not len(rows):
        last = np.zeros(0, dtype=np.intp)
    else:
        ends = (np.diff(rows.message, append=-1) != 0) | (np.diff(rows.signal, append=-1) != 0)
        last = np.flatnonzero(ends & lexicon.is_latest[rows.signal])
    chosen = samples.pick(rows, last)
    return Readings(batch.keys.vehicle_id[chosen.message], chosen.signal, chosen.t_us, chosen.value)


def moments(batch: Admitted, rows: SignalRows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last moment of each message: of its values, and of the envelope."""
    t0_us = np.array([one.arrived.message.envelope.t0_us for one in batch.messages], dtype=np.int64)
    first_us, last_us = t0_us.copy(), t0_us.copy()
    samples.extents(rows, first_us, last_us)
    return np.minimum(first_us, t0_us), np.maximum(last_us, t0_us)


def _highest(which: NDArray[np.intp], values: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    out = np.full(n, np.iinfo(np.int64).min, dtype=np.int64)
    np.maximum.at(out, which, values)
    return out
