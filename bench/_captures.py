"""The same frames as candump text, BLF and MF4, written in columns."""

import struct
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

START_US: Final = 1_700_000_000_000_000
START: Final = (2023, 11, 2, 14, 22, 13, 20, 0)
"""The same as Windows writes it: year, month, weekday, day, hour, minute, second, millisecond."""
STEP_US: Final = 250
_CONTAINER_BYTES: Final = 131_072


def candump(path: Path, ids: NDArray[np.uint32], data: NDArray[np.uint8]) -> None:
    """As `candump -L` writes it."""
    payloads = data.tobytes().hex().upper()
    lines = (
        f"({(START_US + k * STEP_US) / 1e6:.6f}) can0 {can_id:03X}#{payloads[16 * k : 16 * k + 16]}\n"
        for k, can_id in enumerate(ids.tolist())
    )
    path.write_text("".join(lines), encoding="ascii")


def blf(path: Path, ids: NDArray[np.uint32], data: NDArray[np.uint8]) -> None:
    """CAN_MESSAGE objects in deflated containers of 128 kB, as python-can's writer makes them."""
    kinds = [
        ("signature", "S4"), ("header_size", "<u2"), ("version", "<u2"), ("size", "<u4"), ("type", "<u4"),
        ("units", "<u4"), ("client", "<u2"), ("revision", "<u2"), ("time", "<u8"),
        ("channel", "<u2"), ("flags", "u1"), ("dlc", "u1"), ("id", "<u4"), ("data", "u1", 8),
    ]  # fmt: skip
    objects = np.zeros(len(ids), np.dtype(kinds))
    objects["signature"], objects["header_size"], objects["version"] = b"LOBJ", 32, 1
    objects["size"], objects["type"], objects["units"] = objects.itemsize, 1, 2
    objects["time"] = np.arange(len(ids)) * STEP_US * 1000
    objects["channel"], objects["dlc"], objects["id"], objects["data"] = 1, 8, ids, data
    stream, parts = objects.tobytes(), []
    for start in range(0, len(stream), _CONTAINER_BYTES):
        inside = stream[start : start + _CONTAINER_BYTES]
        packed = zlib.compress(inside)
        size = 32 + len(packed)
        head = struct.pack("<4sHHIIH6xI4x", b"LOBJ", 16, 1, size, 10, 2, len(inside))
        parts.append(head + packed + bytes(size % 4))
    body = b"".join(parts)
    head = struct.pack("<4sI8BQQII8H", b"LOGG", 144, *[0] * 8, 144 + len(body), 0, len(ids), 0, *START)
    path.write_bytes(head.ljust(144, b"\0") + body)


def mf4(path: Path, ids: NDArray[np.uint32], data: NDArray[np.uint8]) -> None:
    """Bus logging as ASAM describes it, not packed, which is the fastest to read."""
    from asammdf import MDF, Signal
    from asammdf.blocks import v4_constants
    from asammdf.blocks.source_utils import Source

    kinds = [
        ("BusChannel", "u1"), ("ID", "<u4"), ("IDE", "u1"), ("DLC", "u1"), ("DataLength", "u1"),
        ("DataBytes", "u1", 8),
    ]  # fmt: skip
    frames = np.zeros(len(ids), np.dtype([(f"CAN_DataFrame.{name}", *kind) for name, *kind in kinds]))
    for name, value in (("BusChannel", 1), ("ID", ids), ("DLC", 8), ("DataLength", 8), ("DataBytes", data)):
        frames[f"CAN_DataFrame.{name}"] = value
    source = Source("CAN1", "CAN1", "", v4_constants.SOURCE_BUS, v4_constants.BUS_TYPE_CAN)
    signal = Signal(frames, np.arange(len(ids)) * (STEP_US / 1e6), name="CAN_DataFrame", source=source)
    mdf = MDF(version="4.11")
    mdf.append(signal, acq_name="CAN", acq_source=source, common_timebase=True)
    group: Any = mdf.groups[-1].channel_group
    group.flags = v4_constants.FLAG_CG_BUS_EVENT | v4_constants.FLAG_CG_PLAIN_BUS_EVENT
    mdf.save(path, overwrite=True)
    mdf.close()
