"""Real packets, where `ODOCARE_FIXTURES` names the folder they lie in."""

import csv
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest


def _folder() -> Path:
    folder = os.environ.get("ODOCARE_FIXTURES")
    if folder is None:
        pytest.skip("no real packets: set ODOCARE_FIXTURES to the folder that has gb32960/")
    return Path(folder) / "gb32960"


@pytest.fixture(scope="session")
def golden() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Name to packet and what another platform made of it (2016, Shanghai's buses)."""
    cases = json.loads((_folder() / "golden.json").read_text())
    return {case["name"]: (bytes.fromhex(case["input"]), case["expect"]) for case in cases}


@pytest.fixture(scope="session")
def streamed() -> list[bytes]:
    """The packets of one vehicle's day, in the order in which a platform received them (2016)."""
    with (_folder() / "stream_packets.csv").open(newline="") as table:
        return [bytes.fromhex(row["hex"]) for row in csv.DictReader(table)]


@pytest.fixture(scope="session")
def expected() -> list[dict[str, Any]]:
    """Every field of every streamed packet, as another decoder read it; times in UTC."""
    with gzip.open(_folder() / "stream_expected.jsonl.gz", "rt") as lines:
        return [json.loads(line)["fields"] for line in lines]
