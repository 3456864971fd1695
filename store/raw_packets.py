"""Raw packets: data units of GB/T 32960.3 as received, kept so that a later version can decode them again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from store import binary_copy
from store.pool import Connection

COPY: Final = """
    copy raw_packet (vehicle_id, at, boot, life, seq, edition, command, has_alarms, body)
    from stdin (format binary)
"""
_FIELDS: Final = 9


@dataclass(frozen=True, slots=True)
class RawPacket:
    """One packet without what the rest of the row says: start bytes, identifier, length, checksum."""

    vehicle_id: int
    at_us: int
    """Its own time, microseconds since 1970 UTC."""
    boot: int
    life: int
    seq: int
    edition: int
    """2016 or 2025."""
    command: int
    """1 login, 2 report, re-issued or not, 4 logout."""
    has_alarms: bool
    """A report with an alarm unit."""
    body: bytes
    """The data unit, without positions where they must not be kept."""


async def append(conn: Connection, packets: Sequence[RawPacket]) -> None:
    """Store packets."""
    if packets:
        await binary_copy.write(conn, COPY, _rows(packets))


def _rows(packets: Sequence[RawPacket]) -> Iterator[bytes]:
    for one in packets:
        yield b"".join(
            (
                binary_copy.count(_FIELDS),
                binary_copy.int8(one.vehicle_id),
                binary_copy.timestamp(one.at_us),
                binary_copy.int8(one.boot),
                binary_copy.int2(one.life),
                binary_copy.int8(one.seq),
                binary_copy.int2(one.edition),
                binary_copy.int2(one.command),
                binary_copy.boolean(one.has_alarms),
                binary_copy.octets(one.body),
            )
        )
