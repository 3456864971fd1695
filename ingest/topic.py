"""Topics of the wire contract: `tbox/v1/{vin}/up/{kind}`, and the broker's own log."""

import errno
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vehicle.errors import BadTopicError, DecodeError, NotAdmittedError
from vehicle.vin import Vin, parse_vin

UP: Final = "tbox/v1/+/up/#"
"""Everything vehicles send."""
BROKER_LOG: Final = "$SYS/broker/log/#"
"""Mosquitto's log as messages (`log_dest topic`); the only way it tells what it refused."""
STRANGERS: Final = "stranger/gbt32960"
"""In the place of a topic: said over TCP by somebody who was not admitted."""
KINDS: Final = frozenset({"can", "signals", "dtc", "diag", "gbt32960"})

BROKER_ERRORS: Final = "$SYS/broker/log/E"
"""Where Mosquitto's errors go, as against its notices."""
PERSISTENCE, TLS, OTHER = "persistence", "tls", "other"
_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EACCES, errno.EPERM,
                errno.EEXIST, errno.ENOENT)  # fmt: skip
"""What keeps a file from being written; the last ones come when its folder was closed or swapped."""
_DISK_WORDS: Final = (*(os.strerror(number) for number in _DISK), "in-memory database", "persistent")

_OVERSIZE: Final = re.compile(r"Client (?P<client>.+) disconnected due to oversize packet\.?$")


@dataclass(frozen=True, slots=True)
class Address:
    """Who sent a message, and what kind it is."""

    vin: Vin
    kind: str


@lru_cache(maxsize=1 << 14)
def parse(topic: str) -> Address:
    """Read a vehicle's topic. Raises `BadTopicError` or `NotAdmittedError`; no text repeats the topic."""
    if topic == STRANGERS:
        raise NotAdmittedError("it came over TCP from somebody who was not admitted")
    parts = topic.split("/")
    if len(parts) != 5 or parts[:2] != ["tbox", "v1"] or parts[3] != "up":
        raise BadTopicError("a topic is tbox/v1/{vin}/up/{kind}")
    if parts[4] not in KINDS:
        raise BadTopicError(f"a topic's kind is one of {', '.join(sorted(KINDS))}")
    try:
        vin = parse_vin(parts[2])
    except DecodeError:
        raise BadTopicError("a topic's VIN has 17 characters of A-Z without I, O, Q and 0-9") from None
    if vin != parts[2]:
        raise BadTopicError("a topic's VIN is in upper case")
    return Address(vin, parts[4])


def down_ack(vin: Vin) -> str:
    """Where a vehicle reads what of its messages is stored."""
    return f"tbox/v1/{vin}/down/ack"


def of_packets(vin: Vin) -> str:
    """The topic of a vehicle's GB/T 32960 packets."""
    return f"tbox/v1/{vin}/up/gbt32960"


def kind_of(topic: str) -> str:
    """The kind a topic names, for counting: `other` for what the contract does not have."""
    kind = topic.rsplit("/", 1)[-1]
    return kind if kind in KINDS else "other"


def is_broker_log(topic: str) -> bool:
    """Whether the broker speaks about itself."""
    return topic.startswith("$SYS/")


def oversize_client(log_line: bytes) -> str | None:
    """The client id of a log line that says a packet was refused for its size; None for other lines."""
    found = _OVERSIZE.search(log_line.decode(errors="replace").strip())
    return None if found is None else found["client"].replace("\x00", "")


def broker_error(topic: str, log_line: bytes) -> str | None:
    """What kind of error the broker reports; None where the line is none.

    `persistence`: it cannot write its queues to disk. It goes on acknowledging, and says so nowhere else.
    """
    if topic != BROKER_ERRORS:
        return None
    said = log_line.decode(errors="replace")
    if "OpenSSL" in said or "error:" in said:
        return TLS  # somebody who is not let in, as a rule
    return PERSISTENCE if any(word in said for word in _DISK_WORDS) else OTHER
