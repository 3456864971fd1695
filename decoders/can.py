"""Frames and a codebook to values: CAN and CAN FD, little- and big-endian, multiplexed, J1939 by PGN.

Signal by signal equal to cantools within one unit in the last place; the tests hold it so.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders import j1939, reference
from decoders.codebook import Codebook
from decoders.columns import Columns, by_reference
from decoders.frames import take
from decoders.kernel import Reader
from vehicle.frame import FrameBatch, SignalRows

PORTION_FRAMES: Final = 1024
_EXTENDED: Final = np.uint32(0x8000_0000)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Values of a batch, and what gave none."""

    rows: SignalRows
    frame: NDArray[np.int32]
    """Position in the batch of the frame each row is from: its bus, its identifier, its J1939 source."""
    unknown_ids: dict[int, int] = field(default_factory=dict)
    """Identifier as on the wire (bit 31: extended) to number of frames that fit no message."""
    short_frames: int = 0
    """Frames shorter than their message; the signals that are there were decoded."""
    no_measurement: int = 0
    """Values that say "error" or "not available" (J1939-71, 5.1.4), or are no number."""
    out_of_range: int = 0
    """Values outside the signal file's range or the catalogue's."""


def decode(batch: FrameBatch, codebook: Codebook) -> Decoded:
    """Every mapped signal of every frame, in the catalogue's units.

    Rows rise by message and, within a message, by signal and then time.
    """
    if codebook.reader is not None:
        return _by_kernel(batch, codebook, codebook.reader)
    return _joined([_by_reference(part, start, codebook) for start, part in _portions(batch)])


def columns(batch: FrameBatch, codebook: Codebook) -> Columns:
    """The same values in columns: one series per signal, in the order of the batch."""
    if codebook.reader is not None:
        return codebook.reader.columns(batch)
    return by_reference(batch, codebook.plan)


def unknown_ids(batch: FrameBatch, unknown: NDArray[np.integer], *, by_pgn: bool) -> dict[int, int]:
    """Identifiers of those frames as on the wire, to their number."""
    can_id, is_extended = batch.can_id[unknown], batch.is_extended[unknown]
    wire_id = can_id | np.where(is_extended, _EXTENDED, np.uint32(0))
    if by_pgn:  # transport and DM1 frames have decoders of their own
        wire_id = wire_id[~(is_extended & np.isin(j1939.pgn(can_id), j1939.DECODED_ELSEWHERE))]
    ids, counts = np.unique(wire_id, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _by_kernel(batch: FrameBatch, codebook: Codebook, reader: Reader) -> Decoded:
    message, t_us, signal, value, frame, unknown, short_frames, no_measurement, out_of_range = reader.rows(
        batch
    )
    return Decoded(
        rows=SignalRows(message, t_us, signal, value),
        frame=frame,
        unknown_ids=_unknown(batch, unknown, codebook),
        short_frames=short_frames,
        no_measurement=no_measurement,
        out_of_range=out_of_range,
    )


def _portions(batch: FrameBatch) -> Iterator[tuple[int, FrameBatch]]:
    """Parts of whole messages, with their first frame: what a part becomes stays in the processor's cache."""
    if len(batch) <= PORTION_FRAMES:
        yield 0, batch
        return
    starts = np.flatnonzero(batch.message[1:] != batch.message[:-1]) + 1
    wanted = np.searchsorted(starts, np.arange(PORTION_FRAMES, len(batch), PORTION_FRAMES))
    cuts = np.unique(starts[wanted[wanted < len(starts)]]).tolist()
    for start, end in zip([0, *cuts], [*cuts, len(batch)], strict=True):
        yield start, take(batch, slice(start, end))


def _by_reference(batch: FrameBatch, start: int, codebook: Codebook) -> Decoded:
    plan = codebook.plan
    reading = reference.read(batch, plan)
    order = reference.by_message_signal_time(batch, plan, reading)
    frame = reading.frame[order]
    return Decoded(
        rows=SignalRows(
            message=batch.message[frame],
            t_us=batch.t_us[frame],
            signal=plan.number[reading.row[order]],
            value=reading.value[order],
        ),
        frame=(frame + start).astype(np.int32),
        unknown_ids=_unknown(batch, reading.unknown, codebook),
        short_frames=reading.short_frames,
        no_measurement=reading.no_measurement,
        out_of_range=reading.out_of_range,
    )


def _unknown(batch: FrameBatch, unknown: NDArray[np.integer], codebook: Codebook) -> dict[int, int]:
    return unknown_ids(batch, unknown, by_pgn=codebook.matches_pgn) if len(unknown) else {}


def _joined(parts: list[Decoded]) -> Decoded:
    if len(parts) == 1:
        return parts[0]
    unknown: Counter[int] = Counter()
    for part in parts:
        unknown.update(part.unknown_ids)
    return Decoded(
        rows=SignalRows(
            message=np.concatenate([part.rows.message for part in parts]),
            t_us=np.concatenate([part.rows.t_us for part in parts]),
            signal=np.concatenate([part.rows.signal for part in parts]),
            value=np.concatenate([part.rows.value for part in parts]),
        ),
        frame=np.concatenate([part.frame for part in parts]),
        unknown_ids=dict(unknown),
        short_frames=sum(part.short_frames for part in parts),
        no_measurement=sum(part.no_measurement for part in parts),
        out_of_range=sum(part.out_of_range for part in parts),
    )
