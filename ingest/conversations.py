"""Which frames of a batch belong to diagnostic conversations, and where each message's frames lie."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decoders.diagnostics import Diagnostics
from ingest.judging import Asking
from ingest.lexicon import Lexicon
from vehicle.frame import FrameBatch

_EXTENDED = np.uint32(0x8000_0000)


def places(joined: FrameBatch) -> dict[int, tuple[FrameBatch, slice]]:
    """Message number to its frames in a batch that is ordered by message."""
    starts = np.flatnonzero(np.diff(joined.message, prepend=-1))
    ends = [*starts.tolist(), len(joined)][1:]
    numbers = joined.message[starts].tolist()
    return {
        number: (joined, slice(start, end))
        for number, start, end in zip(numbers, starts.tolist(), ends, strict=True)
    }


def talk(joined: FrameBatch, messages: Sequence[Asking]) -> NDArray[np.bool_]:
    """Frames of conversations that are listened to."""
    groups: dict[int, tuple[Diagnostics, list[int]]] = {}
    numbers = np.unique(joined.message).tolist()
    for number in numbers:
        by = messages[number].diagnostics
        if by is not None:
            groups.setdefault(id(by), (by, []))[1].append(number)
    found = np.zeros(len(joined), dtype=np.bool_)
    for by, mine in groups.values():
        carries = by.addressing.carries(joined)
        found |= carries if len(mine) == len(numbers) else carries & np.isin(joined.message, mine)
    return found


def private(joined: FrameBatch, messages: Sequence[Asking], lexicon: Lexicon) -> NDArray[np.bool_]:
    """Frames that must not be kept: answers may hold positions, and the vehicle's location is off."""
    hidden = np.zeros(len(joined), dtype=np.bool_)
    for number in np.unique(joined.message).tolist():
        one = messages[number]
        if one.diagnostics is None:
            by = lexicon.diagnostics.of(one.vehicle.model, one.vehicle.built_on)
            hidden |= by.addressing.carries(joined) & (joined.message == number)
    return hidden


def count_known(joined: FrameBatch, talking: NDArray[np.bool_], unknown_ids: Sequence[int]) -> int:
    """How many frames of conversations were counted as unknown, because they fit no message of a codebook."""
    wire_id = joined.can_id[talking] | np.where(joined.is_extended[talking], _EXTENDED, np.uint32(0))
    return int(np.count_nonzero(np.isin(wire_id, unknown_ids)))
