"""What every batch is read and sealed with, and a broker that a test may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from odocare import wiring
from store.sealed import Seal
from tests.ingest.broker import OwnBroker

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    """The shipped catalogue, codebooks and code table."""
    return Lexicon.of(wiring.catalogue(), wiring.codebooks(), wiring.dtc_table(), wiring.diagnostics())


@pytest.fixture(scope="session")
def line(lexicon: Lexicon) -> Line:
    """With a key of this session."""
    return Line(lexicon, Seal(bytes(range(32))))


@pytest.fixture
def own_broker(mosquitto: Path, tmp_path: Path) -> Iterator[OwnBroker]:
    """Running, and silent about itself; what it has queued does not survive it."""
    broker = OwnBroker(mosquitto, tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def telling_broker(mosquitto: Path, tmp_path: Path) -> Iterator[OwnBroker]:
    """Its log is a topic, too, as in the shipped configuration."""
    broker = OwnBroker(mosquitto, tmp_path, tells=True)
    broker.start()
    yield broker
    broker.stop()
