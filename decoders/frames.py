"""Frames of many messages, joined so that they are decoded together."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decoders.message import CanMessage
from vehicle.frame import FrameBatch

_EXTENDED: Final = np.uint32(0x8000_0000)
_ID_BITS: Final = np.uint32(0x1FFF_FFFF)


def join(messages: Sequence[CanMessage], indexes: Sequence[int]) -> FrameBatch:
    """One batch of all frames; those of `messages[k]` say they came in message `indexes[k]`, which rises.

    `data` has 8 columns, or 64 where a frame is longer than 8 bytes.
    """
    if len(messages) != len(indexes):
        raise ValueError(f"one index per message: {len(messages)} messages, {len(indexes)} indexes")
    if len(messages) < 2:
        return _of_one(messages[0], indexes[0]) if messages else _empty()
    counts = [len(message) for message in messages]
    t0_us = np.repeat(np.array([one.envelope.t0_us for one in messages], np.int64), counts)
    can_id = np.concatenate([message.can_id for message in messages])
    length = np.concatenate([message.length for message in messages])
    return FrameBatch(
        message=np.repeat(np.array(indexes, np.int32), counts),
        t_us=t0_us + np.concatenate([message.dt_us for message in messages]),
        can_id=can_id & _ID_BITS,
        is_extended=can_id >= _EXTENDED,
        bus=np.concatenate([message.bus for message in messages]),
        length=length,
        data=_rows(length, np.concatenate([message.data for message in messages])),
    )


def _of_one(one: CanMessage, index: int) -> FrameBatch:
    """The same for one message, in half the time: nothing has to be put together."""
    number = np.empty(len(one.can_id), np.int32)
    number.fill(index)
    return FrameBatch(
        number,
        one.dt_us + np.int64(one.envelope.t0_us),
        one.can_id & _ID_BITS,
        one.can_id >= _EXTENDED,
        one.bus,
        one.length,
        _rows(one.length, one.data),
    )


def take(batch: FrameBatch, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> FrameBatch:
    """Those frames of a batch, by mask, position or slice."""
    return FrameBatch(
        message=batch.message[which],
        t_us=batch.t_us[which],
        can_id=batch.can_id[which],
        is_extended=batch.is_extended[which],
        bus=batch.bus[which],
        length=batch.length[which],
        data=batch.data[which],
    )


def concatenate(batches: Sequence[FrameBatch]) -> FrameBatch:
    """Batches one behind the other, as one; `data` is as wide as the widest needs."""
    filled = [batch for batch in batches if len(batch)]
    if len(filled) < 2:
        return filled[0] if filled else _empty()
    width = max(batch.data.shape[1] for batch in filled)
    data = np.zeros((sum(map(len, filled)), width), np.uint8)
    start = 0
    for batch in filled:
        data[start : start + len(batch), : batch.data.shape[1]] = batch.data
        start += len(batch)
    return FrameBatch(
        message=np.concatenate([batch.message for batch in filled]),
        t_us=np.concatenate([batch.t_us for batch in filled]),
        can_id=np.concatenate([batch.can_id for batch in filled]),
        is_extended=np.concatenate([batch.is_extended for batch in filled]),
        bus=np.concatenate([batch.bus for batch in filled]),
        length=np.concatenate([batch.length for batch in filled]),
        data=data,
    )


def _rows(length: NDArray[np.uint8], data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Concatenated payloads as rows of equal width, zero behind each payload's end."""
    if len(data) == 8 * len(length) and length.tobytes().count(8) == len(length):
        return data.reshape(-1, 8)
    width = 8 if len(length) == 0 or length.max() <= 8 else 64
    rows = np.zeros((len(length), width), np.uint8)
    rows[np.arange(width, dtype=np.uint8) < length[:, np.newaxis]] = data
    return rows


def _empty() -> FrameBatch:
    return FrameBatch(
        message=np.zeros(0, np.int32),
        t_us=np.zeros(0, np.int64),
        can_id=np.zeros(0, np.uint32),
        is_extended=np.zeros(0, np.bool_),
        bus=np.zeros(0, np.uint8),
        length=np.zeros(0, np.uint8),
        data=np.zeros((0, 8), np.uint8),
    )
