"""Places where a fault experiment may kill the process, to see that nothing is lost there.

Armed once at start by the setting `ODOCARE_FAULT`, such as `before_commit:7`: SIGKILL to itself when it comes
there for the seventh time. Without it `reach` looks into an empty table.
"""

import os
import signal
from typing import Final

from vehicle.errors import SettingsError

POINTS: Final = (
    "received",
    "decoded",
    "before_copy",
    "after_copy",
    "before_commit",
    "after_commit",
    "before_ack",
    "after_ack",
)
"""In the order a batch passes them."""

_left: Final[dict[str, int]] = {}
"""How often each armed point may still be passed."""


def arm(text: str) -> None:
    """Take over a setting. Raises `SettingsError`."""
    name, _, count = text.partition(":")
    if name not in POINTS or not (count.isascii() and count.isdigit() and int(count)):
        raise SettingsError(
            f"ODOCARE_FAULT is one of {', '.join(POINTS)}, a colon and 1 or more, got {text!r}"
        )
    _left[name] = int(count)


def is_armed(name: str) -> bool:
    """Whether the process may end here."""
    return name in _left


def reach(name: str) -> None:
    """End here and now, without any goodbye, if it is the time that was asked for."""
    if name in _left:
        _left[name] -= 1
        if not _left[name]:
            os.kill(os.getpid(), signal.SIGKILL)
