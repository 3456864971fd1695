"""T-Box messages as values, one class per kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vehicle.dtc import DtcReading, DtcReport, DtcStandard
from vehicle.vin import Vin


class Envelope(Struct, frozen=True, gc=False):
    """What every message says about itself; made ten thousand times a second, so no dataclass."""

    vin: Vin
    boot: int
    """Rises at every start of the T-Box; 0 to 2^63 - 1."""
    seq: int
    """From 0 in each boot, one more per message over all kinds."""
    t0_us: int
    """Microseconds since 1970 UTC; all `dt_us` count from here."""
    ack: bool
    """The vehicle wants an acknowledgement once the message is stored."""
    resent: bool
    """Sent again from the vehicle's buffer."""


@dataclass(frozen=True, slots=True, eq=False)
class CanMessage:
    """Frames as columns, each of length n but `data`."""

    kind: ClassVar[str] = "can"
    envelope: Envelope
    dt_us: NDArray[np.uint32]
    can_id: NDArray[np.uint32]
    """As on the wire: bit 31 set for an extended identifier."""
    bus: NDArray[np.uint8]
    length: NDArray[np.uint8]
    """Payload bytes, 0 to 64."""
    data: NDArray[np.uint8]
    """Payloads one behind the other; `length.sum()` bytes."""
    codebook: str | None = None

    def __len__(self) -> int:
        return len(self.dt_us)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CanMessage)
            and (self.envelope, self.codebook) == (other.envelope, other.codebook)
            and np.array_equal(self.dt_us, other.dt_us)
            and np.array_equal(self.can_id, other.can_id)
            and np.array_equal(self.bus, other.bus)
            and np.array_equal(self.length, other.length)
            and np.array_equal(self.data, other.data)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash


SampleColumns: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]
"""`dt_us` and `value` of one signal, equally long."""


@dataclass(frozen=True, slots=True, eq=False)
class SignalsMessage:
    """Signals that the vehicle decoded itself: the samples of the first path, then those of the next.

    Plain numbers, because messages are small and many: whoever reads thousands joins them into arrays once.
    """

    kind: ClassVar[str] = "signals"
    envelope: Envelope
    paths: Sequence[str]
    """VSS paths, each once."""
    sizes: Sequence[int]
    """Samples of each path."""
    dt_us: Sequence[int]
    value: Sequence[float | None]
    """In the catalogue's unit; None, NaN and infinity stand for no measurement."""

    @classmethod
    def of(cls, envelope: Envelope, signals: Mapping[str, SampleColumns]) -> "SignalsMessage":
        """The message with these columns by path."""
        columns = signals.values()
        return cls(
            envelope,
            paths=list(signals),
            sizes=[len(dt_us) for dt_us, _ in columns],
            dt_us=[dt for dt_us, _ in columns for dt in dt_us.tolist()],
            value=[x for _, value in columns for x in value.tolist()],
        )

    @property
    def signals(self) -> dict[str, SampleColumns]:
        """The columns of each path; NaN where there was no measurement."""
        dt_us = np.array(self.dt_us, dtype=np.int64)
        value = np.array(self.value, dtype=np.float64)
        value[np.isinf(value)] = np.nan
        ends = np.cumsum(self.sizes, dtype=np.intp)[:-1]
        columns = zip(np.split(dt_us, ends), np.split(value, ends), strict=True) if self.paths else ()
        return dict(zip(self.paths, columns, strict=True))

    def __len__(self) -> int:
        return len(self.dt_us)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SignalsMessage) or self.envelope != other.envelope:
            return False
        mine, theirs = self.signals, other.signals
        return mine.keys() == theirs.keys() and all(
            np.array_equal(dt_us, theirs[path][0]) and np.array_equal(value, theirs[path][1], equal_nan=True)
            for path, (dt_us, value) in mine.items()
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash


@dataclass(frozen=True, slots=True)
class EcuDtcs:
    """What one ECU says about its codes."""

    ecu: str
    standard: DtcStandard
    complete: bool
    """True heals this ECU's codes that are absent."""
    readings: tuple[DtcReading, ...]


@dataclass(frozen=True, slots=True)
class DtcMessage:
    """Fault codes by ECU."""

    kind: ClassVar[str] = "dtc"
    envelope: Envelope
    ecus: tuple[EcuDtcs, ...]

    def reports(self, message: int) -> list[DtcReport]:
        """The same as reports of the batch's message number `message`, seen at `t0_us`."""
        return [
            DtcReport(
                message=message,
                at_us=self.envelope.t0_us,
                standard=one.standard,
                ecu=one.ecu,
                complete=one.complete,
                readings=one.readings,
            )
            for one in self.ecus
        ]


@dataclass(frozen=True, slots=True)
class DiagAnswer:
    """One reassembled answer of an ECU (OBD-II J1979, UDS)."""

    dt_us: int
    ecu: str
    payload: bytes
    request: bytes | None = None


@dataclass(frozen=True, slots=True)
class DiagMessage:
    """Diagnostic answers."""

    kind: ClassVar[str] = "diag"
    envelope: Envelope
    answers: tuple[DiagAnswer, ...]


Message: TypeAlias = CanMessage | SignalsMessage | DtcMessage | DiagMessage
