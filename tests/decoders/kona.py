"""The real car: five minutes of a Hyundai Kona's answers, where `ODOCARE_FIXTURES` names its folder."""

import os
from pathlib import Path

import pytest

from decoders.addressing import Addressing
from tests.strategies import Frame

BATTERY = 0x7EC
CLIMATE = 0x7BB
ADDRESSING = Addressing(normal=frozenset({CLIMATE}))
"""0x7EC is one of OBD's own."""


def folder() -> Path:
    """Where the capture lies; without it the test skips."""
    fixtures = os.environ.get("ODOCARE_FIXTURES")
    if fixtures is None:
        pytest.skip("no real captures: set ODOCARE_FIXTURES to the folder that has ev_uds/")
    return Path(fixtures) / "ev_uds"


def frames() -> list[Frame]:
    """Every frame of the capture."""
    return read_log(folder() / "kona.log")


def read_log(path: Path) -> list[Frame]:
    """The frames of a `candump -L` file."""
    found = []
    for line in path.read_text().splitlines():
        at, _, frame = line.split()
        seconds, micros = at.strip("()").split(".")
        number, payload = frame.split("#")
        wire_id = int(number, 16) | (0x8000_0000 if len(number) == 8 else 0)
        found.append(Frame(wire_id, bytes.fromhex(payload), int(seconds) * 1_000_000 + int(micros)))
    return found
