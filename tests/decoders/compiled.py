"""The compiled kernel for tests, and frames in numbers that its different ways need."""

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from decoders.codebook import Codebook
from decoders.kernel import Kernel
from odocare import kernels
from odocare.settings import Settings
from tests.decoders.databases import Drawn, wire_id_of
from vehicle.frame import FrameBatch


@cache
def kernel() -> Kernel:
    """From the cache that the commands use; compiled where it is not there."""
    found = kernels.decoding(Settings())
    assert found is not None, "the kernel can be compiled on every machine that runs the tests"
    return found


def by_kernel(codebook: Codebook) -> Codebook:
    """The same codebook, read by the kernel."""
    reader = kernel().bind(codebook.plan)
    assert reader is not None
    return replace(codebook, reader=reader)


def many_frames(drawn: Drawn, rng: np.random.Generator, n: int) -> FrameBatch:
    """Frames of a file's messages and of none, whole, cut off and too long, many of one kind, in any order.

    Payloads are random bytes and, often, the ones and zeros that say that there is no measurement.
    """
    ids = [wire_id_of(one) for one in drawn.database.messages] + [0x7FE, 0x9FFF_FFFE]
    lengths = [one.length for one in drawn.database.messages] + [8, 8]
    weights = rng.random(len(ids)) ** 4 + 1e-6
    which = rng.choice(len(ids), n, p=weights / weights.sum())
    wire_id = _sent_by_anyone(np.array(ids, np.uint32)[which], rng)
    width = 64 if max(lengths) > 8 or rng.random() < 0.3 else 8
    length = np.array(lengths)[which]
    if rng.random() < 0.5:
        length = np.where(rng.random(n) < 0.2, rng.integers(0, width + 1, n), length)
    data = rng.integers(0, 256, (n, width), dtype=np.uint8)
    data = np.where(rng.random((n, width)) < 0.3, rng.choice([0, 0xFF, 1], (n, width)).astype(np.uint8), data)
    data[np.arange(width) >= length[:, np.newaxis]] = 0
    message = np.sort(rng.integers(0, rng.integers(1, 6), n)).astype(np.int32)
    t_us = rng.integers(0, 1_000, n) if rng.random() < 0.5 else np.arange(n)
    return FrameBatch(
        message=message,
        t_us=t_us.astype(np.int64),
        can_id=wire_id & np.uint32(0x1FFF_FFFF),
        is_extended=wire_id >= 0x8000_0000,
        bus=np.zeros(n, np.uint8),
        length=length.astype(np.uint8),
        data=data.astype(np.uint8),
    )


def _sent_by_anyone(wire_id: NDArray[np.uint32], rng: np.random.Generator) -> NDArray[np.uint32]:
    """In half of the batches, 29-bit identifiers with other J1939 priorities, sources and destinations."""
    if rng.random() < 0.5:
        return wire_id
    is_extended = wire_id >= 0x8000_0000
    is_addressed = is_extended & ((wire_id >> 16) & 0xFF < 0xF0)
    told_apart_by = np.where(is_addressed, 0xE3FF_0000, 0xE3FF_FF00).astype(np.uint32)
    others = rng.integers(0, 2**32, len(wire_id), dtype=np.uint32)
    return np.where(is_extended, wire_id & told_apart_by | others & ~told_apart_by, wire_id)


def bits(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The same numbers, bit for bit, to be compared; one NaN is as good as another."""
    return np.where(np.isnan(values), np.nan, values).view(np.uint64)
