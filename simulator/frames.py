"""CAN frames encoded with cantools from a signal file, the way a car's control units do it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

import cantools
import numpy as np
from cantools.database.can import Database

from decoders.envelope import EXTENDED, CanMessage, Envelope


class Frame(NamedTuple):
    """One frame on the bus."""

    t_us: int
    can_id: int
    """Bit 31 set for an extended identifier, as on the wire."""
    payload: bytes


class FrameEncoder:
    """Encodes the messages of one signal file."""

    def __init__(self, dbc_text: str) -> None:
        self._database = cast("Database", cantools.database.load_string(dbc_text, database_format="dbc"))

    def encode(self, name: str, values: Mapping[str, float], *, source_address: int | None = None) -> Frame:
        """A frame at time 0. Values are in the file's units, rounded to what a signal can hold.

        With a source address it is J1939: the address replaces the identifier's last byte, and what is not
        given is sent as not available, all bits set. Without one it is zero.
        """
        message = self._database.get_message_by_name(name)
        is_j1939 = source_address is not None
        raw: dict[str, float] = {}
        for signal in message.signals:
            if signal.name in values:
                scaled = (values[signal.name] - signal.offset) / signal.scale
                raw[signal.name] = scaled if signal.is_float else round(scaled)
            elif signal.is_multiplexer or not signal.multiplexer_ids:
                raw[signal.name] = (1 << signal.length) - 1 if is_j1939 else 0
        payload = message.encode(dict(raw), scaling=False, padding=is_j1939, strict=False)
        can_id = message.frame_id | (EXTENDED if message.is_extended_frame else 0)
        if source_address is not None:
            can_id = can_id & ~0xFF | source_address
        return Frame(0, can_id, payload)


def can_message(envelope: Envelope, frames: Iterable[Frame], codebook: str | None) -> CanMessage:
    """Frames in order of time as one message; `envelope.t0_us` is the time of none before it."""
    ordered = sorted(frames, key=lambda frame: frame.t_us)
    payloads = [frame.payload for frame in ordered]
    return CanMessage(
        envelope=envelope,
        dt_us=np.array([frame.t_us - envelope.t0_us for frame in ordered], dtype=np.uint32),
        can_id=np.array([frame.can_id for frame in ordered], dtype=np.uint32),
        bus=np.zeros(len(ordered), dtype=np.uint8),
        length=np.array([len(payload) for payload in payloads], dtype=np.uint8),
        data=np.frombuffer(b"".join(payloads), dtype=np.uint8),
        codebook=codebook,
    )
