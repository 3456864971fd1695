"""What Hypothesis draws for several rooms: VINs, envelopes, messages, frames, signal files."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

from decoders import dtc
from decoders.envelope import (
    CanMessage,
    DiagAnswer,
    DiagMessage,
    DtcMessage,
    EcuDtcs,
    Envelope,
    Message,
    SignalsMessage,
)
from vehicle.dtc import Dtc, DtcReading, DtcStandard, DtcStatus
from vehicle.frame import FrameBatch
from vehicle.vin import Vin

VIN_CHARACTERS = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
LATEST_US = 2**57
FD_LENGTHS = (12, 16, 20, 24, 32, 48, 64)

words = st.text("abcdefXYZ09.-_ 码", min_size=1, max_size=12)
paths = st.from_regex(r"Vehicle(\.[A-Z][a-z]{0,5}){1,3}", fullmatch=True)
doubles = st.floats(allow_nan=False, allow_infinity=False)


def vins() -> SearchStrategy[Vin]:
    """VINs of the right shape; their check digit is anything."""
    return st.text(VIN_CHARACTERS, min_size=17, max_size=17).map(Vin)


def envelopes() -> SearchStrategy[Envelope]:
    """Envelopes over the whole of every field's range."""
    counters = st.integers(0, 2**63 - 1)
    return st.builds(
        Envelope,
        vin=vins(),
        boot=counters,
        seq=counters,
        t0_us=st.integers(0, LATEST_US),
        ack=st.booleans(),
        resent=st.booleans(),
    )


def wire_ids() -> SearchStrategy[int]:
    """Identifiers as on the wire: 11 bits, or 29 bits with bit 31 set."""
    return st.integers(0, 0x7FF) | st.integers(0, 0x1FFF_FFFF).map(lambda number: number | 0x8000_0000)


def payloads() -> SearchStrategy[bytes]:
    """Payloads of CAN and, less often, CAN FD."""
    longer = st.sampled_from(FD_LENGTHS).flatmap(lambda size: st.binary(min_size=size, max_size=size))
    return st.binary(max_size=8) | st.binary(max_size=8) | longer


@dataclass(frozen=True)
class Frame:
    """One frame, as the tests write them down."""

    wire_id: int
    payload: bytes
    t_us: int = 0
    bus: int = 0


def can_message(envelope: Envelope, frames: list[Frame], codebook: str | None = None) -> CanMessage:
    """A message of these frames; their times count from `t0_us`."""
    return CanMessage(
        envelope=envelope,
        dt_us=np.array([frame.t_us for frame in frames], np.uint32),
        can_id=np.array([frame.wire_id for frame in frames], np.uint32),
        bus=np.array([frame.bus for frame in frames], np.uint8),
        length=np.array([len(frame.payload) for frame in frames], np.uint8),
        data=np.frombuffer(b"".join(frame.payload for frame in frames), np.uint8),
        codebook=codebook,
    )


def batch_of(frames: list[Frame], message: NDArray[np.int32] | None = None) -> FrameBatch:
    """A batch of these frames, in one message or in the given ones."""
    width = 64 if any(len(frame.payload) > 8 for frame in frames) else 8
    data = np.zeros((len(frames), width), np.uint8)
    for row, frame in zip(data, frames, strict=True):
        row[: len(frame.payload)] = np.frombuffer(frame.payload, np.uint8)
    wire_id = np.array([frame.wire_id for frame in frames], np.uint32)
    return FrameBatch(
        message=np.zeros(len(frames), np.int32) if message is None else message,
        t_us=np.array([frame.t_us for frame in frames], np.int64),
        can_id=wire_id & np.uint32(0x1FFF_FFFF),
        is_extended=wire_id >= 0x8000_0000,
        bus=np.array([frame.bus for frame in frames], np.uint8),
        length=np.array([len(frame.payload) for frame in frames], np.uint8),
        data=data,
    )


@st.composite
def can_messages(draw: DrawFn, max_frames: int = 12) -> CanMessage:
    """Frames of any identifier, length and content."""
    frames = st.builds(
        Frame,
        wire_id=wire_ids(),
        payload=payloads(),
        t_us=st.integers(0, 2**32 - 1),
        bus=st.integers(0, 255),
    )
    drawn = draw(st.lists(frames, max_size=max_frames))
    return can_message(draw(envelopes()), drawn, draw(st.none() | words))


@st.composite
def signals_messages(draw: DrawFn) -> SignalsMessage:
    """Decoded signals; NaN stands among them, infinity does not, for JSON has no word for it."""
    sample = st.tuples(st.integers(-(2**53), 2**53), st.floats(allow_infinity=False))
    drawn = draw(st.dictionaries(paths, st.lists(sample, max_size=6), max_size=5))
    signals = {
        path: (np.array([dt for dt, _ in samples], np.int64), np.array([v for _, v in samples], np.float64))
        for path, samples in drawn.items()
    }
    return SignalsMessage.of(draw(envelopes()), signals)


@st.composite
def dtcs(draw: DrawFn, standard: DtcStandard, ecu: str) -> Dtc:
    """One code in its standard's one spelling."""
    ftb = draw(st.none() | st.integers(0, 255)) if standard is DtcStandard.UDS else None
    if standard is DtcStandard.J2012:
        return Dtc(standard, ecu, dtc.spell(draw(st.integers(0, 0xFFFF))))
    if standard is DtcStandard.J1939:
        spn, fmi = draw(st.integers(0, 0x7FFFF)), draw(st.integers(0, 31))
        return Dtc(standard, ecu, dtc.spell_j1939(spn, fmi), spn=spn, fmi=fmi)
    return Dtc(standard, ecu, draw(words), ftb=ftb)


@st.composite
def ecu_dtcs(draw: DrawFn) -> EcuDtcs:
    """One ECU's codes."""
    standard, ecu = draw(st.sampled_from(DtcStandard)), draw(words)
    readings = st.builds(
        DtcReading,
        dtc=dtcs(standard, ecu),
        status=st.none() | st.integers(0, 255).map(DtcStatus),
        occurrences=st.none() | st.integers(0, 2**31 - 1),
        at_us=st.none() | st.integers(0, LATEST_US),
        freeze_frame=st.dictionaries(paths, doubles, max_size=2),
    )
    return EcuDtcs(ecu, standard, draw(st.booleans()), tuple(draw(st.lists(readings, max_size=4))))


def dtc_messages() -> SearchStrategy[DtcMessage]:
    """Fault codes of several ECUs."""
    return st.builds(DtcMessage, envelopes(), st.lists(ecu_dtcs(), max_size=3).map(tuple))


def diag_messages() -> SearchStrategy[DiagMessage]:
    """Diagnostic answers."""
    answers = st.builds(
        DiagAnswer,
        dt_us=st.integers(-(2**53), 2**53),
        ecu=words,
        payload=st.binary(max_size=20),
        request=st.none() | st.binary(max_size=8),
    )
    return st.builds(DiagMessage, envelopes(), st.lists(answers, max_size=4).map(tuple))


def messages() -> SearchStrategy[Message]:
    """Messages of every kind."""
    return can_messages() | signals_messages() | dtc_messages() | diag_messages()
