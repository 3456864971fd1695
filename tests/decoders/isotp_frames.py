"""ISO-TP as a sender writes it: payloads cut into frames."""

from tests.strategies import FD_LENGTHS, Frame

STEP_US = 10_000


def padded(body: bytes, *, fd: bool) -> bytes:
    """Filled up to a length that CAN has."""
    sizes = (8, *FD_LENGTHS) if fd else (8,)
    return body.ljust(next(size for size in sizes if size >= len(body)), b"\xaa")


def segments(
    wire_id: int,
    data: bytes,
    *,
    address: int | None = None,
    frame_bytes: int = 8,
    start_us: int = 0,
    bus: int = 0,
) -> list[Frame]:
    """A payload as single frame, or as first frame and consecutive ones, 10 ms apart."""
    prefix = b"" if address is None else bytes([address])
    fd = frame_bytes > 8
    room = frame_bytes - len(prefix)
    if len(data) <= 7 - len(prefix):
        bodies = [bytes([len(data)]) + data]
    elif fd and len(data) <= room - 2:
        bodies = [bytes([0, len(data)]) + data]
    else:
        is_long = len(data) > 0xFFF
        head = (
            b"\x10\x00" + len(data).to_bytes(4, "big") if is_long else (0x1000 | len(data)).to_bytes(2, "big")
        )
        first = room - len(head)
        rest = range(first, len(data), room - 1)
        bodies = [head + data[:first]]
        bodies += [
            bytes([0x20 | number & 0xF]) + data[at : at + room - 1] for number, at in enumerate(rest, start=1)
        ]
    return [
        Frame(wire_id, padded(prefix + body, fd=fd), start_us + k * STEP_US, bus)
        for k, body in enumerate(bodies)
    ]


def flow_control(wire_id: int, status: int, *, t_us: int = 0, bus: int = 0) -> Frame:
    """From the receiver: 0 go on, 1 wait, 2 too long for me."""
    return Frame(wire_id, bytes([0x30 | status, 0, 10, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA]), t_us, bus)
