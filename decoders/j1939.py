"""SAE J1939: identifiers, and the transport protocol of J1939-21 (BAM and RTS/CTS) put together again."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, overload

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from vehicle.errors import DecodeError
from vehicle.frame import FrameBatch

TP_CM: Final = 0xEC00
"""Transport protocol, connection management."""
TP_DT: Final = 0xEB00
"""Transport protocol, data transfer."""
DM1: Final = 0xFECA
_LISTS: Final = (0xFECB, 0xFECF, 0xFED4, 0xFDB5)
"""DM2, DM6, DM12, DM23."""
_IDENTITIES: Final = (0xFEEC, 0xFEEB, 0xFEDA)
"""VIN, component, software."""
DECODED_ELSEWHERE: Final = np.array([TP_DT, TP_CM, DM1, *_LISTS, *_IDENTITIES], np.uint32)
"""Groups that no codebook needs to know."""
EVERYONE: Final = 0xFF
"""Destination of a broadcast."""
MAX_TRANSPORTED_BYTES: Final = 1785
PACKET_BYTES: Final = 7
T1_US: Final = 750_000
"""Longest pause between the packets of a broadcast (J1939-21, T1)."""
T2_US: Final = 1_250_000
"""Longest pause within a connection (J1939-21, T2 and T3)."""
MAX_SESSIONS: Final = 64
"""Open at once for one vehicle; a bus has a handful."""

_RTS: Final = 16
_CTS: Final = 17
_BAM: Final = 32
_ABORT: Final = 255


@overload
def pgn(can_id: int) -> int: ...
@overload
def pgn(can_id: NDArray[np.uint32]) -> NDArray[np.uint32]: ...
def pgn(can_id: int | NDArray[np.uint32]) -> int | NDArray[np.uint32]:
    """Parameter group number of 29-bit identifiers; below PF 240 the PS field is an address and left out."""
    if isinstance(can_id, int):
        group = (can_id >> 8) & 0x3FFFF
        return group & 0x3FF00 if group & 0xFF00 < 0xF000 else group
    groups = (can_id >> np.uint32(8)) & np.uint32(0x3FFFF)
    return np.where(groups & np.uint32(0xFF00) < 0xF000, groups & np.uint32(0x3FF00), groups)


@overload
def source_address(can_id: int) -> int: ...
@overload
def source_address(can_id: NDArray[np.uint32]) -> NDArray[np.uint32]: ...
def source_address(can_id: int | NDArray[np.uint32]) -> int | NDArray[np.uint32]:
    """Address of the ECU that sent a 29-bit identifier."""
    return can_id & 0xFF if isinstance(can_id, int) else can_id & np.uint32(0xFF)


@dataclass(frozen=True, slots=True)
class TransportMessage:
    """A payload of more than eight bytes, put together from its packets."""

    pgn: int
    source_address: int
    destination_address: int
    """255 for a broadcast."""
    t_us: int
    """Of the last packet."""
    message: int
    """Index of the message the last packet came in."""
    data: bytes


U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U24 = Annotated[int, Meta(ge=0, le=0xFF_FFFF)]
Size = Annotated[int, Meta(ge=1, le=MAX_TRANSPORTED_BYTES)]
Moment = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Packet = Annotated[bytes, Meta(min_length=PACKET_BYTES, max_length=PACKET_BYTES)]


@dataclass(frozen=True, slots=True)
class Session:
    """An unfinished transfer."""

    bus: U8
    source_address: U8
    destination_address: U8
    pgn: U24
    size_bytes: Size
    last_us: Moment
    """Of its newest frame."""
    packets: dict[U8, Packet]
    """Sequence number, from 1, to seven bytes."""

    @property
    def packets_needed(self) -> int:
        """How many packets carry the payload."""
        return -(-self.size_bytes // PACKET_BYTES)


@dataclass(frozen=True, slots=True)
class Carry:
    """Unfinished transfers of one vehicle, to go on with when its next frames come."""

    sessions: tuple[Session, ...] = ()

    def dump(self) -> bytes:
        """The same as bytes; empty where nothing is unfinished."""
        return msgspec.msgpack.encode(self.sessions) if self.sessions else b""

    @classmethod
    def load(cls, dumped: bytes) -> "Carry":
        """What `dump` wrote. Raises `DecodeError`."""
        if not dumped:
            return cls()
        try:
            sessions = _SESSIONS.decode(dumped)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise DecodeError(f"unfinished J1939 transfers that cannot be read: {error}") from error
        for one in sessions:
            numbers, last = one.packets.keys(), one.packets_needed
            if len(numbers) >= last or not all(0 < number <= last for number in numbers):
                raise DecodeError(
                    f"an unfinished transfer lacks some of packets 1 to {last}, got {sorted(numbers)}"
                )
        return cls(sessions)


_SESSIONS: Final = msgspec.msgpack.Decoder(tuple[Session, ...])


@dataclass(frozen=True, slots=True)
class Reassembled:
    """Transported payloads of a batch, in order of their last packets."""

    messages: list[TransportMessage]
    carry: Carry
    lost: Mapping[str, int] = field(default_factory=dict)
    """Reason to number: transfers `timed-out`, `replaced`, `aborted`, `too-many`; packets `duplicate`,
    `out-of-order`, `without-transfer`, `malformed`."""


def reassemble(batch: FrameBatch, carry: Carry) -> Reassembled:
    """Put the transported payloads of ONE vehicle together; frames in order of time.

    Only transport frames reach Python code. However the frames are cut into batches, the payloads and the
    counts are the same, as long as each batch is given the carry of the one before.
    """
    listener = _Listener(
        {(one.bus, one.source_address, one.destination_address): one for one in carry.sessions}
    )
    group = (batch.can_id >> 16) & 0x3FF
    frames = np.flatnonzero(batch.is_extended & ((group == TP_CM >> 8) | (group == TP_DT >> 8)))
    for frame, can_id, bus, t_us, message, length in zip(
        frames.tolist(),
        batch.can_id[frames].tolist(),
        batch.bus[frames].tolist(),
        batch.t_us[frames].tolist(),
        batch.message[frames].tolist(),
        batch.length[frames].tolist(),
        strict=True,
    ):
        payload = batch.data[frame, :8].tobytes()
        if length < 8:
            listener.lost["malformed"] += 1
        elif (can_id >> 16) & 0xFF == TP_CM >> 8:
            listener.manage(bus, can_id, t_us, payload)
        else:
            listener.receive(bus, can_id, t_us, message, payload)
    if len(batch):
        listener.expire(int(batch.t_us[-1]))
    return Reassembled(listener.messages, Carry(tuple(listener.open.values())), dict(listener.lost))


_Key = tuple[int, int, int]


class _Listener:
    """Follows the transfers on the buses of one vehicle without taking part."""

    def __init__(self, sessions: dict[_Key, Session]) -> None:
        self.open = sessions
        """By bus, source and destination, oldest first."""
        self.messages: list[TransportMessage] = []
        self.lost: Counter[str] = Counter()
        self._calm_from_us, self._calm_until_us = 1, 0

    def manage(self, bus: int, can_id: int, t_us: int, payload: bytes) -> None:
        """One TP.CM frame: it opens, keeps alive or ends a transfer."""
        source, destination = can_id & 0xFF, (can_id >> 8) & 0xFF
        control = payload[0]
        if control in (_RTS, _BAM):
            self._begin((bus, source, destination), t_us, payload, is_broadcast=control == _BAM)
        elif control == _CTS:  # from the receiver: the transfer runs the other way
            session = self._alive((bus, destination, source), t_us)
            if session is not None:
                self.open[bus, destination, source] = replace(session, last_us=t_us)
        elif control == _ABORT:  # either side may
            for key in ((bus, source, destination), (bus, destination, source)):
                if self._alive(key, t_us) is not None:
                    del self.open[key]
                    self.lost["aborted"] += 1

    def _begin(self, key: _Key, t_us: int, payload: bytes, *, is_broadcast: bool) -> None:
        size_bytes = int.from_bytes(payload[1:3], "little")
        session = Session(*key, int.from_bytes(payload[5:8], "little"), size_bytes, t_us, {})
        is_sane = 0 < size_bytes <= MAX_TRANSPORTED_BYTES and payload[3] == session.packets_needed
        if not is_sane or is_broadcast != (key[2] == EVERYONE):
            self.lost["malformed"] += 1
            return
        if self._alive(key, t_us) is not None:
            self.lost["replaced"] += 1
            del self.open[key]
        self._make_room(t_us)
        self.open[key] = session

    def _make_room(self, t_us: int) -> None:
        """Looks at what is open only where something can have expired since: floods cost one look."""
        if len(self.open) < MAX_SESSIONS:
            return
        if not self._calm_from_us <= t_us <= self._calm_until_us:
            self.expire(t_us)
            self._calm_from_us = t_us
            self._calm_until_us = min((one.last_us for one in self.open.values()), default=t_us) + T1_US
        if len(self.open) >= MAX_SESSIONS:
            self.lost["too-many"] += 1
            del self.open[next(iter(self.open))]

    def receive(self, bus: int, can_id: int, t_us: int, message: int, payload: bytes) -> None:
        """One TP.DT frame: sequence number and seven bytes."""
        key = (bus, can_id & 0xFF, (can_id >> 8) & 0xFF)
        session = self._alive(key, t_us)
        number = payload[0]
        if session is None:
            self.lost["without-transfer"] += 1
            return
        if not 0 < number <= session.packets_needed:
            self.lost["malformed"] += 1
            return
        if number in session.packets:
            self.lost["duplicate"] += 1
            return
        if number != len(session.packets) + 1:
            self.lost["out-of-order"] += 1
        packets = session.packets | {number: payload[1:]}
        if len(packets) < session.packets_needed:
            self.open[key] = replace(session, packets=packets, last_us=t_us)
            return
        del self.open[key]
        data = b"".join(packets[k] for k in range(1, session.packets_needed + 1))
        self.messages.append(
            TransportMessage(session.pgn, key[1], key[2], t_us, message, data[: session.size_bytes])
        )

    def _alive(self, key: _Key, t_us: int) -> Session | None:
        """The transfer, unless it has been silent too long; or the clock went back, which is the same."""
        session = self.open.get(key)
        if session is not None and _has_expired(session, t_us):
            del self.open[key]
            self.lost["timed-out"] += 1
            return None
        return session

    def expire(self, t_us: int) -> None:
        """Give up what nothing can continue any more."""
        for key in list(self.open):
            self._alive(key, t_us)


def _has_expired(session: Session, t_us: int) -> bool:
    longest_us = T1_US if session.destination_address == EVERYONE else T2_US
    return not 0 <= t_us - session.last_us <= longest_us
