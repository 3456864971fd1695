"""Fewer and simpler bytes that still break the same."""

from collections.abc import Callable
from typing import Final

MOST_TRIES: Final = 3_000


def minimised(data: bytes, still_breaks: Callable[[bytes], bool]) -> bytes:
    """Stretches left out, ever shorter ones, then bytes made zero; given up after `MOST_TRIES`."""
    tries = 0

    def is_worth(other: bytes) -> bool:
        nonlocal tries
        tries += 1
        return tries <= MOST_TRIES and still_breaks(other)

    size = len(data) // 2
    while size and tries < MOST_TRIES:
        at, before = 0, len(data)
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if is_worth(shorter):
                data = shorter
            else:
                at += size
        if len(data) == before or size > 1:
            size //= 2
    for place, byte in enumerate(data):
        simpler = data[:place] + b"\x00" + data[place + 1 :]
        if byte and is_worth(simpler):
            data = simpler
    return data
