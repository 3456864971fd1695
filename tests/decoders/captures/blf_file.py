"""A BLF file written by hand, object by object, as open readers describe the format."""

import struct
import zlib

DAY = (2023, 11, 2, 14, 22, 13, 20, 250)
"""2023-11-14 22:13:20.250 as Windows writes it: year, month, weekday, day, hour, minute and so on."""
DAY_US = 1_700_000_000_250_000


def can_message(time: int, channel: int, can_id: int, data: bytes, *, flags: int = 0, kind: int = 1) -> bytes:
    """CAN_MESSAGE, or with kind 86 CAN_MESSAGE2, which goes on behind."""
    body = struct.pack("<HBBI8s", channel, flags, len(data), can_id, data)
    return an_object(kind, time, body + bytes(8 if kind == 86 else 0))


def can_fd_message(time: int, channel: int, can_id: int, data: bytes) -> bytes:
    """CAN_FD_MESSAGE."""
    body = struct.pack("<HBBIIBBB5x64s", channel, 0, 15, can_id, 0, 0, 1, len(data), data)
    return an_object(100, time, body)


def can_fd_message_64(
    time: int, channel: int, can_id: int, data: bytes, *, there: int | None = None
) -> bytes:
    """CAN_FD_MESSAGE_64, whose data is as long as it is; `there` leaves off its last bytes."""
    body = struct.pack(
        "<BBBBIIIIIIIHBBI", channel, 15, len(data), 0, can_id, 0, 0x1000, 0, 0, 0, 0, 0, 0, 0, 0
    )
    return an_object(101, time, body + data[:there])


def an_object(kind: int, time: int, body: bytes, *, version: int = 1, units: int = 2) -> bytes:
    """With its header and filling; `time` is in nanoseconds, with units 1 in 10 µs."""
    header = struct.pack("<IHHQ", units, 0, 0, time) + (bytes(8) if version == 2 else b"")
    size = 16 + len(header) + len(body)
    base = struct.pack("<4sHHII", b"LOBJ", 16 + len(header), version, size, kind)
    return base + header + body + bytes(size % 4)


def container(objects: bytes, *, is_packed: bool = True) -> bytes:
    """LOG_CONTAINER."""
    inside = zlib.compress(objects) if is_packed else objects
    size = 32 + len(inside)
    base = struct.pack("<4sHHII", b"LOBJ", 16, 1, size, 10)
    return base + struct.pack("<H6xI4x", 2 if is_packed else 0, len(objects)) + inside + bytes(size % 4)


def a_file(*containers: bytes, start: tuple[int, ...] = DAY) -> bytes:
    """With its header."""
    body = b"".join(containers)
    head = struct.pack("<4sI8BQQII8H", b"LOGG", 144, *[0] * 8, 144 + len(body), 0, 0, 0, *start)
    return head.ljust(144, b"\0") + body
