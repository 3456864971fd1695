"""MF4, ASAM's measurement file: the frames of its bus logging, read by asammdf."""

from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from decoders.captures.findings import Findings
from vehicle.errors import OdocareError
from vehicle.frame import FrameBatch

if TYPE_CHECKING:
    from asammdf import MDF

FRAMES: Final = "CAN_DataFrame"
_RECORDS: Final = 65_536
"""Read at once."""
_FD_BYTES: Final = 64
_CLASSIC_BYTES: Final = 8
_EXTENDED: Final = 0x8000_0000


class Mf4Error(OdocareError):
    """An MF4 file that cannot be read here, or holds no bus logging."""


def batches(path: Path, findings: Findings, advance: Callable[[int], None]) -> Iterator[FrameBatch]:
    """The data frames of one bus after the other, each in its order. Raises `Mf4Error`."""
    mdf = _open(path)
    try:
        groups = _groups(mdf, FRAMES)
        findings.error_frames_n += _records(mdf, _groups(mdf, "CAN_ErrorFrame"))
        findings.remote_frames_n += _records(mdf, _groups(mdf, "CAN_RemoteFrame"))
        if not groups:
            raise Mf4Error(f"{path.name} has no group {FRAMES}: it is no log of a CAN bus")
        since_us = round(mdf.header.start_time.astimezone(UTC).timestamp() * 1e6)
        records = [int(mdf.groups[place].channel_group.cycles_nr) for place in groups]
        size, records_n = path.stat().st_size, max(sum(records), 1)
        for place, n in zip(groups, records, strict=True):
            for start in range(0, n, _RECORDS):
                try:
                    batch = _frames(mdf, place, start, since_us)
                except Exception as error:  # noqa: BLE001 - asammdf lets exceptions of any kind through
                    findings.end_early(f"after frame {start} of a bus", f"{error or type(error).__name__}")
                    return
                yield batch
                advance(size * min(_RECORDS, n - start) // records_n)
    finally:
        mdf.close()


def _groups(mdf: "MDF", name: str) -> list[int]:
    """Those that hold a channel of this name."""
    groups: list[Any] = list(mdf.groups)
    return [
        place for place, group in enumerate(groups) if any(channel.name == name for channel in group.channels)
    ]


def _records(mdf: "MDF", groups: list[int]) -> int:
    return sum(int(mdf.groups[place].channel_group.cycles_nr) for place in groups)


def _open(path: Path) -> "MDF":
    try:
        from asammdf import MDF
    except ImportError as error:
        raise Mf4Error(
            f"{path.name} is an MF4 file, which asammdf reads: pip install 'odocare[mf4]'"
        ) from error
    try:
        return MDF(path)
    except Exception as error:  # asammdf lets exceptions of any kind through
        raise Mf4Error(f"{path.name} cannot be read as MF4: {error}") from error


def _frames(mdf: "MDF", group: int, start: int, since_us: int) -> FrameBatch:
    signal = mdf.get(FRAMES, group=group, record_offset=start, record_count=_RECORDS, raw=True)
    records: NDArray[Any] = np.asarray(signal.samples)

    def column(name: str, default: int = 0) -> NDArray[Any]:
        full = f"{FRAMES}.{name}"
        return records[full] if full in (records.dtype.names or ()) else np.full(len(records), default)

    data = column("DataBytes")
    width = _CLASSIC_BYTES if data.shape[1] <= _CLASSIC_BYTES else _FD_BYTES
    length = np.minimum(column("DataLength", data.shape[1]), min(data.shape[1], width)).astype(np.uint8)
    padded = np.zeros((len(records), width), np.uint8)
    kept = data[:, :width]
    padded[:, : kept.shape[1]] = np.where(np.arange(kept.shape[1]) < length[:, np.newaxis], kept, 0)
    ids = column("ID").astype(np.uint32)
    t_us = since_us + np.rint(np.asarray(signal.timestamps) * 1e6).astype(np.int64)
    return FrameBatch(
        message=np.zeros(len(records), np.int32),
        t_us=t_us,
        can_id=ids & np.uint32(0x1FFF_FFFF),
        is_extended=(column("IDE") != 0) | (ids >= _EXTENDED) | (ids > 0x7FF),
        bus=column("BusChannel").astype(np.uint8),
        length=length,
        data=padded,
    )
