"""Frames drawn by Hypothesis, and what a reader made of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import can
from hypothesis import strategies as st

from vehicle.frame import FrameBatch

BASE_US = 1_700_000_000_000_000
FD_SIZES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)


@dataclass(frozen=True)
class Frame:
    """One data frame."""

    t_us: int
    can_id: int
    is_extended: bool
    bus: int
    data: bytes
    is_fd: bool = False

    def message(self, **more: Any) -> can.Message:
        """For python-can's writers; `channel` counts as they do."""
        return can.Message(
            timestamp=self.t_us / 1e6,
            arbitration_id=self.can_id,
            is_extended_id=self.is_extended,
            is_fd=self.is_fd,
            dlc=len(self.data),
            data=self.data,
            check=True,
            **more,
        )


def rows(batches: Iterable[FrameBatch]) -> list[Frame]:
    """Frame by frame what stands in the columns; all of it must be consistent."""
    found = []
    for batch in batches:
        assert batch.data.shape in ((len(batch), 8), (len(batch), 64))
        for k in range(len(batch)):
            size = int(batch.length[k])
            assert not batch.data[k, size:].any()
            data = batch.data[k, :size].tobytes()
            is_extended = bool(batch.is_extended[k])
            found.append(
                Frame(int(batch.t_us[k]), int(batch.can_id[k]), is_extended, int(batch.bus[k]), data)
            )
    return found


def plain(frames: Iterable[Frame]) -> list[Frame]:
    """The same without what columns do not tell."""
    return [Frame(one.t_us, one.can_id, one.is_extended, one.bus, one.data) for one in frames]


@st.composite
def recordings(draw: st.DrawFn, *, with_fd: bool = True) -> list[Frame]:
    """Frames of three buses, milliseconds apart."""
    t_us, found = BASE_US, []
    for _ in range(draw(st.integers(1, 14))):
        t_us += 1000 * draw(st.integers(0, 5_000))
        is_extended = draw(st.booleans())
        is_fd = with_fd and draw(st.booleans())
        size = draw(st.sampled_from(FD_SIZES if is_fd else FD_SIZES[:9]))
        found.append(
            Frame(
                t_us=t_us,
                can_id=draw(st.integers(0, 0x1FFF_FFFF if is_extended else 0x7FF)),
                is_extended=is_extended,
                bus=draw(st.integers(0, 2)),
                data=draw(st.binary(min_size=size, max_size=size)),
                is_fd=is_fd,
            )
        )
    return found
