"""Objects of a BLF file in columns: the frames among them, whatever stands between.

There is no public text of the format; the layouts are those that open readers agree on. All numbers are
little endian. An object begins with `LOBJ`, the sizes of its header and of itself, and its type; the next one
follows after up to four bytes of filling.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decoders.captures.compiled import Compiled
from decoders.captures.findings import Findings
from vehicle.frame import FrameBatch

BASE_BYTES: Final = 16
"""Of an object: signature, sizes, type."""
SIGNATURE: Final = b"LOBJ"
_SIGNATURE: Final = int.from_bytes(SIGNATURE, "little")
_FILLING: Final = 4
CAN_MESSAGE: Final = 1
CAN_MESSAGE2: Final = 86
CAN_FD_MESSAGE: Final = 100
CAN_FD_MESSAGE_64: Final = 101
_WIDE: Final = (CAN_FD_MESSAGE, CAN_FD_MESSAGE_64)
_ERRORS: Final = (2, 3, 73, 104)
"""Error frame, overload frame, error frame with details, the same of CAN FD."""
_TEN_MICROSECONDS: Final = 1
_EXTENDED: Final = 0x8000_0000
_UNUSED: Final = 0x6000_0000
_LAST_STANDARD: Final = 0x7FF
_REMOTE: Final = 0x80
_REMOTE_64: Final = 0x10
_CLASSIC_BYTES: Final = 8
_FD_BYTES: Final = 64

_HEADER: Final[list[tuple[str, str, int]]] = [
    ("header_size", "<u2", 4), ("version", "<u2", 6), ("size", "<u4", 8), ("type", "<u4", 12),
    ("units", "<u4", 16), ("time", "<u8", 24),
]  # fmt: skip
_HEADER_BYTES: Final = 32
"""What the readable versions of headers have in common."""
_BODIES: Final[dict[int, tuple[list[tuple[str, str, int]], int]]] = {
    # fields as name, kind and place, and bytes in all
    CAN_MESSAGE: (
        [("channel", "<u2", 0), ("flags", "u1", 2), ("dlc", "u1", 3), ("id", "<u4", 4), ("data", "V8", 8)],
        16,
    ),
    CAN_FD_MESSAGE: (
        [
            ("channel", "<u2", 0), ("flags", "u1", 2), ("id", "<u4", 4), ("valid", "u1", 14),
            ("data", "V64", 20),
        ],
        84,
    ),
    CAN_FD_MESSAGE_64: (
        [
            ("channel", "u1", 0), ("valid", "u1", 2), ("id", "<u4", 4), ("flags", "<u4", 12),
            ("behind", "u1", 35),
        ],
        40,
    ),
}  # fmt: skip
_BODIES[CAN_MESSAGE2] = _BODIES[CAN_MESSAGE]


@dataclass(slots=True)
class _Frames:
    """Frames by the place of their object."""

    is_frame: NDArray[np.bool_]
    t_us: NDArray[np.int64]
    can_id: NDArray[np.uint32]
    bus: NDArray[np.uint8]
    length: NDArray[np.uint8]
    data: NDArray[np.uint8]

    @classmethod
    def of(cls, n: int, width: int) -> "_Frames":
        return cls(
            np.zeros(n, np.bool_), np.zeros(n, np.int64), np.zeros(n, np.uint32), np.zeros(n, np.uint8),
            np.zeros(n, np.uint8), np.zeros((n, width), np.uint8),
        )  # fmt: skip

    def batch(self) -> FrameBatch:
        rows = slice(None) if self.is_frame.all() else np.flatnonzero(self.is_frame)
        can_id = self.can_id[rows]
        return FrameBatch(
            message=np.zeros(len(can_id), np.int32),
            t_us=self.t_us[rows],
            can_id=can_id & np.uint32(0x1FFF_FFFF),
            is_extended=can_id >= _EXTENDED,
            bus=self.bus[rows],
            length=self.length[rows],
            data=self.data[rows],
        )


def read(
    stream: bytes, since_us: int, findings: Findings, where: str, compiled: Compiled | None = None
) -> tuple[FrameBatch, int]:
    """The frames of the whole objects that a stream begins with, and how many bytes those are.

    Times are counted from `since_us`. What is no object is reported as being in `where`, and left out.
    """
    ordinary = None if compiled is None else compiled.objects(stream, since_us)
    if ordinary is not None:
        batch, (used, error_frames, remote_frames) = ordinary
        findings.error_frames_n += error_frames
        findings.remote_frames_n += remote_frames
        return batch, used
    padded = stream + bytes(_FD_BYTES + 2 * _BODIES[CAN_FD_MESSAGE][1])
    start, end = _objects(padded, len(stream), findings, where)
    header = _gather(padded, start, _HEADER, _HEADER_BYTES)
    groups = list(_groups(header))
    is_wide = any(kind in _WIDE for kind, _, _ in groups)
    found = _Frames.of(len(start), _FD_BYTES if is_wide else _CLASSIC_BYTES)
    for kind, header_size, places in groups:
        if kind in _ERRORS:
            findings.error_frames_n += len(places)
            continue
        body_bytes = _BODIES[kind][1]
        here = header if len(places) == len(header) else header[places]
        fits = (here["size"] >= header_size + body_bytes) & (header_size >= _HEADER_BYTES)
        if not fits.all():
            what = f"an object of type {kind} has at least {_HEADER_BYTES + body_bytes} bytes"
            findings.report(where, what, times=int((~fits).sum()))
            places, here = places[fits], here[fits]
        if len(places) == 0:
            continue
        first = start if len(places) == len(start) else start[places]
        body = _gather(padded, first + header_size, *_BODIES[kind])
        t_us = since_us + _microseconds(here)
        _take(found, places, body, t_us, findings, where)
        if kind == CAN_FD_MESSAGE_64:
            _take_data_64(found, padded, start, header, places, body)
    return found.batch(), end


def _take(
    found: _Frames,
    places: NDArray[np.intp],
    body: NDArray[Any],
    t_us: NDArray[np.int64],
    findings: Findings,
    where: str,
) -> None:
    """Everything but the data of CAN_FD_MESSAGE_64."""
    names = body.dtype.names or ()
    is_wide = "behind" in names
    is_remote = (body["flags"] & (_REMOTE_64 if is_wide else _REMOTE)) != 0
    length = np.minimum(body["dlc"], _CLASSIC_BYTES) if "dlc" in names else body["valid"]
    is_long = length > _FD_BYTES
    if is_long.any():
        findings.report(where, f"a frame has at most {_FD_BYTES} bytes", times=int(is_long.sum()))
    can_id = np.ascontiguousarray(body["id"])
    is_id = can_id <= _LAST_STANDARD
    is_id |= (can_id >= _EXTENDED) & (can_id & _UNUSED == 0)
    if not is_id.all():
        what = "an identifier has 11 bits, or 29 bits and bit 31"
        findings.report(where, what, times=int((~is_id).sum()))
    findings.remote_frames_n += int((is_remote & is_id).sum())
    found.is_frame[places] = ~is_remote & ~is_long & is_id
    found.t_us[places] = t_us
    found.can_id[places] = can_id
    found.bus[places] = np.maximum(body["channel"], 1) - 1
    found.length[places] = length
    if not is_wide:
        data = np.ascontiguousarray(body["data"]).view(np.uint8).reshape(len(places), -1)
        found.data[places, : data.shape[1]] = _without_rest(data, length)


def _take_data_64(
    found: _Frames,
    padded: bytes,
    start: NDArray[np.int64],
    header: NDArray[Any],
    places: NDArray[np.intp],
    body: NDArray[Any],
) -> None:
    """Data behind the body, as far as the object has any: what is missing of the valid bytes is zero."""
    header_size = header["header_size"][places].astype(np.int64)
    first = header_size + _BODIES[CAN_FD_MESSAGE_64][1]
    behind = body["behind"].astype(np.int64)
    until = np.where(behind > 0, np.minimum(behind, header["size"][places]), header["size"][places])
    there = np.minimum(np.maximum(until - first, 0), body["valid"])
    data = _gather(padded, start[places] + first, [("data", "V64", 0)], _FD_BYTES)["data"]
    rows = np.ascontiguousarray(data).view(np.uint8).reshape(len(places), _FD_BYTES)
    found.data[places] = _without_rest(rows, there)


def _without_rest(data: NDArray[np.uint8], length: NDArray[Any]) -> NDArray[np.uint8]:
    if len(data) == 0 or length.min() >= data.shape[1]:
        return data
    return np.where(np.arange(data.shape[1]) < length[:, np.newaxis], data, np.uint8(0))


def _microseconds(header: NDArray[Any]) -> NDArray[np.int64]:
    """Object times are in nanoseconds or, by a flag, in 10 µs."""
    time = np.ascontiguousarray(header["time"])
    found = ((time + np.uint64(500)) // np.uint64(1000)).view(np.int64)
    is_coarse = header["units"] == _TEN_MICROSECONDS
    return np.where(is_coarse, (time * np.uint64(10)).view(np.int64), found) if is_coarse.any() else found


def _groups(header: NDArray[Any]) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Type, size of header and places of the objects that tell of frames."""
    key = header["type"].astype(np.uint64) << np.uint64(16) | header["header_size"]
    keys = key[:1] if len(key) and (key == key[0]).all() else np.unique(key)
    for one in keys.tolist():
        if one >> 16 in _BODIES or one >> 16 in _ERRORS:
            yield one >> 16, one & 0xFFFF, np.flatnonzero(key == one)


def _gather(
    padded: bytes, start: NDArray[np.int64], fields: list[tuple[str, str, int]], size: int
) -> NDArray[Any]:
    """Records of `size` bytes at these places."""
    names, formats, offsets = zip(*fields, strict=True)
    kind = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})
    if len(start) > 1:
        step = int(start[1] - start[0])
        if (start[1:] - start[:-1] == step).all():
            found: NDArray[Any] = np.ndarray((len(start),), kind, padded, int(start[0]), (step,))
            return found
    windows: NDArray[Any] = np.ndarray(
        (max(len(padded) - size + 1, 0),), np.dtype((np.void, size)), padded, strides=(1,)
    )
    return windows[start].view(kind)


def _objects(padded: bytes, size: int, findings: Findings, where: str) -> tuple[NDArray[np.int64], int]:
    """Where the whole objects begin, one behind the other, and where the last one ends.

    Mostly every object begins at a multiple of four; where one does not, each byte is looked at.
    """
    for step in (_FILLING, 1):
        places = max(size - BASE_BYTES + step, 0) // step
        begins: NDArray[np.uint32] = np.ndarray((places,), np.dtype("<u4"), padded, strides=(step,))
        candidate = np.flatnonzero(begins == _SIGNATURE) * step
        start, end, broken = _chain(padded, candidate, size)
        if not broken:
            break
    for at in broken:
        findings.report(where, f"an object was expected at its byte {at}")
    return start, end


def _chain(
    padded: bytes, candidate: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], int, list[int]]:
    """Of the places where an object may begin those where one does; the end; the places where none did."""
    length = _gather(padded, candidate, [("size", "<u4", 8)], BASE_BYTES)["size"].astype(np.int64)
    end = candidate + np.maximum(length, BASE_BYTES)
    n = len(candidate)
    whole = end <= size
    gap = candidate[1:] - end[:-1]
    if n and candidate[0] == 0 and whole[:-1].all() and ((gap >= 0) & (gap <= _FILLING)).all():
        last = int(end[-1])
        if not whole[-1]:
            return candidate[:-1], int(end[-2]) if n > 1 else 0, []
        if size - last <= BASE_BYTES + _FILLING:
            return candidate, last, []
    following = np.searchsorted(candidate, end)
    return _walk(candidate.tolist(), end.tolist(), following.tolist(), size)


def _walk(
    candidate: list[int], end: list[int], following: list[int], size: int
) -> tuple[NDArray[np.int64], int, list[int]]:
    """The same one by one, past what is broken or looks like an object within another's payload."""
    found: list[int] = []
    broken: list[int] = []
    k, at = 0, 0
    while k < len(candidate):
        if candidate[k] - at > _FILLING:
            broken.append(at)
        at = candidate[k]
        if end[k] > size:
            break
        found.append(at)
        at, k = end[k], following[k]
    else:
        if size - at > BASE_BYTES + _FILLING:
            broken.append(at)
            at = size - BASE_BYTES
    return np.array(found, np.int64), at, broken
