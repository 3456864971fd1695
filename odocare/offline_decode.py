"""Messages decoded by themselves, from their bodies alone: what reconciling compares the store with."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders import can, envelope, frames
from decoders.codebook import Codebook, Codebooks
from decoders.message import CanMessage, DtcMessage, Message, SignalsMessage
from store.vehicles import VehicleRef
from vehicle.errors import DecodeError
from vehicle.signal import Catalogue

Sum = tuple[int, int]
"""Number of values, and a checksum that does not depend on their order."""

NOTHING: Final[Sum] = (0, 0)
_PRIMES: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_SHIFT: Final = np.uint64(29)
_DIAGNOSTIC_IDS: Final = np.uint32(0x700)
"""11-bit identifiers from here on, and these groups of 29-bit ones, carry conversations (ISO 15765-4)."""
_DIAGNOSTIC_GROUPS: Final = np.array([0xDA, 0xDB, 0xCD, 0xCE], np.uint32)


@dataclass(frozen=True, slots=True)
class Columns:
    """Values without the message they came in."""

    signal: NDArray[np.int64]
    t_us: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(slots=True)
class Decoder:
    """Decodes one message after another; counts those it says nothing about."""

    catalogue: Catalogue
    codebooks: Codebooks
    left_out: int = 0
    """Messages whose values depend on others: diagnostic conversations, and kinds other than these two."""

    def sum_of(self, kind: str, body: bytes, vehicle: VehicleRef) -> Sum | None:
        """The sum over a message's values; None where it cannot be told from this message alone."""
        try:
            message = envelope.decode(kind, body)
        except DecodeError:
            message = None
        columns = None if message is None else self._columns(message, vehicle)
        if columns is None:
            self.left_out += 1
            return None
        return checksum(columns.signal, columns.t_us, columns.value)

    def _columns(self, message: Message, vehicle: VehicleRef) -> Columns | None:
        if isinstance(message, SignalsMessage):
            found = self._of_signals(message)
        elif isinstance(message, CanMessage):
            book = self._codebook(message, vehicle)
            if book is None or _converses(message):
                return None
            rows = can.decode(frames.join([message], [0]), book).rows
            found = Columns(rows.signal.astype(np.int64), rows.t_us, rows.value)
        elif isinstance(message, DtcMessage):
            found = _NONE
        else:
            return None
        if vehicle.location_allowed:
            return found
        numbers = [one.number for one in self.catalogue.signals if one.is_position]
        kept = ~np.isin(found.signal, numbers)
        return Columns(found.signal[kept], found.t_us[kept], found.value[kept])

    def _of_signals(self, message: SignalsMessage) -> Columns:
        """What lies within the catalogue's range of the signals that it has."""
        signal, t_us, value = [], [], []
        for path, (dt_us, values) in message.signals.items():
            known = self.catalogue.by_path.get(path)
            if known is None:
                continue
            inside = (values >= known.lowest) & (values <= known.highest) & np.isfinite(values)
            signal.append(np.full(int(inside.sum()), known.number, np.int64))
            t_us.append(dt_us[inside] + message.envelope.t0_us)
            value.append(values[inside])
        if not signal:
            return _NONE
        return Columns(np.concatenate(signal), np.concatenate(t_us), np.concatenate(value))

    def _codebook(self, message: CanMessage, vehicle: VehicleRef) -> Codebook | None:
        if message.codebook is not None:
            return self.codebooks.by_name(message.codebook)
        if vehicle.model is None:
            return None
        return self.codebooks.for_model(vehicle.model, vehicle.built_on)


_NONE: Final = Columns(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def checksum(signal: NDArray[np.int64], t_us: NDArray[np.int64], value: NDArray[np.float64]) -> Sum:
    """Number of values, and the sum of a 64-bit mix of signal, moment and value of each."""
    if not len(signal):
        return NOTHING
    mixed = mix(signal, t_us, value)
    return len(signal), int(mixed.sum(dtype=np.uint64))


def mix(signal: NDArray[np.int64], t_us: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.uint64]:
    """64 bits per value; equal only for equal values, but for one chance in 2^64."""
    bits = (value + 0.0).view(np.uint64).copy()  # -0.0 is 0.0
    for column in (t_us, signal):
        bits = (bits ^ (bits >> _SHIFT)) * _PRIMES[0] + column.astype(np.int64).view(np.uint64)
    bits = (bits ^ (bits >> _SHIFT)) * _PRIMES[1]
    return bits ^ (bits >> _SHIFT)


def together(sums: Iterable[Sum]) -> Sum:
    """The sum over several messages."""
    n = total = 0
    for count, one in sums:
        n, total = n + count, (total + one) % (1 << 64)
    return n, total


def _converses(message: CanMessage) -> bool:
    """Whether a frame may belong to a diagnostic conversation, whose payload lies in several messages."""
    extended = (message.can_id & np.uint32(envelope.EXTENDED)) != 0
    short = ~extended & (message.can_id >= _DIAGNOSTIC_IDS)
    group = (message.can_id >> np.uint32(16)) & np.uint32(0xFF)
    return bool((short | (extended & np.isin(group, _DIAGNOSTIC_GROUPS))).any())
