"""A TCP stream into packets: chunks of any size in, whole packets out, garbage between them counted."""

import re
from typing import Final

from decoders.gbt32960 import packet
from decoders.gbt32960.packet import CHECKSUM_BYTES, HEADER_BYTES, MAX_BODY_BYTES

START_BYTES: Final = 2

_HEADER: Final = re.compile(
    rb"(?:##|\$\$)"  # start
    rb"."  # any command
    rb"[\x01-\x07\xfe]"  # flag
    rb"[\x00\x20-\x7e]{17}"  # identifier
    rb"[\x01-\x05\xfe\xff]"  # encryption
    rb"..",  # length
    re.DOTALL,
)
"""A header that makes sense."""
_PERHAPS: Final = re.compile(rb"##|\$\$|[#$]\Z")
"""What may become a header."""
_GARBAGE: Final = 0
_WAIT: Final = -1


class Splitter:
    """Finds packets in one connection's bytes.

    A packet begins with start bytes and a header that makes sense, and its checksum is right. With a wrong
    checksum it still counts as one where another packet begins, or the stream ends, right behind it:
    then the framing was right and `packet.parse` says what is wrong. Anything else is garbage, and the
    search goes on one byte later. How the stream is cut into chunks changes nothing.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._longest = max_body_bytes
        self._buffer = bytearray()
        self._needed = 0
        self.dropped_bytes = 0
        """Garbage so far."""

    @property
    def pending_bytes(self) -> int:
        """Bytes of a packet that is not yet complete: at most the longest packet, and one more."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The packets that this chunk completes, in order."""
        self._buffer += chunk
        return self._split(is_end=False) if len(self._buffer) >= self._needed else []

    def finish(self) -> list[bytes]:
        """What the end of the stream completes; an unfinished packet becomes garbage."""
        return self._split(is_end=True)

    def _split(self, *, is_end: bool) -> list[bytes]:
        data = bytes(self._buffer)
        found = []
        at = 0
        while True:
            place = _find_header(data, at)
            self.dropped_bytes += place - at
            at = place
            end = self._end_of(data, at, is_end=is_end)
            if end == _WAIT:
                break
            if end == _GARBAGE:
                self.dropped_bytes += 1
                at += 1
            else:
                found.append(data[at:end])
                at = end
        self._buffer = bytearray(data[at:])
        return found

    def _end_of(self, data: bytes, at: int, *, is_end: bool) -> int:
        """Where the packet that begins here ends, or that there is none, or that nobody can tell yet."""
        if at == len(data):
            self._needed = 0
            return _WAIT
        header_end = at + HEADER_BYTES
        if len(data) < header_end:
            return self._wait_for(header_end - at, is_end=is_end)
        length = int.from_bytes(data[header_end - 2 : header_end], "big")
        if length > self._longest:
            return _GARBAGE
        end = header_end + length + CHECKSUM_BYTES
        if len(data) < end:
            return self._wait_for(end - at, is_end=is_end)
        if packet.checksum(data, at + START_BYTES, end - CHECKSUM_BYTES) == data[end - CHECKSUM_BYTES]:
            return end
        behind = data[end : end + START_BYTES]
        if len(behind) < START_BYTES and not is_end:
            return self._wait_for(end + START_BYTES - at, is_end=is_end)
        return end if behind in (b"", b"##", b"$$") else _GARBAGE

    def _wait_for(self, n: int, *, is_end: bool) -> int:
        """Bytes from the packet's start without which it cannot be told; none will come at the end."""
        self._needed = n
        return _GARBAGE if is_end else _WAIT


def _find_header(data: bytes, at: int) -> int:
    """Where the next header is, or else where at the end one may begin; the end where neither is so."""
    found = _HEADER.search(data, at) or _PERHAPS.search(data, max(at, len(data) - HEADER_BYTES + 1))
    return found.start() if found else len(data)
