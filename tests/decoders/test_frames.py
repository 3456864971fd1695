import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import frames
from decoders.envelope import CanMessage
from tests.strategies import can_messages


@given(st.lists(can_messages(), max_size=5))
@settings(max_examples=60)
def test_every_frame_stands_in_the_batch_as_it_came(messages: list[CanMessage]) -> None:
    indexes = [10 * k + 3 for k in range(len(messages))]
    batch = frames.join(messages, indexes)
    assert len(batch) == sum(len(message) for message in messages)
    assert batch.data.shape[1] == (64 if len(batch) and batch.length.max() > 8 else 8)
    row = 0
    for index, message in zip(indexes, messages, strict=True):
        start = 0
        for k in range(len(message)):
            end = start + int(message.length[k])
            assert batch.message[row] == index
            assert batch.t_us[row] == message.envelope.t0_us + int(message.dt_us[k])
            assert batch.can_id[row] == message.can_id[k] & 0x1FFF_FFFF
            assert batch.is_extended[row] == (message.can_id[k] >= 0x8000_0000)
            assert batch.length[row] == message.length[k]
            assert batch.data[row].tobytes().rstrip(b"\0") == message.data[start:end].tobytes().rstrip(b"\0")
            start, row = end, row + 1


def test_part_of_a_batch_is_a_batch() -> None:
    nothing = frames.join([], [])
    assert len(frames.take(nothing, np.zeros(0, np.bool_))) == 0


def test_every_message_has_an_index() -> None:
    with pytest.raises(ValueError, match="one index per message"):
        frames.join([], [1])
