"""What one terminal, and all of them together, may ask of the GB/T 32960 listener."""

import ssl
from dataclasses import dataclass, field

from decoders.gbt32960.packet import MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """Where to listen, and what is borne. The seconds and counts are ours: the standard names none."""

    host: str
    port: int
    """0 takes a free one."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    connections: int = 10_000
    """More are closed at once."""
    login_s: float = 30.0
    """Time from connecting to a login that is admitted."""
    idle_s: float = 180.0
    """A terminal that sends no whole packet for so long is gone."""
    fresh_s: float = 30.0
    """Heard within so long, a vehicle is online and its second login refused; after that it takes over."""
    answer_s: float = 30.0
    """A terminal that does not read its answers for so long is gone."""
    body_bytes: int = MAX_BODY_BYTES
    """Longest data unit; a longer length is taken for garbage."""
    unanswered: int = 64
    """Packets of one connection that wait for their answers; then it is not read any further."""
    garbage_bytes: int = 64 * 1024
    """More bytes that belong to no packet end a connection."""
    stranger_bytes: int = 4096
    """More than that without a login end a connection."""
    strangers_kept: int = 60
    """Packets of whoever is not admitted that are kept as refused per minute; more are only counted."""
