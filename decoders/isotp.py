"""ISO 15765-2: payloads of diagnostic conversations put together from CAN frames by listening."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from decoders.addressing import Addressing, Endpoint
from decoders.isotp_carry import Carry, Request, Session
from vehicle.frame import FrameBatch

__all__ = ["Addressing", "Carry", "IsoTpMessage", "Reassembled", "reassemble"]

MAX_BYTES: Final = 4095
"""Longest payload of a first frame without the 32-bit length; longer ones are for flashing."""
MAX_SESSIONS: Final = 64
"""Open at once for one vehicle; a tester has a handful. As many requests are remembered."""
MAX_REQUEST_BYTES: Final = 64
N_CR_US: Final = 1_000_000
"""Longest wait for the next consecutive frame (ISO 15765-2, N_Cr)."""
P2_STAR_US: Final = 5_000_000
"""Longest wait for the first frame of an answer (ISO 14229-2, P2* of the server)."""

_SINGLE: Final = 0
_FIRST: Final = 1
_CONSECUTIVE: Final = 2
_FLOW_CONTROL: Final = 3
_OVERFLOW: Final = 2
_CLASSIC_BYTES: Final = 8
_IS_ANSWER: Final = 0x40
"""Bit of the service byte that tells an answer from a request (ISO 14229-1)."""
_NEGATIVE: Final = 0x7F
_PENDING: Final = 0x78


@dataclass(frozen=True, slots=True)
class IsoTpMessage:
    """One payload of a conversation, request or answer."""

    bus: int
    wire_id: int
    """Identifier as on the wire."""
    address: int | None
    """With extended addressing."""
    first_us: int
    t_us: int
    """Of the last frame."""
    message: int
    """Index of the message the last frame came in."""
    data: bytes
    request: bytes | None = None
    """What it answers, at most 64 bytes of it; None for a request, and where no request was heard."""

    @property
    def endpoint(self) -> Endpoint:
        """Who sent it."""
        return (self.wire_id, self.address)


@dataclass(frozen=True, slots=True)
class Reassembled:
    """Payloads of a batch, in order of their last frames."""

    messages: list[IsoTpMessage]
    carry: Carry
    lost: Mapping[str, int] = field(default_factory=dict)
    """Reason to number: payloads `timed-out`, `replaced`, `broken`, `aborted`, `too-many`, `too-long`; frames
    `missing`, `duplicate`, `out-of-order`, `without-transfer`, `malformed`."""


def reassemble(
    batch: FrameBatch,
    carry: Carry,
    *,
    addressing: Addressing,
    max_bytes: int = MAX_BYTES,
    max_sessions: int = MAX_SESSIONS,
) -> Reassembled:
    """Put the diagnostic payloads of ONE vehicle together; frames in order of time.

    Only diagnostic frames reach Python code. However the frames are cut into batches, the payloads and the
    counts are the same, as long as each batch is given the carry of the one before. At most `max_sessions`
    payloads of `max_bytes` are held.
    """
    listener = _Listener(carry, addressing, max_bytes, max_sessions)
    frames = np.flatnonzero(addressing.carries(batch))
    wire_id = batch.can_id[frames].astype(np.int64) | (batch.is_extended[frames].astype(np.int64) << 31)
    for frame, one_id, bus, t_us, message, length in zip(
        frames.tolist(),
        wire_id.tolist(),
        batch.bus[frames].tolist(),
        batch.t_us[frames].tolist(),
        batch.message[frames].tolist(),
        batch.length[frames].tolist(),
        strict=True,
    ):
        listener.hear(bus, one_id, t_us, message, batch.data[frame, :length].tobytes())
    if len(batch):
        listener.expire(int(batch.t_us[-1]))
    return Reassembled(listener.messages, listener.carry(), dict(listener.lost))


_Key = tuple[int, int, int | None]
"""Bus, identifier, address."""


class _Listener:
    """Follows the conversations on the buses of one vehicle without taking part."""

    def __init__(self, carry: Carry, addressing: Addressing, max_bytes: int, max_sessions: int) -> None:
        self.addressing = addressing
        self.max_bytes = max_bytes
        self.max_sessions = max_sessions
        self.open: dict[_Key, Session] = {(one.bus, one.wire_id, one.address): one for one in carry.sessions}
        """Oldest first."""
        self.asked: dict[_Key, Request] = {(one.bus, one.wire_id, one.address): one for one in carry.requests}
        self.messages: list[IsoTpMessage] = []
        self.lost: Counter[str] = Counter()
        self._calm_from_us, self._calm_until_us = 1, 0

    def carry(self) -> Carry:
        """What is unfinished."""
        return Carry(tuple(self.open.values()), tuple(self.asked.values()))

    def hear(self, bus: int, wire_id: int, t_us: int, message: int, frame: bytes) -> None:
        """One frame: its protocol control information says what it is."""
        address, body = None, frame
        if frame and self.addressing.has_address(wire_id):
            address, body = frame[0], frame[1:]
        key = (bus, wire_id, address)
        kind = body[0] >> 4 if body else None
        if kind == _SINGLE:
            self._single(key, t_us, message, body, len(frame))
        elif kind == _FIRST:
            self._first(key, t_us, body, len(frame))
        elif kind == _CONSECUTIVE:
            self._consecutive(key, t_us, message, body)
        elif kind == _FLOW_CONTROL and len(body) >= 3 and body[0] & 0xF <= _OVERFLOW:
            self._flow_control(key, t_us, body[0] & 0xF)
        else:
            self.lost["malformed"] += 1

    def _single(self, key: _Key, t_us: int, message: int, body: bytes, frame_bytes: int) -> None:
        """A whole payload; in CAN FD frames its length has a byte of its own."""
        size, start = body[0] & 0xF, 1
        if frame_bytes > _CLASSIC_BYTES:
            size, start = (body[1], 2) if size == 0 else (0, 1)
        if not 0 < size <= len(body) - start:
            self.lost["malformed"] += 1
            return
        self._replace(key, t_us)
        data = body[start : start + size]
        self._deliver(IsoTpMessage(*key, t_us, t_us, message, data, self._request_of(key, t_us, data)))

    def _first(self, key: _Key, t_us: int, body: bytes, frame_bytes: int) -> None:
        """The beginning of a longer payload: 12 bits of length or, after zero, 32 bits."""
        size, start = int.from_bytes(body[:2], "big") & 0xFFF, 2
        if size == 0:
            size, start = int.from_bytes(body[2:6], "big"), 6
        fits_single = len(body) - (1 if frame_bytes <= _CLASSIC_BYTES else 2)
        is_sane = size > fits_single and (start == 2 or size > MAX_BYTES)
        if frame_bytes < _CLASSIC_BYTES or not is_sane:
            self.lost["malformed"] += 1
            return
        data = body[start:]
        before = self._alive(key, t_us)
        if before is not None and (before.size_bytes, before.data) == (size, data):
            self.lost["duplicate"] += 1
            self.open[key] = replace(before, last_us=t_us)
            return
        self._replace(key, t_us)
        if size > self.max_bytes:
            self.lost["too-long"] += 1
            return
        self._make_room(t_us)
        request = self._request_of(key, t_us, data)
        self.open[key] = Session(*key, size, frame_bytes, t_us, t_us, 1, data, request)

    def _consecutive(self, key: _Key, t_us: int, message: int, body: bytes) -> None:
        """The next part; a sequence number that does not follow ends the payload (N_WRONG_SN)."""
        session = self._alive(key, t_us)
        if session is None:
            self.lost["without-transfer"] += 1
            return
        part = body[1:]
        ahead = (body[0] - session.next_number) & 0xF
        if ahead == 15 and len(part) and session.data.endswith(part):
            self.lost["duplicate"] += 1
            return
        room = session.frame_bytes - (1 if key[2] is None else 2)
        wanted = min(session.size_bytes - len(session.data), room)
        if ahead or len(part) < wanted:
            del self.open[key]
            self.lost["broken"] += 1
            if not ahead:
                self.lost["malformed"] += 1
            elif ahead < 8:
                self.lost["missing"] += ahead
            else:
                self.lost["out-of-order"] += 1
            return
        data = session.data + part[:wanted]
        if len(data) < session.size_bytes:
            following = (session.next_number + 1) & 0xF
            self.open[key] = replace(session, data=data, next_number=following, last_us=t_us)
            return
        del self.open[key]
        self._deliver(IsoTpMessage(*key, session.first_us, t_us, message, data, session.request))

    def _flow_control(self, key: _Key, t_us: int, status: int) -> None:
        """From the receiver: the payload runs the other way. Wait keeps it alive, overflow ends it."""
        opposite = self.addressing.opposite(key[1:])
        if opposite is None:
            return
        there = (key[0], *opposite)
        session = self._alive(there, t_us)
        if session is None:
            return
        if status == _OVERFLOW:
            del self.open[there]
            self.lost["aborted"] += 1
        else:
            self.open[there] = replace(session, last_us=t_us)

    def _deliver(self, one: IsoTpMessage) -> None:
        """Keep a payload; a request is remembered until it is answered, "pending" makes it wait longer."""
        self.messages.append(one)
        key = (one.bus, one.wire_id, one.address)
        if not one.data[0] & _IS_ANSWER:
            self._remember(Request(*key, one.t_us, one.data[:MAX_REQUEST_BYTES]))
        elif len(one.data) > 2 and one.data[0] == _NEGATIVE and one.data[2] == _PENDING:
            for request in self._requests(key, one.t_us, one.data):
                self._remember(replace(request, t_us=one.t_us))

    def _remember(self, request: Request) -> None:
        """Newest last, so that the oldest is forgotten where there are too many."""
        key = (request.bus, request.wire_id, request.address)
        self.asked.pop(key, None)
        self.asked[key] = request
        if len(self.asked) > self.max_sessions:
            del self.asked[next(iter(self.asked))]

    def _requests(self, key: _Key, t_us: int, data: bytes) -> list[Request]:
        """What an answer that begins like this may answer, newest last."""
        service = data[0] & ~_IS_ANSWER
        if data[0] == _NEGATIVE and len(data) > 1:
            service = data[1]
        found = [self.asked.get((key[0], *asker)) for asker in self.addressing.askers(key[1:])]
        alive = [one for one in found if one is not None and 0 <= t_us - one.t_us <= P2_STAR_US]
        return sorted((one for one in alive if one.data[0] == service), key=lambda one: one.t_us)

    def _request_of(self, key: _Key, t_us: int, data: bytes) -> bytes | None:
        found = self._requests(key, t_us, data) if data[0] & _IS_ANSWER else []
        return found[-1].data if found else None

    def _replace(self, key: _Key, t_us: int) -> None:
        """A payload that begins ends the one before on the same identifier."""
        if self._alive(key, t_us) is not None:
            del self.open[key]
            self.lost["replaced"] += 1

    def _make_room(self, t_us: int) -> None:
        """Looks at what is open only where something can have expired since: floods cost one look."""
        if len(self.open) < self.max_sessions:
            return
        if not self._calm_from_us <= t_us <= self._calm_until_us:
            self.expire(t_us)
            self._calm_from_us = t_us
            self._calm_until_us = min((one.last_us for one in self.open.values()), default=t_us) + N_CR_US
        if len(self.open) >= self.max_sessions:
            self.lost["too-many"] += 1
            del self.open[next(iter(self.open))]

    def _alive(self, key: _Key, t_us: int) -> Session | None:
        """The payload, unless it has been silent too long; or the clock went back, which is the same."""
        session = self.open.get(key)
        if session is not None and not 0 <= t_us - session.last_us <= N_CR_US:
            del self.open[key]
            self.lost["timed-out"] += 1
            return None
        return session

    def expire(self, t_us: int) -> None:
        """Give up what nothing can continue, forget what nothing can answer any more."""
        for key in list(self.open):
            self._alive(key, t_us)
        for key, request in list(self.asked.items()):
            if not 0 <= t_us - request.t_us <= P2_STAR_US:
                del self.asked[key]
