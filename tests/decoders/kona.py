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
    found = []
    for line in (folder() / "kona.log").read_text().splitlines():
        at, _, frame = line.split()
        seconds, micros = at.strip("()").split(".")
        wire_id, payload = frame.split("#")
        t_us = int(seconds) * 1_000_000 + int(micros)
        found.append(Frame(int(wire_id, 16), bytes.fromhex(payload), t_us))
    return found
