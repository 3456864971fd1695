"""Fault experiments: which of them run, what each found, and the table at the end.

`@pytest.mark.experiment(4, "PostgreSQL stops at once", quick=True)` names one. Without `ODOCARE_FAULTS` only
the quick ones run, small (`make test`); with `ODOCARE_FAULTS=all` all run, and whole, with `1,8` only those
(`make faults`).
"""

import os
import random
import time
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from odocare import wiring
from store.sealed import Seal
from tests.faults.servers import OwnDatabase
from tests.faults.table import Experiment, lines
from tests.faults.telling import TellingBroker
from tests.ingest.broker import OwnBroker
from vehicle.errors import StackError

REPOSITORY: Final = Path(__file__).parents[2]
ALL: Final = "all"
SMALL_SEED: Final = 1
RUNS: Final = pytest.StashKey[list[Experiment]]()
RUN: Final = pytest.StashKey[Experiment]()
SEED: Final = pytest.StashKey[int]()


def wanted() -> str | None:
    """Which experiments were asked for; None: the quick ones."""
    return os.environ.get("ODOCARE_FAULTS") or None


def seed() -> int:
    """Of every experiment of this run."""
    given = os.environ.get("ODOCARE_FAULTS_SEED")
    if given:
        return int(given)
    return random.randrange(1, 1_000_000) if wanted() else SMALL_SEED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = wanted()
    numbers = None if asked in (None, ALL) else {int(word) for word in str(asked).split(",")}
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("experiment")
        if mark is None:
            runs = True
        elif asked is None:
            runs = bool(mark.kwargs.get("quick"))
        else:
            runs = numbers is None or mark.args[0] in numbers
        (kept if runs else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    config.stash[RUNS] = []
    config.stash[SEED] = seed()


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> Iterator[Experiment]:
    """Where the test writes what it found; the marker says which experiment it is."""
    mark = request.node.get_closest_marker("experiment")
    assert mark is not None, "a fault experiment has @pytest.mark.experiment(number, fault, quick=…)"
    number, fault = mark.args
    one = Experiment(number, fault, request.config.stash[SEED], is_whole=wanted() is not None)
    request.node.stash[RUN] = one
    request.config.stash[RUNS].append(one)
    began = time.monotonic()
    yield one
    one.seconds = time.monotonic() - began


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    one = item.stash.get(RUN, None)
    if one is not None:
        if report.when == "call":
            one.has_passed = report.passed
        elif report.failed:
            one.has_passed = False
        if report.failed:
            report.sections.append(("experiment", f"number {one.number}, seed {one.seed}"))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ran = config.stash.get(RUNS, None)
    if wanted() is None or not ran:
        return
    terminalreporter.section("fault experiments")
    for line in lines(ran):
        terminalreporter.write_line(line)
    again = f"make faults SEED={config.stash[SEED]}"
    terminalreporter.write_line(f"I1-I5: docs/faults.md. The same again: {again}")


@pytest.fixture
def other_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A second migrated, empty database, to compare with."""
    name = f"odocare_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(template_database)
            )
        )
    yield make_conninfo(server_url, dbname=name)
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def line() -> Line:
    """What batches are read and sealed with, where an experiment needs no process."""
    lexicon = Lexicon.of(wiring.catalogue(), wiring.codebooks(), wiring.dtc_table(), wiring.diagnostics())
    return Line(lexicon, Seal(bytes(range(32))))


@pytest.fixture
def own_broker(mosquitto: Path, tmp_path: Path) -> Iterator[OwnBroker]:
    """Running; it may be killed, and what it has queued does not survive that."""
    broker = OwnBroker(mosquitto, tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def telling_broker(mosquitto: Path, tmp_path: Path) -> Iterator[TellingBroker]:
    """The same, and its log tells every acknowledgement."""
    broker = TellingBroker(mosquitto, tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def own_server() -> Iterator[OwnDatabase]:
    """A PostgreSQL of this module's own, which may be killed, with a migrated database."""
    try:
        with OwnDatabase.running(REPOSITORY / os.environ.get("ODOCARE_HOME", ".odocare")) as database:
            yield database
    except StackError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
